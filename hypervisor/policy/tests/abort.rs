// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accesses to emulated devices that the hardware does not describe.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_policy::abort::{Answer, at_device};
use bulkhead_policy::trap::decode;

const IL: u64 = 1 << 25;
/// EL1 with its own stack pointer; AArch64 and AArch32 EL0.
const EL1H: u64 = 0x3c5;
const EL0: u64 = 0;
const EL0_32: u64 = 0x10;

fn answer(esr: u64, pstate: u64) -> Answer {
    at_device(decode(esr, 0x0800_0000, 0x8_0000), esr, pstate)
}

/// Verifies: BH-TRAP-021.
#[test]
fn a_device_refuses_by_an_external_abort() {
    let load = 0x24 << 26 | IL | 0b00_0111;
    let store = load | 1 << 6;
    let fetch = 0x20 << 26 | IL | 0b00_0111;
    for (esr, pstate, syndrome) in [
        (load, EL1H, 0x25 << 26 | IL | 0x10),
        (load, EL0, 0x24 << 26 | IL | 0x10),
        (store, EL1H, 0x25 << 26 | IL | 1 << 6 | 0x10),
        (store & !IL, EL0_32, 0x24 << 26 | 1 << 6 | 0x10),
        (fetch, EL1H, 0x21 << 26 | IL | 0x10),
        (fetch, EL0, 0x20 << 26 | IL | 0x10),
    ] {
        assert_eq!(
            answer(esr, pstate),
            Answer::Inject(syndrome),
            "{esr:#x} {pstate:#x}"
        );
    }
}

/// Verifies: BH-TRAP-021.
#[test]
fn maintenance_does_nothing_and_the_rest_is_a_fault() {
    let maintenance = 0x24 << 26 | IL | 1 << 8 | 1 << 6 | 0b00_0111;
    assert_eq!(answer(maintenance, EL1H), Answer::Skip);
    // A permission fault, a fault on the table walk, an external abort; another class.
    for esr in [
        0x24 << 26 | IL | 0b00_1111,
        0x24 << 26 | IL | 1 << 7 | 0b00_0111,
        0x24 << 26 | IL | 0b01_0000,
        0x20 << 26 | IL | 1 << 7 | 0b00_0111,
        0x18 << 26 | IL,
    ] {
        assert_eq!(answer(esr, EL1H), Answer::Fault, "{esr:#x}");
    }
}
