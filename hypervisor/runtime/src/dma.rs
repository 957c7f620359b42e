// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Faults of bus masters: taken from the SMMU in the system slot, attributed, counted (design decision D6).
//!
//! A flood of faults fills the SMMU's queue; the rest is lost there and counted as overflows. It costs a system
//! slot the same whatever happens, and no other slot anything.

use core::mem::offset_of;

use bulkhead_abi::health::{Error, NOBODY};
use bulkhead_abi::stats::{CoreStats, DmaStats, MAX_DMA_FUNCTIONS};
use bulkhead_arch::barrier::dsb_sy;
use bulkhead_drivers::smmu::events::COMMAND_QUEUE_ERROR;
use bulkhead_policy::dma::{decode, owner};

use crate::core_state::Running;
use crate::health::{self, Blame, Event};
use crate::shared::MAX_PARTITIONS;
use crate::{entry, streams};

/// Records taken in one system slot: a whole queue.
const BUDGET: u32 = 128;
/// Where the counts are in a core's statistics.
const AT: usize = offset_of!(CoreStats, dma);

macro_rules! field {
    ($name:ident) => {
        AT.wrapping_add(offset_of!(DmaStats, $name))
    };
}

/// Takes what the SMMU reported since the last system slot. Implements: BH-DMA-025.
///
/// # Timing
/// At most [`BUDGET`] records, each compared with every PCI function of the system, and one line of the log.
pub fn take_faults(running: &Running) {
    let Some(smmu) = entry::smmu(running.system.board) else {
        return;
    };
    let stats = running.stats;
    let mut first = None;
    // The first fault of each partition, and that of streams that nobody owns, for the health monitor.
    let mut reports: [Option<[u64; 3]>; MAX_PARTITIONS + 1] = [None; MAX_PARTITIONS + 1];
    let drained = smmu.drain(BUDGET, &dsb_sy, |record| {
        let fault = decode(record);
        let whose = owner(running.system.pci_functions, fault.stream);
        match whose.filter(|(index, _)| *index < MAX_DMA_FUNCTIONS) {
            Some((index, _)) => stats.add32(field!(faults).wrapping_add(index.wrapping_mul(4)), 1),
            None => stats.add64(field!(unowned), 1),
        }
        for (word, at) in record.into_iter().zip((field!(last)..).step_by(8)) {
            stats.write64(at, word);
        }
        first = first.or(Some((fault, whose)));
        let whose = whose.map_or(MAX_PARTITIONS, |(_, p)| {
            usize::try_from(p).unwrap_or(MAX_PARTITIONS)
        });
        if let Some(report) = reports.get_mut(whose) {
            let detail = [
                u64::from(fault.stream),
                u64::from(fault.cause.code()),
                fault.address,
            ];
            let _ = report.get_or_insert(detail);
        }
    });
    for (partition, detail) in (0u32..).zip(reports) {
        let Some(detail) = detail else { continue };
        let blame = if usize::try_from(partition).is_ok_and(|p| p < MAX_PARTITIONS) {
            let vcpu = NOBODY;
            Blame::Partition { partition, vcpu }
        } else {
            Blame::System
        };
        let error = Error::DmaFault;
        health::report(running, &Event { error, blame, detail });
    }
    if let Some((fault, whose)) = first {
        defmt::warn!(
            "DMA: {=u32} faults; the first of stream {=u32:x}, partition {=u32}, event {=u8:x}, address {=u64:x}",
            drained.records,
            fault.stream,
            whose.map_or(u32::MAX, |(_, partition)| partition),
            fault.cause.code(),
            fault.address
        );
    }
    if drained.overflowed {
        stats.add64(field!(overflows), 1);
    }
    let errors = smmu.take_global_errors();
    if errors != 0 {
        stats.add64(field!(global_errors), 1);
        let seen = field!(global_errors).wrapping_add(8);
        stats.write64(seen, stats.read64(seen) | u64::from(errors));
        if errors & COMMAND_QUEUE_ERROR != 0 {
            streams::resume_commands(running, &smmu);
        }
    }
}
