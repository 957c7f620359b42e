// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Control words of a vCPU: they decide isolation, so they are data that the checker proves.
//! Implements: BH-CFG-013.
//!
//! # References
//! Arm DDI 0487, "HCR_EL2", "CNTHCTL_EL2", "MDCR_EL2", "CPTR_EL2", "VMPIDR_EL2"; Arm IHI 0069, "ICH_HCR_EL2".

use bulkhead_model::board::{Predictors, Traffic};
use bulkhead_model::system::{Cores, Interrupts};
use bulkhead_types::tables::{core_mode, predictors};

/// How a partition's cores are used, as `Core::mode` says it.
pub fn mode(cores: &Cores) -> u32 {
    match cores {
        Cores::Dedicated { interrupts, .. } => match interrupts.value {
            Interrupts::Direct => core_mode::DIRECT,
            Interrupts::Guarded => core_mode::GUARDED,
        },
        Cores::Sliced { .. } => core_mode::SLICED,
    }
}

/// What keeps predictions apart, as `Core::predictors` says it.
pub fn predictors(means: Predictors) -> u32 {
    match means {
        Predictors::None => predictors::NONE,
        Predictors::Isolated => predictors::ISOLATED,
        Predictors::Restricted => predictors::RESTRICTED,
        Predictors::Firmware => predictors::FIRMWARE,
    }
}

/// `HCR_EL2`: stage 2 on, AArch64, FIQ and SError to EL2; ID registers, SMC, implementation-defined functionality,
/// ACTLR, set/way maintenance, LORegions and error records trapped; so are, by zeros, pointer authentication, its keys
/// and MTE. Guarded and sliced partitions trap WFI; sliced ones take IRQs in EL2.
pub fn hcr(cores: &Cores) -> u64 {
    const VM: u64 = 1;
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
    let common = VM | FMO | AMO | TID3 | TSC | TIDCP | TACR | TSW | RW | TLOR | TERR;
    match cores {
        Cores::Dedicated { interrupts, .. } => match interrupts.value {
            Interrupts::Direct => common,
            Interrupts::Guarded => common | TWI,
        },
        Cores::Sliced { .. } => common | IMO | TWI,
    }
}

/// `ICH_HCR_EL2`: virtual Group 0 accesses trapped; with direct interrupts also the registers that FMO makes
/// virtual while acknowledge stays physical; for sliced partitions the virtual CPU interface is on.
pub fn ich_hcr(cores: &Cores) -> u64 {
    const EN: u64 = 1;
    const TC: u64 = 1 << 10;
    const TALL0: u64 = 1 << 11;
    match cores {
        Cores::Dedicated { .. } => TC | TALL0,
        Cores::Sliced { .. } => EN | TALL0,
    }
}

/// `CNTHCTL_EL2`: EL1 and EL0 reach the physical counter and timer.
pub const CNTHCTL: u64 = 0b11;

/// `MDCR_EL2`: PMU (TPM, TPMCR), debug registers (TDA), OS lock (TDOSA), debug ROM (TDRA), profiling (TPMS) and trace
/// filter (TTRF) trapped.
const MDCR: u64 = 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 14 | 1 << 19;

/// `MDCR_EL2` of a vCPU on a core whose memory traffic is counted, or not: the last counters are EL2's (HPMN) and run
/// (HPME). Implements: BH-BW-004.
pub fn mdcr(traffic: Option<Traffic>) -> u64 {
    match traffic {
        Some(t) => MDCR | 1 << 7 | u64::from(t.counters.saturating_sub(t.kept.into())),
        None => MDCR,
    }
}

/// `CPTR_EL2`: RES1 bits, trace registers (TTA) and activity monitors (TAM, RES0 where there are none) trapped; floating
/// point is the guest's.
pub const CPTR: u64 = 0x33ff | 1 << 20 | 1 << 30;

/// `HSTR_EL2`: nothing; EL1 is AArch64.
pub const HSTR: u64 = 0;

/// `CNTVOFF_EL2`: virtual time is physical time.
/// Implements: BH-TIM-001.
pub const CNTVOFF: u64 = 0;

/// `VMPIDR_EL2` of a vCPU: RES1, Aff0 = its index.
pub fn vmpidr(index: u32) -> u64 {
    0x8000_0000 | u64::from(index)
}
