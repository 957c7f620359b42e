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

/// Functions of the firmware, from one identifier to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Functions {
    first: u32,
    last: u32,
}

impl Functions {
    /// From `first` to `last`, which is one of them; nothing unless both are fast calls of one owner, in this order.
    ///
    /// # References
    /// Arm DEN0028, "SMC and HVC immediate value", the fields of a function identifier.
    pub fn new(first: u32, last: u32) -> Option<Self> {
        let is_one_owner = is_fast(first) && is_fast(last) && first >> 16 == last >> 16;
        (is_one_owner && first <= last).then_some(Functions { first, last })
    }

    /// Whether a function is one of them. Firmware that knows a function with 64-bit arguments may take the same number with
    /// 32-bit ones, and the other way round: bit 30 is ignored. Implements: BH-SMC-015.
    pub fn has(self, function: u32) -> bool {
        (self.first | WIDE..=self.last | WIDE).contains(&(function | WIDE))
    }
}

impl std::fmt::Display for Functions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            write!(f, "{:#x}", self.first)
        } else {
            write!(f, "{:#x} to {:#x}", self.first, self.last)
        }
    }
}

/// Set in the identifier of a function with 64-bit arguments.
const WIDE: u32 = 1 << 30;

/// Whether a call of a function cannot yield: bit 31 is set, bits 23 to 16 are zero.
pub(crate) fn is_fast(function: u32) -> bool {
    function & 0x80ff_0000 == 0x8000_0000
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::Functions;

    // Verifies: BH-LANG-022, BH-SMC-015
    #[test]
    fn functions_of_one_owner_have_both_ends_and_both_widths() {
        let eemi = Functions::new(0xc200_0010, 0xc200_1fff).unwrap();
        for function in [0xc200_0010, 0xc200_1fff, 0x8200_0010, 0x8200_1fff, 0x8200_0025] {
            assert!(eemi.has(function), "{function:#x}");
        }
        for function in [0xc200_000f, 0xc200_2000, 0xc300_0025, 0x8400_0025, 0x0200_0025] {
            assert!(!eemi.has(function), "{function:#x}");
        }
        for (first, last) in [
            (0xc200_0001, 0xc200_0000),
            (0x8200_0000, 0xc200_0000),
            (0xc200_0000, 0xc300_0000),
            (0x4200_0000, 0x4200_0001),
            (0xc201_0000, 0xc201_0001),
        ] {
            assert!(Functions::new(first, last).is_none(), "{first:#x} {last:#x}");
        }
    }
}
