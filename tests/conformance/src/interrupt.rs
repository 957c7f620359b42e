// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens when an interrupt is taken: it is noted, and one of a few reactions follows.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::edge::registers as r;
use crate::timer::{self, Timer};
use crate::{device, gic};

/// What the handler does after it has noted an interrupt, before it ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reaction {
    /// Nothing.
    None = 0,
    /// Stops both timers.
    StopTimers = 1,
    /// Leaves the timer's condition for three times, then stops it.
    KeepTimer = 2,
    /// Sets the virtual timer one period further, unless it was an SGI.
    Periodic = 3,
    /// In the handler of SGI 1: sends SGI 2 and waits for it with interrupts unmasked.
    Nest = 4,
    /// In the handler of SGI 1: sends SGI 2 and watches with interrupts unmasked.
    Watch = 5,
}

/// Interrupts that are noted singly.
const MOST: usize = 64;

/// What one CPU took.
struct Log {
    count: AtomicU32,
    /// INTID and running priority.
    entries: [AtomicU64; MOST],
    /// At which of the virtual counter.
    times: [AtomicU64; MOST],
    /// Taken while nothing could be acknowledged.
    spurious: AtomicU32,
    reaction: AtomicU32,
    /// Ticks.
    period: AtomicU64,
    /// Expiries before their time.
    early: AtomicU32,
}

static LOGS: [Log; 2] = [const {
    Log {
        count: AtomicU32::new(0),
        entries: [const { AtomicU64::new(0) }; MOST],
        times: [const { AtomicU64::new(0) }; MOST],
        spurious: AtomicU32::new(0),
        reaction: AtomicU32::new(0),
        period: AtomicU64::new(0),
        early: AtomicU32::new(0),
    }
}; 2];

fn log(cpu: u64) -> &'static Log {
    let [first, second] = &LOGS;
    if cpu == 0 { first } else { second }
}

impl Log {
    fn note(&self, intid: u32, time: u64) -> u32 {
        let number = self.count.load(Ordering::Relaxed);
        if let Some(slot) = usize::try_from(number).ok().filter(|n| *n < MOST) {
            self.entries[slot].store(u64::from(intid) | r::icc_rpr() << 32, Ordering::Relaxed);
            self.times[slot].store(time, Ordering::Relaxed);
        }
        self.count.store(number + 1, Ordering::Release);
        number + 1
    }
}

/// Instructions of the vector before the one that reads the counter.
pub(crate) const BEFORE_STAMP: u64 = 2;

/// Serves the interrupt that is pending; the vector read the virtual counter as `now`.
pub(crate) fn serve(now: u64) {
    let log = log(r::cpu());
    let intid = gic::acknowledge();
    if intid == gic::SPURIOUS {
        log.spurious.fetch_add(1, Ordering::Relaxed);
        return;
    }
    if device::serve(intid) {
        return;
    }
    let number = log.note(intid, now);
    let reaction = log.reaction.load(Ordering::Relaxed);
    if reaction == Reaction::StopTimers as u32 || (reaction == Reaction::KeepTimer as u32 && number >= 3) {
        Timer::Virtual.stop();
        Timer::Physical.stop();
    } else if reaction == Reaction::Periodic as u32 && intid >= gic::FIRST_PPI {
        let compare = Timer::Virtual.compare();
        if Timer::Virtual.count() < compare {
            log.early.fetch_add(1, Ordering::Relaxed);
        }
        Timer::Virtual.set_compare(compare + log.period.load(Ordering::Relaxed));
    } else if (reaction == Reaction::Nest as u32 || reaction == Reaction::Watch as u32) && intid == 1 {
        let other = || log.count.load(Ordering::Acquire) > number;
        gic::send_self(2);
        r::unmask_interrupts();
        let _ = if reaction == Reaction::Nest as u32 {
            timer::eventually(other)
        } else {
            timer::never(other)
        };
        r::mask_interrupts();
        log.note(intid, now);
    }
    gic::end(intid);
}

/// Forgets what this CPU took, and chooses what happens from now on.
pub(crate) fn begin(reaction: Reaction, period: u64) {
    let log = log(r::cpu());
    log.count.store(0, Ordering::Relaxed);
    log.spurious.store(0, Ordering::Relaxed);
    log.early.store(0, Ordering::Relaxed);
    log.period.store(period, Ordering::Relaxed);
    log.reaction.store(reaction as u32, Ordering::Relaxed);
}

/// Interrupts that `cpu` took since it began.
pub(crate) fn count(cpu: u64) -> u32 {
    log(cpu).count.load(Ordering::Acquire)
}

/// Expiries that came before their time.
pub(crate) fn early() -> u32 {
    log(r::cpu()).early.load(Ordering::Relaxed)
}

/// The interrupt number `index` that `cpu` took: INTID, running priority; the spurious INTID when there is none.
pub(crate) fn entry(cpu: u64, index: u32) -> (u32, u64) {
    let slot = usize::try_from(index).ok().filter(|_| index < count(cpu));
    let value = slot.and_then(|n| log(cpu).entries.get(n));
    let value = value.map_or(u64::from(gic::SPURIOUS), |e| e.load(Ordering::Relaxed));
    (u32::try_from(value & 0xffff_ffff).unwrap_or(0), value >> 32)
}

/// The counter when interrupt number `index` of this CPU was taken.
pub(crate) fn time(index: u32) -> u64 {
    let slot = usize::try_from(index)
        .ok()
        .and_then(|n| log(r::cpu()).times.get(n));
    slot.map_or(0, |t| t.load(Ordering::Relaxed))
}

/// Takes interrupts until `count` of them were taken, or time is up; gives how many were.
pub(crate) fn take(expected: u32) -> u32 {
    let cpu = r::cpu();
    r::unmask_interrupts();
    timer::eventually(|| count(cpu) >= expected);
    r::mask_interrupts();
    count(cpu)
}

/// Takes interrupts as long as is watched; gives how many were taken since the beginning.
pub(crate) fn watch() -> u32 {
    r::unmask_interrupts();
    timer::never(|| false);
    r::mask_interrupts();
    count(r::cpu())
}
