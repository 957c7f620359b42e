// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cores, vCPUs, slots, partitions: `hypervisor/types/src/tables.rs`.

use crate::blob::{Blob, NONE};
use crate::bytes::{PAGE, index};
use crate::entries::{Core, Slot};
use crate::judge::{Case, Found};
use crate::rules::records::{EMULATED_UART, emulated};

const SLICED: u32 = 2;
/// The kind of slot in which the core does the housekeeping if EL2 has failed on the system core.
pub(super) const STANDBY: u32 = 3;
/// MAY_MARK, EMULATED_UART, AUTOSTART, FIXED_SEED.
const FLAGS: u32 = 0x3F;
/// Aff3 and Aff2..Aff0.
const AFFINITY: u64 = 0xFF_00FF_FFFF;

fn span<T>(all: &[T], (first, count): (u32, u32)) -> Option<&[T]> {
    let first = index(first.into());
    all.get(first..first.checked_add(index(count.into()))?)
}

/// Whether a core has a slot of a kind.
pub(super) fn has_slot(blob: &Blob, core: &Core, kind: u32) -> bool {
    span(&blob.slots, core.slots).is_some_and(|slots| slots.iter().any(|slot| slot.kind == kind))
}

/// Everything about cores and partitions.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let blob = &case.blob;
    groups(blob, found);
    for core in &blob.cores {
        let inside = span(&blob.core_vcpus, core.vcpus).is_some() && span(&blob.slots, core.slots).is_some();
        found.form(inside, || "an index of a core is out of range".to_owned());
    }
    for (i, core) in blob.cores.iter().enumerate() {
        of_core(blob, i, core, found);
    }
    partitions(blob, found);
    super::health::check(blob, found);
    let system = blob.cores.get(index(blob.board.system_core.into()));
    found.form(system.is_some(), || "no such system core".to_owned());
    for (i, core) in blob.cores.iter().enumerate() {
        let has = has_slot(blob, core, 1);
        let is = index(blob.board.system_core.into()) == i;
        found.effect(has == is, || {
            format!("core {i}: system slots and system core differ")
        });
        found.effect(!(is && has_slot(blob, core, STANDBY)), || {
            format!("core {i}: its own successor")
        });
    }
    let successors = blob.cores.iter().filter(|core| has_slot(blob, core, STANDBY));
    found.effect(successors.count() < 2, || {
        "several cores succeed the system core".to_owned()
    });
}

/// Tables that are grouped have every entry in one group, in order.
fn groups(blob: &Blob, found: &mut Found) {
    let mut ends = [0u32; 3];
    for core in &blob.cores {
        for (end, part) in ends.iter_mut().zip([core.vcpus, core.slots]) {
            found.form(part.1 == 0 || part.0 == *end, || {
                "entries are not grouped by core".to_owned()
            });
            *end = end.saturating_add(part.1);
        }
    }
    for partition in &blob.partitions {
        found.form(partition.vcpus.0 == ends[2], || {
            "vCPUs are not grouped by partition".to_owned()
        });
        ends[2] = ends[2].saturating_add(partition.vcpus.1);
    }
    let lengths = [blob.core_vcpus.len(), blob.slots.len(), blob.vcpus.len()];
    let whole = ends
        .iter()
        .zip(lengths)
        .all(|(end, length)| index((*end).into()) == length);
    found.form(whole, || "entries that belong to no group".to_owned());
    let zero = blob.core_vcpus.iter().all(|(_, reserved)| *reserved == 0)
        && blob.vcpus.iter().all(|vcpu| vcpu.reserved == 0)
        && blob.partitions.iter().all(|p| p.reserved == 0);
    found.form(blob.cores.iter().all(|core| core.predictors < 4), || {
        "means against predictions".to_owned()
    });
    found.form(zero, || "reserved words are not zero".to_owned());
}

fn of_core(blob: &Blob, i: usize, core: &Core, found: &mut Found) {
    let vcpus: Vec<u32> = span(&blob.core_vcpus, core.vcpus)
        .unwrap_or(&[])
        .iter()
        .map(|v| v.0)
        .collect();
    let on = |at: &u32| {
        blob.vcpus
            .get(index((*at).into()))
            .is_some_and(|v| index(v.core.into()) == i)
    };
    found.effect(vcpus.iter().all(on), || {
        format!("core {i} lists a vCPU of another core")
    });
    let here = blob.vcpus.iter().filter(|v| index(v.core.into()) == i).count();
    let mut distinct = vcpus.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let once = distinct.len() == vcpus.len() && vcpus.len() == here;
    found.effect(once, || format!("core {i} does not list each of its vCPUs once"));
    found.form(core.mpidr & !AFFINITY == 0, || {
        format!("core {i}: not an affinity")
    });
    for other in blob.cores.iter().skip(i + 1) {
        let same = core.mpidr == other.mpidr || core.redistributor == other.redistributor;
        found.effect(!same, || format!("core {i} is the same as another one"));
    }
    let [events, what, counters, intid] = core.traffic;
    if events == 0 {
        let nothing = core.traffic == [0; 4] && core.period == 0;
        found.form(nothing, || format!("core {i}: a budget of no events"));
    } else {
        let ppi = (16..32).contains(&intid);
        let kept = what >> 16;
        let sane = kept > 0 && kept < counters && counters < 32 && ppi;
        found.effect(sane && core.mode == SLICED, || {
            format!("core {i}: a budget that cannot be kept")
        });
        let whole = core.period != 0 && core.frame.is_multiple_of(core.period);
        found.effect(whole, || format!("core {i}: periods that do not fill the frame"));
    }
    let slots = span(&blob.slots, core.slots).unwrap_or(&[]);
    if core.mode != SLICED {
        found.form(core.mode < SLICED, || format!("core {i}: no such mode"));
        let alone = vcpus.len() == 1 && slots.is_empty();
        found.effect(alone, || format!("core {i} is dedicated and shared"));
        found.form(core.frame == 0, || {
            format!("core {i} is dedicated and has a frame")
        });
        return;
    }
    let mut end = 0u64;
    for slot in slots {
        found.effect(slot.offset == end && slot.length > 0, || {
            format!("core {i}: slots are no frame")
        });
        found.effect(runs(slot, &vcpus), || {
            format!("core {i}: a slot runs what is not of the core")
        });
        found.effect(divides(slot, &vcpus), || {
            format!("core {i}: a slot that cannot be shared so")
        });
        end = end.saturating_add(slot.length);
    }
    let served = vcpus
        .iter()
        .all(|v| slots.iter().any(|s| s.kind == 0 && s.vcpu == *v || grants(s, *v)));
    found.effect(served, || format!("core {i}: a vCPU without a slot"));
    found.effect(end == core.frame && end > 0, || {
        format!("core {i}: slots do not fill the frame")
    });
}

fn runs(slot: &Slot, vcpus: &[u32]) -> bool {
    match slot.kind {
        0 => vcpus.contains(&slot.vcpu),
        1..=3 => slot.vcpu == NONE,
        _ => false,
    }
}

/// Whether a share with a budget names the vCPU.
fn grants(slot: &Slot, vcpu: u32) -> bool {
    slot.shares.iter().any(|(kind, v, _)| (*kind, *v) == (1, vcpu))
}

/// Whether the shares are those that EL2 takes: used ones first, budgets for different vCPUs of the core and for no
/// longer than the slot, that of the slot's vCPU among them, at most one slack and that last.
fn divides(slot: &Slot, vcpus: &[u32]) -> bool {
    let mut seen: Vec<u32> = Vec::new();
    let mut over = false;
    for (kind, vcpu, budget) in slot.shares {
        let good = match kind {
            0 => {
                over = true;
                (vcpu, budget) == (0, 0)
            }
            1 => {
                let first = !seen.contains(&vcpu);
                seen.push(vcpu);
                !over && first && vcpus.contains(&vcpu) && (1..=slot.length).contains(&budget)
            }
            2 => {
                let last = !over && !seen.is_empty();
                over = true;
                last && vcpus.contains(&vcpu) && budget == 0
            }
            _ => false,
        };
        if !good {
            return false;
        }
    }
    seen.is_empty() || slot.kind == 0 && seen.contains(&slot.vcpu)
}

fn partitions(blob: &Blob, found: &mut Found) {
    for (i, partition) in blob.partitions.iter().enumerate() {
        let vcpus = span(&blob.vcpus, partition.vcpus).unwrap_or(&[]);
        let own = vcpus
            .iter()
            .zip(0u32..)
            .all(|(v, n)| index(v.partition.into()) == i && v.index == n);
        found.effect(own && !vcpus.is_empty(), || format!("partition {i}: vCPUs"));
        found.form(partition.name.is_some(), || format!("partition {i}: name"));
        found.form(partition.flags & !FLAGS == 0, || format!("partition {i}: flags"));
        // VTCR_EL2.VS = 0: eight bits of VMID; 0 is what EL2 has when it serves nobody.
        found.effect((1..=255).contains(&partition.vmid), || {
            format!("partition {i}: VMID")
        });
        for other in blob.partitions.iter().skip(i + 1) {
            found.effect(other.vmid != partition.vmid, || {
                format!("partition {i}: VMID of another one")
            });
            found.form(other.name != partition.name, || {
                format!("partition {i}: name of another one")
            });
        }
        let lines = partition.spi_lines;
        found.form(lines.is_multiple_of(32) && lines <= 992, || {
            format!("partition {i}: SPI lines")
        });
        let emulates = partition.flags & EMULATED_UART != 0;
        found.form(emulates == (partition.uart != 0), || {
            format!("partition {i}: address of its UART")
        });
        if emulates {
            let intid = partition.uart_intid;
            let shown = (32..1020).contains(&intid) && intid - 32 < lines;
            found.form(shown, || format!("partition {i}: INTID of its UART"));
            let word = partition.spis.get(index((intid / 32).saturating_sub(1).into()));
            let owned = word.is_some_and(|w| w >> (intid % 32) & 1 == 1);
            found.effect(!owned, || {
                format!("partition {i}: its UART has the INTID of a device")
            });
            let dedicated = vcpus.iter().any(|v| {
                blob.cores
                    .get(index(v.core.into()))
                    .is_some_and(|core| core.mode != SLICED)
            });
            found.effect(!dedicated, || {
                format!("partition {i}: emulated UART on a dedicated core")
            });
        }
        let ranges = emulated(blob, i);
        let pages = ranges
            .iter()
            .all(|(_, r)| r.start.is_multiple_of(PAGE) && r.end <= 1 << 39);
        let apart = ranges.windows(2).all(|w| w[0].1.end <= w[1].1.start);
        found.effect(pages && apart, || {
            format!("partition {i}: emulated devices overlap")
        });
    }
}
