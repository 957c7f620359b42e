// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Records that the blob determines: `FORMAT.md`, "Records".

use crate::blob::{Blob, NONE};
use crate::bytes::{PAGE, index};
use crate::entries::Partition;
use crate::image::Range;
use crate::judge::{Case, Found};

/// Registers of a vCPU in the order of the text, and the place of each in [`crate::entries::Vcpu::words`].
const REGISTERS: [(&str, usize); 11] = [
    ("hcr_el2", 2),
    ("vtcr_el2", 3),
    ("vttbr_el2", 4),
    ("vmpidr_el2", 0),
    ("vpidr_el2", 1),
    ("cnthctl_el2", 5),
    ("mdcr_el2", 6),
    ("cptr_el2", 7),
    ("hstr_el2", 8),
    ("ich_hcr_el2", 9),
    ("cntvoff_el2", 10),
];
/// `partition_flag::EMULATED_UART`.
pub(crate) const EMULATED_UART: u32 = 2;

fn show(range: Range) -> String {
    format!("{:#x}-{:#x}", range.start, range.end)
}

fn sized(start: u64, size: u64) -> String {
    show(Range {
        start,
        end: start.saturating_add(size),
    })
}

/// Name of a partition by index, as the text has it.
pub(crate) fn partition_name(all: &[Partition], at: u32) -> String {
    if at == NONE {
        return "-".to_owned();
    }
    let found = usize::try_from(at).ok().and_then(|p| all.get(p));
    found
        .and_then(|p| p.name.clone())
        .unwrap_or_else(|| "?".to_owned())
}

/// What `emulated` says of a partition, by IPA.
pub(crate) fn emulated(blob: &Blob, at: usize) -> Vec<(&'static str, Range)> {
    let Some(partition) = blob.partitions.get(at) else {
        return Vec::new();
    };
    let mut all = vec![
        ("gicd", partition.gicd, 0x1_0000),
        (
            "gicr",
            partition.gicr,
            u64::from(partition.vcpus.1).saturating_mul(0x2_0000),
        ),
    ];
    if partition.flags & EMULATED_UART != 0 {
        all.push(("uart", partition.uart, PAGE));
    }
    for lock in blob.locks.iter().filter(|lock| lock.has(at)) {
        all.push(("lock", lock.words[0].saturating_add(PAGE), PAGE));
    }
    let range = |start: u64, size| Range {
        start,
        end: start.saturating_add(size),
    };
    let mut all: Vec<_> = all
        .into_iter()
        .map(|(n, start, size)| (n, range(start, size)))
        .collect();
    all.sort_by_key(|(_, range)| *range);
    all
}

/// The text has exactly the records that the blob determines, in their order.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let expected = expected(case);
    let mut written = case.text.determined.iter();
    for record in &expected {
        let line = written.next();
        if line != Some(record) {
            let line = line.map_or("nothing", String::as_str);
            found
                .harmful
                .push(format!("the text says `{line}`, the blob `{record}`"));
            return;
        }
    }
    let more = written.next();
    found.effect(more.is_none(), || {
        format!("the text says `{}`, the blob nothing", more.map_or("", |m| m))
    });
}

/// Every record that the blob determines, in the order of the text.
pub fn expected(case: &Case<'_>) -> Vec<String> {
    let (blob, image) = (&case.blob, &case.image);
    let partition = |at: u32| partition_name(&blob.partitions, at);
    let mut out = Vec::new();
    let build: String = image.build.iter().map(|byte| format!("{byte:02x}")).collect();
    out.push(format!("image {} {build}", show(image.all)));
    out.push(format!("blob {}", sized(blob.base, blob.certificate)));
    out.push(format!(
        "certificate {}",
        sized(blob.base + blob.certificate, PAGE)
    ));
    out.push(format!("live {}", sized(blob.live_base, blob.live_size)));
    if blob.board.smmu != 0 {
        let table = sized(
            blob.live_base + blob.board.stream_table,
            64 << blob.board.stream_bits,
        );
        out.push(format!("stream-table {table} {}", blob.board.stream_bits));
    }
    for (i, core) in blob.cores.iter().enumerate() {
        let mode = ["direct", "guarded", "sliced"]
            .get(index(core.mode.into()))
            .unwrap_or(&"?");
        let means = ["none", "isolated", "restricted", "firmware"];
        let means = means.get(index(core.predictors.into())).unwrap_or(&"?");
        out.push(format!(
            "core {i} {:#x} {:#x} {mode} {means}",
            core.mpidr, core.midr
        ));
    }
    for (i, core) in blob.cores.iter().enumerate() {
        let [events, what, counters, intid] = core.traffic;
        let (event, kept) = (what & 0xFFFF, what >> 16);
        if events != 0 {
            let period = core.period;
            out.push(format!(
                "bandwidth {i} {events} {period} {event:#x} {counters} {kept} {intid}"
            ));
        }
    }
    for (i, p) in blob.partitions.iter().enumerate() {
        out.push(format!(
            "partition {i} {} {}",
            p.name.as_deref().unwrap_or("?"),
            p.vmid
        ));
    }
    for (i, v) in blob.vcpus.iter().enumerate() {
        out.push(format!(
            "vcpu {i} {} {} {}",
            partition(v.partition),
            v.index,
            v.core
        ));
    }
    for (i, core) in blob.cores.iter().enumerate() {
        let (first, count) = (index(core.slots.0.into()), index(core.slots.1.into()));
        for slot in blob.slots.iter().skip(first).take(count) {
            let vcpu = if slot.vcpu == NONE {
                "-".to_owned()
            } else {
                slot.vcpu.to_string()
            };
            let kind = ["vcpu", "system", "idle", "standby"]
                .get(index(slot.kind.into()))
                .unwrap_or(&"?");
            out.push(format!("slot {i} {} {} {kind} {vcpu}", slot.offset, slot.length));
        }
    }
    for (i, core) in blob.cores.iter().enumerate() {
        let (first, count) = (index(core.slots.0.into()), index(core.slots.1.into()));
        for slot in blob.slots.iter().skip(first).take(count) {
            for (kind, vcpu, budget) in slot.shares.iter().filter(|s| **s != (0, 0, 0)) {
                let kind = ["?", "budget", "slack"]
                    .get(index((*kind).into()))
                    .unwrap_or(&"?");
                out.push(format!("share {i} {} {kind} {vcpu} {budget}", slot.offset));
            }
        }
    }
    out.extend(super::health::records(blob));
    out.push(format!("root el2:boot {0:#x} {0:#x}", blob.boot_root));
    for (i, core) in blob.cores.iter().enumerate() {
        out.push(format!("root el2:core:{i} {0:#x} {0:#x}", core.root));
    }
    for p in &blob.partitions {
        let name = p.name.as_deref().unwrap_or("?");
        out.push(format!(
            "root partition:{name} {:#x} {:#x}",
            p.live_root,
            blob.base + p.pristine
        ));
    }
    for (register, value) in ["tcr_el2", "mair_el2", "sctlr_el2"].iter().zip(blob.el2_words) {
        out.push(format!("word el2 {register} {value:#x}"));
    }
    for (i, v) in blob.vcpus.iter().enumerate() {
        for (register, place) in REGISTERS {
            out.push(format!("word vcpu:{i} {register} {:#x}", v.words[place]));
        }
    }
    for lock in &blob.locks {
        let [ipa, hold] = lock.words;
        let owner = case
            .text
            .placed
            .iter()
            .find(|p| (p.range.start, p.range.size()) == lock.range);
        let inheritance = if lock.flags & 2 == 0 { "none" } else { "priority" };
        let mut line = format!(
            "lock {} {ipa:#x} {hold} {inheritance}",
            owner.map_or("?", |p| &p.owner)
        );
        for (p, priority, acquisitions) in lock.participants() {
            line += &format!(" {}={priority}/{acquisitions}", partition(p));
        }
        out.push(line);
    }
    for (at, p) in blob.partitions.iter().enumerate() {
        for (what, range) in emulated(blob, at) {
            out.push(format!(
                "emulated {} {what} {}",
                p.name.as_deref().unwrap_or("?"),
                show(range)
            ));
        }
    }
    for spi in &blob.spis {
        let trigger = if spi.edge == 1 { "edge" } else { "level" };
        out.push(format!(
            "spi {} {} {} {trigger}",
            spi.intid,
            partition(spi.partition),
            spi.core
        ));
    }
    for spi in blob.spis.iter().filter(|spi| spi.ringer != NONE) {
        out.push(format!(
            "doorbell {} {} {} {}",
            spi.intid,
            partition(spi.ringer),
            spi.doorbell,
            spi.interval
        ));
    }
    for f in &blob.functions {
        let (vendor, device) = (f.id & 0xFFFF, f.id >> 16);
        let master = if f.master == 1 { "master" } else { "no-master" };
        let name = partition(f.partition);
        out.push(format!(
            "pci {:#x} {vendor:#x} {device:#x} {name} {master}",
            f.bdf
        ));
    }
    for f in &blob.functions {
        for (i, (address, size)) in f.bars.iter().enumerate().filter(|(_, bar)| bar.1 != 0) {
            out.push(format!("bar {:#x} {i} {}", f.bdf, sized(*address, *size)));
        }
    }
    for stream in &case.reach.streams {
        let name = stream.owner.and_then(|o| u32::try_from(o).ok()).map(partition);
        out.push(format!(
            "stream {:#x} {}",
            stream.id,
            name.unwrap_or_else(|| "?".to_owned())
        ));
    }
    out
}
