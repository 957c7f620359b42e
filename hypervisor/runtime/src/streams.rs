// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bus masters of a partition: closed while it is stopped, open from its start on.
//!
//! Closed means: the function may not master the bus, its stream table entry is invalid, and the SMMU holds no
//! copy of the entry and no translation of its partition. Boot leaves every stream closed. Each core does
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
use bulkhead_types::tables::{Partition, PciFunction};

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

/// Functions of a partition.
fn functions<'a>(
    running: &'a Running,
    partition: &'a Partition,
) -> impl Iterator<Item = &'static PciFunction> + 'a {
    let vcpu = running.system.vcpus_of_partition(partition).first();
    let index = vcpu.map(|vcpu| vcpu.partition);
    let all = running.system.pci_functions.iter();
    all.filter(move |function| Some(function.partition) == index)
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

/// Ends the DMA of a partition: after the return no transaction of its bus masters reaches memory.
/// Implements: BH-DMA-023.
///
/// Repeating it is harmless. All functions are tried, whatever happens to one.
///
/// # Errors
/// The last thing that went wrong; every function has lost the bus and its entry is invalid even so, but the SMMU
/// may hold a copy.
///
/// # Timing
/// For each function three commands and one poll of at most the board's `poll_bound`.
pub fn close_streams(running: &Running, partition: &Partition) -> Result<(), StreamError> {
    let mut result = Ok(());
    for function in functions(running, partition) {
        if !is_here(running, partition) {
            return Err(StreamError::NotHere);
        }
        entry::function(running.system.board, function).set_bus_master(false);
        if function.bus_master == 0 {
            continue;
        }
        let live = view::live_stream(&running.system, function);
        if let Some(first) = live.words().first() {
            first.fetch_and(!VALID, Ordering::SeqCst);
        }
        dsb_sy();
        if let Some(smmu) = entry::smmu(running.system.board) {
            let forgotten = forget(running, &smmu, function.bdf, partition.vmid);
            result = forgotten.and(result);
        }
    }
    told(running, result)
}

/// Opens the streams of a partition as the blob has them, and lets their functions master the bus.
/// Implements: BH-DMA-024.
///
/// # Errors
/// The first thing that went wrong; that function and those after it stay off the bus.
///
/// # Timing
/// As [`close_streams`].
pub fn open_streams(running: &Running, partition: &Partition) -> Result<(), StreamError> {
    let mut result = Ok(());
    for function in functions(running, partition).filter(|function| function.bus_master != 0) {
        if !is_here(running, partition) {
            return Err(StreamError::NotHere);
        }
        let pristine = view::pristine_stream(&running.system, function);
        let live = view::live_stream(&running.system, function);
        // The valid bit comes last: the SMMU never sees half an entry.
        for (to, from) in live.words().iter().zip(pristine).rev() {
            to.store(*from, Ordering::SeqCst);
            dsb_sy();
        }
        // Without an SMMU the spec accepted the function by name: there is nothing to be told.
        if let Some(smmu) = entry::smmu(running.system.board) {
            result = forget(running, &smmu, function.bdf, partition.vmid);
            if result.is_err() {
                break;
            }
        }
        entry::function(running.system.board, function).set_bus_master(true);
    }
    told(running, result)
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
