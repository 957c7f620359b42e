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
