// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slot table of a core in counter ticks.
//!
//! Frame *k* begins floor(*k* × frame × frequency) ticks after the epoch, exactly, for ever: the fraction of a
//! tick that a frame has too much is carried, so nothing drifts. Going on to the next slot only adds and
//! compares; [`Timetable::locate`] divides and serves a core that lost whole frames.
//!
//! Times are ticks since the epoch.

use bulkhead_types::tables::{self, slot_kind};

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// What happens in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupant {
    /// A vCPU runs, named by its global index.
    Vcpu(u32),
    /// A vCPU that shares the slot, or has a budget in it.
    Shared(u32),
    /// EL2's housekeeping runs.
    System,
    /// EL2's housekeeping runs if EL2 has failed on the system core; else the core sleeps.
    Standby,
    /// The core sleeps.
    Idle,
}

impl Occupant {
    /// Whether EL2's housekeeping is done in the slot; `system_core_failed` is asked where that decides.
    ///
    /// A core on which EL2 failed begins no slot: so at any time at most one core does it. Implements: BH-SCHED-027.
    pub fn keeps_house(self, system_core_failed: impl FnOnce() -> bool) -> bool {
        match self {
            Self::System => true,
            Self::Standby => system_core_failed(),
            Self::Vcpu(_) | Self::Shared(_) | Self::Idle => false,
        }
    }
}

/// Counter ticks in `ns` nanoseconds, rounded down. Exact for frequencies up to 1 GHz, and for durations below
/// 584 years in ticks.
#[inline]
pub const fn ticks(ns: u64, frequency: u64) -> u64 {
    (ns / SECOND)
        .wrapping_mul(frequency)
        .wrapping_add((ns % SECOND).wrapping_mul(frequency) / SECOND)
}

/// Nanoseconds in `ticks` counter ticks, rounded down, with the limits of [`ticks`].
#[inline]
pub const fn nanoseconds(ticks: u64, frequency: u64) -> u64 {
    match (ticks.checked_div(frequency), ticks.checked_rem(frequency)) {
        (Some(seconds), Some(rest)) => seconds
            .wrapping_mul(SECOND)
            .wrapping_add(rest.wrapping_mul(SECOND) / frequency),
        _ => 0,
    }
}

/// The fraction of a tick that [`ticks`] drops, in units of 1 / 10^9 tick.
const fn fraction(ns: u64, frequency: u64) -> u64 {
    (ns % SECOND).wrapping_mul(frequency) % SECOND
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Begin, from the begin of the frame.
    offset: u64,
    occupant: Occupant,
}

/// Where a core is in its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    frame: u64,
    index: usize,
    /// Begin of the frame.
    frame_begin: u64,
    /// What the begin of the frame was rounded down by, in 1 / 10^9 tick.
    carry: u64,
    begin: u64,
    end: u64,
    occupant: Occupant,
}

impl Position {
    /// Number of the major frame.
    #[inline]
    pub const fn frame(&self) -> u64 {
        self.frame
    }

    /// Index of the slot in its frame.
    #[inline]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// First tick of the major frame.
    #[inline]
    pub const fn frame_begin(&self) -> u64 {
        self.frame_begin
    }

    /// First tick of the slot.
    #[inline]
    pub const fn begin(&self) -> u64 {
        self.begin
    }

    /// First tick after the slot.
    #[inline]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// What happens in the slot.
    #[inline]
    pub const fn occupant(&self) -> Occupant {
        self.occupant
    }

    /// Ticks by which a slot that begins at `now` is late.
    #[inline]
    pub const fn lateness(&self, now: u64) -> u64 {
        now.saturating_sub(self.begin)
    }
}

/// The slots of a core; room for `N`.
#[derive(Clone, Copy, Debug)]
pub struct Timetable<const N: usize> {
    slots: [Slot; N],
    count: usize,
    /// Whole ticks of a frame.
    frame: u64,
    /// The rest of a frame, in 1 / 10^9 tick.
    fraction: u64,
}

impl<const N: usize> Timetable<N> {
    /// Converts the slots of a core, which cover its major frame from 0 without gap, as a blob's do.
    ///
    /// `frequency` is that of the counter, 1 MHz to 1 GHz. `None` when there are no slots or more than `N`,
    /// when a slot has an unknown kind, when one is shorter than a tick, or when the frequency is out of range.
    pub fn new(slots: &[tables::Slot], major_frame_ns: u64, frequency: u64) -> Option<Self> {
        if slots.is_empty() || !(1_000_000..=SECOND).contains(&frequency) {
            return None;
        }
        let mut table = Self {
            slots: [Slot {
                offset: 0,
                occupant: Occupant::Idle,
            }; N],
            count: slots.len(),
            frame: ticks(major_frame_ns, frequency),
            fraction: fraction(major_frame_ns, frequency),
        };
        let mut last = None;
        for (i, slot) in slots.iter().enumerate() {
            let offset = ticks(slot.offset_ns, frequency);
            if last.is_some_and(|last| offset <= last) || offset >= table.frame {
                return None;
            }
            last = Some(offset);
            let occupant = match slot.kind {
                slot_kind::VCPU if slot.shares().next().is_some() => Occupant::Shared(slot.vcpu),
                slot_kind::VCPU => Occupant::Vcpu(slot.vcpu),
                slot_kind::SYSTEM => Occupant::System,
                slot_kind::STANDBY => Occupant::Standby,
                slot_kind::IDLE => Occupant::Idle,
                _ => return None,
            };
            *table.slots.get_mut(i)? = Slot { offset, occupant };
        }
        (table.slots.first()?.offset == 0).then_some(table)
    }

    /// The first slot of the first frame; it begins at the epoch.
    pub fn first(&self) -> Position {
        self.position(0, 0, 0, 0)
    }

    /// The slot after `from`.
    #[inline]
    pub fn advance(&self, from: &Position) -> Position {
        let index = from.index.wrapping_add(1);
        if index < self.count {
            return self.position(from.frame, index, from.frame_begin, from.carry);
        }
        let (begin, carry) = self.next_frame(from.frame_begin, from.carry);
        self.position(from.frame.wrapping_add(1), 0, begin, carry)
    }

    /// The slot that contains `now`. Divides: for the start, and for a core that lost whole slots.
    pub fn locate(&self, now: u64) -> Position {
        // A frame lasts `frame` or `frame + 1` ticks, which brackets its number.
        let mut low = now.checked_div(self.frame.wrapping_add(1)).unwrap_or(0);
        let mut high = now.checked_div(self.frame).unwrap_or(0);
        // Invariant: frame_begin(low) <= now < frame_begin(high + 1).
        for _ in 0..u64::BITS {
            if low >= high {
                break;
            }
            let middle = high.wrapping_sub(high.wrapping_sub(low) / 2);
            if self.frame_begin(middle).0 <= now {
                low = middle;
            } else {
                high = middle.wrapping_sub(1);
            }
        }
        let (begin, carry) = self.frame_begin(low);
        let within = now.wrapping_sub(begin);
        let index = self
            .slots
            .iter()
            .take(self.count)
            .rposition(|slot| slot.offset <= within)
            .unwrap_or(0);
        self.position(low, index, begin, carry)
    }

    /// The slot in which a core is that was in `from` and reads the time `now`; `from` itself until its end.
    ///
    /// A slot that was passed over as a whole is missed: it never begins, and `missed` gets its occupant and
    /// how often, once for each slot of the table.
    ///
    /// Implements: BH-SCHED-001, BH-SCHED-002.
    ///
    /// # Timing
    /// Adds and compares, except after a missed slot.
    #[inline]
    pub fn arrive(&self, from: &Position, now: u64, missed: impl FnMut(Occupant, u64)) -> Position {
        if now < from.end {
            return *from;
        }
        let next = self.advance(from);
        if now < next.end {
            next
        } else {
            self.resynchronise(from, now, missed)
        }
    }

    #[inline(never)]
    fn resynchronise(&self, from: &Position, now: u64, mut missed: impl FnMut(Occupant, u64)) -> Position {
        let to = self.locate(now);
        for (i, slot) in self.slots.iter().take(self.count).enumerate() {
            // Occurrences of slot i before `to`, without those up to and including `from`.
            let before = to.frame.wrapping_add(u64::from(i < to.index));
            let done = from.frame.wrapping_add(u64::from(i <= from.index));
            let count = before.saturating_sub(done);
            if count > 0 {
                missed(slot.occupant, count);
            }
        }
        to
    }

    /// Begin of frame `k`: floor(k × (frame + fraction / 10^9)), and what was dropped.
    const fn frame_begin(&self, k: u64) -> (u64, u64) {
        // k × fraction / 10^9 in two parts, so that nothing overflows: both factors of `low` are below 10^9.
        let high = (k / SECOND).wrapping_mul(self.fraction);
        let low = (k % SECOND).wrapping_mul(self.fraction);
        let whole = k
            .wrapping_mul(self.frame)
            .wrapping_add(high)
            .wrapping_add(low / SECOND);
        (whole, low % SECOND)
    }

    #[inline]
    const fn next_frame(&self, begin: u64, carry: u64) -> (u64, u64) {
        let begin = begin.wrapping_add(self.frame);
        let carry = carry.wrapping_add(self.fraction);
        if carry < SECOND {
            (begin, carry)
        } else {
            (begin.wrapping_add(1), carry.wrapping_sub(SECOND))
        }
    }

    #[inline]
    fn position(&self, frame: u64, index: usize, frame_begin: u64, carry: u64) -> Position {
        let slot = self.slots.get(index).copied().unwrap_or(Slot {
            offset: 0,
            occupant: Occupant::Idle,
        });
        let next = index.wrapping_add(1);
        let end = match self.slots.get(next) {
            Some(next_slot) if next < self.count => frame_begin.wrapping_add(next_slot.offset),
            Some(_) | None => self.next_frame(frame_begin, carry).0,
        };
        Position {
            frame,
            index,
            frame_begin,
            carry,
            begin: frame_begin.wrapping_add(slot.offset),
            end,
            occupant: slot.occupant,
        }
    }
}
