// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Functions of the firmware that a partition may call.
//!
//! # References
//! Arm DEN0028, SMC Calling Convention, "Function Identifier Ranges"; Arm DEN0022, PSCI, "PSCI functions"; Arm DEN0098,
//! TRNG Firmware Interface.

use crate::span::Spanned;

/// A function that a partition may call by SMC.
#[derive(Clone, Debug)]
pub struct FirmwareCall {
    /// Its identifier.
    pub function: Spanned<u32>,
    /// Longest time that the firmware takes for it, ns.
    pub within: Spanned<u64>,
    /// Why no argument of it reaches what is not the partition's.
    pub reason: Option<Spanned<String>>,
}

/// Who may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whoever lists it: the standard says that it changes nothing and takes no address.
    Query,
    /// Whoever lists it with a reason: no standard says what it does.
    Vouched,
    /// No partition, and why.
    Never(&'static str),
}

/// Who may call a fast function. Implements: BH-SMC-010.
pub fn reach(function: u32) -> Reach {
    const WIDE: u32 = 1 << 30;
    match function & !WIDE {
        // Arm architecture calls.
        0x8000_0000..=0x80ff_ffff => Reach::Query,
        // Of the CPU, the SoC, the manufacturer; of trusted applications and operating systems.
        0x8100_0000..=0x83ff_ffff | 0xb000_0000..=0xbfff_ffff => Reach::Vouched,
        standard @ 0x8400_0000..=0x84ff_ffff => standard_service(standard & 0xff_ffff),
        0x8500_0000..=0x86ff_ffff => Reach::Never("calls of a hypervisor are answered by the hypervisor"),
        _ => Reach::Never("its range is reserved"),
    }
}

/// The same of a standard secure service call, by its number.
fn standard_service(number: u32) -> Reach {
    match number {
        // PSCI: version, AFFINITY_INFO, migration's two, features, NODE_HW_STATE, statistics.
        0x0 | 0x4 | 0x6 | 0x7 | 0xa | 0xd | 0x10 | 0x11 => Reach::Query,
        // TRNG, then UID and revision.
        0x50..=0x53 | 0xff01 | 0xff03 => Reach::Query,
        0..=0x1f => Reach::Never("it may change power states or take an entry point"),
        _ => Reach::Never("it may take addresses or entry points"),
    }
}
