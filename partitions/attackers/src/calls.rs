// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hypercalls, SMCs and PSCI calls that are none of the partition's business.

use bulkhead_abi::hypercall::MARK_STEADY;
use bulkhead_partition::el1::console;

use crate::Tried;
use crate::code::{Code, MOST, run_at};
use crate::edge::call;

/// PSCI functions that would end the caller or put it to sleep (DEN 0022), in both widths: not tried.
const ENDS: [u64; 5] = [0x01, 0x02, 0x08, 0x09, 0x12];
/// CPU_ON, SMC32 and SMC64.
const CPU_ON: [u64; 2] = [0x8400_0003, 0xC400_0003];
/// Functions from each base: PSCI and Bulkhead in both widths, SMCCC, a trusted OS.
const BASES: [u64; 6] = [
    0x8400_0000,
    0xC400_0000,
    0x8600_FF00,
    0xC600_0000,
    0x8000_0000,
    0xB000_0000,
];
const FUNCTIONS: u64 = 0x40;
/// Rounds with other arguments.
const ROUNDS: u64 = 40;

fn is_psci(function: u64) -> bool {
    matches!(function & 0xBFFF_FFE0, 0x8400_0000)
}

/// What nobody granted: to switch a CPU on that is not there, to mark the steady state, to reach firmware.
pub(crate) fn attack() -> Tried {
    let mut tried = Tried::default();
    // xorshift64: any odd seed, so that runs are alike.
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    console::line(format_args!(
        "calls: {FUNCTIONS:#x} functions from each of {BASES:x?}, by HVC and SMC, with {ROUNDS} sets of arguments"
    ));
    for round in 0..ROUNDS {
        for base in BASES {
            for offset in 0..FUNCTIONS {
                let function = base + offset;
                if is_psci(function) && ENDS.contains(&(function & 0x1f)) {
                    continue;
                }
                // CPU 0 runs: whatever is asked for must be another one.
                let first = if round == 0 { 1 } else { next() | 1 };
                for by_smc in [false, true] {
                    let result = call(by_smc, [function, first, next(), next()]);
                    let granted = function == u64::from(MARK_STEADY) || CPU_ON.contains(&function);
                    let succeeded = result == 0 && (granted || by_smc);
                    tried.note(succeeded);
                    if succeeded {
                        console::line(format_args!("CALLED {function:#x}, by SMC: {by_smc}"));
                    }
                }
            }
        }
    }
    tried
}

/// `HVC #0`, `SMC #0`.
const INSTRUCTIONS: [u32; 2] = [0xd400_0002, 0xd400_0003];
/// `ORN X1, X1, X0`: remembers an answer that is not -1.
const REMEMBER: u32 = 0xaa20_0021;
static CODE: Code = Code::new();

/// HVC and SMC with each immediate, in programs of many, which remember any other answer than NOT_SUPPORTED; each leaves
/// that for the next to ask for.
pub(crate) fn immediates() -> Tried {
    let mut tried = Tried::default();
    for instruction in INSTRUCTIONS {
        for first in (0..0x1_0000u32).step_by(MOST / 2) {
            let last = (first + MOST as u32 / 2).min(0x1_0000);
            CODE.put((first..last).flat_map(|immediate| [instruction | immediate << 5, REMEMBER]));
            let ran = run_at(CODE.address(), u64::MAX, 0);
            let succeeded = ran.exception.is_some() || ran.values != [u64::MAX, 0];
            for _ in first..last - 1 {
                tried.note(false);
            }
            tried.note(succeeded);
            if succeeded {
                console::line(format_args!("CALLED {first:#x}: {:x?}", ran.values));
            }
        }
    }
    tried
}
