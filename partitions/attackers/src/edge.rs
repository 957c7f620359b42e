// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything of the attackers that is not safe Rust.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_abi::window::WINDOW_SIZE;
use bulkhead_partition::machine::Range;

/// What is tried past the partition's own translation.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Operation {
    /// Loads 64 bits from the address.
    Load = 0,
    /// Executes the instruction that the address is, with the value in `x0`, and gives `x0`.
    Execute = 1,
    /// Stores the value, 64 bits, at the address.
    Store = 2,
    /// Stores the value's lower 32 bits at the address.
    StoreWord = 3,
}

#[unsafe(export_name = "attacker_scratch")]
static SCRATCH: AtomicU64 = AtomicU64::new(0);

global_asm!(
    ".section .text.attacker, \"ax\"",
    ".balign 0x800",
    "attacker_vectors:",
    ".rept 16",
    ".balign 0x80",
    "mrs x13, esr_el1",
    "mrs x12, far_el1",
    // After a failed fetch it goes on at x15, else behind the instruction.
    "mov x17, x15",
    "tbz x13, #31, 1f",
    "tbz x13, #28, 2f",
    "1:",
    "mrs x17, elr_el1",
    "add x17, x17, #4",
    "2:",
    "msr elr_el1, x17",
    "eret",
    ".endr",
    ".balign 0x80",
    // x0 operation, x1 address or instruction, x2 value; gives x0 value, x1 ESR_EL1 or 0.
    "attacker_try:",
    "mrs x9, daif",
    "msr daifset, #0xf",
    "mrs x10, sctlr_el1",
    "mrs x11, vbar_el1",
    "adr x12, attacker_vectors",
    "msr vbar_el1, x12",
    "bic x12, x10, #1",
    "ldr x14, =attacker_scratch",
    "dsb sy",
    "msr sctlr_el1, x12",
    "isb",
    "mov x13, xzr",
    "cmp x0, #1",
    "b.eq 1f",
    "b.hi 3f",
    "ldr x0, [x1]",
    "b 2f",
    "3: cmp x0, #2",
    "b.hi 4f",
    "str x2, [x1]",
    "b 2f",
    "4: str w2, [x1]",
    "b 2f",
    "1: mov w15, #0x03c0",
    "movk w15, #0xd65f, lsl #16",
    "stp w1, w15, [x14]",
    "dc cvau, x14",
    "dsb sy",
    "ic ivau, x14",
    "dsb sy",
    "isb",
    "mov x16, x30",
    "mov x0, x2",
    "blr x14",
    "mov x30, x16",
    "2: dsb sy",
    "isb",
    "msr vbar_el1, x11",
    "msr sctlr_el1, x10",
    "isb",
    "msr daif, x9",
    "mov x1, x13",
    "ret",
    ".ltorg",
);

/// Tries one thing with the MMU off, so that stage 2 alone decides; gives what it read, and `ESR_EL1` of the exception
/// that it met at EL1.
pub(crate) fn attempt(operation: Operation, address: u64, value: u64) -> (u64, Option<u64>) {
    let (read, syndrome): (u64, u64);
    // SAFETY: 1. The routine changes the registers that are named and memory of its own only. 2. Code is mapped at its
    // own address, and nothing but the routine runs with the MMU off: interrupts are masked and no stack is used.
    // 3. What an instruction that is executed may change is for its caller to know.
    unsafe {
        asm!(
            "bl attacker_try",
            inout("x0") operation as u64 => read,
            inout("x1") address => syndrome,
            in("x2") value,
            out("x9") _, out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _,
            out("x15") _, out("x16") _, out("x17") _, out("x30") _,
        );
    }
    SCRATCH.store(0, Ordering::Relaxed);
    (read, (syndrome != 0).then_some(syndrome))
}

/// Calls with HVC or SMC; gives `x0`.
pub(crate) fn call(by_smc: bool, arguments: [u64; 4]) -> u64 {
    let [a, b, c, d] = arguments;
    let result;
    // SAFETY: a call changes x0 to x17 at most (SMCCC); it does not return for functions that end the caller.
    unsafe {
        if by_smc {
            asm!("smc #0", inout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, clobber_abi("C"));
        } else {
            asm!("hvc #0", inout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, clobber_abi("C"));
        }
    }
    result
}

/// Words at the end of the partition's own window, which no restart clears.
pub(crate) fn kept(window: Range) -> &'static [AtomicU64; 4] {
    let start = usize::try_from(window.start).unwrap_or(0);
    assert!(start.is_multiple_of(4096) && start != 0 && window.size >= WINDOW_SIZE as u64);
    let words = core::ptr::with_exposed_provenance(start + WINDOW_SIZE - 32);
    // SAFETY: the window is the partition's own and mapped for ever; nobody uses its last words; atomics are valid for
    // any bit pattern.
    unsafe { &*words }
}

/// Writes a register of `BYTES` bytes, 1, 2, 4 or 8, of a mapped device.
pub(crate) fn write<const BYTES: u8>(address: u64, value: u64) {
    // SAFETY: the caller's ranges come from the device tree and are mapped as Device memory.
    unsafe {
        match BYTES {
            1 => asm!("strb {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)),
            2 => asm!("strh {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)),
            4 => asm!("str {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)),
            _ => asm!("str {:x}, [{}]", in(reg) value, in(reg) address, options(nostack)),
        }
    }
}

/// Reads a register of `BYTES` bytes, 1, 2, 4 or 8, of a mapped device.
pub(crate) fn read<const BYTES: u8>(address: u64) -> u64 {
    let value;
    // SAFETY: as in `write`.
    unsafe {
        match BYTES {
            1 => asm!("ldrb {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)),
            2 => asm!("ldrh {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)),
            4 => asm!("ldr {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)),
            _ => asm!("ldr {:x}, [{}]", out(reg) value, in(reg) address, options(nostack)),
        }
    }
    value
}

/// Ticks of the counter in a second.
pub(crate) fn frequency() -> u64 {
    let value;
    // SAFETY: reading this register changes nothing.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) value, options(nomem, nostack)) };
    value
}

/// Acknowledges an interrupt, as a handler would; 1023: none.
pub(crate) fn acknowledge() -> u64 {
    let intid;
    // SAFETY: interrupts are masked, so that no handler waits for the one that is taken here.
    unsafe { asm!("mrs {}, S3_0_C12_C12_0", "dsb sy", out(reg) intid, options(nostack)) };
    intid
}

/// Ends an interrupt.
pub(crate) fn end(intid: u64) {
    // SAFETY: as in `acknowledge`.
    unsafe { asm!("msr S3_0_C12_C12_1, {}", "isb", in(reg) intid, options(nostack)) };
}

/// Sets control and compare value of the virtual timer, or of the physical one.
pub(crate) fn set_timer<const VIRTUAL: bool>(control: u64, compare: u64) {
    // SAFETY: timers change no memory; their interrupts are masked.
    unsafe {
        if VIRTUAL {
            asm!("msr cntv_cval_el0, {}", "msr cntv_ctl_el0, {}", "isb", in(reg) compare, in(reg) control, options(nostack));
        } else {
            asm!("msr cntp_cval_el0, {}", "msr cntp_ctl_el0, {}", "isb", in(reg) compare, in(reg) control, options(nostack));
        }
    }
}

/// Some instructions.
pub(crate) fn wait() {
    for _ in 0..256 {
        core::hint::spin_loop();
    }
}

/// Masks every exception of this vCPU.
pub(crate) fn mask() {
    // SAFETY: masked exceptions stay pending.
    unsafe { asm!("msr daifset, #0xf", options(nomem, nostack)) };
}
