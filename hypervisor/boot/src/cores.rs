// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The other cores: started by PSCI, checked, and led to a common start.
//!
//! Shared words are written by one core each and only stored and loaded, never exchanged. The boot core is
//! the only one that prints.

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use bulkhead_drivers::gic::GicError;
use bulkhead_types::image::Range;
use bulkhead_types::system::System;
use bulkhead_types::tables::{BoardDevices, Core};

use crate::head::{self, Translation};
use crate::refusal::{Fact, Refusal};
use crate::verify::MAX_CORES;
use crate::{arch, machine, predictors, size};

/// Time that a core may take from CPU_ON to its report, and that it waits for the start, by the counter.
const PATIENCE_MS: u64 = 20_000;

/// What a core that starts needs before its MMU is on; cleaned to the point of coherency.
#[repr(C, align(64))]
struct Control {
    root: AtomicU64,
    tcr: AtomicU64,
    mair: AtomicU64,
    sctlr: AtomicU64,
}
const _: () = assert!(core::mem::offset_of!(Control, mair) == 16);

#[unsafe(no_mangle)]
static BOOT_CONTROL: Control = Control {
    root: AtomicU64::new(0),
    tcr: AtomicU64::new(0),
    mair: AtomicU64::new(0),
    sctlr: AtomicU64::new(0),
};

/// The boot core's view of the system, until the start.
static SYSTEM: AtomicPtr<System<'static>> = AtomicPtr::new(core::ptr::null_mut());
/// Set by the boot core when all may enter the run-time part.
static START: AtomicU64 = AtomicU64::new(0);

/// What a core says of itself.
struct Report {
    state: AtomicU64,
    value: AtomicU64,
}

static REPORTS: [Report; MAX_CORES] = [const {
    Report {
        state: AtomicU64::new(state::ABSENT),
        value: AtomicU64::new(0),
    }
}; MAX_CORES];

/// Values of [`Report::state`].
mod state {
    pub(super) const ABSENT: u64 = 0;
    pub(super) const READY: u64 = 1;
    pub(super) const AFFINITY: u64 = 2;
    pub(super) const MIDR: u64 = 3;
    pub(super) const GIC_AFFINITY: u64 = 4;
    pub(super) const GIC: u64 = 5;
    pub(super) const PREDICTORS: u64 = 6;
    pub(super) const COUNTERS: u64 = 7;
}

/// Compares the running core with the blob and sets its SGIs and PPIs up; gives state and value to report.
///
/// The core is of the part and variant that the blob names and of its revision (`MIDR_EL1`, bits 3:0) or a later one: an
/// older one has errata that nobody has looked at. Implements: BH-BOOT-011, BH-BOOT-022,
/// BH-BOOT-025, BH-IRQ-002.
fn check_this_core(core: &Core, board: &BoardDevices) -> (u64, u64) {
    let (affinity, midr) = (arch::affinity(), arch::midr());
    if affinity != core.mpidr {
        return (state::AFFINITY, affinity);
    }
    if midr >> 4 != core.midr >> 4 || midr < core.midr {
        return (state::MIDR, midr);
    }
    if !arch::predictors().suffice(core.predictors) {
        return (state::PREDICTORS, 0);
    }
    let counters = arch::event_counters();
    if core.budget != 0 && counters != u64::from(core.budget_counters) {
        return (state::COUNTERS, counters);
    }
    match machine::start_core(board, core) {
        Ok(()) => (state::READY, 0),
        Err(GicError::Affinity(found)) => (state::GIC_AFFINITY, found),
        Err(
            GicError::Timeout(_)
            | GicError::Architecture(_)
            | GicError::Security(_)
            | GicError::Lines(..)
            | GicError::LpisEnabled
            | GicError::NotVersion2(_)
            | GicError::ListRegisters(_),
        ) => (state::GIC, 0),
    }
}

/// A core's report as a result.
fn judge(index: usize, core: &Core, (found, value): (u64, u64)) -> Result<(), Refusal> {
    let (what, blob, board) = match found {
        state::READY => return Ok(()),
        state::AFFINITY => ("MPIDR of core", Fact::Hex(core.mpidr), Fact::Hex(value)),
        state::MIDR => ("MIDR of core", Fact::Hex(core.midr), Fact::Hex(value)),
        state::GIC_AFFINITY => ("GIC interface of core", Fact::Hex(core.mpidr), Fact::Hex(value)),
        state::PREDICTORS => (
            "predictors of core",
            Fact::Text(predictors::name(core.predictors)),
            Fact::Text("no such means"),
        ),
        state::COUNTERS => (
            "event counters of core",
            Fact::Count(core.budget_counters.into()),
            Fact::Count(value),
        ),
        state::GIC => (
            "GIC redistributor of core",
            Fact::Text("ready"),
            Fact::Text("no answer"),
        ),
        _ => ("core", Fact::Hex(core.mpidr), Fact::Text("did not come up")),
    };
    Err(Refusal::of(what, index, blob, board))
}

/// Index of the running core in the blob.
///
/// # Errors
/// The blob does not use it.
pub(crate) fn boot_core(system: &System<'_>) -> Result<usize, Refusal> {
    let affinity = arch::affinity();
    let index = system.cores.iter().position(|core| core.mpidr == affinity);
    index.ok_or(Refusal::new(
        "boot core",
        Fact::Text("not used"),
        Fact::Hex(affinity),
    ))
}

/// Starts every other core of the system and waits for each one's report. Implements: BH-BOOT-008.
///
/// # Errors
/// A core that PSCI refuses, that does not come, or that differs from the blob.
pub(crate) fn start_all(system: &System<'static>, boot: usize, words: Translation) -> Result<(), Refusal> {
    if let Some(core) = system.cores.get(boot) {
        judge(boot, core, check_this_core(core, system.board))?;
    }
    BOOT_CONTROL.root.store(words.root, Ordering::Relaxed);
    BOOT_CONTROL.tcr.store(words.tcr, Ordering::Relaxed);
    BOOT_CONTROL.mair.store(words.mair, Ordering::Relaxed);
    BOOT_CONTROL.sctlr.store(words.sctlr, Ordering::Relaxed);
    SYSTEM.store((&raw const *system).cast_mut(), Ordering::Release);
    let start = u64::try_from((&raw const BOOT_CONTROL).addr()).unwrap_or(u64::MAX);
    arch::clean_invalidate(Range {
        start,
        end: start.saturating_add(64),
    });
    for (index, (core, report)) in system.cores.iter().zip(&REPORTS).enumerate() {
        if index == boot {
            continue;
        }
        let context = u64::try_from(index).unwrap_or(u64::MAX);
        let entry = head::secondary_entry();
        smccc::psci::cpu_on::<smccc::Smc>(core.mpidr, entry, context).map_err(|error| {
            let code = Fact::Text(psci_error(error));
            Refusal::of("PSCI CPU_ON of core", index, Fact::Hex(core.mpidr), code)
        })?;
        let arrived = || report.state.load(Ordering::Acquire) != state::ABSENT;
        let _ = arch::wait_for(PATIENCE_MS, arrived);
        let found = report.state.load(Ordering::Acquire);
        judge(index, core, (found, report.value.load(Ordering::Relaxed)))?;
    }
    Ok(())
}

fn psci_error(error: smccc::psci::Error) -> &'static str {
    use smccc::psci::Error;
    match error {
        Error::NotSupported => "not supported",
        Error::InvalidParameters => "invalid parameters",
        Error::Denied => "denied",
        Error::AlreadyOn => "already on",
        Error::OnPending => "on pending",
        Error::InternalFailure => "internal failure",
        Error::NotPresent => "not present",
        Error::Disabled => "disabled",
        Error::InvalidAddress => "invalid address",
        Error::Unknown(_) => "unknown error",
    }
}

/// Lets every waiting core enter the run-time part.
pub(crate) fn release() {
    START.store(1, Ordering::Release);
}

/// Another core, on its own stack, boot root active: checks itself, reports, waits, enters.
pub(crate) fn secondary(index: u64) -> ! {
    let system = SYSTEM.load(Ordering::Acquire);
    // SAFETY: the boot core stored a pointer to a live `System` before CPU_ON and keeps it, unchanged, until it
    // releases the start; this reference is not used after that (`report` is written before).
    let system = unsafe { &*system };
    let (Some(core), Some(report)) = (system.cores.get(size(index)), REPORTS.get(size(index))) else {
        head::halt()
    };
    let (found, value) = check_this_core(core, system.board);
    report.value.store(value, Ordering::Relaxed);
    report.state.store(found, Ordering::Release);
    let started = arch::wait_for(PATIENCE_MS, || START.load(Ordering::Acquire) == 1);
    if found != state::READY || !started {
        head::halt()
    }
    // SAFETY: the packer took the entry from the run-time part's symbol, and the build ID covers it; the boot core
    // filled the hand-over and cleared the blocks before it released the start.
    unsafe { arch::enter(head::image_info().runtime_entry, index) }
}
