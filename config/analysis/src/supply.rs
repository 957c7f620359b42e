// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a core gives to one of its vCPUs: the windows of its slots, repeated for ever.
//!
//! No model stands between the slot table and the bound: for every length of time the least supply is found
//! among the instants at which a window ends. Beginning to look at any other instant shows no less: in a gap, the
//! same time already passed waiting is added; inside a window, what is left of it is added. So 3 ms at 0
//! and at 5 of 10 ms give 3 ms in any 5 ms. The periodic resource model, which knows only "6 of 10 ms", gives 0.

/// A range of time in which the vCPU runs, ns from the begin of the major frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First ns.
    pub begin: u64,
    /// First ns after it.
    pub end: u64,
}

/// A vCPU's part of a slot that others may use before it. Times are in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The slot.
    pub slot: Window,
    /// How long it may run there.
    pub budget: u64,
    /// How long more urgent ones may keep it from running, at any time of the slot.
    pub urgent: u64,
}

/// Where a busy window may begin, ns from the begin of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// When it begins.
    pub at: u64,
    /// From when on there is supply again, not before `at`.
    pub after: u64,
}

impl From<u64> for Start {
    fn from(at: u64) -> Self {
        Start { at, after: at }
    }
}

/// The time that a vCPU gets. Times are in ns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supply(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Always,
    Windows {
        frame: u64,
        windows: Vec<Window>,
        /// Supply from the begin of the frame to the end of each window.
        sums: Vec<u64>,
        /// For each window, when its supply may be used up at the earliest; not after its end.
        used_up: Vec<u64>,
    },
}

impl Supply {
    /// A core of its own: all time.
    pub fn always() -> Self {
        Supply(Kind::Always)
    }

    /// A vCPU that never runs.
    pub fn nothing() -> Self {
        Supply(Kind::Windows {
            frame: 1,
            windows: Vec::new(),
            sums: Vec::new(),
            used_up: Vec::new(),
        })
    }

    /// Windows that repeat every `frame`. `None` unless they are in time order, not empty, apart from each other
    /// and inside the frame; none at all is the supply of nothing.
    pub fn windows(frame: u64, windows: Vec<Window>) -> Option<Self> {
        let mut sums = Vec::with_capacity(windows.len());
        let (mut sum, mut end) = (0_u64, 0_u64);
        for window in &windows {
            if window.begin < end || window.end <= window.begin || window.end > frame {
                return None;
            }
            sum += window.end - window.begin;
            end = window.end;
            sums.push(sum);
        }
        let used_up = windows.iter().map(|w| w.end).collect();
        (frame > 0).then_some(Supply(Kind::Windows {
            frame,
            windows,
            sums,
            used_up,
        }))
    }

    /// Parts of slots of which the first `late` ns and the last `early` ns may be lost; a budget, too, may end `early`.
    /// `None` as for [`Supply::windows`].
    ///
    /// The least is supplied when less urgent code of the vCPU used its budget up as early as it could, and more urgent
    /// partitions come first in each slot that follows; [`Supply::slots`] is the case without either.
    /// Implements: BH-TASK-030.
    pub fn parts(frame: u64, parts: impl Iterator<Item = Part>, late: u64, early: u64) -> Option<Self> {
        let (mut windows, mut earliest) = (Vec::new(), Vec::new());
        for Part { slot, budget, urgent } in parts {
            let begin = slot.begin.saturating_add(late).saturating_add(urgent);
            let budget = budget.saturating_sub(early);
            let last = slot.end.saturating_sub(early);
            let end = last.min(begin.saturating_add(budget));
            if begin < end {
                windows.push(Window { begin, end });
                let spent = slot.begin.saturating_add(budget);
                earliest.push(spent.min(last.saturating_sub(urgent)).min(end));
            }
        }
        let mut supply = Self::windows(frame, windows)?;
        if let Kind::Windows { used_up, .. } = &mut supply.0 {
            *used_up = earliest;
        }
        Some(supply)
    }

    /// Slots of which the first `late` ns and the last `early` ns may be lost. A slot gives at least what is left of
    /// it, and one of which nothing is left gives nothing. `None` as for [`Supply::windows`].
    pub fn slots(frame: u64, slots: impl Iterator<Item = Window>, late: u64, early: u64) -> Option<Self> {
        let kept = slots.map(|s| Window {
            begin: s.begin.saturating_add(late),
            end: s.end.saturating_sub(early),
        });
        Self::windows(frame, kept.filter(|w| w.begin < w.end).collect())
    }

    /// Supply a period and that period: 1 of 1 on a core of its own.
    pub fn rate(&self) -> (u64, u64) {
        match &self.0 {
            Kind::Always => (1, 1),
            Kind::Windows { frame, sums, .. } => (sums.last().copied().unwrap_or(0), *frame),
        }
    }

    /// The windows of a frame; none on a core of its own.
    pub fn list(&self) -> &[Window] {
        match &self.0 {
            Kind::Always => &[],
            Kind::Windows { windows, .. } => windows,
        }
    }

    /// The starts from which on the supply is least: one of them is the worst to begin at, whatever is asked for.
    pub fn worst_starts(&self) -> Vec<Start> {
        match &self.0 {
            Kind::Always => vec![0.into()],
            Kind::Windows { windows, used_up, .. } => {
                let starts = used_up.iter().zip(windows);
                starts
                    .map(|(at, w)| Start {
                        at: *at,
                        after: w.end,
                    })
                    .collect()
            }
        }
    }

    /// Supply in the first `time` after a start, or an instant, of a frame.
    pub fn within(&self, start: impl Into<Start>, time: u64) -> u64 {
        let Start { at, after } = start.into();
        match &self.0 {
            Kind::Always => time,
            Kind::Windows { .. } => {
                let total = self.since_begin(u128::from(at) + u128::from(time));
                let before = self.since_begin(after.into());
                // No more than `time`.
                u64::try_from(total.saturating_sub(before)).unwrap_or(time)
            }
        }
    }

    /// The least supply in any interval of this length: the supply bound function. Implements: BH-TASK-020.
    pub fn bound(&self, time: u64) -> u64 {
        let starts = self.worst_starts().into_iter();
        starts.map(|start| self.within(start, time)).min().unwrap_or(0)
    }

    /// How long after a start, or an instant, of a frame `demand` has been supplied. `None` when that never happens or
    /// is too far away for a `u64`.
    pub fn time_for(&self, start: impl Into<Start>, demand: u64) -> Option<u64> {
        let Start { at, after } = start.into();
        let Kind::Windows {
            frame, windows, sums, ..
        } = &self.0
        else {
            return Some(demand);
        };
        let Some(last) = demand.checked_sub(1) else {
            return Some(0);
        };
        let sum = u128::from(*sums.last()?);
        // The last ns that is asked for, counted from the begin of the frame.
        let target = self.since_begin(after.into()) + u128::from(last);
        let (frames, rest) = (target / sum, u64::try_from(target % sum).ok()?);
        let index = sums.partition_point(|s| *s <= rest);
        let (window, until) = (windows.get(index)?, sums.get(index)?);
        let end = frames * u128::from(*frame) + u128::from(window.end - (until - rest) + 1);
        u64::try_from(end.checked_sub(at.into())?).ok()
    }

    /// Supply from the begin of the first frame to `time`.
    fn since_begin(&self, time: u128) -> u128 {
        let Kind::Windows {
            frame, windows, sums, ..
        } = &self.0
        else {
            return time;
        };
        let sum = sums.last().copied().unwrap_or(0);
        let (frames, rest) = (time / u128::from(*frame), time % u128::from(*frame));
        let index = windows.partition_point(|w| u128::from(w.end) <= rest);
        let inside = match (windows.get(index), sums.get(index)) {
            (Some(window), Some(until)) => {
                let left = u128::from(window.end - window.begin).min(u128::from(window.end) - rest);
                u128::from(*until) - left
            }
            _ => u128::from(sum),
        };
        frames * u128::from(sum) + inside
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const MS: u64 = 1_000_000;

    fn supply(frame: u64, windows: &[(u64, u64)]) -> Supply {
        let windows = windows.iter().map(|&(begin, end)| Window { begin, end });
        Supply::windows(frame, windows.collect()).unwrap()
    }

    /// The least supply of the periodic resource model (Shin and Lee, "Periodic resource model for compositional
    /// real-time guarantees", RTSS 2003) in `t`: `budget` somewhere in each `period`.
    fn periodic_resource(period: u64, budget: u64, t: u64) -> u64 {
        let Some(after) = t.checked_sub(2 * (period - budget)) else {
            return 0;
        };
        (after / period) * budget + (after % period).min(budget)
    }

    // Verifies: BH-TASK-020
    #[test]
    fn two_slots_guarantee_more_than_the_periodic_resource_model() {
        let slots = supply(10 * MS, &[(0, 3 * MS), (5 * MS, 8 * MS)]);
        assert_eq!(slots.bound(2 * MS), 0);
        assert_eq!(slots.bound(2 * MS + 1), 1);
        assert_eq!(slots.bound(5 * MS), 3 * MS);
        assert_eq!(slots.bound(10 * MS), 6 * MS);
        assert_eq!(slots.rate(), (6 * MS, 10 * MS));
        assert_eq!(periodic_resource(10 * MS, 6 * MS, 5 * MS), 0);
        assert_eq!(periodic_resource(5 * MS, 3 * MS, 5 * MS), MS);
    }

    // Verifies: BH-TASK-020
    #[test]
    fn the_bound_is_the_least_over_every_instant() {
        let tables: &[(u64, &[(u64, u64)])] = &[
            (10, &[(0, 3), (5, 8)]),
            (10, &[(2, 3), (4, 5), (9, 10)]),
            (12, &[(0, 12)]),
            (7, &[(6, 7)]),
            (20, &[(1, 2), (3, 9), (9, 11), (15, 20)]),
        ];
        for (frame, windows) in tables {
            let slots = supply(*frame, windows);
            let runs = |t: u64| windows.iter().any(|(b, e)| (*b..*e).contains(&(t % frame)));
            let count = |from: u64, time: u64| (from..from + time).filter(|t| runs(*t)).count() as u64;
            for time in 0..3 * frame {
                let least = (0..*frame).map(|from| count(from, time)).min().unwrap();
                assert_eq!(slots.bound(time), least, "{windows:?} in {time}");
                for from in 0..*frame {
                    assert_eq!(slots.within(from, time), count(from, time));
                    let demand = count(from, time);
                    let first = (0..=time).find(|t| count(from, *t) == demand);
                    assert_eq!(
                        slots.time_for(from, demand),
                        first,
                        "{windows:?} {demand} from {from}"
                    );
                }
            }
        }
    }

    // Verifies: BH-TASK-020
    #[test]
    fn nothing_is_lost_at_the_edges() {
        assert_eq!(Supply::always().bound(7), 7);
        assert_eq!(Supply::always().time_for(0, 7), Some(7));
        let none = supply(10, &[]);
        assert_eq!(
            (none.bound(u64::MAX), none.time_for(0, 1), none.time_for(0, 0)),
            (0, None, Some(0))
        );
        let rare = supply(u64::MAX, &[(0, 1)]);
        assert_eq!((rare.time_for(1, 1), rare.time_for(1, 2)), (Some(u64::MAX), None));
        for wrong in [
            vec![(0, 0)],
            vec![(3, 2)],
            vec![(0, 5), (4, 6)],
            vec![(5, 6), (0, 1)],
            vec![(0, 11)],
        ] {
            let windows = wrong.iter().map(|&(begin, end)| Window { begin, end });
            assert_eq!(Supply::windows(10, windows.collect()), None, "{wrong:?}");
        }
    }
}
