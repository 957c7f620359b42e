// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Control words, derived here a second time from what each vCPU is.
//!
//! # References
//! - Arm ARM (DDI 0487), descriptions of `HCR_EL2`, `VTCR_EL2`, `MDCR_EL2`, `CPTR_EL2` (E2H = 0), `CNTHCTL_EL2`,
//!   `TCR_EL2` (E2H = 0), `SCTLR_EL2`
//! - Arm GIC (IHI 0069), "ICH_HCR_EL2"

use crate::system::System;
use crate::tables::{Mode, Vcpu, WORDS};

/// 39 bits of input address.
const T0SZ: u64 = 25;
/// Walks through Inner Shareable write-back memory: IRGN0, ORGN0, SH0.
const WALKS: u64 = 1 << 8 | 1 << 10 | 3 << 12;

const VM: u64 = 1 << 0;
const FMO: u64 = 1 << 3;
const IMO: u64 = 1 << 4;
const AMO: u64 = 1 << 5;
const TWI: u64 = 1 << 13;
const TID3: u64 = 1 << 18;
const TSC: u64 = 1 << 19;
const TIDCP: u64 = 1 << 20;
const TACR: u64 = 1 << 21;
const TSW: u64 = 1 << 22;
const RW: u64 = 1 << 31;
const TLOR: u64 = 1 << 35;
const TERR: u64 = 1 << 36;

/// The code of a physical address size in `TCR_EL2.PS`, `VTCR_EL2.PS` and STEs.
pub(crate) fn address_size(bits: u64) -> Option<u64> {
    [32, 36, 40, 42, 44, 48]
        .into_iter()
        .zip(0..)
        .find(|(size, _)| *size == bits)
        .map(|(_, code)| code)
}

/// The code for the board that the text form names.
pub(crate) fn board_address_size(system: &System<'_>) -> Option<u64> {
    match system.grants.boards.as_slice() {
        [(_, bits)] => address_size(*bits),
        _ => None,
    }
}

/// Implements: BH-CHK-040.
pub(crate) fn el2(system: &System<'_>, out: &mut Vec<String>) {
    let header = &system.blob.header;
    let Some(size) = board_address_size(system) else {
        return out.push("grants.txt: the board's number of address bits is not one that exists".to_owned());
    };
    let res1 = 1 << 23 | 1 << 31;
    let mmu_caches_stack_wxn = 1 | 1 << 2 | 1 << 12 | 1 << 3 | 1 << 19;
    for (name, found, expected) in [
        ("TCR_EL2", header.tcr, T0SZ | WALKS | size << 16 | res1),
        ("MAIR_EL2", header.mair, 0x44_04ff),
        ("SCTLR_EL2", header.sctlr, 0x30c5_0830 | mmu_caches_stack_wxn),
    ] {
        if found != expected {
            out.push(format!("el2: {name} is {found:#x}, expected {expected:#x}"));
        }
    }
}

/// Words of a vCPU, in the order of [`WORDS`].
fn expected(system: &System<'_>, vcpu: &Vcpu, size: u64) -> Option<[u64; 11]> {
    let core = system.blob.cores.get(usize::try_from(vcpu.core).ok()?)?;
    let partition = system
        .blob
        .partitions
        .get(usize::try_from(vcpu.partition).ok()?)?;
    let traps = VM | FMO | AMO | TID3 | TSC | TIDCP | TACR | TSW | RW | TLOR | TERR;
    let (hcr, ich_hcr) = match core.mode? {
        Mode::Direct => (traps, 1 << 10 | 1 << 11),
        Mode::Guarded => (traps | TWI, 1 << 10 | 1 << 11),
        Mode::Sliced => (traps | TWI | IMO, 1 | 1 << 11),
    };
    let vtcr = T0SZ | 1 << 6 | WALKS | size << 16 | 1 << 31;
    let vttbr = partition.live_root | u64::from(partition.vmid) << 48;
    let vmpidr = 0x8000_0000 | u64::from(vcpu.index);
    // The last counters are EL2's (HPMN) and run (HPME) where they measure the core's memory traffic.
    let counter = match &core.budget {
        budget if budget.events == 0 => 0,
        budget => 1 << 7 | u64::from(budget.counters.checked_sub(budget.kept.into())?),
    };
    let mdcr = 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 14 | 1 << 19 | counter;
    let cptr = 0x33ff | 1 << 20 | 1 << 30;
    Some([vmpidr, core.midr, hcr, vtcr, vttbr, 3, mdcr, cptr, 0, ich_hcr, 0])
}

/// Implements: BH-CHK-041.
pub(crate) fn vcpus(system: &System<'_>, out: &mut Vec<String>) {
    let size = board_address_size(system).unwrap_or(u64::MAX >> 16);
    for (i, vcpu) in system.blob.vcpus.iter().enumerate() {
        let owner = usize::try_from(vcpu.partition)
            .map(|p| system.party(p))
            .unwrap_or_default();
        let Some(expected) = expected(system, vcpu, size) else {
            out.push(format!(
                "vcpu {i}: core {} or partition {} is unknown",
                vcpu.core, vcpu.partition
            ));
            continue;
        };
        for ((name, found), expected) in WORDS.iter().zip(vcpu.words).zip(expected) {
            if found != expected {
                out.push(format!(
                    "vcpu {i} of {owner}: {name} is {found:#x}, expected {expected:#x}"
                ));
            }
        }
    }
}
