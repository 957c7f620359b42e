// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The counter read directly before and after one instruction.
//!
//! Where one tick is one instruction, two readings with nothing between differ by 1, and each function gives the
//! difference less that 1: the instruction itself and what it caused.

use core::arch::asm;

use bulkhead_abi::hypercall;

/// A hypercall that does nothing.
pub(crate) fn null_hypercall() -> u64 {
    call(hypercall::NULL, 0).0
}

/// A ring of doorbell `number`: ticks, and what EL2 answered.
pub(crate) fn ring(number: u64) -> (u64, u64) {
    call(hypercall::DOORBELL_RING, number)
}

/// A hypercall: ticks, and its result.
fn call(function: u32, argument: u64) -> (u64, u64) {
    let (before, after): (u64, u64);
    let mut result = u64::from(function);
    // SAFETY: neither call touches this program's memory, or changes a register but x0 to x17 (SMCCC).
    unsafe {
        asm!("mrs {before}, cntvct_el0", "hvc #0", "mrs {after}, cntvct_el0",
            before = out(reg) before, after = lateout(reg) after, inout("x0") result, inout("x1") argument => _,
            out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _,
            out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
            out("x16") _, out("x17") _, options(nostack));
    }
    (after.wrapping_sub(before).wrapping_sub(1), result)
}

/// A load of a word of a device that the device tree names.
pub(super) fn load(address: u64) -> u64 {
    let (before, after): (u64, u64);
    // SAFETY: `Frame` gives the aligned address of a device register that is mapped for ever.
    unsafe {
        asm!("mrs {before}, cntvct_el0", "ldr {value:w}, [{address}]", "mrs {after}, cntvct_el0",
            before = out(reg) before, after = lateout(reg) after, value = out(reg) _, address = in(reg) address,
            options(nostack));
    }
    after.wrapping_sub(before).wrapping_sub(1)
}

/// A store of a word to a device that the device tree names.
pub(super) fn store(address: u64, value: u32) -> u64 {
    let (before, after): (u64, u64);
    // SAFETY: as in `load`; device registers alias no Rust object.
    unsafe {
        asm!("mrs {before}, cntvct_el0", "str {value:w}, [{address}]", "mrs {after}, cntvct_el0",
            before = out(reg) before, after = lateout(reg) after, value = in(reg) value, address = in(reg) address,
            options(nostack));
    }
    after.wrapping_sub(before).wrapping_sub(1)
}

/// Sends an SGI; gives the counter directly before.
pub(crate) fn send_sgi(request: u64) -> u64 {
    let before: u64;
    // SAFETY: an SGI concerns interrupts only.
    unsafe {
        asm!("mrs {before}, cntvct_el0", "msr s3_0_c12_c11_5, {request}", "isb",
            before = out(reg) before, request = in(reg) request, options(nostack));
    }
    before
}
