// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Faults of bus masters: taken from the SMMU in the system slot, attributed, counted (design decision D6).
//!
//! A flood of faults fills the SMMU's queue; the rest is lost there and counted as overflows. It costs a system
//! slot the same whatever happens, and no other slot anything.

use core::mem::offset_of;

use bulkhead_abi::health::{Error, NOBODY};
use bulkhead_abi::stats::{CoreStats, DmaStats, MAX_DMA_FUNCTIONS};
use bulkhead_arch::barrier::dsb_sy;
use bulkhead_drivers::smmu::Smmu;
use bulkhead_drivers::smmu::events::COMMAND_QUEUE_ERROR;
use bulkhead_policy::dma::{Fault, decode, owner};

use crate::core_state::Running;
use crate::health::{self, Blame, Event};
use crate::shared::MAX_PARTITIONS;
use crate::{entry, streams};

/// Records taken in one system slot: a whole queue.
const BUDGET: u32 = 128;
/// Records taken in one step of it.
const STEP: u32 = 4;
/// Bit of [`Slot::told`] for streams that nobody owns.
const NOBODYS: u32 = 63;
const _: () = assert!(MAX_PARTITIONS < 63);
/// Where the counts are in a core's statistics.
const AT: usize = offset_of!(CoreStats, dma);

macro_rules! field {
    ($name:ident) => {
        AT.wrapping_add(offset_of!(DmaStats, $name))
    };
}

/// What a system slot has taken from the SMMU.
#[derive(Clone, Copy)]
pub struct Slot {
    records: u32,
    /// Bit *n*: the health monitor has been told of partition *n*; bit [`NOBODYS`]: of streams that nobody owns.
    told: u64,
    /// The first fault, and whose stream it was.
    first: Option<(Fault, Option<u32>)>,
}

impl Slot {
    /// Nothing yet.
    pub const NEW: Self = Self {
        records: 0,
        told: 0,
        first: None,
    };
}

/// Takes some of what the SMMU reported since the last system slot; whether there is more to do. Implements: BH-DMA-025.
///
/// # Timing
/// At most [`STEP`] records, each compared with every PCI function and every further stream of the system, and one report; or one line of the log.
/// At most [`BUDGET`] records in a system slot.
pub fn take_faults(running: &mut Running) -> bool {
    let Some(smmu) = entry::smmu(running.system.board) else {
        return false;
    };
    for _ in 0..STEP.min(BUDGET.saturating_sub(running.faults.records)) {
        let mut record = None;
        let drained = smmu.drain(1, &dsb_sy, |words| record = Some(words));
        if drained.overflowed {
            running.stats.add64(field!(overflows), 1);
        }
        let Some(record) = record else {
            return conclude(running, &smmu);
        };
        if take(running, record) {
            return true;
        }
    }
    running.faults.records < BUDGET || conclude(running, &smmu)
}

/// Counts a fault; the first of a partition in a system slot is reported, and this says so.
fn take(running: &mut Running, record: [u64; 4]) -> bool {
    let stats = running.stats;
    let fault = decode(record);
    let whose = owner(running.system.pci_functions, running.system.streams, fault.stream);
    match whose.filter(|(index, _)| *index < MAX_DMA_FUNCTIONS) {
        Some((index, _)) => stats.add32(field!(faults).wrapping_add(index.wrapping_mul(4)), 1),
        None => stats.add64(field!(unowned), 1),
    }
    for (word, at) in record.into_iter().zip((field!(last)..).step_by(8)) {
        stats.write64(at, word);
    }
    let partition = whose.map(|(_, partition)| partition);
    let slot = &mut running.faults;
    slot.records = slot.records.saturating_add(1);
    slot.first = slot.first.or(Some((fault, partition)));
    let bit = 1u64.checked_shl(partition.unwrap_or(NOBODYS)).unwrap_or(0);
    if slot.told & bit != 0 {
        return false;
    }
    slot.told |= bit;
    let blame = match partition {
        Some(partition) => Blame::Partition {
            partition,
            vcpu: NOBODY,
        },
        None => Blame::System,
    };
    let detail = [
        u64::from(fault.stream),
        u64::from(fault.cause.code()),
        fault.address,
    ];
    let error = Error::DmaFault;
    health::report(running, &Event { error, blame, detail });
    true
}

/// Logs what the slot took, once, and settles the SMMU's own errors; whether there is more to do.
fn conclude(running: &mut Running, smmu: &Smmu) -> bool {
    if let Some((fault, partition)) = running.faults.first.take() {
        defmt::warn!(
            "DMA: {=u32} faults; the first of stream {=u32:x}, partition {=u32}, event {=u8:x}, address {=u64:x}",
            running.faults.records,
            fault.stream,
            partition.unwrap_or(u32::MAX),
            fault.cause.code(),
            fault.address
        );
        running.faults.records = BUDGET;
        return true;
    }
    let stats = running.stats;
    let errors = smmu.take_global_errors();
    if errors != 0 {
        stats.add64(field!(global_errors), 1);
        let seen = field!(global_errors).wrapping_add(8);
        stats.write64(seen, stats.read64(seen) | u64::from(errors));
        if errors & COMMAND_QUEUE_ERROR != 0 {
            streams::resume_commands(running, smmu);
        }
    }
    false
}
