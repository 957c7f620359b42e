// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a [`Board`].

use crate::board::{
    Board, Core, Device, DeviceKind, Gic, Interrupt, PciFunction, Pcie, Predictors, Qemu, Region, Reserved,
    ReservedUse, Smmu, SmmuKind, Trigger, Uart, UartKind,
};
use crate::decode::{Decoder, Fields};
use crate::rules::document;
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node, Value};

impl Decoder<'_> {
    /// A whole board file.
    pub(crate) fn board(&mut self, root: &Node) -> Option<Board> {
        let mut fields = self.fields(root, "a board file", root.span)?;
        self.version(&mut fields, "board")?;
        let name = fields
            .required("name", self)
            .and_then(|n| self.text(n, "the board's name"));
        let id = self.small_field(&mut fields, "id");
        let title = self.text_field(&mut fields, "title");
        let ram = self.all(&mut fields, "ram", Self::ram);
        let reserved = self.all(&mut fields, "reserved", Self::reserved);
        let hypervisor = fields.required("hypervisor", self).and_then(|n| self.number(n));
        let physical_address_bits = self.small_field(&mut fields, "physical_address_bits");
        let cores = self.all(&mut fields, "cores", Self::core);
        let gic = self.section(&mut fields, "gic", Self::gic);
        let uart = self.section(&mut fields, "uart", Self::uart);
        let smmu = fields
            .has("smmu")
            .then(|| self.section(&mut fields, "smmu", Self::smmu));
        let pcie = fields
            .has("pcie")
            .then(|| self.section(&mut fields, "pcie", Self::pcie));
        let poll_bound = fields.required("poll_bound", self).and_then(|n| self.number(n));
        let entries = fields
            .optional("devices")
            .and_then(|n| self.map(n, "`devices`"))
            .unwrap_or_default();
        let devices: Vec<Option<Device>> = entries.iter().map(|e| self.device(e)).collect();
        let names: Vec<&str> = entries.iter().map(|e| e.key.value.as_str()).collect();
        let qemu = fields
            .has("qemu")
            .then(|| self.section(&mut fields, "qemu", |d, f| d.qemu(f, &names)));
        // Absent sections are known keys, too.
        for key in ["smmu", "pcie", "qemu"] {
            fields.optional(key);
        }
        fields.finish(self);
        Some(Board {
            name: name?,
            id: id?,
            title: title?,
            ram: ram?,
            reserved: reserved?,
            hypervisor: hypervisor?.value,
            physical_address_bits: physical_address_bits?,
            cores: cores?,
            gic: gic?,
            uart: uart?,
            smmu: present(smmu)?,
            pcie: present(pcie)?,
            poll_bound: poll_bound?.value,
            devices: devices.into_iter().collect::<Option<_>>()?,
            qemu: present(qemu)?,
        })
    }

    fn small_field<T: TryFrom<u64>>(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<T> {
        fields
            .required(key, self)
            .and_then(|n| self.small(n))
            .map(|s| s.value)
    }

    fn number_field(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<u64> {
        fields
            .required(key, self)
            .and_then(|n| self.number(n))
            .map(|s| s.value)
    }

    fn text_field(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
        fields
            .required(key, self)
            .and_then(|n| self.text(n, key))
            .map(|s| s.value)
    }

    /// A map with fixed keys under a key that must be there.
    fn section<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        decode: impl FnOnce(&mut Self, &mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let owner = fields.key_span(key).unwrap_or(fields.span);
        let node = fields.required(key, self)?;
        self.inner(node, key, owner, decode)
    }

    fn inner<T>(
        &mut self,
        node: &Node,
        what: &'static str,
        owner: Span,
        decode: impl FnOnce(&mut Self, &mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut fields = self.fields(node, what, owner)?;
        let value = decode(self, &mut fields);
        fields.finish(self);
        value
    }

    /// A list of maps; nothing when one of them could not be read.
    fn all<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        decode: impl Fn(&mut Self, &mut Fields<'_>, Span) -> Option<T>,
    ) -> Option<Vec<T>> {
        let node = fields.required(key, self)?;
        let items = self.list(node, key)?;
        let decode = |d: &mut Self, i: &Node| d.inner(i, key, i.span, |d, f| decode(d, f, i.span));
        let values: Vec<Option<T>> = items.iter().map(|i| decode(self, i)).collect();
        self.non_empty(values.into_iter().collect::<Option<Vec<T>>>()?, node.span, key)
    }

    fn region(&mut self, fields: &mut Fields<'_>, span: Span) -> Option<Region> {
        let base = self.number_field(fields, "base");
        let size = fields.required("size", self).and_then(|n| self.bytes(n));
        let region = Region {
            base: base?,
            size: size?.value,
        };
        if region.base.checked_add(region.size).is_none() || region.size == 0 {
            self.report(document::out_of_range(
                span,
                "a range",
                "at least one byte that ends below 2^64",
            ));
            return None;
        }
        Some(region)
    }

    fn ram(&mut self, fields: &mut Fields<'_>, span: Span) -> Option<Spanned<Region>> {
        self.region(fields, span).map(|r| Spanned::new(r, span))
    }

    fn reserved(&mut self, fields: &mut Fields<'_>, span: Span) -> Option<Reserved> {
        let name = self.text_field(fields, "name");
        let region = self.region(fields, span);
        let uses = [("device-tree", ReservedUse::DeviceTree)];
        let purpose = fields
            .optional("use")
            .and_then(|n| self.choice(n, "the use", &uses));
        let purpose = purpose.map_or(ReservedUse::Other, |p| p.value);
        Some(Reserved {
            name: name?,
            region: Spanned::new(region?, span),
            purpose,
        })
    }

    fn core(&mut self, fields: &mut Fields<'_>, _: Span) -> Option<Core> {
        let mpidr = self.number_field(fields, "mpidr");
        let midr = self.number_field(fields, "midr");
        let cluster = self.small_field(fields, "cluster");
        let capacity = self.small_field(fields, "capacity");
        let predictors = match fields.optional("predictors") {
            Some(node) => {
                self.choice(node, "the means for predictors", &Predictors::NAMED)?
                    .value
            }
            None => Predictors::None,
        };
        Some(Core {
            mpidr: mpidr?,
            midr: midr?,
            cluster: cluster?,
            capacity: capacity?,
            predictors,
        })
    }

    fn gic(&mut self, fields: &mut Fields<'_>) -> Option<Gic> {
        let version = fields
            .required("version", self)
            .and_then(|n| self.choice(n, "the GIC version", &[("3", 3)]));
        let distributor = self.number_field(fields, "distributor");
        let redistributors = self.number_field(fields, "redistributors");
        let lines = fields
            .required("spi_lines", self)
            .and_then(|n| self.small::<u32>(n));
        let lines = lines.filter(|l| {
            let fits = l.value.is_multiple_of(32) && (32..=960).contains(&l.value);
            if !fits {
                self.report(document::out_of_range(
                    l.span,
                    "`spi_lines`",
                    "a multiple of 32 from 32 to 960",
                ));
            }
            fits
        });
        Some(Gic {
            version: version?.value,
            distributor: distributor?,
            redistributors: redistributors?,
            spi_lines: lines?.value,
        })
    }

    fn uart(&mut self, fields: &mut Fields<'_>) -> Option<Uart> {
        let kinds = [("pl011", UartKind::Pl011)];
        let kind = fields
            .required("kind", self)
            .and_then(|n| self.choice(n, "the UART", &kinds));
        let base = self.number_field(fields, "base");
        let interrupt = self.small_field(fields, "interrupt");
        Some(Uart {
            kind: kind?.value,
            base: base?,
            interrupt: interrupt?,
        })
    }

    fn smmu(&mut self, fields: &mut Fields<'_>) -> Option<Smmu> {
        let kinds = [("smmuv3", SmmuKind::SmmuV3)];
        let kind = fields
            .required("kind", self)
            .and_then(|n| self.choice(n, "the SMMU", &kinds));
        let base = self.number_field(fields, "base");
        let stream_bits = self.small_field(fields, "stream_bits");
        Some(Smmu {
            kind: kind?.value,
            base: base?,
            stream_bits: stream_bits?,
        })
    }

    fn pcie(&mut self, fields: &mut Fields<'_>) -> Option<Pcie> {
        let ecam = self.number_field(fields, "ecam");
        let buses = self.small_field(fields, "buses");
        let owner = fields.key_span("window").unwrap_or(fields.span);
        let window = self.section(fields, "window", |d, f| d.region(f, owner));
        Some(Pcie {
            ecam: ecam?,
            buses: buses?,
            window: window?,
        })
    }

    fn device(&mut self, entry: &Entry) -> Option<Device> {
        self.inner(&entry.value, "a device", entry.key.span, |d, f| {
            let kinds = [("ctucanfd", DeviceKind::CtuCanFd), ("edu", DeviceKind::Edu)];
            let kind = f
                .required("kind", d)
                .and_then(|n| d.choice(n, "the device's kind", &kinds));
            let pci = d.section(f, "pci", Self::pci);
            let bar = d.section(f, "registers", |d, f| {
                f.required("bar", d).and_then(|n| d.small::<usize>(n))
            });
            let interrupt_key = f.key_span("interrupt");
            let interrupt = interrupt_key.map(|s| d.section(f, "interrupt", |d, f| d.interrupt(f, s)));
            f.optional("interrupt");
            let can = f.optional("can").and_then(|n| d.boolean(n, "`can`"));
            let bus_master = f
                .optional("bus_master")
                .and_then(|n| d.boolean(n, "`bus_master`"));
            let (pci, bar) = (pci?, bar?);
            if pci.bars.get(bar.value).is_none_or(|size| *size == 0) {
                d.report(document::out_of_range(
                    bar.span,
                    "the registers' BAR",
                    "one of the BARs under `pci`",
                ));
                return None;
            }
            Some(Device {
                name: entry.key.clone(),
                kind: kind?.value,
                pci,
                register_bar: bar.value,
                interrupt: present(interrupt)?,
                can: can.is_some_and(|c| c.value),
                bus_master: bus_master.is_some_and(|b| b.value),
            })
        })
    }

    fn interrupt(&mut self, fields: &mut Fields<'_>, span: Span) -> Option<Spanned<Interrupt>> {
        let intid = fields.required("intid", self).and_then(|n| self.small::<u32>(n));
        let triggers = [("level", Trigger::Level), ("edge", Trigger::Edge)];
        let trigger = fields
            .required("trigger", self)
            .and_then(|n| self.choice(n, "the trigger", &triggers));
        let intid = intid?;
        if !(32..1020).contains(&intid.value) {
            self.report(document::out_of_range(
                intid.span,
                "the INTID of an SPI",
                "from 32 to 1019",
            ));
            return None;
        }
        Some(Spanned::new(
            Interrupt {
                intid: intid.value,
                trigger: trigger?.value,
            },
            span,
        ))
    }

    fn pci(&mut self, fields: &mut Fields<'_>) -> Option<PciFunction> {
        let slot = fields.required("slot", self).and_then(|n| self.small::<u32>(n));
        let id = fields.required("id", self).and_then(|n| self.pci_id(n));
        let entries = fields.required("bars", self).and_then(|n| self.map(n, "`bars`"));
        let mut bars = [0; 6];
        for entry in entries.unwrap_or_default() {
            let key = Node {
                value: Value::Scalar(entry.key.value.clone()),
                span: entry.key.span,
            };
            let (index, size) = (self.small::<usize>(&key), self.bytes(&entry.value));
            let (index, size) = (index?, size?);
            match bars.get_mut(index.value) {
                Some(bar) if size.is_power_of_two() => *bar = size.value,
                Some(_) => self.report(document::out_of_range(
                    size.span,
                    "the size of a BAR",
                    "a power of two",
                )),
                None => self.report(document::out_of_range(
                    index.span,
                    "the number of a BAR",
                    "from 0 to 5",
                )),
            }
        }
        let slot = slot?;
        if slot.value > 31 {
            self.report(document::out_of_range(slot.span, "a PCI slot", "from 0 to 31"));
            return None;
        }
        let (vendor, device) = id?;
        Some(PciFunction {
            slot: slot.value,
            vendor,
            device,
            bars,
        })
    }

    /// `vendor:device` in hexadecimal.
    fn pci_id(&mut self, node: &Node) -> Option<(u16, u16)> {
        let text = self.text(node, "the PCI ID")?;
        let half = |s: &str| u16::from_str_radix(s, 16).ok().filter(|_| s.len() == 4);
        let id = text.split_once(':').and_then(|(v, d)| Some((half(v)?, half(d)?)));
        if id.is_none() {
            self.report(document::out_of_range(
                text.span,
                "the PCI ID",
                "`vendor:device`, four hexadecimal digits each",
            ));
        }
        id
    }

    fn qemu(&mut self, fields: &mut Fields<'_>, names: &[&str]) -> Option<Qemu> {
        let machine = self.text_field(fields, "machine");
        let cpu = self.text_field(fields, "cpu");
        let entries = fields
            .optional("devices")
            .and_then(|n| self.map(n, "`devices`"))
            .unwrap_or_default();
        let mut devices = Vec::new();
        for entry in entries {
            let text = self.text(&entry.value, "a QEMU device");
            match names.iter().position(|n| *n == entry.key.value) {
                Some(index) => devices.push((index, text?.value)),
                None => self.report(document::choice(&entry.key, "a device of the board", names)),
            }
        }
        Some(Qemu {
            machine: machine?,
            cpu: cpu?,
            devices,
        })
    }
}

/// What was not said is nothing; what was said and could not be read is an error.
fn present<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(read) => Some(read),
    }
}
