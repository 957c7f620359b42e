// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's life against a model, and as two cores change it by compare-and-swap.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use std::collections::BTreeSet;

use bulkhead_policy::lifecycle::{Event, Lifecycle, Phase, SafeState, Then};
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
    /// Whether it has a safe output, and whether it gives it.
    output: (bool, bool),
    /// Whether its memory has yet to be withdrawn.
    held: bool,
}

impl Model {
    fn safe(&self) -> Then {
        if self.output == (true, false) {
            Then::Safe
        } else {
            Then::Fail
        }
    }

    fn settle(&mut self) {
        if let Life::Stopping(then, waiting) = &self.life
            && waiting.is_empty()
            && !self.held
        {
            self.output.1 |= *then == Then::Safe;
            self.life = match then {
                Then::Reload | Then::Safe => Life::Loading,
                Then::Off => Life::Off,
                Then::Fail => Life::Failed,
            };
        }
    }

    fn order(&mut self, to: Then) -> bool {
        if let Life::Stopping(then @ Then::Reload, _) = &mut self.life {
            *then = to;
            return true;
        }
        self.stop(to)
    }

    fn stop(&mut self, then: Then) -> bool {
        let live = matches!(self.life, Life::Loading | Life::Running);
        if live {
            self.held = true;
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
            Event::Fault if self.restarts == 0 || self.output.1 => return self.stop(self.safe()),
            Event::Stop => return self.order(Then::Fail),
            Event::SafeState if self.output.1 => return false,
            Event::SafeState => return self.order(self.safe()),
            Event::Withdrawn if !self.held => return false,
            Event::Withdrawn => {
                self.held = false;
                self.settle();
            }
            Event::Fault => {
                let stopped = self.stop(Then::Reload);
                self.restarts -= u32::from(stopped);
                return stopped;
            }
            Event::Stopped { vcpu } => {
                let Life::Stopping(_, waiting) = &mut self.life else {
                    return false;
                };
                if !waiting.remove(&vcpu) {
                    return false;
                }
                self.settle();
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
        1 => Just(Event::Stop),
        1 => Just(Event::SafeState),
        3 => Just(Event::Withdrawn),
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
    assert_eq!(word.gives_safe_output(), model.output.1);
    for vcpu in 0..40 {
        let must = matches!(&model.life, Life::Stopping(_, waiting) if waiting.contains(&vcpu));
        assert_eq!(word.must_stop(vcpu), must, "vCPU {vcpu}");
    }
}

proptest! {
    /// Verifies: BH-LIFE-001, BH-LIFE-006, BH-LIFE-007.
    #[test]
    fn follows_the_model(
        vcpus in prop_oneof![Just(1u32), 1..4u32, 1..=32u32],
        limit in 0..4u32,
        output: bool,
        events in prop::collection::vec(event(), 1..300),
    ) {
        let mut model = Model { life: Life::Off, vcpus, restarts: limit, output: (output, false), held: false };
        let safe = if output { SafeState::Output } else { SafeState::Silent };
        let mut word = Lifecycle::new(vcpus, limit, safe);
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
    /// and a reset on the other restart the partition once, and it is loaded only after both vCPUs stopped and
    /// the core that stopped it withdrew its memory.
    #[test]
    fn two_cores_race(schedule in prop::collection::vec(0..2usize, 40..80)) {
        let mut shared = Lifecycle::new(2, 1, SafeState::Silent).after(Event::Start).unwrap().after(Event::Entered).unwrap();
        let scripts = [Event::Fault, Event::ResetRequested];
        let mut step = [0usize; 2];
        let mut withdraws = None;
        let mut seen: [Option<Lifecycle>; 2] = [None, None];
        for core in schedule {
            let event = match step[core] {
                0 => scripts[core],
                1 => Event::Stopped { vcpu: u32::try_from(core).unwrap() },
                2 if withdraws == Some(core) => Event::Withdrawn,
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
                    if step[core] == 0 {
                        withdraws = Some(core);
                    }
                    shared = new;
                    step[core] += 1;
                }
                None => step[core] += usize::from(step[core] == 0),
            }
            if shared.phase() == Phase::Loading {
                prop_assert_eq!(step.iter().sum::<usize>(), 5, "loaded too early: {:?}", step);
            }
        }
        // Finish what the schedule left.
        for _ in 0..2 {
            for vcpu in 0..2 {
                for event in [scripts[usize::try_from(vcpu).unwrap()], Event::Stopped { vcpu }, Event::Withdrawn] {
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
    assert_eq!(
        Lifecycle::new(1, u32::MAX, SafeState::Silent).restarts_left(),
        0xffff
    );
    let stop = |n| {
        Lifecycle::new(n, 0, SafeState::Silent)
            .after(Event::Start)
            .unwrap()
            .after(Event::OffRequested)
            .unwrap()
    };
    assert!(stop(0).must_stop(0) && !stop(0).must_stop(1));
    assert!(stop(99).must_stop(31) && !stop(99).must_stop(32));
}
