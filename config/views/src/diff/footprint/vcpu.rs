// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a vCPU depends on: its control words, and the time that its core gives it.

use bulkhead_types::tables::{Vcpu, core_mode, predictors};

use super::Footprint;
use crate::built::Built;
use crate::share::{slot_use, takes_part};
use crate::words::{budget, time};

/// Control words of a vCPU.
pub(super) fn words(vcpu: &Vcpu, facts: &mut Footprint) {
    let k = vcpu.index;
    for (register, value) in [
        ("VMPIDR_EL2", vcpu.vmpidr),
        ("VPIDR_EL2", vcpu.vpidr),
        ("HCR_EL2", vcpu.hcr),
        ("VTCR_EL2", vcpu.vtcr),
        ("CNTHCTL_EL2", vcpu.cnthctl),
        ("MDCR_EL2", vcpu.mdcr),
        ("CPTR_EL2", vcpu.cptr),
        ("HSTR_EL2", vcpu.hstr),
        ("ICH_HCR_EL2", vcpu.ich_hcr),
        ("CNTVOFF_EL2", vcpu.cntvoff),
    ] {
        facts.essence(format!("vCPU {k} {register}"), format!("{value:#x}"));
    }
    // VMID in bits 63:48, the root's physical address below: both only tell partitions apart.
    facts.placement(format!("vCPU {k} VTTBR_EL2"), format!("{:#x}", vcpu.vttbr));
}

/// Core and slots of a vCPU.
pub(super) fn time_of(built: &Built<'_>, vcpu: &Vcpu, facts: &mut Footprint) {
    let k = vcpu.index;
    let core = usize::try_from(vcpu.core).ok().and_then(|c| built.cores.get(c));
    let Some(core) = core else { return };
    // They delay its slots, and count in the bounds of its tasks.
    if let Some(longest) = crate::firmware::longest_of_others(built, vcpu) {
        facts.essence(
            format!("vCPU {k} calls of the firmware by others on its core"),
            longest,
        );
    }
    let mode = match core.mode {
        core_mode::DIRECT => "dedicated, direct interrupts",
        core_mode::GUARDED => "dedicated, guarded",
        _ => "sliced",
    };
    facts.essence(format!("vCPU {k} core"), format!("{}, {mode}", vcpu.core));
    let apart = match core.predictors {
        predictors::ISOLATED => "the core itself",
        predictors::RESTRICTED => "EL2's instructions at a switch",
        predictors::FIRMWARE => "the firmware at a switch",
        _ => "nothing",
    };
    facts.essence(format!("vCPU {k} predictions of others are kept apart by"), apart);
    if core.slot_count > 0 {
        facts.essence(format!("vCPU {k} major frame"), time(core.major_frame_ns));
    }
    if core.budget != 0 {
        facts.essence(format!("vCPU {k} memory traffic"), budget(core));
    }
    let slots = built.slots_of(core).iter();
    for slot in slots.filter(|slot| takes_part(built, slot, (vcpu.partition, vcpu.index))) {
        let mut what = time(slot.length_ns);
        if slot.shares().next().is_some() {
            what = format!("{what}: {}", slot_use(built, slot));
        }
        facts.essence(format!("vCPU {k} slot at {}", time(slot.offset_ns)), what);
    }
}
