// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PSCI and SMCCC on one CPU: what exists, what is refused, what a call leaves as it is.
//!
//! Verifies: BH-PSCI-001, BH-PSCI-003, BH-PSCI-004, BH-PSCI-005, BH-TRAP-010.
//!
//! # References
//! Arm DEN0022, "PSCI functions", "Return error codes"; Arm DEN0028, "Unknown Function Identifier",
//! "Register use in AArch64 SMC and HVC calls", "Arm Architecture Calls".
#![forbid(unsafe_code)]

use super::pending::quiet;
use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::edge::call;
use crate::gic;
use crate::interrupt;
use crate::psci::{self, code};
use crate::timer::{self, Timer};

pub(super) const CASES: &[Case] = &[
    Case::one(
        "PSCI-ID-01",
        "PSCI_VERSION is 1.x, x at least 0, as 32 bits",
        version,
    ),
    Case::one(
        "PSCI-ID-02",
        "PSCI_FEATURES: every mandatory function is there",
        mandatory,
    ),
    Case::one(
        "PSCI-ID-03",
        "PSCI_FEATURES: unknown functions are NOT_SUPPORTED",
        not_features,
    ),
    Case::one(
        "PSCI-ID-04",
        "PSCI_FEATURES of CPU_SUSPEND has no reserved bit set",
        suspend_features,
    ),
    Case::one(
        "PSCI-ID-05",
        "unknown 64-bit functions return NOT_SUPPORTED in 64 bits",
        unknown_64,
    ),
    Case::one(
        "PSCI-ID-06",
        "unknown 32-bit functions return NOT_SUPPORTED",
        unknown_32,
    ),
    Case::one(
        "PSCI-ID-07",
        "MIGRATE_INFO_TYPE returns 0, 1, 2 or NOT_SUPPORTED",
        migrate,
    ),
    Case::one(
        "PSCI-ID-08",
        "AFFINITY_INFO of the caller is ON, 32-bit and 64-bit",
        own_affinity,
    ),
    Case::one(
        "PSCI-ID-09",
        "AFFINITY_INFO of no CPU is INVALID_PARAMETERS",
        no_affinity,
    ),
    Case::one("PSCI-ID-10", "CPU_ON of the caller is ALREADY_ON", on_self),
    Case::one("PSCI-ID-11", "CPU_ON of no CPU is INVALID_PARAMETERS", on_nobody),
    Case::one(
        "PSCI-SUS-01",
        "CPU_SUSPEND to standby returns SUCCESS when an interrupt is pending",
        standby_pending,
    ),
    Case::one(
        "PSCI-SUS-02",
        "CPU_SUSPEND to standby returns SUCCESS when the timer fires",
        standby_timer,
    ),
    Case::one(
        "PSCI-SUS-03",
        "CPU_SUSPEND with reserved bits is INVALID_PARAMETERS",
        suspend_reserved,
    ),
    Case::one(
        "SMCCC-01",
        "SMCCC_VERSION is 1.1 or later where PSCI_FEATURES names it, else NOT_SUPPORTED",
        smccc_version,
    ),
    Case::one(
        "SMCCC-02",
        "SMCCC_ARCH_FEATURES knows itself where there is SMCCC_VERSION",
        arch_features,
    ),
    Case::one("SMCCC-03", "calls leave x4 to x30 as they are", preserved),
];

fn version(_: &Board) -> Outcome {
    let version = code(psci::call(psci::PSCI_VERSION, [0; 3]));
    equal("major version", 1_u64, version >> 16)
}

fn mandatory(_: &Board) -> Outcome {
    for function in [
        psci::PSCI_VERSION,
        psci::CPU_SUSPEND_32,
        psci::CPU_SUSPEND,
        psci::CPU_OFF,
        psci::CPU_ON_32,
        psci::CPU_ON,
        psci::AFFINITY_INFO_32,
        psci::AFFINITY_INFO,
        psci::SYSTEM_OFF,
        psci::SYSTEM_RESET,
        psci::PSCI_FEATURES,
    ] {
        let answer = psci::features(function);
        holds("not negative", answer >= 0, function << 32 | code(answer))?;
    }
    Ok(())
}

fn not_features(_: &Board) -> Outcome {
    // Of the range of PSCI but not assigned, of another service, and not a fast call.
    for function in [0x8400_001f, 0xc400_001f, 0x8600_0000, 0x0400_0000] {
        equal(
            "PSCI_FEATURES",
            code(psci::NOT_SUPPORTED),
            code(psci::features(function)),
        )?;
    }
    Ok(())
}

fn suspend_features(_: &Board) -> Outcome {
    for function in [psci::CPU_SUSPEND_32, psci::CPU_SUSPEND] {
        equal("bits 31 to 2", 0_u64, code(psci::features(function)) & !3)?;
    }
    Ok(())
}

fn unknown_64(_: &Board) -> Outcome {
    for function in [0xc400_001f_u64, 0xc400_ffff] {
        equal("x0", u64::MAX, call::hvc([function, 1, 2, 3]))?;
    }
    Ok(())
}

fn unknown_32(_: &Board) -> Outcome {
    for function in [0x8400_001f, 0x8400_ffff] {
        equal(
            "w0",
            code(psci::NOT_SUPPORTED),
            code(psci::call(function, [1, 2, 3])),
        )?;
    }
    Ok(())
}

fn migrate(_: &Board) -> Outcome {
    let answer = psci::call(psci::MIGRATE_INFO_TYPE, [0; 3]);
    holds(
        "0, 1, 2 or NOT_SUPPORTED",
        (-1..=2).contains(&answer),
        code(answer),
    )
}

fn own(board: &Board) -> u64 {
    board.cpus.first().copied().unwrap_or(0)
}

/// An affinity that no CPU of the device tree has.
fn nobody(board: &Board) -> u64 {
    (0..)
        .map(|n| n << 8)
        .find(|a| !board.cpus.contains(a))
        .unwrap_or(0)
        | 0xff
}

fn own_affinity(board: &Board) -> Outcome {
    for function in [psci::AFFINITY_INFO, psci::AFFINITY_INFO_32] {
        let answer = psci::call(function, [own(board), 0, 0]);
        equal("AFFINITY_INFO", code(psci::ON), code(answer))?;
    }
    Ok(())
}

fn no_affinity(board: &Board) -> Outcome {
    let answer = psci::affinity_info(nobody(board));
    equal("AFFINITY_INFO", code(psci::INVALID_PARAMETERS), code(answer))
}

fn on_self(board: &Board) -> Outcome {
    let answer = psci::call(psci::CPU_ON, [own(board), crate::edge::second_entry(), 0]);
    equal("CPU_ON", code(psci::ALREADY_ON), code(answer))
}

fn on_nobody(board: &Board) -> Outcome {
    let answer = psci::call(psci::CPU_ON, [nobody(board), crate::edge::second_entry(), 0]);
    equal("CPU_ON", code(psci::INVALID_PARAMETERS), code(answer))
}

/// Standby of the original format: power level 0, state type 0, state 0.
fn standby() -> i32 {
    psci::call(psci::CPU_SUSPEND, [0, 0, 0])
}

fn standby_pending(_: &Board) -> Outcome {
    gic::send_self(3);
    timer::eventually(|| gic::is_pending(3));
    equal("CPU_SUSPEND", 0_u64, code(standby()))?;
    equal("interrupts taken while masked", 0_u64, interrupt::count(0))?;
    equal("INTID", 3_u64, gic::next())?;
    gic::end(3);
    quiet()
}

fn standby_timer(board: &Board) -> Outcome {
    for one in [Timer::Virtual, Timer::Physical] {
        gic::enable(one.intid(board));
        let compare = one.count() + timer::ticks(2000);
        one.fire_at(compare);
        // A wake-up for another reason is allowed.
        while !one.condition() {
            equal("CPU_SUSPEND", 0_u64, code(standby()))?;
        }
        equal("INTID", one.intid(board), gic::next())?;
        one.stop();
        gic::end(one.intid(board));
    }
    Ok(())
}

fn suspend_reserved(_: &Board) -> Outcome {
    gic::send_self(3);
    timer::eventually(|| gic::is_pending(3));
    let answer = psci::call(psci::CPU_SUSPEND, [1 << 31, 0, 0]);
    equal("CPU_SUSPEND", code(psci::INVALID_PARAMETERS), code(answer))
}

fn smccc_version(_: &Board) -> Outcome {
    let version = psci::call(psci::SMCCC_VERSION, [0; 3]);
    if psci::features(psci::SMCCC_VERSION) == 0 {
        holds("at least 1.1", version >= 0x1_0001, code(version))
    } else {
        equal("SMCCC_VERSION", code(psci::NOT_SUPPORTED), code(version))
    }
}

fn arch_features(_: &Board) -> Outcome {
    let there = psci::features(psci::SMCCC_VERSION) == 0;
    let itself = psci::call(psci::SMCCC_ARCH_FEATURES, [psci::SMCCC_ARCH_FEATURES, 0, 0]);
    let unassigned = psci::call(psci::SMCCC_ARCH_FEATURES, [0x8000_0fff, 0, 0]);
    let expected = if there { 0 } else { psci::NOT_SUPPORTED };
    equal("SMCCC_ARCH_FEATURES of itself", code(expected), code(itself))?;
    equal(
        "SMCCC_ARCH_FEATURES of nothing",
        code(psci::NOT_SUPPORTED),
        code(unassigned),
    )
}

fn preserved(board: &Board) -> Outcome {
    for function in [
        psci::PSCI_VERSION,
        psci::AFFINITY_INFO,
        psci::PSCI_FEATURES,
        0xc400_001f,
        0x8400_001f,
    ] {
        let mut before = [0_u64; 31];
        for (number, register) in (0_u64..).zip(&mut before) {
            *register = 0x1111_0000_2222_0000 | number << 8 | 0x5a;
        }
        before[0] = function;
        before[1] = own(board);
        before[2] = 0;
        let after = call::with_registers(&before);
        for (before, after) in before.iter().zip(after).skip(4) {
            equal("a register of x4 to x30", *before, after)?;
        }
    }
    Ok(())
}
