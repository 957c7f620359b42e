// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A sequence of traps, interrupts and calls, into the policy code that EL2 executes: the host harness.
//!
//! The first byte chooses how the guest uses its GIC, the others are a program. Two machines execute it: one drives
//! the virtual GIC beside a GIC without list registers (the model of `hypervisor/policy/tests`), the other takes raw
//! syndromes and does what `hypervisor/runtime` does with them. What must hold is tested after each operation.

mod calls;
mod delivery;
mod device;
mod guest;
mod life;
mod syndrome;
mod vgic;

use crate::bytes::Bytes;

/// Most operations of a program.
const OPERATIONS: usize = 192;

/// Executes an input. Verifies: BH-FUZZ-003.
pub fn check(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let mode = bytes.u8();
    let mut delivery = None;
    let mut guest = None;
    let mut life = life::Life::new(mode);
    for _ in 0..OPERATIONS {
        if bytes.is_empty() {
            break;
        }
        match bytes.u8() {
            kind @ 0..=127 => delivery
                .get_or_insert_with(|| delivery::Delivery::new(mode))
                .step(kind, &mut bytes),
            kind @ 128..=223 => guest
                .get_or_insert_with(|| guest::Guest::new(mode))
                .operate(kind, &mut bytes),
            224..=239 => calls::check(&mut bytes),
            240.. => life.step(&mut bytes),
        }
    }
    if let Some(delivery) = delivery {
        delivery.finish();
    }
}
