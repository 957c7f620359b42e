// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The order of boot.

use core::fmt::Write;

use bulkhead_board::{Board, Uart};
use bulkhead_types::blob::{BlobHeader, PAGE};
use bulkhead_types::image::{Handoff, ImageInfo, Range};
use bulkhead_types::system::System;

use crate::arch::{self, Access};
use crate::console::{Console, Hex};
use crate::evidence::{self, HEADER_SIZE};
use crate::head::{self, Translation};
use crate::refusal::{Fact, Refusal};
use crate::verify::{self, Used, Verified};
use crate::{cores, machine, seeds};

/// Ends the machine: nothing that was refused goes on, nor does a boot that failed.
fn stop() -> ! {
    // An error leaves only the wait below.
    let _ = smccc::psci::system_off::<smccc::Smc>();
    head::halt()
}

fn console<B: Board>() -> Console<B::Uart> {
    let mut uart = B::uart();
    uart.enable();
    Console(uart)
}

/// The boot core's first Rust function: MMU off, own stack, EL2.
pub fn primary<B: Board>(device_tree: u64, entered: u64) -> ! {
    // Before anything else: no DMA.
    let closed = machine::close_smmu(B::SMMU);
    let mut console = console::<B>();
    let Err(refusal) = closed.and_then(|()| run::<B>(&mut console, device_tree, entered));
    let _ = writeln!(console, "{refusal}");
    stop()
}

/// Everything up to the run-time part, on the boot core. Implements: BH-BOOT-001.
fn run<B: Board>(
    console: &mut Console<B::Uart>,
    device_tree: u64,
    entered: u64,
) -> Result<core::convert::Infallible, Refusal> {
    let info = head::image_info();
    verify::image(info, B::ID)?;
    let image = Range {
        start: info.blob_base,
        end: info.base.saturating_add(head::image_size()),
    };
    // SAFETY: the arm64 header says that the image was loaded up to its end, and nothing writes it after that.
    let bytes = unsafe { arch::bytes(image) };
    let words = translation(verify::early(bytes)?);
    arch::clean_invalidate(info.boot_data);
    // SAFETY: (1) the early digest covers EL2's tables, which the checker proved against the image header;
    // (2) all of boot's data was just cleaned and invalidated, and caches were off while it was written.
    unsafe { head::enable_mmu(words) };

    let _ = writeln!(
        console,
        "Bulkhead {} on {}, hypervisor {}",
        env!("CARGO_PKG_VERSION"),
        B::NAME,
        Hex(&info.build_id)
    );
    let verified = verify::whole(bytes, info)?;
    let system = &verified.system;
    announce(console, &verified);
    let smmu = B::SMMU.unwrap_or(0);
    let used = Used {
        uart: u64::try_from(B::UART).unwrap_or(u64::MAX),
        smmu: u64::try_from(smmu).unwrap_or(u64::MAX),
    };
    verify::addresses(system, info, used)?;
    let tree = board_tree(device_tree)?;
    machine::check_gic(system, B::GIC)?;
    tree.check(system, B::GIC)?;
    let seeds = seeds::derive(system.partitions, &tree.entropy())?;
    let boot = cores::boot_core(system)?;

    machine::clear_runtime(info)?;
    machine::copy_live(system, bytes)?;
    machine::clear_shared(system)?;
    let functions = machine::program_pci(system)?;
    machine::open_smmu(system)?;
    machine::start_distributor(system, B::GIC)?;
    cores::start_all(system, boot, words)?;

    let frequency = arch::frequency();
    Refusal::new("counter frequency", Fact::Text("not 0"), Fact::Count(frequency)).unless(frequency > 0)?;
    let _ = writeln!(
        console,
        "{} cores ready, {} of {functions} PCI functions assigned",
        system.cores.len(),
        system.pci_functions.len()
    );
    let handoff = Handoff {
        blob_size: system.header.certificate,
        frequency,
        entry_time: entered,
        epoch: epoch(system, frequency),
        blob_hash: verified.hash,
        seeds,
    };
    // SAFETY: `clear_runtime` found the page writable; the image header reserves it for this; no core reads it before
    // the release below.
    unsafe { arch::copy(zerocopy::IntoBytes::as_bytes(&handoff), info.handoff.start) };
    arch::clean_invalidate(info.handoff);
    machine::start_watchdog(system)?;
    cores::release();
    // SAFETY: the packer took the entry from the run-time part's symbol, and the build ID covers it; the hand-over
    // is filled, statistics and per-core blocks are zero, shared data is as the image file has it.
    unsafe { arch::enter(info.runtime_entry, u64::try_from(boot).unwrap_or(u64::MAX)) }
}

fn translation(header: &BlobHeader) -> Translation {
    Translation {
        root: header.boot_root,
        tcr: header.el2_tcr,
        mair: header.el2_mair,
        sctlr: header.el2_sctlr,
    }
}

fn announce<U: Uart>(console: &mut Console<U>, verified: &Verified<'_>) {
    let _ = writeln!(
        console,
        "BLOB {} ({} partitions, {} cores; certified: {} properties, {} pages, {} roots)",
        Hex(&verified.hash),
        verified.system.partitions.len(),
        verified.system.cores.len(),
        verified.certificate.properties,
        verified.certificate.pages,
        verified.certificate.roots
    );
}

/// Counter value at which major frame 0 begins: `epoch_delay_us` from now.
fn epoch(system: &System<'_>, frequency: u64) -> u64 {
    let delay = u64::from(system.board.epoch_delay_us);
    let ticks = u128::from(frequency) * u128::from(delay) / 1_000_000;
    arch::counter().saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX))
}

/// The board's device tree, if it lies where the board file reserves room for it.
fn board_tree(address: u64) -> Result<evidence::Board<'static>, Refusal> {
    let at = |length: usize| Range {
        start: address,
        end: address.saturating_add(u64::try_from(length).unwrap_or(u64::MAX)),
    };
    let mapped = |range: Range| {
        Refusal::new(
            "device tree",
            Fact::Text("in the reserved range"),
            Fact::Hex(address),
        )
        .unless(address.is_multiple_of(8) && arch::allows(range, Access::Read))
    };
    mapped(at(HEADER_SIZE))?;
    // SAFETY: the boot root maps it for reading, and the boot loader's tree is written by nobody.
    let header = unsafe { arch::bytes(at(HEADER_SIZE)) };
    let length = evidence::total_size(header)?;
    mapped(at(length))?;
    // SAFETY: as above, for the whole tree.
    evidence::Board::new(unsafe { arch::bytes(at(length)) })
}

/// Another core's first Rust function: boot root active, own stack.
pub fn secondary(index: u64) -> ! {
    cores::secondary(index)
}

/// The image was entered at another exception level than EL2.
pub fn wrong_level<B: Board>(level: u64) -> ! {
    let refusal = Refusal::new("exception level", Fact::Count(2), Fact::Count(level));
    let _ = writeln!(console::<B>(), "{refusal}");
    head::halt()
}

/// An exception in boot itself. One that a device causes by not being there is a refusal too.
pub fn exception<B: Board>(vector: u64, esr: u64, elr: u64, far: u64) -> ! {
    /// Data abort without a change of level (`EC`), synchronous external (`DFSC`): DDI 0487, "ESR_EL2".
    const NO_ANSWER: (u64, u64) = (0x25, 0x10);
    let mut console = Console(B::uart());
    if ((esr >> 26) & 0x3F, esr & 0x3F) == NO_ANSWER {
        let refusal = Refusal::new("device", Fact::Hex(far), Fact::Text("no answer"));
        let _ = writeln!(console, "{refusal}");
    }
    let _ = writeln!(
        console,
        "stopped: exception {vector} in boot, ESR {esr:#x}, ELR {elr:#x}, FAR {far:#x}"
    );
    stop()
}

/// A panic in boot, which only a damaged device tree can cause.
pub fn panicked<B: Board>(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut console = Console(B::uart());
    let _ = writeln!(console, "stopped: {info}");
    stop()
}

const _: () = assert!(size_of::<Handoff>() <= 4096 && PAGE == 4096 && size_of::<ImageInfo>() < 2048);
