// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the entries in assembly to the two main functions, and the ends: fault, panic, power-off.

use core::arch::global_asm;
use core::panic::PanicInfo;

use bulkhead_partition::translation::{MAIR, TCR};

use super::{call, console, memory, registers};
use crate::board::Board;
use crate::second::EntryState;
use crate::{bench, copies, device, firmware, interrupt, psci, second, suite};

/// `SCTLR_EL1`: MMU, alignment checks, caches, W^X, and the bits that are one.
const SCTLR: u64 = 0x30d0_0800 | 1 | (1 << 1) | (1 << 2) | (1 << 3) | (1 << 12) | (1 << 19);

global_asm!(include_str!("entry.S"), mair = const MAIR, tcr = const TCR, sctlr = const SCTLR);

unsafe extern "C" {
    safe static conformance_second_start: u8;
}

/// Where CPU_ON lets the second CPU begin.
pub(crate) fn second_entry() -> u64 {
    // Lossless: both are 64 bits wide on this target.
    core::ptr::from_ref(&conformance_second_start).addr() as u64
}

#[unsafe(export_name = "conformance_main")]
extern "C" fn main(device_tree: usize) -> ! {
    let Some(board) = memory::device_tree(device_tree).and_then(|tree| Board::parse(&tree)) else {
        stop()
    };
    console::open(&board);
    if board.machine.arguments.starts_with("bench") {
        bench::run(&board);
    }
    if board.machine.arguments == "copies" {
        copies::run();
    }
    if board.machine.arguments.starts_with("firmware") {
        firmware::run(board.machine.arguments.ends_with("vendor"));
    }
    if board.machine.arguments == "device" {
        device::run(&board);
    }
    suite::run(&board);
    stop()
}

#[unsafe(export_name = "conformance_second_main")]
extern "C" fn second_main(context: u64, daif: u64, control: u64, level: u64, stack: u64) -> ! {
    second::main(&EntryState {
        context,
        daif,
        control,
        level,
        stack,
    })
}

#[unsafe(export_name = "conformance_interrupt")]
extern "C" fn on_interrupt(now: u64) {
    interrupt::serve(now);
}

#[unsafe(export_name = "conformance_on_fault")]
extern "C" fn on_fault(vector: u64, syndrome: u64, pc: u64, address: u64) -> ! {
    suite::abort(format_args!(
        "exception {vector} on CPU {}: ESR {syndrome:#x} PC {pc:#x} FAR {address:#x}",
        registers::cpu()
    ))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    suite::abort(format_args!("{info}"))
}

/// Switches the machine off.
pub(crate) fn stop() -> ! {
    call::hvc([psci::SYSTEM_OFF, 0, 0, 0]);
    loop {
        registers::wait_for_interrupt();
    }
}
