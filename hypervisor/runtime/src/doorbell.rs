// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Doorbells: a partition rings another one, by an SPI to which nothing is wired.
//!
//! The distributor keeps a ring for whoever does not run, and takes it to a dedicated core without EL2; the ringer's
//! core takes no lock and calls no other core. Implements: BH-BELL-001.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use bulkhead_abi::hypercall::{DENIED, DOORBELL_EARLY, SUCCESS};
use bulkhead_abi::stats::VcpuStats;
use bulkhead_arch::barrier::{counter, dsb_sy};
use bulkhead_drivers::gic::gicd;
use bulkhead_policy::doorbell::{Ring, ring};
use bulkhead_policy::schedule::ticks;

use crate::core_state::{LocalVcpu, Running};
use crate::physical::spi_word;
use crate::shared::DOORBELLS;
use crate::view;

/// RING: `number` is the interrupt's place in the blob's table.
///
/// # Timing
/// No loop and no wait: one compare-and-swap and one store to the distributor at most.
pub(crate) fn on_ring(vcpu: &LocalVcpu, running: &Running, number: u32) -> i64 {
    let entry = usize::try_from(number)
        .ok()
        .and_then(|n| running.system.spis.get(n));
    let Some(spi) = entry.filter(|spi| spi.ringer == vcpu.entry.partition) else {
        return DENIED;
    };
    let state = usize::try_from(spi.doorbell).ok().and_then(|n| DOORBELLS.get(n));
    let Some(state) = state else {
        return DENIED;
    };
    let not_before = state.load(Ordering::Relaxed);
    let interval = ticks(spi.interval_ns, view::handoff().frequency);
    let rung = match ring(not_before, counter(), interval) {
        // Who loses against another vCPU of the partition comes too early after it.
        Ring::Deliver { not_before: next } => state
            .compare_exchange(not_before, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok(),
        Ring::TooEarly => false,
    };
    if !rung {
        vcpu.stats.add64(offset_of!(VcpuStats, rings_refused), 1);
        return DOORBELL_EARLY;
    }
    vcpu.stats.add64(offset_of!(VcpuStats, rings), 1);
    let word = usize::try_from(spi.intid >> 5).unwrap_or(0);
    let bit = 1u32.checked_shl(spi.intid & 31).unwrap_or(0);
    // What the ringer wrote before is there when the interrupt is.
    dsb_sy();
    running.distributor.write32(spi_word(gicd::ISPENDR, word), bit);
    SUCCESS
}
