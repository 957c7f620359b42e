// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of the causes of an EL2 entry: keys of the report, stable.
//!
//! # References
//! Arm DDI 0487 (Arm Architecture Reference Manual), "ESR_EL2, Exception Syndrome Register (EL2)", field EC.

use std::borrow::Cow;

use bulkhead_abi::stats::{ENTRY_FIQ, ENTRY_IRQ, ENTRY_SERROR};

/// Name of a counter of [`bulkhead_abi::stats::VcpuStats::entries`].
pub fn name(index: usize) -> Cow<'static, str> {
    Cow::Borrowed(match index {
        0x00 => "unknown",
        0x01 => "wfx",
        0x07 => "fp_simd",
        0x0e => "illegal_state",
        0x15 => "svc",
        0x16 => "hvc",
        0x17 => "smc",
        0x18 => "sysreg",
        0x20 => "instruction_abort",
        0x22 => "pc_alignment",
        0x24 => "data_abort",
        0x26 => "sp_alignment",
        0x2f => "serror_synchronous",
        0x30 => "breakpoint",
        0x32 => "software_step",
        0x34 => "watchpoint",
        0x3c => "brk",
        ENTRY_IRQ => "irq",
        ENTRY_FIQ => "fiq",
        ENTRY_SERROR => "serror",
        other => return Cow::Owned(format!("ec_{other:#04x}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_abi::stats::ENTRY_COUNTERS;
    use std::collections::BTreeSet;

    #[test]
    fn every_counter_has_a_name_of_its_own() {
        let names: BTreeSet<_> = (0..ENTRY_COUNTERS).map(name).collect();
        assert_eq!(names.len(), ENTRY_COUNTERS);
    }
}
