// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bus masters of a partition: closed while it is stopped, open from its start on.
//!
//! Closed means: the function may not master the bus, its stream table entry is invalid, and the SMMU holds no
//! copy of the entry and no translation of its partition. A device at fixed addresses has no switch that EL2 knows: what
//! it tries while its streams are closed ends as a fault. Boot leaves every stream closed. Each core does
//! this for its own partitions; its root maps the SMMU only if one of them has a bus master.
//!
//! The command queue is one for all of these cores, so a lock is shared between dedicated and sliced ones: three
//! commands are put under it, nothing is waited for, and it is taken when a partition starts or stops and never else.
//! If a core fails meanwhile, the others get an error; the function has lost the bus before.
//!
//! # References
//! Arm IHI 0070, "Configuration structure changes and invalidation", "STE.V".

use core::sync::atomic::Ordering;

use bulkhead_arch::barrier::dsb_sy;
use bulkhead_arch::lock::{Poisoned, TicketLock};
use bulkhead_drivers::smmu::{Command, Smmu, SmmuError};
use bulkhead_types::tables::{NONE, Partition, PciFunction};

use crate::core_state::Running;
use crate::{core_field, entry, view};

/// `STE.V`, in the first doubleword.
const VALID: u64 = 1;

/// One core at a time puts commands.
static COMMANDS: TicketLock<()> = TicketLock::new(());

/// Why a partition's streams could not be closed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// The SMMU did not answer in time, or refused a command.
    Smmu(SmmuError),
    /// A core failed while it put commands.
    Poisoned,
    /// The partition has no vCPU on this core, whose root does not map what it takes.
    NotHere,
}

impl From<Poisoned> for StreamError {
    fn from(_: Poisoned) -> Self {
        Self::Poisoned
    }
}

/// Index of a partition.
fn index(running: &Running, partition: &Partition) -> u32 {
    let vcpu = running.system.vcpus_of_partition(partition).first();
    vcpu.map_or(NONE, |vcpu| vcpu.partition)
}

/// Functions of the partition with an index.
fn functions(running: &Running, index: u32) -> impl Iterator<Item = &'static PciFunction> {
    let all = running.system.pci_functions.iter();
    all.filter(move |function| function.partition == index && index != NONE)
}

/// StreamIDs of its bus masters at fixed addresses. The blob has them only where there is an SMMU.
fn platform(running: &Running, index: u32) -> impl Iterator<Item = u32> {
    let own = running
        .system
        .streams
        .iter()
        .filter(move |own| own.partition == index);
    own.map(|own| own.stream)
}

/// Whether the partition has a vCPU on this core, so that its root maps what its streams take.
pub fn is_here(running: &Running, partition: &Partition) -> bool {
    let members = running.system.vcpus_of_partition(partition);
    members.iter().any(|vcpu| vcpu.core == running.index)
}

/// Makes the SMMU forget the entry of a stream and the translations of its partition.
fn forget(running: &Running, smmu: &Smmu, stream: u32, vmid: u32) -> Result<(), StreamError> {
    let vmid = u16::try_from(vmid).unwrap_or(u16::MAX);
    let end = COMMANDS.with(running.index, |()| {
        smmu.command(Command::ForgetStream(stream), &dsb_sy);
        smmu.command(Command::InvalidateVmid(vmid), &dsb_sy);
        smmu.put_sync(&dsb_sy)
    })?;
    let bound = running.system.board.poll_bound;
    smmu.consumed(end, bound).map_err(StreamError::Smmu)
}

/// Makes the entry of a stream invalid; without an SMMU there is none.
fn close(running: &Running, stream: u32, vmid: u32) -> Result<(), StreamError> {
    let live = view::live_stream(&running.system, stream);
    if let Some(first) = live.words().first() {
        first.fetch_and(!VALID, Ordering::SeqCst);
    }
    dsb_sy();
    match entry::smmu(running.system.board) {
        Some(smmu) => forget(running, &smmu, stream, vmid),
        None => Ok(()),
    }
}

/// Makes the entry of a stream what the blob has.
fn open(running: &Running, stream: u32, vmid: u32) -> Result<(), StreamError> {
    let pristine = view::pristine_stream(&running.system, stream);
    let live = view::live_stream(&running.system, stream);
    // The valid bit comes last: the SMMU never sees half an entry.
    for (to, from) in live.words().iter().zip(pristine).rev() {
        to.store(*from, Ordering::SeqCst);
        dsb_sy();
    }
    // Without an SMMU the spec accepted the function by name: there is nothing to be told.
    match entry::smmu(running.system.board) {
        Some(smmu) => forget(running, &smmu, stream, vmid),
        None => Ok(()),
    }
}

/// Ends the DMA of a partition: after the return no transaction of its bus masters reaches memory.
/// Implements: BH-DMA-023, BH-DMA-031.
///
/// Repeating it is harmless. All functions and streams are tried, whatever happens to one.
///
/// # Errors
/// The last thing that went wrong; every function has lost the bus and each entry is invalid even so, but the SMMU
/// may hold a copy.
///
/// # Timing
/// For each function and each further stream three commands and one poll of at most the board's `poll_bound`.
pub fn close_streams(running: &Running, partition: &Partition) -> Result<(), StreamError> {
    let mut result = Ok(());
    let index = index(running, partition);
    for function in functions(running, index) {
        if !is_here(running, partition) {
            return Err(StreamError::NotHere);
        }
        entry::function(running.system.board, function).set_bus_master(false);
        if function.bus_master != 0 {
            result = close(running, function.bdf, partition.vmid).and(result);
        }
    }
    for stream in platform(running, index) {
        if !is_here(running, partition) {
            return Err(StreamError::NotHere);
        }
        result = close(running, stream, partition.vmid).and(result);
    }
    told(running, result)
}

/// Opens the streams of a partition as the blob has them, and lets their functions master the bus.
/// Implements: BH-DMA-024, BH-DMA-031.
///
/// # Errors
/// The first thing that went wrong; that function and those after it stay off the bus, that stream and those after it
/// are told to the SMMU no more.
///
/// # Timing
/// As [`close_streams`].
pub fn open_streams(running: &Running, partition: &Partition) -> Result<(), StreamError> {
    told(running, open_all(running, partition))
}

fn open_all(running: &Running, partition: &Partition) -> Result<(), StreamError> {
    let index = index(running, partition);
    for function in functions(running, index).filter(|function| function.bus_master != 0) {
        if !is_here(running, partition) {
            return Err(StreamError::NotHere);
        }
        open(running, function.bdf, partition.vmid)?;
        entry::function(running.system.board, function).set_bus_master(true);
    }
    for stream in platform(running, index) {
        if !is_here(running, partition) {
            return Err(StreamError::NotHere);
        }
        open(running, stream, partition.vmid)?;
    }
    Ok(())
}

/// Lets the command queue go on after a command that the SMMU refused.
pub(crate) fn resume_commands(running: &Running, smmu: &Smmu) {
    // When the lock is poisoned the queue stays stopped: what waits for it gets its error.
    let _ = COMMANDS.with(running.index, |()| smmu.resume_commands(&dsb_sy));
}

/// Counts and logs a failure.
fn told(running: &Running, result: Result<(), StreamError>) -> Result<(), StreamError> {
    if result.is_err() {
        running.stats.add64(core_field!(stream_failures), 1);
        defmt::error!(
            "core {=u32}: streams of a partition: the SMMU did not obey",
            running.index
        );
    }
    result
}
