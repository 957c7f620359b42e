// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's life against a model, and as two cores change it by compare-and-swap.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use std::collections::BTreeSet;

use bulkhead_policy::lifecycle::{Event, Lifecycle, Phase, Then};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq)]
enum Life {
    Off,
    Loading,
    Running,
    Stopping(Then, BTreeSet<u32>),
    Failed,
}

struct Model {
    life: Life,
    vcpus: u32,
    restarts: u32,
}

impl Model {
    fn stop(&mut self, then: Then) -> bool {
        let live = matches!(self.life, Life::Loading | Life::Running);
        if live {
            self.life = Life::Stopping(then, (0..self.vcpus).collect());
        }
        live
    }

    fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::Start if self.life == Life::Off => self.life = Life::Loading,
            Event::Entered if self.life == Life::Loading => self.life = Life::Running,
            Event::Start | Event::Entered => return false,
            Event::ResetRequested => return self.stop(Then::Reload),
            Event::OffRequested => return self.stop(Then::Off),
            Event::Fault if self.restarts == 0 => return self.stop(Then::Fail),
            Event::Fault => {
                let stopped = self.stop(Then::Reload);
                self.restarts -= u32::from(stopped);
                return stopped;
            }
            Event::Stopped { vcpu } => {
                let Life::Stopping(then, waiting) = &mut self.life else {
                    return false;
                };
                if !waiting.remove(&vcpu) {
                    return false;
                }
                if waiting.is_empty() {
                    self.life = match then {
                        Then::Reload => Life::Loading,
                        Then::Off => Life::Off,
                        Then::Fail => Life::Failed,
                    };
                }
            }
        }
        true
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Start),
        2 => Just(Event::Entered),
        1 => Just(Event::ResetRequested),
        1 => Just(Event::OffRequested),
        2 => Just(Event::Fault),
        8 => (0..34u32).prop_map(|vcpu| Event::Stopped { vcpu }),
        4 => (0..3u32).prop_map(|vcpu| Event::Stopped { vcpu }),
        1 => any::<u32>().prop_map(|vcpu| Event::Stopped { vcpu }),
    ]
}

fn agrees(word: Lifecycle, model: &Model) {
    let phase = match &model.life {
        Life::Off => Phase::Off,
        Life::Loading => Phase::Loading,
        Life::Running => Phase::Running,
        Life::Stopping(then, _) => Phase::Stopping(*then),
        Life::Failed => Phase::Failed,
    };
    assert_eq!(word.phase(), phase);
    assert_eq!(word.is_running(), model.life == Life::Running);
    assert_eq!(word.restarts_left(), model.restarts);
    for vcpu in 0..40 {
        let must = matches!(&model.life, Life::Stopping(_, waiting) if waiting.contains(&vcpu));
        assert_eq!(word.must_stop(vcpu), must, "vCPU {vcpu}");
    }
}

proptest! {
    /// Verifies: BH-LIFE-001.
    #[test]
    fn follows_the_model(
        vcpus in prop_oneof![Just(1u32), 1..4u32, 1..=32u32],
        limit in 0..4u32,
        events in prop::collection::vec(event(), 1..300),
    ) {
        let mut model = Model { life: Life::Off, vcpus, restarts: limit };
        let mut word = Lifecycle::new(vcpus, limit);
        agrees(word, &model);
        for event in events {
            let after = word.after(event);
            prop_assert_eq!(after.is_some(), model.apply(event), "{:?} in {:?}", event, word);
            word = Lifecycle::from_bits(after.unwrap_or(word).bits());
            agrees(word, &model);
            if let Some(after) = after {
                prop_assert_ne!(after.bits(), 0, "a word is never all zero");
            }
        }
    }

    /// Cores race: each reads, computes, then swaps if nothing changed. However they interleave, a fault on one
    /// and a reset on the other restart the partition once, and it is loaded only after both vCPUs stopped.
    #[test]
    fn two_cores_race(schedule in prop::collection::vec(0..2usize, 40..80)) {
        let mut shared = Lifecycle::new(2, 1).after(Event::Start).unwrap().after(Event::Entered).unwrap();
        let scripts = [Event::Fault, Event::ResetRequested];
        let mut step = [0usize; 2];
        let mut seen: [Option<Lifecycle>; 2] = [None, None];
        for core in schedule {
            let event = match step[core] {
                0 => scripts[core],
                1 => Event::Stopped { vcpu: u32::try_from(core).unwrap() },
                _ => continue,
            };
            let Some(old) = seen[core].take() else {
                seen[core] = Some(shared);
                continue;
            };
            if old != shared {
                continue; // The swap failed: read again.
            }
            match old.after(event) {
                Some(new) => {
                    shared = new;
                    step[core] += 1;
                }
                None => step[core] += usize::from(step[core] == 0),
            }
            if shared.phase() == Phase::Loading {
                prop_assert_eq!(step, [2, 2], "loaded while a vCPU had not stopped");
            }
        }
        // Finish what the schedule left.
        for _ in 0..2 {
            for vcpu in 0..2 {
                for event in [scripts[usize::try_from(vcpu).unwrap()], Event::Stopped { vcpu }] {
                    if shared.phase() != Phase::Loading {
                        shared = shared.after(event).unwrap_or(shared);
                    }
                }
            }
        }
        prop_assert_eq!(shared.phase(), Phase::Loading);
        prop_assert!(shared.restarts_left() <= 1);
    }
}

#[test]
fn limits_are_cut() {
    assert_eq!(Lifecycle::new(1, u32::MAX).restarts_left(), 0xffff);
    let stop = |n| {
        Lifecycle::new(n, 0)
            .after(Event::Start)
            .unwrap()
            .after(Event::OffRequested)
            .unwrap()
    };
    assert!(stop(0).must_stop(0) && !stop(0).must_stop(1));
    assert!(stop(99).must_stop(31) && !stop(99).must_stop(32));
}
