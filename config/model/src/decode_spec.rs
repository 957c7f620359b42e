// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a [`Spec`].

use crate::board::Region;
use crate::channel::{ChannelKind, Overflow};
use crate::decode::{
    Decoder, Fields, boolean, bytes, choice, key, list, nanoseconds, number, present, small, some, text,
    texts,
};
use crate::decode_locks::lock;
use crate::decode_tasks::task;
use crate::health;
use crate::pin::{HypervisorPins, PartitionPins};
use crate::rules::{channels, payload};
use crate::smc::FirmwareCall;
use crate::span::{Span, Spanned};
use crate::spec::{
    ChannelSpec, ColoursSpec, CoreScheduleSpec, CoresSpec, DmaSpec, ExpectationSpec, InitrdSpec, MemorySpec,
    Mode, PartitionSpec, PayloadSpec, ScheduleSpec, SharerSpec, SlotSpec, Spec, WireSpec,
};
use crate::system::{Bandwidth, Console, Criticality, Interrupts, MemoryRights, Seed};
use crate::tree::{Entry, Node, Value};

const CRITICALITIES: [Criticality; 5] = [
    Criticality::Qm,
    Criticality::AsilA,
    Criticality::AsilB,
    Criticality::AsilC,
    Criticality::AsilD,
];
const CONSOLES: &[(&str, Console)] = &[
    ("text", Console::Text),
    ("defmt", Console::Defmt),
    ("uart", Console::Uart),
    ("none", Console::None),
];
const INTERRUPTS: &[(&str, Interrupts)] = &[("direct", Interrupts::Direct), ("guarded", Interrupts::Guarded)];
const RIGHTS: &[(&str, MemoryRights)] = &[("open", MemoryRights::Open), ("segments", MemoryRights::Segments)];
pub(crate) const ACCEPTED: &[(&str, bool)] = &[("accepted", true), ("refused", false)];
const OVERFLOWS: &[(&str, Overflow)] = &[
    ("drop-oldest", Overflow::DropOldest),
    ("refuse", Overflow::Refuse),
];
const SEEDS: &[(&str, Seed)] = &[("board", Seed::Board), ("fixed", Seed::Fixed)];

impl Decoder<'_> {
    /// A whole spec.
    pub(crate) fn spec(&mut self, root: &Node) -> Option<Spec> {
        let fields = Fields::of(root)?;
        let partitions = fields.entries("partitions").iter();
        let channels = fields.entries("channels").iter();
        let wiring = fields.entries("wiring").iter();
        let schedule_key = fields.key_span("schedule").unwrap_or(root.span);
        Some(Spec {
            name: fields.get("name").and_then(text),
            board: fields.get("board").and_then(text),
            partitions: partitions.filter_map(|e| self.partition(e)).collect(),
            channels: channels.filter_map(|e| self.channel(e)).collect(),
            locks: fields.entries("locks").iter().filter_map(lock).collect(),
            schedule: fields.get("schedule").and_then(|n| schedule(n, schedule_key)),
            wiring: wiring.filter_map(wire).collect(),
            expect: fields.items("expect").iter().filter_map(expectation).collect(),
            never: fields.items("never").iter().filter_map(expectation).collect(),
            health: fields.get("health").and_then(health::system).unwrap_or_default(),
            hypervisor: fields.get("hypervisor").map(hypervisor_pins).unwrap_or_default(),
            watchdog: fields.get("watchdog").and_then(watchdog),
        })
    }

    fn partition(&mut self, entry: &Entry) -> Option<PartitionSpec> {
        let owner = entry.key.span;
        // Whoever names it finds it, whatever is wrong in it.
        let fields = Fields::of(&entry.value).unwrap_or_default();
        let payload_key = fields.key_span("payload").unwrap_or(owner);
        let payload = fields.get("payload").and_then(|n| self.payload(n, payload_key));
        let console = match fields.get("console") {
            Some(node) => choice(node, CONSOLES),
            None => Some(Spanned::new(Console::None, owner)),
        };
        let seed = fields.get("seed").and_then(|n| choice(n, SEEDS));
        let autostart = fields.get("autostart").and_then(boolean);
        Some(PartitionSpec {
            name: entry.key.clone(),
            criticality: fields
                .get("criticality")
                .and_then(|n| choice(n, &CRITICALITIES.map(|c| (c.word(), c)))),
            cores: fields.get("cores").and_then(cores),
            memory: fields.get("memory").and_then(memory),
            payload,
            pins: partition_pins(&fields),
            args: fields.get("args").and_then(text),
            console,
            devices: fields.get("devices").and_then(texts).unwrap_or_default(),
            unguarded: fields
                .entries("unguarded_dma")
                .iter()
                .filter_map(|e| Some((e.key.clone(), text(&e.value)?)))
                .collect(),
            dma: fields.entries("dma").iter().map(dma).collect(),
            device_tree: fields.get("device_tree").and_then(text),
            restart_limit: fields.get("restart_limit").and_then(small).map_or(0, |l| l.value),
            dump: fields
                .get("dump")
                .and_then(Fields::of)
                .and_then(|dump| text(dump.get("full")?)),
            marks_steady: fields.get("marks_steady").and_then(boolean),
            reads_ledger: fields
                .get("reads_ledger")
                .and_then(boolean)
                .is_some_and(|r| r.value),
            seed: seed.map_or(Seed::Board, |s| s.value),
            autostart: autostart.is_none_or(|a| a.value),
            tasks: fields.entries("tasks").iter().filter_map(task).collect(),
            smc: fields.items("smc").iter().filter_map(firmware_call).collect(),
            health: health::partition(fields),
        })
    }

    fn payload(&mut self, node: &Node, owner: Span) -> Option<PayloadSpec> {
        let fields = Fields::of(node)?;
        match (fields.get("elf"), fields.get("linux"), fields.get("raw")) {
            (Some(elf), None, None) => text(elf).map(PayloadSpec::Elf),
            (None, Some(linux), None) => self.linux(linux, fields.key_span("linux").unwrap_or(owner)),
            (None, None, Some(raw)) => text(raw).map(PayloadSpec::Raw),
            _ => {
                let keys = ["elf", "linux", "raw"].into_iter();
                self.report(payload::not_one(owner, keys.filter_map(|k| fields.key_span(k))));
                None
            }
        }
    }

    fn linux(&mut self, node: &Node, owner: Span) -> Option<PayloadSpec> {
        let fields = Fields::of(node)?;
        let initrd = match (fields.get("initramfs"), fields.get("initrd")) {
            (Some(_), Some(other)) => {
                let first = fields.key_span("initramfs").unwrap_or(owner);
                self.report(payload::two_disks(other.span, first));
                None
            }
            (Some(build), None) => initramfs(build),
            (None, Some(file)) => text(file).map(InitrdSpec::File),
            (None, None) => None,
        };
        Some(PayloadSpec::Linux {
            kernel: fields.get("kernel").and_then(text),
            initrd,
            command_line: fields.get("command_line").and_then(text),
        })
    }

    fn channel(&mut self, entry: &Entry) -> Option<ChannelSpec> {
        let fields = Fields::of(&entry.value)?;
        if fields.get("writer").is_none() {
            self.report(channels::no_writer(&entry.key));
        }
        let from_qm = fields.get("from_qm").and_then(|n| choice(n, ACCEPTED));
        Some(ChannelSpec {
            name: entry.key.clone(),
            kind: channel_kind(&fields),
            writer: fields.get("writer").and_then(text),
            readers: fields.get("readers").and_then(texts).unwrap_or_default(),
            at: fields.get("at").and_then(number),
            reader_at: fields.get("reader_at").and_then(number),
            from_qm: from_qm.is_some_and(|f| f.value),
        })
    }
}

fn channel_kind(fields: &Fields<'_>) -> Option<ChannelKind> {
    let form = |name| fields.get(name).and_then(Fields::of);
    if let Some(sampling) = form("sampling") {
        let message = sampling.get("message").and_then(bytes)?;
        return Some(ChannelKind::Sampling { message });
    }
    if let Some(queuing) = form("queuing") {
        let overflow = queuing.get("overflow").map(|n| choice(n, OVERFLOWS));
        let message = queuing.get("message").and_then(bytes)?;
        return Some(ChannelKind::Queuing {
            message,
            depth: queuing.get("depth").and_then(small)?,
            overflow: present(overflow)?.unwrap_or(Spanned::new(Overflow::DropOldest, message.span)),
        });
    }
    if let Some(doorbell) = form("doorbell") {
        let interval = doorbell.get("interval").and_then(nanoseconds)?;
        return Some(ChannelKind::Doorbell { interval });
    }
    let size = form("shared")?.get("size").and_then(bytes)?;
    Some(ChannelKind::Shared { size })
}

fn firmware_call(node: &Node) -> Option<FirmwareCall> {
    let fields = Fields::of(node)?;
    Some(FirmwareCall {
        function: fields.get("function").and_then(small)?,
        within: fields.get("within").and_then(nanoseconds)?,
        reason: fields.get("reason").and_then(text),
    })
}

fn wire(entry: &Entry) -> Option<WireSpec> {
    Some(WireSpec {
        device: entry.key.clone(),
        bus: text(&entry.value)?,
    })
}

fn cores(node: &Node) -> Option<CoresSpec> {
    let fields = Fields::of(node)?;
    let (cores, mode) = if let Some(cores) = fields.get("dedicated") {
        let interrupts = fields.get("interrupts").and_then(|n| choice(n, INTERRUPTS));
        (cores, Mode::Dedicated(interrupts))
    } else {
        let unaligned = fields.get("unaligned").and_then(|n| choice(n, ACCEPTED));
        let unaligned = unaligned.is_some_and(|u| u.value);
        (fields.get("sliced")?, Mode::Sliced { unaligned })
    };
    let cores = some(list(cores)?.iter().filter_map(small).collect())?;
    Some(CoresSpec { cores, mode })
}

fn memory(node: &Node) -> Option<MemorySpec> {
    if let Value::Scalar(_) = node.value {
        return Some(MemorySpec {
            size: bytes(node)?,
            at: None,
            rights: None,
            colours: None,
            uncoloured: Vec::new(),
        });
    }
    let fields = Fields::of(node)?;
    Some(MemorySpec {
        size: fields.get("size").and_then(bytes)?,
        at: fields.get("at").and_then(number),
        rights: fields.get("rights").and_then(|n| choice(n, RIGHTS)),
        colours: present(fields.get("colours").map(colours))?,
        uncoloured: fields.get("uncoloured").and_then(texts).unwrap_or_default(),
    })
}

/// The ranges of a bus master.
fn dma(entry: &Entry) -> DmaSpec {
    let range = |node: &Node| {
        let fields = Fields::of(node)?;
        let (base, size) = (
            fields.get("offset").and_then(bytes)?,
            fields.get("size").and_then(bytes)?,
        );
        let region = Region {
            base: base.value,
            size: size.value,
        };
        Some(Spanned::new(region, node.span))
    };
    DmaSpec {
        device: entry.key.clone(),
        ranges: list(&entry.value)
            .into_iter()
            .flatten()
            .filter_map(range)
            .collect(),
    }
}

/// A list of colours, or how many.
fn colours(node: &Node) -> Option<ColoursSpec> {
    let Some(items) = list(node) else {
        return small(node).map(ColoursSpec::Any);
    };
    let colours: Option<Vec<_>> = items.iter().map(small).collect();
    Some(ColoursSpec::Listed {
        colours: some(colours?)?,
        span: node.span,
    })
}

fn initramfs(node: &Node) -> Option<InitrdSpec> {
    let fields = Fields::of(node)?;
    Some(InitrdSpec::Build {
        busybox: fields.get("busybox").and_then(text),
        programs: fields.get("programs").and_then(texts).unwrap_or_default(),
    })
}

fn schedule(node: &Node, owner: Span) -> Option<ScheduleSpec> {
    let fields = Fields::of(node)?;
    Some(ScheduleSpec {
        major_frame: fields.get("major_frame").and_then(nanoseconds),
        cores: fields.entries("cores").iter().filter_map(core_schedule).collect(),
        bandwidth: fields.entries("bandwidth").iter().filter_map(bandwidth).collect(),
        span: owner,
    })
}

fn partition_pins(fields: &Fields<'_>) -> PartitionPins {
    let at = |name| fields.get(name).and_then(number);
    PartitionPins {
        window_at: at("window_at"),
        payload_at: at("payload_at"),
        stolen_time_at: at("stolen_time_at"),
        device_tree_at: at("device_tree_at"),
    }
}

fn hypervisor_pins(node: &Node) -> HypervisorPins {
    let fields = Fields::of(node).unwrap_or_default();
    let at = |name| fields.get(name).and_then(number);
    HypervisorPins {
        live_at: at("live_at"),
        smmu_queues_at: at("smmu_queues_at"),
    }
}

fn watchdog(node: &Node) -> Option<Spanned<u64>> {
    Fields::of(node)?.get("timeout").and_then(nanoseconds)
}

fn bandwidth(entry: &Entry) -> Option<Bandwidth> {
    let fields = Fields::of(&entry.value)?;
    Some(Bandwidth {
        core: key(entry)?,
        events: fields.get("events").and_then(small)?,
        period: fields.get("period").and_then(nanoseconds)?,
    })
}

fn core_schedule(entry: &Entry) -> Option<CoreScheduleSpec> {
    let core = key(entry)?;
    let items = list(&entry.value);
    let mut slots: Vec<SlotSpec> = Vec::new();
    for item in items.unwrap_or_default() {
        let offset = slots
            .last()
            .map_or(0, |s| s.offset.saturating_add(s.length.value));
        slots.extend(slot(item, offset));
    }
    Some(CoreScheduleSpec {
        core,
        complete: items.is_some_and(|i| i.len() == slots.len()),
        slots,
    })
}

fn slot(node: &Node, offset: u64) -> Option<SlotSpec> {
    let fields = Fields::of(node)?;
    Some(SlotSpec {
        run: fields.get("run").and_then(text)?,
        offset,
        length: fields.get("for").and_then(nanoseconds)?,
        budget: fields.get("budget").and_then(nanoseconds),
        priority: fields.get("priority").and_then(small),
        share: fields.get("share").and_then(sharers).unwrap_or_default(),
        slack: fields.get("slack").and_then(text),
    })
}

fn sharers(node: &Node) -> Option<Vec<SharerSpec>> {
    list(node)?.iter().map(sharer).collect()
}

fn sharer(node: &Node) -> Option<SharerSpec> {
    let fields = Fields::of(node)?;
    Some(SharerSpec {
        partition: fields.get("partition").and_then(text)?,
        budget: fields.get("budget").and_then(nanoseconds),
        priority: fields.get("priority").and_then(small)?,
    })
}

fn expectation(node: &Node) -> Option<ExpectationSpec> {
    let fields = Fields::of(node)?;
    Some(ExpectationSpec {
        partition: fields.get("partition").and_then(text)?,
        text: fields.get("text").and_then(text)?,
        span: node.span,
    })
}
