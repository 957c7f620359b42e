// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a [`Board`].

use crate::board::{
    Board, Deterministic, Device, Pcie, Qemu, Region, Reserved, ReservedUse, Smmu, SmmuKind, Traffic,
    TreeMaker, Uart, UartKind, Unread,
};
use crate::colours::Colouring;
use crate::decode::{Decoder, Fields, bytes, choice, number, present, small, text};
use crate::decode_boot::firmware;
use crate::decode_cores;
use crate::release::Release;
use crate::rules::{document, partitions};
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node};
use crate::units;

impl Decoder<'_> {
    /// A whole board file.
    pub(crate) fn board(&mut self, root: &Node) -> Option<Board> {
        let fields = Fields::of(root)?;
        let key_of = |key: &str| fields.key_span(key).unwrap_or(root.span);
        let ram = fields.items("ram").iter();
        let ram: Vec<_> = ram.map(|n| self.spanned_region(n)).collect();
        let is_ram_unread = ram.is_empty() || ram.contains(&None);
        let ram: Vec<_> = ram.into_iter().flatten().collect();
        let reserved = fields.items("reserved").iter();
        let reserved: Option<Vec<_>> = reserved.map(|n| self.reserved(n)).collect();
        let (cores, are_cores_unread) = decode_cores::cores(fields.items("cores"))?;
        let controllers = fields.entries("controllers");
        let controller_names: Vec<&str> = controllers.iter().map(|e| e.key.value.as_str()).collect();
        let controllers: Option<Vec<_>> = controllers.iter().map(|e| self.controller(e)).collect();
        let devices = fields.entries("devices");
        let names: Vec<&str> = devices.iter().map(|e| e.key.value.as_str()).collect();
        let devices: Vec<Option<Device>> = devices
            .iter()
            .map(|e| self.device(e, &controller_names))
            .collect();
        let pcie = fields.get("pcie").map(|n| self.pcie(n, key_of("pcie")));
        let colouring = fields.get("colours").map(|n| self.colouring(n));
        let known_ram = (!is_ram_unread).then_some(ram.as_slice());
        let boot = fields.get("boot").map(|n| self.boot(n, known_ram));
        let qemu = fields.get("qemu").map(|n| self.qemu(n, &names));
        let gic_fields = fields.get("gic").and_then(Fields::of).unwrap_or_default();
        let (gic, is_gic_unread) = self.gic(gic_fields, key_of("gic"));
        let name = fields.get("name").and_then(text);
        let things = fields
            .entries("devices")
            .iter()
            .chain(fields.entries("controllers"));
        let given = name.iter().chain(things.map(|e| &e.key));
        self.diagnostics.extend(given.filter_map(partitions::not_a_name));
        Some(Board {
            name: name?,
            id: fields.get("id").and_then(small)?,
            title: words(fields, "title")?,
            ram,
            reserved: reserved?,
            hypervisor: fields.get("hypervisor").and_then(small)?,
            physical_address_bits: value(fields, "physical_address_bits")?,
            cores,
            workarounds: fields
                .items("workarounds")
                .iter()
                .map(decode_cores::workaround)
                .collect::<Option<_>>()?,
            gic,
            uart: fields.get("uart").and_then(|n| uart(n, key_of("uart")))?,
            smmu: present(fields.get("smmu").map(|n| smmu(n, key_of("smmu"))))?,
            undriven_smmu: words(fields, "undriven_smmu"),
            pcie: present(pcie)?,
            poll_bound: value(fields, "poll_bound")?,
            traffic: present(fields.get("traffic").map(traffic))?,
            colouring: present(colouring)?,
            devices: devices.into_iter().collect::<Option<_>>()?,
            controllers: controllers?,
            boot: present(boot)?,
            qemu: present(qemu)?,
            bounds: Default::default(),
            unread: Unread {
                ram: is_ram_unread,
                cores: are_cores_unread,
                gic: is_gic_unread,
            },
        })
    }

    pub(crate) fn region(&mut self, node: &Node, span: Span) -> Option<Region> {
        let fields = Fields::of(node)?;
        let region = Region {
            base: value(fields, "base")?,
            size: fields.get("size").and_then(bytes)?.value,
        };
        if region.base.checked_add(region.size).is_none() || region.size == 0 {
            let wanted = "at least one byte that ends below 2^64";
            self.report(document::out_of_range(span, "a range", wanted));
            return None;
        }
        Some(region)
    }

    fn spanned_region(&mut self, node: &Node) -> Option<Spanned<Region>> {
        Some(Spanned::new(self.region(node, node.span)?, node.span))
    }

    fn reserved(&mut self, node: &Node) -> Option<Reserved> {
        let fields = Fields::of(node)?;
        let uses = [
            ("device-tree", ReservedUse::DeviceTree),
            ("dump", ReservedUse::Dump),
        ];
        let purpose = fields.get("use").and_then(|n| choice(n, &uses));
        Some(Reserved {
            name: words(fields, "name")?,
            region: self.spanned_region(node)?,
            purpose: purpose.map_or(ReservedUse::Other, |p| p.value),
        })
    }

    fn pcie(&mut self, node: &Node, span: Span) -> Option<Pcie> {
        let fields = Fields::of(node)?;
        Some(Pcie {
            ecam: value(fields, "ecam")?,
            buses: value(fields, "buses")?,
            window: fields.get("window").and_then(|n| self.spanned_region(n))?,
            span,
        })
    }

    fn colouring(&mut self, node: &Node) -> Option<Colouring> {
        let fields = Fields::of(node)?;
        let count = fields.get("count").and_then(small::<u32>)?;
        let granule = fields.get("granule").and_then(bytes)?;
        if !count.is_power_of_two() {
            let wanted = "a power of two from 2 to 64";
            self.report(document::out_of_range(
                count.span,
                "the number of colours",
                wanted,
            ));
            return None;
        }
        if !granule.is_power_of_two() || !(4 << 10..=1 << 30).contains(&granule.value) {
            let wanted = "a power of two from 4KiB to 1GiB";
            self.report(document::out_of_range(
                granule.span,
                "the granule of a colour",
                wanted,
            ));
            return None;
        }
        Some(Colouring {
            count: count.value,
            granule: granule.value,
        })
    }

    /// A release of QEMU.
    fn release(&mut self, node: &Node) -> Option<Release> {
        let text = text(node)?;
        let release = Release::read(&text);
        if release.is_none() {
            let wanted = "`major.minor` or `major.minor.micro`, in quotes";
            self.report(document::out_of_range(text.span, "a release of QEMU", wanted));
        }
        release
    }

    fn qemu(&mut self, node: &Node, names: &[&str]) -> Option<Qemu> {
        let fields = Fields::of(node)?;
        let properties = self.of_devices(fields.entries("properties"), names)?;
        let devices = self.of_devices(fields.entries("devices"), names)?;
        let mut serials = Vec::new();
        for (device, line) in self.of_devices(fields.entries("serials"), names)? {
            serials.push((
                device,
                Spanned::new(units::number(&line).ok()?.try_into().ok()?, line.span),
            ));
        }
        let deterministic = fields.get("deterministic").and_then(Fields::of);
        let makers = [("machine", TreeMaker::Machine), ("compiler", TreeMaker::Compiler)];
        let maker = fields.get("device_tree").and_then(|n| choice(n, &makers));
        let further = |key| deterministic.and_then(|d| words(d, key));
        let since = fields.get("since").map(|n| self.release(n));
        Some(Qemu {
            since: present(since)?,
            machine: words(fields, "machine")?,
            cpu: words(fields, "cpu"),
            cpus: value(fields, "cpus"),
            serial: value(fields, "serial").unwrap_or(0),
            device_tree: maker.map_or(TreeMaker::Machine, |m| m.value),
            properties,
            devices,
            serials,
            firmware: present(fields.get("firmware").map(firmware))?,
            disk: words(fields, "disk"),
            deterministic: Deterministic {
                machine: further("machine"),
                cpu: further("cpu"),
            },
        })
    }

    /// Texts for devices, by name.
    fn of_devices(&mut self, entries: &[Entry], names: &[&str]) -> Option<Vec<(usize, Spanned<String>)>> {
        let mut all = Vec::new();
        for entry in entries {
            match names.iter().position(|n| *n == entry.key.value) {
                Some(index) => all.push((index, text(&entry.value)?)),
                None => self.report(document::choice(&entry.key, "a device of the board", names)),
            }
        }
        Some(all)
    }
}

pub(crate) fn value<T: TryFrom<u64>>(fields: Fields<'_>, key: &str) -> Option<T> {
    T::try_from(fields.get(key).and_then(number)?.value).ok()
}

fn words(fields: Fields<'_>, key: &str) -> Option<String> {
    Some(fields.get(key).and_then(text)?.value)
}

fn traffic(node: &Node) -> Option<Traffic> {
    let fields = Fields::of(node)?;
    Some(Traffic {
        event: value(fields, "event")?,
        kept: present(fields.get("kept").map(small))?.map_or(1, |k| k.value),
        counters: value(fields, "counters")?,
        interrupt: value(fields, "interrupt")?,
    })
}

fn uart(node: &Node, span: Span) -> Option<Uart> {
    let fields = Fields::of(node)?;
    let kinds = [
        ("pl011", UartKind::Pl011),
        ("imx", UartKind::Imx),
        ("8250", UartKind::Uart8250),
        ("cadence", UartKind::Cadence),
    ];
    Some(Uart {
        kind: fields.get("kind").and_then(|n| choice(n, &kinds))?.value,
        base: value(fields, "base")?,
        interrupt: value(fields, "interrupt")?,
        span,
    })
}

fn smmu(node: &Node, span: Span) -> Option<Smmu> {
    let fields = Fields::of(node)?;
    let kinds = [("smmuv3", SmmuKind::SmmuV3)];
    let interrupts = fields.items("interrupts").iter().map(small::<u32>);
    Some(Smmu {
        kind: fields.get("kind").and_then(|n| choice(n, &kinds))?.value,
        base: value(fields, "base")?,
        // More than a StreamID has would be a table that no rule can reckon with.
        stream_bits: value(fields, "stream_bits").filter(|bits| *bits <= u32::BITS)?,
        interrupts: interrupts.map(|i| i.map(|i| i.value)).collect::<Option<_>>()?,
        span,
    })
}
