// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text form says what the blob says.

use crate::range::Range;
use crate::system::{System, Use};
use crate::tables::{NONE, STANDBY, Share, WORDS};

use super::stage2::frames;

/// Order in which the text form lists a vCPU's words.
const WORD_ORDER: [&str; 11] = [
    "hcr_el2",
    "vtcr_el2",
    "vttbr_el2",
    "vmpidr_el2",
    "vpidr_el2",
    "cnthctl_el2",
    "mdcr_el2",
    "cptr_el2",
    "hstr_el2",
    "ich_hcr_el2",
    "cntvoff_el2",
];

/// Implements: BH-CHK-060.
pub(crate) fn records(system: &System<'_>, out: &mut Vec<String>) {
    if system.grants.of("system").count() != 1 {
        out.push("grants.txt: there must be one `system` record".to_owned());
    }
    if system.grants.boards.first().map(|(id, _)| *id) != Some(system.image.board_id.into()) {
        out.push("grants.txt: its `board` is not that of hypervisor.bin".to_owned());
    }
    compare(system, "image", image(system), out);
    let blob = Range {
        start: system.blob_area().start,
        end: system.blob_area().end.saturating_sub(4096),
    };
    compare(system, "blob", vec![format!("blob {blob}")], out);
    let certificate = Range {
        start: blob.end,
        end: system.blob_area().end,
    };
    compare(
        system,
        "certificate",
        vec![format!("certificate {certificate}")],
        out,
    );
    compare(system, "live", vec![format!("live {}", system.live_area())], out);
    let bits = system.blob.board.stream_bits;
    let table = system
        .stream_table()
        .map(|table| format!("stream-table {table} {bits}"));
    compare(system, "stream-table", table.into_iter().collect(), out);
    compare(system, "core", cores(system), out);
    compare(system, "bandwidth", bandwidth(system), out);
    compare(system, "partition", partitions(system), out);
    compare(system, "vcpu", vcpus(system), out);
    compare(system, "slot", slots(system), out);
    compare(system, "share", shares(system), out);
    let [health, monitor, watch, start] = super::health::records(system);
    compare(system, "health", health, out);
    compare(system, "monitor", monitor, out);
    compare(system, "watch", watch, out);
    compare(system, "start", start, out);
    let watchdog = Some(system.blob.board.watchdog).filter(|count| *count != 0);
    let watchdog = watchdog.map(|count| format!("watchdog {count}"));
    compare(system, "watchdog", watchdog.into_iter().collect(), out);
    compare(system, "root", roots(system), out);
    compare(system, "word", words(system), out);
    compare(system, "lock", locks(system), out);
    compare(system, "emulated", emulated(system), out);
    compare(system, "spi", spis(system), out);
    compare(system, "doorbell", doorbells(system), out);
    compare(system, "pci", functions(system), out);
    compare(system, "bar", bars(system), out);
}

/// Compares the records of a kind, in order.
fn compare(system: &System<'_>, kind: &str, expected: Vec<String>, out: &mut Vec<String>) {
    let found: Vec<&str> = system.grants.of(kind).collect();
    if found == expected {
        return;
    }
    let before = out.len();
    let strange = found
        .iter()
        .filter(|record| !expected.iter().any(|e| e == *record));
    out.extend(strange.map(|record| format!("grants.txt: `{record}` contradicts the blob")));
    let missing = expected.iter().filter(|record| !found.contains(&record.as_str()));
    out.extend(missing.map(|record| format!("grants.txt: `{record}` is missing")));
    if out.len() == before {
        out.push(format!(
            "grants.txt: `{kind}` records are repeated or out of order"
        ));
    }
}

fn image(system: &System<'_>) -> Vec<String> {
    let id: String = system
        .image
        .build_id
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    vec![format!("image {} {id}", system.image.extent)]
}

/// Name of the partition with an index of the blob.
pub(super) fn name<'a>(system: &'a System<'_>, index: u32) -> &'a str {
    if index == NONE {
        return "-";
    }
    usize::try_from(index).map_or("?", |index| system.name(index))
}

fn cores(system: &System<'_>) -> Vec<String> {
    let cores = system.blob.cores.iter().enumerate();
    cores
        .map(|(k, c)| {
            let mode = c.mode.map_or("?", |mode| mode.name());
            let predictors = c.predictors.unwrap_or("?");
            format!("core {k} {:#x} {:#x} {mode} {predictors}", c.mpidr, c.midr)
        })
        .collect()
}

fn bandwidth(system: &System<'_>) -> Vec<String> {
    let cores = system.blob.cores.iter().map(|c| &c.budget).enumerate();
    cores
        .filter(|(_, b)| b.events != 0)
        .map(|(k, b)| {
            format!(
                "bandwidth {k} {} {} {:#x} {} {} {}",
                b.events, b.period, b.event, b.counters, b.kept, b.intid
            )
        })
        .collect()
}

fn partitions(system: &System<'_>) -> Vec<String> {
    let all = system.blob.partitions.iter().enumerate();
    all.map(|(i, p)| format!("partition {i} {} {}", system.name(i), p.vmid))
        .collect()
}

fn vcpus(system: &System<'_>) -> Vec<String> {
    let all = system.blob.vcpus.iter().enumerate();
    all.map(|(i, v)| format!("vcpu {i} {} {} {}", name(system, v.partition), v.index, v.core))
        .collect()
}

fn slots(system: &System<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for (k, core) in system.blob.cores.iter().enumerate() {
        let first = usize::try_from(core.slots.0).unwrap_or(usize::MAX);
        let count = usize::try_from(core.slots.1).unwrap_or(0);
        for slot in system.blob.slots.iter().skip(first).take(count) {
            let what = match slot.kind {
                0 => format!("vcpu {}", slot.vcpu),
                1 => "system -".to_owned(),
                2 => "idle -".to_owned(),
                STANDBY => "standby -".to_owned(),
                other => format!("? {other}"),
            };
            all.push(format!("slot {k} {} {} {what}", slot.offset, slot.length));
        }
    }
    all
}

fn shares(system: &System<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for (k, core) in system.blob.cores.iter().enumerate() {
        let first = usize::try_from(core.slots.0).unwrap_or(usize::MAX);
        let count = usize::try_from(core.slots.1).unwrap_or(0);
        for slot in system.blob.slots.iter().skip(first).take(count) {
            for share in slot.shares.iter().filter(|s| **s != Share::default()) {
                let what = match share.kind {
                    1 => "budget",
                    2 => "slack",
                    _ => "?",
                };
                let (vcpu, budget) = (share.vcpu, share.budget);
                all.push(format!("share {k} {} {what} {vcpu} {budget}", slot.offset));
            }
        }
    }
    all
}

fn roots(system: &System<'_>) -> Vec<String> {
    let base = system.blob.header.base;
    let named = system
        .roots
        .iter()
        .filter(|root| !matches!(root.serves, Use::Stream(_)));
    named
        .map(|r| {
            format!(
                "root {} {:#x} {:#x}",
                r.name,
                r.address,
                base.wrapping_add(r.stored)
            )
        })
        .collect()
}

fn words(system: &System<'_>) -> Vec<String> {
    let header = &system.blob.header;
    let mut all = vec![
        format!("word el2 tcr_el2 {:#x}", header.tcr),
        format!("word el2 mair_el2 {:#x}", header.mair),
        format!("word el2 sctlr_el2 {:#x}", header.sctlr),
    ];
    for (i, vcpu) in system.blob.vcpus.iter().enumerate() {
        for wanted in WORD_ORDER {
            let value = WORDS.iter().zip(vcpu.words).find(|(name, _)| **name == wanted);
            all.extend(value.map(|(name, value)| format!("word vcpu:{i} {name} {value:#x}")));
        }
    }
    all
}

fn locks(system: &System<'_>) -> Vec<String> {
    let placed = |range: Range| {
        let mut memory = system.grants.memory.iter();
        memory
            .find(|m| m.range == range)
            .map_or("?", |m| m.owner.as_str())
    };
    let line = |lock: &crate::locks::Lock| {
        let inheritance = if lock.inherits() { "priority" } else { "none" };
        let mut line = format!(
            "lock {} {:#x} {} {inheritance}",
            placed(lock.range),
            lock.ipa,
            lock.hold
        );
        for (partition, priority, acquisitions) in lock.participants() {
            line += &format!(" {}={priority}/{acquisitions}", name(system, partition));
        }
        line
    };
    system.blob.locks.iter().map(line).collect()
}

fn emulated(system: &System<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for i in system.partition_indices() {
        let mut frames = frames(system, i);
        frames.sort_by_key(|(_, range)| *range);
        all.extend(
            frames
                .iter()
                .map(|(what, range)| format!("emulated {} {what} {range}", system.name(i))),
        );
    }
    all
}

fn spis(system: &System<'_>) -> Vec<String> {
    let all = system.blob.spis.iter();
    all.map(|s| {
        let trigger = if s.edge == 1 { "edge" } else { "level" };
        format!(
            "spi {} {} {} {trigger}",
            s.intid,
            name(system, s.partition),
            s.core
        )
    })
    .collect()
}

fn doorbells(system: &System<'_>) -> Vec<String> {
    let all = system.blob.spis.iter().filter(|s| s.ringer != u32::MAX);
    all.map(|s| {
        format!(
            "doorbell {} {} {} {}",
            s.intid,
            name(system, s.ringer),
            s.doorbell,
            s.interval
        )
    })
    .collect()
}

fn functions(system: &System<'_>) -> Vec<String> {
    let all = system.blob.pci_functions.iter();
    all.map(|f| {
        let master = if f.bus_master == 1 { "master" } else { "no-master" };
        let (vendor, device) = (f.id & 0xffff, f.id >> 16);
        format!(
            "pci {:#x} {vendor:#x} {device:#x} {} {master}",
            f.bdf,
            name(system, f.partition)
        )
    })
    .collect()
}

fn bars(system: &System<'_>) -> Vec<String> {
    let functions = &system.blob.pci_functions;
    let all = system.bars().into_iter();
    all.filter_map(|(f, b, range)| Some(format!("bar {:#x} {b} {range}", functions.get(f)?.bdf)))
        .collect()
}
