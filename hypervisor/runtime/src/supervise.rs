// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Supervision in the system slot: signs of life of partitions that EL2 never enters, and notices for the monitor
//! partition (design decision D10).

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_abi::health::{
    Action, Error, HEALTH_OFFSET, HealthEvent, HealthLog, NOBODY, NOTICE_COUNT, NOTICES, Notices,
};
use bulkhead_abi::window::{METRICS, METRICS_MAGIC, Metrics};
use bulkhead_arch::barrier::{counter, dmb_ish};
use bulkhead_policy::health::{Expected, Seen, Watch};
use bulkhead_policy::schedule::ticks;
use bulkhead_types::tables::Partition;

use crate::core_state::Running;
use crate::health::{self, Blame, Event};
use crate::lifecycle::life;
use crate::shared::{MAX_CORES, MAX_PARTITIONS, PARTITIONS};
use crate::view;

/// Notices written in one system slot.
const BUDGET: u32 = 8;

/// What is remembered of the partitions, by index: [`Watch::words`]. Used by who has claimed a step of the housekeeping.
static WATCHES: [[AtomicU64; 4]; MAX_PARTITIONS] =
    [const { [const { AtomicU64::new(0) }; 4] }; MAX_PARTITIONS];
/// Events of each core's log that were looked at. Used as [`WATCHES`] is.
static TOLD: [AtomicU64; MAX_CORES] = [const { AtomicU64::new(0) }; MAX_CORES];

/// Polls of the SMMU that reached their bound and were not reported yet.
static POLLS: AtomicU64 = AtomicU64::new(0);

/// Remembers for the next system slot that a poll of hardware that all share reached its bound.
pub fn poll_failed() {
    POLLS.fetch_add(1, Ordering::Relaxed);
}

/// Forgets the signs of life, which a step that broke off may have left half written: each partition has its grace again,
/// as after a start. Implements: BH-SCHED-028.
pub fn broken_off() {
    for word in WATCHES.iter().flatten() {
        word.store(0, Ordering::Relaxed);
    }
}

/// Looks at every partition, then tells the monitor partition what is new.
///
/// # Timing
/// One look for each partition and core, and at most [`BUDGET`] notices.
pub fn step(running: &Running) {
    let partitions = running.system.partitions.iter().zip(&WATCHES);
    for (index, (partition, kept)) in (0u32..).zip(partitions) {
        let mut watch = Watch::from_words(kept.each_ref().map(|word| word.load(Ordering::Relaxed)));
        look(running, index, partition, &mut watch);
        for (word, value) in kept.iter().zip(watch.words()) {
            word.store(value, Ordering::Relaxed);
        }
    }
    let polls = POLLS.swap(0, Ordering::Relaxed);
    if polls > 0 {
        let event = Event {
            error: Error::HardwarePoll,
            blame: Blame::System,
            detail: [polls, 0, 0],
        };
        health::report(running, &event);
    }
    tell(running);
}

/// Copies new events whose action is to notify into the monitor partition's window. Implements: BH-HEALTH-008.
fn tell(running: &Running) {
    let monitor = usize::try_from(running.system.board.monitor).ok();
    let Some(monitor) = monitor.and_then(|m| running.system.partitions.get(m)) else {
        return;
    };
    let notices = view::window(monitor).part(NOTICES, size_of::<Notices>());
    let mut budget = BUDGET;
    for (core, told) in (0u32..).zip(&TOLD).take(running.system.cores.len()) {
        let log = view::core_stats(core).part(HEALTH_OFFSET, size_of::<HealthLog>());
        let newest = log.read64(offset_of!(HealthLog, recorded));
        // What was overwritten meanwhile is still counted in the log.
        let kept = u64::try_from(bulkhead_abi::health::EVENTS).unwrap_or(0);
        let mut number = told.load(Ordering::Relaxed).max(newest.saturating_sub(kept));
        while number < newest && budget > 0 {
            number = number.wrapping_add(1);
            let event = health::entry(log, number);
            let action = event.read32_acquire(offset_of!(HealthEvent, action));
            if action != u32::from(Action::Notify.code()) {
                continue;
            }
            budget = budget.wrapping_sub(1);
            let written = notices.read64(offset_of!(Notices, written));
            let place = usize::try_from(written).unwrap_or(0) % NOTICE_COUNT;
            let at = place.wrapping_mul(size_of::<HealthEvent>());
            let notice = notices.part(
                offset_of!(Notices, events).wrapping_add(at),
                size_of::<HealthEvent>(),
            );
            for (to, from) in notice.words().iter().zip(event.words()) {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            dmb_ish();
            notices.write64(offset_of!(Notices, written), written.wrapping_add(1));
        }
        told.store(number, Ordering::Relaxed);
    }
}

/// Looks at the signs of life and the missed deadlines that a partition publishes.
fn look(running: &Running, index: u32, partition: &Partition, watch: &mut Watch) {
    let Some(state) = usize::try_from(index).ok().and_then(|i| PARTITIONS.get(i)) else {
        return;
    };
    if !life(state).is_running() {
        return;
    }
    let metrics = view::window(partition).part(METRICS, size_of::<Metrics>());
    let published = metrics.read32_acquire(offset_of!(Metrics, magic)) == METRICS_MAGIC;
    let count = |at| if published { metrics.read64(at) } else { 0 };
    let frequency = view::handoff().frequency;
    let found = watch.look(
        counter(),
        Seen {
            beat: count(offset_of!(Metrics, heartbeat)),
            starts: state.starts.load(Ordering::Relaxed),
            misses: count(offset_of!(Metrics, deadline_misses)),
        },
        Expected {
            every: ticks(partition.heartbeat_ns, frequency),
            grace: ticks(partition.heartbeat_grace_ns, frequency),
        },
    );
    let blame = Blame::Partition {
        partition: index,
        vcpu: NOBODY,
    };
    for (error, amount) in [
        (Error::Heartbeat, found.overdue),
        (Error::DeadlineOverrun, found.missed),
    ] {
        if let Some(amount) = amount {
            let detail = [amount, 0, 0];
            health::report(running, &Event { error, blame, detail });
        }
    }
}
