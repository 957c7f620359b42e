// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts the verified system into the machine: live tables, PCI functions, SMMU, distributor.

use bulkhead_board::Gic;
use bulkhead_drivers::gic::{Distributor, GicError, OwnInterrupts, Redistributor, SecurityStates};
use bulkhead_drivers::gicv2;
use bulkhead_drivers::gicv2::interface::{GICC_SIZE, GICH_SIZE, Interface};
use bulkhead_drivers::i6300esb::{Refused, Watchdog};
use bulkhead_drivers::pci::function::Function;
use bulkhead_drivers::pci::{Ecam, NotSilent};
use bulkhead_drivers::smmu::{Smmu, Tables};
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::{ImageInfo, Range};
use bulkhead_types::system::System;
use bulkhead_types::tables::{BoardDevices, Core, core_mode};

use crate::arch::{self, Access};
use crate::refusal::{self, Fact, Refusal};
use crate::{size, verify};

/// Bytes of a stream table entry.
const STREAM_BYTES: u64 = 64;
/// Tries of a hardware poll before the blob, which names the bound, is verified.
const EARLY_POLL_BOUND: u64 = 1_000_000;

/// Closes the SMMU, before anything else. Implements: BH-DMA-001.
///
/// # Errors
/// It does not answer, or stays open.
pub(crate) fn close_smmu(base: Option<usize>) -> Result<(), Refusal> {
    let Some(base) = base else { return Ok(()) };
    // SAFETY: the board crate names its SMMU's registers; the MMU is off, so they are Device memory; boot is the
    // only code that runs. No queue is used.
    let smmu = unsafe { Smmu::new(base, 0) };
    let open = |board| Refusal::new("SMMU", Fact::Text("closed"), board);
    smmu.close(EARLY_POLL_BOUND)
        .map_err(|timeout| open(Fact::Text(timeout.register)))?;
    open(Fact::Text("open")).unless(smmu.is_closed())
}

/// Per-core blocks of the run-time part without their guard pages.
fn per_core_blocks(info: &ImageInfo) -> impl Iterator<Item = Range> + '_ {
    (0..info.max_cores).map(|core| {
        let start = info
            .per_core
            .start
            .saturating_add(core.saturating_mul(info.per_core_stride));
        Range {
            start: start.saturating_add(PAGE),
            end: start.saturating_add(info.per_core_stride),
        }
    })
}

/// Whether the boot root maps a range writable.
///
/// # Errors
/// It does not.
fn writable(range: Range) -> Result<(), Refusal> {
    let span = Fact::Span(range.start, range.end.saturating_sub(range.start));
    Refusal::new("boot root", Fact::Text("not writable"), span).unless(arch::allows(range, Access::Write))
}

/// Zeroes what the run-time part expects to find zeroed. Its shared data is not among it: that comes with the
/// image file, initial values and zeros alike. Implements: BH-BOOT-007.
///
/// # Errors
/// A range is not writable in the boot root.
pub(crate) fn clear_runtime(info: &ImageInfo) -> Result<(), Refusal> {
    let ranges = [info.handoff, info.stats]
        .into_iter()
        .chain(per_core_blocks(info));
    for range in ranges {
        writable(range)?;
        // SAFETY: (1) the boot root maps it writable; (2) the image header reserves it for the run-time part, of
        // which nothing runs yet; (3) the other cores are off.
        unsafe { arch::zero(range) };
    }
    Ok(())
}

/// Copies the live image to its place. Implements: BH-BOOT-013, BH-MEM-010.
///
/// # Errors
/// The live area or the queues are not writable in the boot root.
pub(crate) fn copy_live(system: &System<'_>, blob: &[u8]) -> Result<(), Refusal> {
    for range in verify::written(system) {
        writable(range)?;
        // SAFETY: (1) `verify::addresses` found it in free RAM, apart from the image and the blob; (2) the boot root
        // maps it writable; (3) the other cores are off and the SMMU is closed.
        unsafe { arch::zero(range) };
    }
    let start = size(system.header.live_image);
    let end = start.saturating_add(size(system.header.live_size));
    let image = blob.get(start..end).unwrap_or(&[]);
    // SAFETY: as above; `verify::addresses` found the live image inside the blob, so the lengths are equal.
    unsafe { arch::copy(image, system.header.live_base) };
    close_streams(system)?;
    // Walkers of cores and SMMU read through the coherent caches; the clean serves one that does not.
    verify::written(system)
        .into_iter()
        .for_each(arch::clean_invalidate);
    Ok(())
}

/// Makes the live stream table entry of each bus master invalid, until its partition starts. Implements: BH-DMA-026.
///
/// # Errors
/// An entry lies outside the live area.
fn close_streams(system: &System<'_>) -> Result<(), Refusal> {
    let live = Range {
        start: system.header.live_base,
        end: system.header.live_base.saturating_add(system.header.live_size),
    };
    // Without an SMMU there is no table: where one would begin lie root pages.
    let has_table = system.board.smmu != 0;
    let masters = system.pci_functions.iter().filter(|f| f.bus_master != 0);
    let streams = masters
        .map(|f| f.bdf)
        .chain(system.streams.iter().map(|s| s.stream));
    for stream in streams.filter(|_| has_table) {
        let table = live.start.saturating_add(system.board.stream_table);
        let start = table.saturating_add(u64::from(stream).saturating_mul(STREAM_BYTES));
        let end = start.saturating_add(STREAM_BYTES);
        let text = Fact::Text("outside the live area");
        Refusal::new("stream table entry", Fact::Hex(start), text)
            .unless(start >= live.start && end <= live.end)?;
        // SAFETY: it lies in the live area, of which `copy_live` says all that is to be said.
        unsafe { arch::zero(Range { start, end }) };
    }
    Ok(())
}

/// Zeroes windows and channels, in memory as in the caches.
///
/// A line that a boot loader left dirty there is written back first, so that it never lands on what a partition
/// wrote. The boot root maps a channel Non-cacheable, as its partitions do: nothing brings it into a cache again.
/// A partition's restart does not come here. Implements: BH-BOOT-015.
///
/// # Errors
/// One is not writable in the boot root.
pub(crate) fn clear_shared(system: &System<'_>) -> Result<(), Refusal> {
    for (_, _, range) in verify::shared(system) {
        writable(range)?;
        arch::clean_invalidate(range);
        // SAFETY: (1) `verify::addresses` found it in free RAM, apart from the image, the blob and what `copy_live`
        // fills; (2) the boot root maps it writable; (3) the other cores are off and the SMMU lets nobody through.
        unsafe { arch::zero(range) };
        arch::clean_invalidate(range);
    }
    Ok(())
}

/// Silences the PCI bus and programs the assigned functions. Implements: BH-DMA-004, BH-DMA-005.
///
/// Returns the number of functions found.
///
/// # Errors
/// A function differs from the blob.
pub(crate) fn program_pci(system: &System<'_>) -> Result<u32, Refusal> {
    if system.board.ecam == 0 {
        return Ok(0);
    }
    let buses = u8::try_from(system.board.ecam_buses).unwrap_or(u8::MAX);
    // SAFETY: the certified blob names the configuration space and the boot root maps it as Device memory; boot is
    // the only code that runs.
    let ecam = unsafe { Ecam::new(size(system.board.ecam), buses) };
    let count = ecam.silence().map_err(|NotSilent(bdf)| {
        let index = usize::try_from(bdf).unwrap_or(usize::MAX);
        Refusal::of(
            "PCI function",
            index,
            Fact::Text("silent"),
            Fact::Text("still enabled"),
        )
    })?;
    for (index, function) in system.pci_functions.iter().enumerate() {
        ecam.assign(function)
            .map_err(|error| refusal::pci(index, function, error))?;
    }
    Ok(count)
}

/// Opens the SMMU for the streams of the blob. Implements: BH-DMA-003.
///
/// # Errors
/// What it lacks, or a poll that did not end.
pub(crate) fn open_smmu(system: &System<'_>) -> Result<(), Refusal> {
    let board = system.board;
    if board.smmu == 0 {
        return Ok(());
    }
    // SAFETY: (1) the certified blob and the board crate name the same registers, mapped as Device memory;
    // (2) `verify::addresses` found the two queue pages in free RAM, and `copy_live` that they are writable.
    let smmu = unsafe { Smmu::new(size(board.smmu), board.smmu_queues) };
    let stream_table = system.header.live_base.saturating_add(board.stream_table);
    let tables = Tables {
        stream_table,
        stream_bits: board.stream_bits,
    };
    Ok(smmu.init(&tables, board.poll_bound, arch::publish)?)
}

/// Starts EL2's watchdog, when the system uses one. Implements: BH-HEALTH-040.
///
/// # Errors
/// It does not run as it was told.
pub(crate) fn start_watchdog(system: &System<'_>) -> Result<(), Refusal> {
    let Some(function) = system.watchdog() else {
        return Ok(());
    };
    let [registers, ..] = function.bars;
    let offset = u64::from(function.bdf).saturating_mul(PAGE);
    let space = size(system.board.ecam.saturating_add(offset));
    // SAFETY: `program_pci` checked the function and gave it its address; the boot root maps its registers and the
    // configuration space as Device memory; boot is the only code that runs.
    let (watchdog, space) = unsafe { (Watchdog::new(size(registers.address)), Function::new(space)) };
    let refused = |Refused(config, lock)| {
        let found = u64::from(config) << 8 | u64::from(lock);
        Refusal::new("watchdog", Fact::Text("runs, locked"), Fact::Hex(found))
    };
    watchdog.start(&space, system.board.watchdog).map_err(refused)
}

/// Sets up the distributor. Implements: BH-IRQ-001.
///
/// # Errors
/// What it lacks, or a poll that did not end.
pub(crate) fn start_distributor(system: &System<'_>, gic: Gic) -> Result<(), Refusal> {
    if has_redistributors(system) {
        // SAFETY: the certified blob and the board's device tree name the same distributor; the boot root maps it as
        // Device memory; boot is the only code that runs.
        let gicd = unsafe { Distributor::new(size(system.board.gicd)) };
        let states = match gic {
            Gic::V3NonSecure => SecurityStates::Two,
            Gic::V3 | Gic::V2 { .. } => SecurityStates::One,
        };
        return Ok(gicd.init(system.spis, system.cores, states, system.board.poll_bound)?);
    }
    Ok(distributor(system.board).init(system.spis, system.cores)?)
}

/// Whether the blob is for a GICv3: a GICv2 has no redistributors.
fn has_redistributors(system: &System<'_>) -> bool {
    system.cores.iter().all(|core| core.redistributor != 0)
}

/// The distributor of a GICv2.
fn distributor(board: &BoardDevices) -> gicv2::Distributor {
    // SAFETY: the certified blob and the board's device tree name the same distributor, which `check_gic` found to be
    // that of a GICv2; the boot root maps it as Device memory; of each core's own registers only the core itself uses
    // any, of the others boot alone.
    unsafe { gicv2::Distributor::new(size(board.gicd)) }
}

/// Compares the GIC version of the blob with the board crate's, and looks at a GICv2's interfaces.
/// Implements: BH-BOOT-024.
///
/// # Errors
/// They differ; the boot root does not map the interfaces; too few list registers.
pub(crate) fn check_gic(system: &System<'_>, gic: Gic) -> Result<(), Refusal> {
    let blob = if has_redistributors(system) { 3 } else { 2 };
    let differs = |board| Refusal::new("GIC version", Fact::Count(blob), Fact::Count(board));
    let Gic::V2 { cpu, control } = gic else {
        return differs(3).unless(blob == 3);
    };
    differs(2).unless(blob == 2)?;
    for (start, bytes) in [(cpu, GICC_SIZE), (control, GICH_SIZE)] {
        let end = start.saturating_add(bytes);
        let [start, end] = [start, end].map(|a| u64::try_from(a).unwrap_or(u64::MAX));
        writable(Range { start, end })?;
    }
    // SAFETY: the board crate names its interfaces, which the boot root maps; boot is the only code that runs.
    Ok(unsafe { Interface::new(cpu, control) }.check()?)
}

/// Sets up SGIs and PPIs of the calling core. Implements: BH-IRQ-002, BH-IRQ-004.
///
/// # Errors
/// What does not fit, or a poll that did not end.
pub(crate) fn start_core(board: &BoardDevices, core: &Core) -> Result<(), GicError> {
    let budget = core.budget_interrupt();
    if core.redistributor != 0 {
        // SAFETY: the certified blob and the board's device tree name the same distributor; the boot root maps it as
        // Device memory; its control register is only read.
        let gicd = unsafe { Distributor::new(size(board.gicd)) };
        // `start_distributor` found those of the board crate.
        let own = match gicd.security_states() {
            SecurityStates::One => OwnInterrupts::Group0,
            SecurityStates::Two if core.mode == core_mode::SLICED => OwnInterrupts::Group1,
            SecurityStates::Two => OwnInterrupts::None,
        };
        return redistributor(core).init(core.mpidr, own, budget, board.poll_bound);
    }
    let own = if core.mode == core_mode::SLICED {
        gicv2::OwnInterrupts::Enabled(budget)
    } else {
        gicv2::OwnInterrupts::None
    };
    distributor(board).init_core(core.mpidr, own)
}

/// The redistributor of a core.
fn redistributor(core: &Core) -> Redistributor {
    // SAFETY: the certified blob names it and the board's device tree has it in its redistributor region; the
    // boot root maps it as Device memory; only the core that it belongs to uses it.
    unsafe { Redistributor::new(size(core.redistributor)) }
}
