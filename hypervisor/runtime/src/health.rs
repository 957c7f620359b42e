// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The health monitor (design decision D10): records an error, and does what the blob's table says about it.
//!
//! [`report`] is the one door. Whoever finds an error says what it is and whose; the reaction is the table's.
//! Implements: BH-HEALTH-003.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering};

use bulkhead_abi::health::{
    Action, CORE_ROW, ERRORS, EVENTS, Error, HEALTH_OFFSET, HealthEvent, HealthLog, Level, NOBODY, SYSTEM_ROW,
};
use bulkhead_abi::trace::Kind;
use bulkhead_arch::barrier::{counter, dmb_ish};
use bulkhead_arch::words::SharedBlock;
use bulkhead_policy::lifecycle;
use bulkhead_types::system::System;

use crate::core_state::{PerCore, Running};
use crate::crash;
use crate::lifecycle::end;
use crate::park::park;
use crate::physical::owns;
use crate::view;

impl PerCore {
    /// Counts an interrupt of a device of the slot's owner, an SPI. Implements: BH-HEALTH-009.
    pub fn count_interrupt(&mut self, intid: u32) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        if let Some(sharing) = running.sharing.as_mut() {
            let own = running.loaded.filter(|_| owns(vcpu, intid));
            running.interrupts = match own {
                Some(local) => sharing.count_interrupt(local),
                None => return,
            };
        } else {
            running.interrupts = running.interrupts.wrapping_add(1);
        }
        let limit = vcpu.partition.interrupt_limit;
        if limit > 0 && running.interrupts == limit.wrapping_add(1) {
            self.blame(Error::InterruptStorm, [u64::from(intid), 0, u64::from(limit)]);
        }
    }
}

/// Whose error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// A partition's.
    Partition {
        /// Its index.
        partition: u32,
        /// Its vCPU, or [`NOBODY`].
        vcpu: u32,
    },
    /// EL2's on this core.
    Core,
    /// Nobody's who is known.
    System,
}

/// An error as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub error: Error,
    /// Whose.
    pub blame: Blame,
    /// See [`HealthEvent::detail`].
    pub detail: [u64; 3],
}

impl Event {
    fn level(&self) -> Level {
        match self.blame {
            Blame::Partition { .. } => Level::Partition,
            Blame::Core => Level::Core,
            Blame::System => Level::System,
        }
    }

    /// Partition and vCPU.
    fn culprit(&self) -> (u32, u32) {
        match self.blame {
            Blame::Partition { partition, vcpu } => (partition, vcpu),
            Blame::Core | Blame::System => (NOBODY, NOBODY),
        }
    }

    /// Row of [`HealthLog::counts`].
    fn row(&self) -> usize {
        match self.blame {
            Blame::Partition { partition, .. } => usize::try_from(partition).unwrap_or(usize::MAX),
            Blame::Core => CORE_ROW,
            Blame::System => SYSTEM_ROW,
        }
    }
}

/// Becomes 1 when the system goes to its global safe state.
static GLOBAL: AtomicU32 = AtomicU32::new(0);

/// Records an error, does what the table says, and tells what that was.
///
/// A partition's restart or stop has begun at the return; the reporter on a core of that partition finds
/// `must_stop`. On [`Action::StopCore`] this does not return.
///
/// # Timing
/// A bounded number of instructions: the record, and at most one revocation for each partition.
pub fn report(running: &Running, event: &Event) -> Action {
    let action = reaction(&running.system, event);
    record(running.index, event, action);
    trace(running, event, action);
    match action {
        Action::Log | Action::Notify => {}
        Action::RestartPartition => stop(running, event, lifecycle::Event::Fault),
        Action::StopPartition => stop(running, event, lifecycle::Event::Stop),
        Action::SafeState => stop(running, event, lifecycle::Event::SafeState),
        Action::GlobalSafeState => global(running),
        Action::StopCore => {
            let index = usize::try_from(running.index).unwrap_or(usize::MAX);
            park(index, None, u64::MAX, [0; 3])
        }
    }
    action
}

/// The last report of a core that cannot go on: what EL2's state still allows. Partitions are told by their lives
/// alone; each of their other cores looks there at its next entry.
pub fn last_report(core: u32, event: &Event) {
    let Some(system) = view::system() else { return };
    let action = reaction(&system, event);
    record(core, event, action);
    if action == Action::GlobalSafeState {
        GLOBAL.store(1, Ordering::SeqCst);
    }
}

/// Whether the system is in its global safe state or about to be.
pub fn is_global() -> bool {
    GLOBAL.load(Ordering::SeqCst) != 0
}

/// A poll of hardware that is this core's own reached its bound. Implements: BH-HEALTH-047.
#[cold]
#[inline(never)]
pub fn own_poll_failed(running: &Running) {
    let (error, blame, detail) = (Error::HardwarePoll, Blame::Core, [0; 3]);
    report(running, &Event { error, blame, detail });
}

/// Whether the system is to go to its global safe state, said by a core that parked meanwhile; once.
pub fn takes_global(running: &Running) {
    if GLOBAL.load(Ordering::Relaxed) == 1 {
        global(running);
    }
}

/// The table's answer. Implements: BH-HEALTH-002.
fn reaction(system: &System<'_>, event: &Event) -> Action {
    let table = match event.blame {
        Blame::Partition { partition, .. } => usize::try_from(partition)
            .ok()
            .and_then(|p| system.partitions.get(p))
            .map_or(&[0; ERRORS], |p| &p.health),
        Blame::Core => &system.board.health_core,
        Blame::System => &system.board.health_system,
    };
    Action::of(table, event.error, event.level())
}

fn stop(running: &Running, event: &Event, how: lifecycle::Event) {
    if let Blame::Partition { partition, .. } = event.blame {
        crash::note(partition, event.error);
        end(running, partition, how);
    }
}

/// Sends every partition to its safe state. Implements: BH-HEALTH-005.
fn global(running: &Running) {
    if GLOBAL.swap(2, Ordering::SeqCst) == 2 {
        return;
    }
    for (index, _) in (0u32..).zip(running.system.partitions) {
        end(running, index, lifecycle::Event::SafeState);
    }
}

/// Writes the core's trace.
fn trace(running: &Running, event: &Event, action: Action) {
    let [syndrome, _, address] = event.detail;
    let (class, page) = match event.error {
        Error::MemoryFault | Error::SError => {
            (u32::try_from(syndrome >> 26 & 0x3f).unwrap_or(0), address >> 12)
        }
        other => (u32::from(other.code()).wrapping_add(64), 0),
    };
    let (partition, vcpu) = event.culprit();
    let first = usize::try_from(partition)
        .ok()
        .and_then(|p| running.system.partitions.get(p));
    let global = first.map_or(NOBODY, |p| {
        p.vcpu_first.wrapping_add(if vcpu == NOBODY { 0 } else { vcpu })
    });
    running.note(Kind::Fault, global, class << 8 | u32::from(action.code()), page);
}

/// Writes the log of core `core`, which is the calling one. Implements: BH-HEALTH-004.
fn record(core: u32, event: &Event, action: Action) {
    let log = view::core_stats(core).part(HEALTH_OFFSET, size_of::<HealthLog>());
    let (partition, vcpu) = event.culprit();
    let now = counter().saturating_sub(view::handoff().epoch);
    let column = usize::from(event.error.code()).wrapping_mul(4);
    let counts = offset_of!(HealthLog, counts).wrapping_add(event.row().wrapping_mul(4 * ERRORS));
    let count = counts.wrapping_add(column);
    log.write32(count, log.read32_acquire(count).wrapping_add(1));
    let newest = log.read64(offset_of!(HealthLog, recorded));
    let words = [
        (offset_of!(HealthEvent, error), u32::from(event.error.code())),
        (offset_of!(HealthEvent, level), u32::from(event.level().code())),
        (offset_of!(HealthEvent, action), u32::from(action.code())),
        (offset_of!(HealthEvent, partition), partition),
        (offset_of!(HealthEvent, vcpu), vcpu),
    ];
    let times = offset_of!(HealthEvent, times);
    // One entry for all that are alike, so that a flood of one kind drives out no other.
    let same = |place: &SharedBlock| {
        place.read64(offset_of!(HealthEvent, number)) > 0
            && words.iter().all(|(at, word)| place.read32_acquire(*at) == *word)
    };
    let kept = newest.min(u64::try_from(EVENTS).unwrap_or(0));
    if let Some(last) = (1..=kept).map(|number| entry(log, number)).find(same) {
        last.write64(offset_of!(HealthEvent, last_time), now);
        last.write32(times, last.read32_acquire(times).wrapping_add(1));
        return;
    }
    let number = newest.wrapping_add(1);
    let new = entry(log, number);
    new.write64(offset_of!(HealthEvent, number), 0);
    dmb_ish();
    new.write64(offset_of!(HealthEvent, time), now);
    new.write64(offset_of!(HealthEvent, last_time), now);
    for (at, word) in words {
        new.write32(at, word);
    }
    new.write32(times, 1);
    for (at, word) in (offset_of!(HealthEvent, detail)..).step_by(8).zip(event.detail) {
        new.write64(at, word);
    }
    dmb_ish();
    new.write64(offset_of!(HealthEvent, number), number);
    log.write64(offset_of!(HealthLog, recorded), number);
}

/// The place of event `number` in a log.
pub fn entry(log: SharedBlock, number: u64) -> SharedBlock {
    let place = usize::try_from(number.wrapping_sub(1)).unwrap_or(0) % EVENTS;
    let at = place.wrapping_mul(size_of::<HealthEvent>());
    log.part(
        offset_of!(HealthLog, events).wrapping_add(at),
        size_of::<HealthEvent>(),
    )
}
