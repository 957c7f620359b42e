// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The part of the boot loader that is not safe Rust.

use core::arch::{asm, global_asm};
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

use crate::target::{Orders, run};

global_asm!(
    r#"
    .section .text.entry, "ax"
    .global chain_start
    chain_start:
        ldr     x1, =chain_stack_end
        mov     sp, x1
        mov     x29, xzr
        mov     x30, xzr
        ldr     x0, =chain_orders
        b       chain_main
        .ltorg
    "#
);

/// Where the entry above goes, MMU off.
#[unsafe(no_mangle)]
extern "C" fn chain_main(orders: &Orders) -> ! {
    run(orders)
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// The counter.
pub(crate) fn now() -> u64 {
    let ticks: u64;
    // SAFETY: CNTPCT_EL0 is readable at EL2 and reading it changes nothing (DDI 0487, "CNTPCT_EL0").
    unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nostack, preserves_flags)) };
    ticks
}

/// Ticks of the counter in a millisecond.
pub(crate) fn ticks_of_a_millisecond() -> u64 {
    let frequency: u64;
    // SAFETY: CNTFRQ_EL0 is readable at EL2 and reading it changes nothing (DDI 0487, "CNTFRQ_EL0").
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags)) };
    frequency / 1000
}

/// A 32-bit register.
pub(crate) fn read(address: u64) -> u32 {
    // SAFETY: the callers name configuration space and BARs of QEMU virt, which this program alone uses; with the MMU
    // off they are Device memory.
    unsafe { with_exposed_provenance::<u32>(address as usize).read_volatile() }
}

/// Writes a 32-bit register.
pub(crate) fn write(address: u64, value: u32) {
    // SAFETY: as for `read`.
    unsafe { with_exposed_provenance_mut::<u32>(address as usize).write_volatile(value) };
}

/// Copies `size` bytes, in doublewords.
pub(crate) fn copy(from: u64, to: u64, size: u64) {
    for at in (0..size).step_by(8) {
        // SAFETY: RAM of QEMU virt in which nothing of this program lies: the begin of RAM, and the range that the
        // board file reserves for the device tree; both are aligned to 8 bytes.
        unsafe {
            let value = with_exposed_provenance::<u64>((from + at) as usize).read_volatile();
            with_exposed_provenance_mut::<u64>((to + at) as usize).write_volatile(value);
        }
    }
}

/// Enters the hypervisor as the arm64 boot protocol says; 0: waits for ever.
pub(crate) fn enter(entry: u64, tree: u64) -> ! {
    if entry == 0 {
        loop {
            core::hint::spin_loop();
        }
    }
    // SAFETY: the test put the hypervisor's image there; caches and MMU are off, and interrupts are masked since the
    // machine's start.
    unsafe {
        asm!(
            "mov x1, xzr", "mov x2, xzr", "mov x3, xzr", "br {}",
            in(reg) entry, in("x0") tree, options(noreturn)
        )
    }
}
