// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who runs where and when.

use crate::system::System;
use crate::tables::{Budget, Core, Mode, NONE, STANDBY, Share, Slot, span};

/// vCPUs for which a core's statistics have room (`hypervisor/abi/src/stats.rs`).
const MAX_VCPUS_PER_CORE: usize = 7;
/// vCPUs of a system (`hypervisor/abi/src/stats.rs`).
const MAX_VCPUS: usize = 64;
/// Partitions for which boot hands over seeds (`hypervisor/types/src/image.rs`).
const MAX_PARTITIONS: usize = 32;

/// Global indices of the vCPUs of a core.
fn vcpus_of(system: &System<'_>, core: &Core) -> Option<Vec<u32>> {
    Some(
        span(&system.blob.core_vcpus, core.vcpus)?
            .iter()
            .map(|(vcpu, _)| *vcpu)
            .collect(),
    )
}

/// Tells where lists that are grouped by their owner leave a gap, overlap or do not end with their table.
fn contiguous(what: &str, lists: impl Iterator<Item = (u32, u32)>, length: usize, out: &mut Vec<String>) {
    let mut next = Some(0u32);
    for (i, (first, count)) in lists.enumerate() {
        if next != Some(first) && count != 0 {
            out.push(format!(
                "{what} {i}: its list begins at {first}, after lists up to {next:?}"
            ));
        }
        if count != 0 {
            next = first.checked_add(count);
        }
    }
    if next.and_then(|n| usize::try_from(n).ok()) != Some(length) {
        out.push(format!(
            "{what}: lists end at {next:?}, the table has {length} entries"
        ));
    }
}

/// Implements: BH-CHK-050.
pub(crate) fn ownership(system: &System<'_>, out: &mut Vec<String>) {
    let blob = &system.blob;
    contiguous(
        "partition",
        blob.partitions.iter().map(|p| p.vcpus),
        blob.vcpus.len(),
        out,
    );
    contiguous(
        "core",
        blob.cores.iter().map(|c| c.vcpus),
        blob.core_vcpus.len(),
        out,
    );
    contiguous(
        "core (slots)",
        blob.cores.iter().map(|c| c.slots),
        blob.slots.len(),
        out,
    );
    if blob.vcpus.len() > MAX_VCPUS || blob.partitions.len() > MAX_PARTITIONS {
        let (vcpus, partitions) = (blob.vcpus.len(), blob.partitions.len());
        out.push(format!(
            "{vcpus} vCPUs of {partitions} partitions are more than EL2 has room for"
        ));
    }
    for (i, partition) in blob.partitions.iter().enumerate() {
        let name = system.name(i);
        let own = span(&blob.vcpus, partition.vcpus).unwrap_or_default();
        if own.is_empty() {
            out.push(format!(
                "partition {name}: {} vCPUs, not all in the table",
                partition.vcpus.1
            ));
        }
        for (vcpu, index) in own.iter().zip(0u32..) {
            if usize::try_from(vcpu.partition) != Ok(i) || vcpu.index != index {
                let (partition, number) = (vcpu.partition, vcpu.index);
                out.push(format!(
                    "partition {name}: its vCPU {index} says that it is {number} of partition {partition}"
                ));
            }
        }
    }
    let mut times_listed = vec![0u32; blob.vcpus.len()];
    for (k, core) in blob.cores.iter().enumerate() {
        let Some(vcpus) = vcpus_of(system, core) else {
            out.push(format!("core {k}: its vCPU list is outside the table"));
            continue;
        };
        if matches!(core.mode, Some(Mode::Direct | Mode::Guarded)) && vcpus.len() != 1 {
            out.push(format!("core {k}: dedicated, but has {} vCPUs", vcpus.len()));
        }
        if vcpus.len() > MAX_VCPUS_PER_CORE {
            out.push(format!(
                "core {k}: {} vCPUs, its statistics have room for {MAX_VCPUS_PER_CORE}",
                vcpus.len()
            ));
        }
        for index in vcpus {
            let place = usize::try_from(index).ok();
            match place.and_then(|i| blob.vcpus.get(i).zip(times_listed.get_mut(i))) {
                None => out.push(format!("core {k}: vCPU {index} does not exist")),
                Some((vcpu, times)) => {
                    *times += 1;
                    if usize::try_from(vcpu.core) != Ok(k) {
                        out.push(format!(
                            "core {k}: vCPU {index} says that it runs on core {}",
                            vcpu.core
                        ));
                    }
                }
            }
        }
        if blob
            .cores
            .iter()
            .filter(|c| {
                c.mpidr == core.mpidr || (!system.is_gicv2() && c.redistributor == core.redistributor)
            })
            .count()
            > 1
        {
            out.push(format!(
                "core {k}: MPIDR {:#x} or redistributor is used twice",
                core.mpidr
            ));
        }
        if core.mpidr & !0xff_00ff_ffff != 0 {
            out.push(format!(
                "core {k}: MPIDR {:#x} has more than affinity fields",
                core.mpidr
            ));
        }
    }
    for (i, _) in times_listed.iter().enumerate().filter(|(_, times)| **times != 1) {
        out.push(format!("vCPU {i}: is not in exactly one core's list"));
    }
}

/// Whether a core has no budget of memory traffic, or one that a sliced core can keep: whole periods in its frame,
/// a counter, a PPI. Implements: BH-BW-003.
fn is_budget(core: &Core) -> bool {
    let budget = &core.budget;
    if budget.events == 0 {
        return *budget == Budget::default();
    }
    core.mode == Some(Mode::Sliced)
        && budget.period > 0
        && core.major_frame.is_multiple_of(budget.period)
        && budget.counters <= 31
        && (1..budget.counters).contains(&budget.kept.into())
        && (16..=31).contains(&budget.intid)
}

/// Whether a slot gives time to a vCPU.
fn uses(slot: &Slot, vcpu: u32) -> bool {
    let own = slot.kind == 0 && slot.vcpu == vcpu;
    own || slot.shares.iter().any(|s| s.kind == 1 && s.vcpu == vcpu)
}

/// Whether a slot is not shared, or by different vCPUs of the core with budgets inside it, its own among them, and
/// slack last.
fn shares_fit(slot: &Slot, vcpus: &[u32]) -> bool {
    let used = slot.shares.iter().take_while(|s| s.kind != 0).count();
    let (shares, rest) = slot.shares.split_at(used);
    if used == 0 || rest.iter().any(|s| *s != Share::default()) {
        return slot.shares == [Share::default(); 5];
    }
    let (slack, budgets): (Vec<&Share>, Vec<&Share>) = shares.iter().partition(|s| s.kind == 2);
    let mut named: Vec<u32> = budgets.iter().map(|s| s.vcpu).collect();
    named.sort_unstable();
    let different = named.windows(2).all(|pair| pair.first() != pair.last());
    let inside = budgets
        .iter()
        .all(|s| s.kind == 1 && s.budget > 0 && s.budget <= slot.length);
    let last = match slack.as_slice() {
        [] => true,
        [one] => one.budget == 0 && shares.last() == Some(one),
        _ => false,
    };
    slot.kind == 0
        && named.contains(&slot.vcpu)
        && shares.iter().all(|s| vcpus.contains(&s.vcpu))
        && different
        && inside
        && last
}

/// Implements: BH-CHK-051.
pub(crate) fn slots(system: &System<'_>, out: &mut Vec<String>) {
    let blob = &system.blob;
    if usize::try_from(blob.board.system_core).map_or(true, |k| k >= blob.cores.len()) {
        out.push(format!(
            "board: system core {} does not exist",
            blob.board.system_core
        ));
    }
    if !blob.slots.iter().any(|slot| slot.kind == 1) {
        out.push("board: the system core has no system slot".to_owned());
    }
    let standby = (0..blob.cores.len()).filter(|k| system.has_slot(*k, STANDBY));
    if standby.count() > 1 {
        out.push("board: several cores have standby slots".to_owned());
    }
    for (k, core) in blob.cores.iter().enumerate() {
        if !is_budget(core) {
            out.push(format!("core {k}: {:?} is no budget for it", core.budget));
        }
        let (Some(slots), Some(vcpus)) = (span(&blob.slots, core.slots), vcpus_of(system, core)) else {
            out.push(format!("core {k}: its slots or vCPUs are outside the table"));
            continue;
        };
        if core.mode != Some(Mode::Sliced) {
            if !slots.is_empty() || core.major_frame != 0 {
                out.push(format!("core {k}: dedicated, but has slots or a major frame"));
            }
            continue;
        }
        let mut next = Some(0);
        for (s, slot) in slots.iter().enumerate() {
            if next != Some(slot.offset) || slot.length == 0 {
                out.push(format!(
                    "core {k}: slot {s} begins at {} ns, expected {next:?}",
                    slot.offset
                ));
            }
            next = slot.offset.checked_add(slot.length);
            let fine = match slot.kind {
                0 => vcpus.contains(&slot.vcpu),
                1 => slot.vcpu == NONE && usize::try_from(blob.board.system_core) == Ok(k),
                2 => slot.vcpu == NONE,
                STANDBY => slot.vcpu == NONE && usize::try_from(blob.board.system_core) != Ok(k),
                _ => false,
            };
            if !fine {
                let (kind, vcpu) = (slot.kind, slot.vcpu);
                out.push(format!(
                    "core {k}: slot {s} has kind {kind} and vCPU {vcpu:#x}, not for this core"
                ));
            }
            if !shares_fit(slot, &vcpus) {
                let shares = slot.shares;
                out.push(format!("core {k}: slot {s} cannot be shared as {shares:?} say"));
            }
        }
        if next != Some(core.major_frame) || core.major_frame == 0 {
            out.push(format!(
                "core {k}: slots end at {next:?} of a frame of {} ns",
                core.major_frame
            ));
        }
        for vcpu in vcpus.iter().filter(|vcpu| !slots.iter().any(|s| uses(s, **vcpu))) {
            out.push(format!("core {k}: vCPU {vcpu} has no slot"));
        }
    }
}
