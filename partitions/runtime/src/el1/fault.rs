// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a partition: it says why on its console and stops itself. Implements: BH-PART-005.

use core::fmt::Arguments;
use core::panic::PanicInfo;

use super::{console, critical, hypercall};

/// Stops the partition through PSCI.
pub fn stop() -> ! {
    hypercall::system_off();
    loop {
        aarch64_cpu::asm::wfi();
    }
}

/// Reaches beside the partition's memory, past its own translation: the fault of a program that has lost its way, for
/// tests of what follows.
pub fn trespass() -> ! {
    critical::mask();
    // SAFETY: the program does not go on: stage 2 has nothing at this address, and where an abort comes back, or the
    // access succeeds, what follows runs at the same addresses without stage 1 and stops the partition.
    unsafe {
        core::arch::asm!(
            "mrs {0}, sctlr_el1",
            "bic {0}, {0}, #1",
            "msr sctlr_el1, {0}",
            "isb",
            "ldr {0}, [{1}]",
            out(reg) _,
            in(reg) BESIDE,
            options(nostack),
        );
    }
    stop()
}

/// An address that no partition has: 4 KiB below the end of the IPA space of 39 bits.
const BESIDE: u64 = 0x7f_ffff_f000;

/// Publishes why and stops.
pub(super) fn fail(why: Arguments<'_>) -> ! {
    critical::mask();
    console::last_words(why);
    stop()
}

/// The panic handler of all partitions.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    fail(format_args!("{info}"))
}

#[unsafe(export_name = "partition_on_fault")]
extern "C" fn on_fault(vector: u64, syndrome: u64, pc: u64, address: u64) -> ! {
    fail(format_args!(
        "exception {vector}: ESR {syndrome:#x} PC {pc:#x} FAR {address:#x}"
    ))
}
