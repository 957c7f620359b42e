// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions that assembly calls, each a conversion and one safe call.
//!
//! A core's state lies at the end of its per-core block, above its stack:
//! `[guard page, never mapped][stack, grows down][PerCore]`. EL2 runs with all interrupts masked and is never
//! entered twice on a core, so each function here has the only reference to it.
#![allow(unsafe_code)]

use core::arch::global_asm;

use aarch64_cpu::registers::{Readable, TPIDR_EL2, Writeable};
use bulkhead_arch::aarch64_cpu;
use bulkhead_arch::barrier::set_el2_root;
use bulkhead_arch::context::VcpuContext;
use bulkhead_arch::vectors::{self, PER_CORE_STRIDE};

use bulkhead_board::Gic;
use bulkhead_drivers::gic::{Distributor, Redistributor};
use bulkhead_drivers::gicv2::interface::Interface;
use bulkhead_drivers::i6300esb::Watchdog;
use bulkhead_drivers::pci::function::{self, Function};
use bulkhead_drivers::smmu::Smmu;
use bulkhead_types::system::System;
use bulkhead_types::tables::{BoardDevices, Core, PciFunction};

use crate::core_state::PerCore;

const STATE_OFFSET: usize = PER_CORE_STRIDE - size_of::<PerCore>();
const _: () = assert!(size_of::<PerCore>().is_multiple_of(16));
const _: () = assert!(
    size_of::<PerCore>() <= PER_CORE_STRIDE - 4096 - 8192,
    "no room for 8 KiB of stack"
);

/// Offset of the stack's top in a per-core block, for the vector that handles EL2's own errors.
/// Implements: BH-BENCH-006.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
static bulkhead_stack_top: u64 = STATE_OFFSET as u64;

global_asm!(
    ".section .text.entry, \"ax\"",
    ".global runtime_entry",
    "runtime_entry:",
    "ldr x1, =__per_core_start",
    "mov x2, #{STRIDE}",
    "madd x1, x0, x2, x1",
    "mov x3, #{STATE}",
    "add x3, x3, x1",
    "mov sp, x3",
    // Until a context is loaded, TPIDR_EL2 names the block, so that an error of EL2 finds its stack.
    "msr tpidr_el2, x3",
    "mov x29, xzr",
    "mov x30, xzr",
    "b bulkhead_core_start",
    ".ltorg",
    STRIDE = const PER_CORE_STRIDE,
    STATE = const STATE_OFFSET,
);

unsafe extern "C" {
    static __per_core_start: u8;
}

fn block() -> usize {
    usize::try_from(TPIDR_EL2.get()).unwrap_or(0) & !(PER_CORE_STRIDE - 1)
}

/// Index of the calling core.
pub fn this_core_index() -> usize {
    let first = &raw const __per_core_start as usize;
    block().wrapping_sub(first) / PER_CORE_STRIDE
}

/// # Safety
/// 1. Called once per exception entry, and the reference ends before the return to the guest.
/// 2. `bulkhead_core_start` has initialised this core's state.
unsafe fn this_core() -> &'static mut PerCore {
    let state = core::ptr::with_exposed_provenance_mut::<PerCore>(block() + STATE_OFFSET);
    // SAFETY: (1) the address is this core's block, writable in its root only; (2) initialised, by the
    // caller's promise 2; (3) the only reference, by promise 1 and because EL2 is not re-entered.
    unsafe { &mut *state }
}

/// Initialises the calling core's state, apart from what follows: the value on its way to its place is not left on the
/// stack on which every later entry begins.
///
/// # Safety
/// 1. Called once on each core, before anything else has a reference to its state.
#[inline(never)]
unsafe fn initialised(core: u64) -> &'static mut PerCore {
    let state = core::ptr::with_exposed_provenance_mut::<PerCore>(block() + STATE_OFFSET);
    // SAFETY: the block is this core's own and writable, and its state has no other reference, by promise 1;
    // `PerCore` is plain data, so writing it drops nothing.
    unsafe {
        state.write(PerCore::new(u32::try_from(core).unwrap_or(u32::MAX)));
        &mut *state
    }
}

/// First run-time function of a core. The boot root is active.
#[unsafe(no_mangle)]
extern "C" fn bulkhead_core_start(core: u64) -> ! {
    vectors::install();
    // SAFETY: (1) the head of the run-time part calls this once on each core, before any exception is taken.
    unsafe { initialised(core) }.start()
}

/// Enters the guest that `context` is, for the first time since the core started.
pub fn enter(context: &VcpuContext) -> ! {
    TPIDR_EL2.set(&raw const *context as u64);
    vectors::enter(context)
}

#[unsafe(no_mangle)]
extern "C" fn bulkhead_on_sync(esr: u64) -> *const VcpuContext {
    // SAFETY: called by the vector, once per entry, after the core's start.
    let core = unsafe { this_core() };
    core.on_sync(esr)
}

#[unsafe(no_mangle)]
extern "C" fn bulkhead_on_irq() -> *const VcpuContext {
    // SAFETY: called by the vector, once per entry, after the core's start.
    let core = unsafe { this_core() };
    core.on_irq()
}

#[unsafe(no_mangle)]
extern "C" fn bulkhead_on_fiq() -> *const VcpuContext {
    // SAFETY: called by the vector, once per entry, after the core's start.
    let core = unsafe { this_core() };
    core.on_fiq()
}

#[unsafe(no_mangle)]
extern "C" fn bulkhead_on_serror(esr: u64) -> *const VcpuContext {
    // SAFETY: called by the vector, once per entry, after the core's start.
    let core = unsafe { this_core() };
    core.on_serror(esr)
}

/// EL2 took an exception of its own: the core records it and parks; the others go on.
#[unsafe(no_mangle)]
extern "C" fn bulkhead_on_fatal(vector: u64, esr: u64, elr: u64, far: u64) -> ! {
    let error = Some(bulkhead_abi::health::Error::Crash);
    crate::park::park(this_core_index(), error, vector, [esr, elr, far])
}

/// Makes the core's own run-time root active: the boot part and other cores' blocks are gone from here on.
pub fn use_root(core: &Core) {
    // SAFETY: (1) the root is one that the checker proved to map run-time text, constants, shared data, this
    // core's block and the blob, VA = PA, like the boot root that is active; everything used from here on
    // lies in these.
    unsafe { set_el2_root(core.el2_root) };
}

/// The core's view of the physical GIC: the distributor, and the registers of its SGIs and PPIs.
pub fn gic_frames(board: &BoardDevices, core: &Core) -> (Distributor, Redistributor) {
    let distributor = usize::try_from(board.gicd).unwrap_or(0);
    let redistributor = usize::try_from(core.redistributor).unwrap_or(0);
    match gic() {
        Gic::V3 | Gic::V3NonSecure => {}
        // SAFETY: the address is that of the board's distributor, from the checked blob; every core root maps it as
        // Device memory. `gic_cpu::wait_private` is the only caller of `wait` and does not call it here; nobody calls
        // `init`.
        Gic::V2 { .. } => unsafe {
            return (
                Distributor::small(distributor),
                Redistributor::banked(distributor),
            );
        },
    }
    // SAFETY: the addresses are those of the board's distributor and of this core's redistributor, from the
    // checked blob; every core root maps the first and this core's root the second as Device memory.
    unsafe { (Distributor::new(distributor), Redistributor::new(redistributor)) }
}

/// The SMMU; `None` when the board has none. Only the cores that do the housekeeping, or may have to, and those of partitions with a bus master map it.
pub fn smmu(board: &BoardDevices) -> Option<Smmu> {
    let base = usize::try_from(board.smmu).ok().filter(|base| *base != 0)?;
    // SAFETY: the addresses are those of the board's SMMU and of its two queue pages, from the checked blob; the roots
    // of the cores that call this map the first as Device memory and the others writable, which the checker proved;
    // commands are put under one lock, events are taken in a claimed step of the housekeeping alone.
    Some(unsafe { Smmu::new(base, board.smmu_queues) })
}

/// The configuration space of a function whose partition has a vCPU on this core.
pub fn function(board: &BoardDevices, function: &PciFunction) -> Function {
    let base = usize::try_from(board.ecam).unwrap_or(0);
    let number = usize::try_from(function.bdf).unwrap_or(0);
    let base = base.wrapping_add(number.wrapping_mul(function::SIZE));
    // SAFETY: the checked blob says that the function is there, and the roots of its partition's cores map its
    // configuration space as Device memory, which the checker proved.
    unsafe { Function::new(base) }
}

/// EL2's watchdog; `None` when the system uses none. Only watched cores map its registers.
pub fn watchdog(system: &System<'_>) -> Option<Watchdog> {
    let [registers, ..] = system.watchdog()?.bars;
    let base = usize::try_from(registers.address).ok()?;
    // SAFETY: the checked blob says that the function is there, boot gave it this address, and the roots of the watched
    // cores, which alone come here, map its registers as Device memory, which the checker proved.
    Some(unsafe { Watchdog::new(base) })
}

/// The calling core's CPU interface and virtual interface control, on a board with a GICv2; else none that answers.
pub fn gicv2_interface() -> Interface {
    let (cpu, control) = match gic() {
        Gic::V3 | Gic::V3NonSecure => (0, 0),
        Gic::V2 { cpu, control, .. } => (cpu, control),
    };
    // SAFETY: the board crate names its interfaces, which every root of its checked blob maps as Device memory (boot
    // compared them); only `gic_cpu` calls this, and only where there is a GICv2.
    unsafe { Interface::new(cpu, control) }
}

// The board's UART and GIC, linked by the board's binary: the run-time part is a library over the board.
unsafe extern "Rust" {
    safe fn bulkhead_board_gic_cpu() -> usize;
    safe fn bulkhead_board_gic_control() -> usize;
    safe fn bulkhead_board_uart_try_put(byte: u8) -> bool;
    safe fn bulkhead_board_uart_get() -> Option<u8>;
}

/// The board's GIC: constants once the board's binary is linked, so that what is for the other version is left out.
#[inline]
pub fn gic() -> Gic {
    match bulkhead_board_gic_cpu() {
        0 => Gic::V3,
        1 => Gic::V3NonSecure,
        cpu => Gic::V2 {
            cpu,
            control: bulkhead_board_gic_control(),
        },
    }
}

/// Hands a byte to the board's UART; `false` when it has no room.
pub fn uart_try_put(byte: u8) -> bool {
    bulkhead_board_uart_try_put(byte)
}

/// Takes a byte that the board's UART received.
pub fn uart_get() -> Option<u8> {
    bulkhead_board_uart_get()
}

/// Links the run-time part with a board: gives it the board's UART and the version of its GIC, and a panic handler that
/// lets it link only if no panic is reachable.
#[macro_export]
macro_rules! runtime_binary {
    ($board:ty) => {
        /// 0 or 1: a GICv3, which has no such address.
        #[unsafe(no_mangle)]
        extern "Rust" fn bulkhead_board_gic_cpu() -> usize {
            use bulkhead_board::{Board, Gic};
            match <$board as Board>::GIC {
                Gic::V3 => 0,
                Gic::V3NonSecure => 1,
                Gic::V2 { cpu, .. } => cpu,
            }
        }

        /// Never asked for with a GICv3. Unlike the function above, or the compiler would make one of both, which linking
        /// does not see through.
        #[unsafe(no_mangle)]
        extern "Rust" fn bulkhead_board_gic_control() -> usize {
            use bulkhead_board::{Board, Gic};
            match <$board as Board>::GIC {
                Gic::V3 | Gic::V3NonSecure => usize::MAX,
                Gic::V2 { control, .. } => control,
            }
        }

        #[unsafe(no_mangle)]
        extern "Rust" fn bulkhead_board_uart_try_put(byte: u8) -> bool {
            use bulkhead_board::{Board, Uart};
            <$board as Board>::uart().try_put(byte)
        }

        #[unsafe(no_mangle)]
        extern "Rust" fn bulkhead_board_uart_get() -> Option<u8> {
            use bulkhead_board::{Board, Uart};
            <$board as Board>::uart().get()
        }

        unsafe extern "C" {
            /// Defined nowhere. Implements: BH-BENCH-007.
            fn the_run_time_part_can_panic() -> !;
        }

        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            // SAFETY: never called: linking succeeds only when no path leads here.
            unsafe { the_run_time_part_can_panic() }
        }
    };
}
