// SPDX-License-Identifier: Apache-2.0 OR MIT
//! With the argument `firmware` the program calls by SMC and says what was answered, for `tests/on-target`.
//!
//! # References
//! Arm DEN0028, "Register use in AArch64 SMC and HVC calls"; Arm DEN0022, "AFFINITY_INFO".
#![forbid(unsafe_code)]

use crate::edge::console::line;
use crate::edge::{call, stop};
use crate::psci::{AFFINITY_INFO, AFFINITY_INFO_32, CPU_ON, MIGRATE_INFO_TYPE, PSCI_VERSION};

/// A function of no firmware that QEMU knows.
const VENDORS: u64 = 0x8200_0010;
/// A core of the board that the partition's machine has not.
const CORE: u64 = 3;

/// Makes the calls, a line each, and says when all are made; a vendor's with the argument `firmware vendor`.
pub(crate) fn run(vendors: bool) -> ! {
    let answer = call::hvc([AFFINITY_INFO, CORE, 0, 0]);
    line(format_args!("hvc {AFFINITY_INFO:#x}: {answer:#x}"));
    let functions = [
        AFFINITY_INFO,
        AFFINITY_INFO_32,
        PSCI_VERSION,
        MIGRATE_INFO_TYPE,
        CPU_ON,
    ];
    for function in functions.into_iter().chain(vendors.then_some(VENDORS)) {
        let mut registers: [u64; 31] = core::array::from_fn(|k| 0x0bad_cafe_0000_0000 + k as u64);
        let [x0, x1, x2, x3, ..] = &mut registers;
        (*x0, *x1, *x2, *x3) = (function, CORE, 0, 0);
        let after = call::smc_with_registers(&registers);
        let others = registers.iter().zip(&after).skip(4);
        let kept = others.filter(|(before, after)| before == after).count();
        let [answer, ..] = after;
        line(format_args!("smc {function:#x}: {answer:#x}, {kept} kept"));
    }
    line(format_args!("firmware done"));
    stop()
}
