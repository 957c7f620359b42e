// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The lock between partitions against a model that knows neither words nor bits, and against liars.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A test may fail by panic."
)]

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_abi::lock::{Given, Owner, Taken, Word, try_give, try_take};
use bulkhead_policy::lock::arbiter::{Arbiter, Participant, Released, Rules, Waited};
use bulkhead_policy::lock::helped::{Job, Turn};
use proptest::prelude::*;

const HOLD: u64 = 100;
/// Priorities of the participants: 1 is the most urgent, 0 and 2 are equal.
const PRIORITIES: [u8; 3] = [5, 1, 5];

fn rules(inherits: bool) -> Rules {
    let mut participants = [None; 8];
    for (at, priority) in PRIORITIES.into_iter().enumerate() {
        participants[at] = Some(Participant {
            vcpus: 1,
            priority,
            acquisitions: 2,
        });
    }
    Rules {
        hold: HOLD,
        inherits,
        participants,
    }
}

fn who(participant: u8) -> Owner {
    Owner { participant, vcpu: 0 }
}

#[derive(Clone, Debug)]
enum Step {
    Try(u8),
    Wait(u8),
    Give(u8),
    Charge(u64),
    Die(u8),
    Frame,
}

fn step() -> impl Strategy<Value = Step> {
    let participant = 0u8..3;
    prop_oneof![
        participant.clone().prop_map(Step::Try),
        participant.clone().prop_map(Step::Wait),
        participant.clone().prop_map(Step::Wait),
        participant.clone().prop_map(Step::Give),
        (1u64..80).prop_map(Step::Charge),
        participant.prop_map(Step::Die),
        Just(Step::Frame),
    ]
}

/// Who has it, who waits in which order, how long the owner had, what it has left.
#[derive(Default)]
struct Model {
    owner: Option<u8>,
    /// The record may be half written.
    doubtful: bool,
    queue: Vec<u8>,
    used: u64,
    spent: [u64; 3],
    frame: u64,
    acquired: u64,
    contended: u64,
    revoked: u64,
    /// Given, and not yet come for.
    granted: Option<u8>,
    /// The owner has been seen to have waiters.
    marked: bool,
}

impl Model {
    fn take(&mut self, p: u8) {
        self.owner = Some(p);
        self.acquired += 1;
        self.marked = false;
    }

    fn pass_on(&mut self) -> Option<u8> {
        self.owner = None;
        self.granted = None;
        self.used = 0;
        // Of the most urgent, the one that came first.
        let best = self.queue.iter().map(|p| PRIORITIES[usize::from(*p)]).min()?;
        let at = self
            .queue
            .iter()
            .position(|p| PRIORITIES[usize::from(*p)] == best)?;
        let next = self.queue.remove(at);
        self.take(next);
        self.marked = !self.queue.is_empty();
        self.granted = Some(next);
        Some(next)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Verifies: BH-LOCK-001, BH-LOCK-002, BH-LOCK-003, BH-LOCK-004, BH-LOCK-005, BH-LOCK-006, BH-LOCK-008.
    #[test]
    fn honest_participants(steps in prop::collection::vec(step(), 1..60)) {
        let word = AtomicU64::new(0);
        let mut lock = Arbiter::new(rules(true));
        let mut model = Model::default();
        // With the number of the taking that it belongs to.
        let mut tokens: [Option<(Word, u64)>; 3] = [None; 3];
        for step in steps {
            match step {
                Step::Try(p) => {
                    let taken = try_take(&word, who(p));
                    prop_assert_eq!(matches!(taken, Taken::Yes(_)), model.owner.is_none());
                    if let Taken::Yes(mine) = taken {
                        prop_assert_eq!(mine.owner_died(), model.doubtful);
                        model.doubtful = false;
                        model.take(p);
                        tokens[usize::from(p)] = Some((mine, model.acquired));
                    }
                }
                Step::Wait(p) => {
                    let waited = lock.wait(who(p), &word);
                    match model.owner {
                        None => {
                            let Waited::Taken(mine) = waited else { panic!("a free lock: {waited:?}") };
                            prop_assert_eq!(mine.owner_died(), model.doubtful);
                            model.doubtful = false;
                            model.take(p);
                            tokens[usize::from(p)] = Some((mine, model.acquired));
                        }
                        Some(owner) if owner == p && model.granted == Some(p) => {
                            let Waited::Taken(mine) = waited else { panic!("its own lock: {waited:?}") };
                            prop_assert_eq!(mine.owner_died(), model.doubtful);
                            model.doubtful = false;
                            model.granted = None;
                            tokens[usize::from(p)] = Some((mine, model.acquired));
                        }
                        Some(owner) if owner == p => prop_assert_eq!(waited, Waited::Refused),
                        Some(owner) => {
                            prop_assert_eq!(waited, Waited::Queued(who(owner)));
                            model.marked = true;
                            if !model.queue.contains(&p) {
                                model.queue.push(p);
                                model.contended += 1;
                            }
                        }
                    }
                }
                Step::Give(p) => {
                    let Some((mine, taking)) = tokens[usize::from(p)].take() else { continue };
                    let owns = model.owner == Some(p) && model.acquired == taking;
                    match try_give(&word, mine) {
                        Given::Free => {
                            prop_assert!(owns && !model.marked);
                            model.owner = None;
                        }
                        Given::Call => match lock.release(who(p), mine, &word) {
                            Released::To(next) => {
                                prop_assert!(owns);
                                prop_assert_eq!(next, model.pass_on().map(who));
                            }
                            Released::Lost => prop_assert!(!owns),
                        },
                        Given::Lost => prop_assert!(!owns),
                    }
                }
                Step::Charge(ticks) => {
                    let Some(owner) = model.owner else { continue };
                    let contended = lock.contended(model.frame, &word);
                    prop_assert_eq!(contended.is_some(), !model.queue.is_empty());
                    let Some(found) = contended else { continue };
                    prop_assert_eq!(found.owner, who(owner));
                    let spent = &mut model.spent[usize::from(owner)];
                    prop_assert_eq!(found.boost, *spent < 2 * HOLD);
                    let ticks = ticks.min(found.limit);
                    if found.boost {
                        *spent += ticks;
                        prop_assert!(*spent <= 2 * HOLD);
                    }
                    model.used += ticks;
                    let next = lock.charge(who(owner), ticks, found.boost, model.frame, &word);
                    if model.used > HOLD {
                        model.revoked += 1;
                        prop_assert_eq!(next, model.pass_on().map(who));
                        model.doubtful = true;
                    } else {
                        prop_assert_eq!(next, None);
                    }
                }
                Step::Die(p) => {
                    model.queue.retain(|q| *q != p);
                    tokens[usize::from(p)] = None;
                    let next = lock.died(who(p), &word);
                    if model.owner == Some(p) {
                        model.revoked += 1;
                        prop_assert_eq!(next, model.pass_on().map(who));
                        model.doubtful = true;
                    } else {
                        prop_assert_eq!(next, None);
                    }
                }
                Step::Frame => {
                    model.frame += 1;
                    model.spent = [0; 3];
                }
            }
            prop_assert_eq!(Word::from_bits(word.load(Ordering::Relaxed)).owner(), model.owner.map(who));
            prop_assert_eq!(lock.is_contended(), !model.queue.is_empty());
            let counts = lock.counts(&word);
            prop_assert_eq!(
                (counts.acquired, counts.contended, counts.revoked),
                (model.acquired, model.contended, model.revoked)
            );
        }
    }

    /// Whatever is written into the word, and whenever: a waiter has the lock after one look and one hold, no
    /// participant runs ahead of the slot table for longer than its budget, and nobody but a participant is named.
    ///
    /// Verifies: BH-LOCK-007, BH-LOCK-009.
    #[test]
    fn a_word_that_anybody_writes(forged in prop::collection::vec((any::<u64>(), any::<bool>(), 1u64..90), 1..40)) {
        let word = AtomicU64::new(0);
        let mut lock = Arbiter::new(rules(true));
        let mut boosted = [0u64; 3];
        prop_assert!(matches!(try_take(&word, who(0)), Taken::Yes(_)));
        let waited = lock.wait(who(1), &word);
        prop_assert_eq!(waited, Waited::Queued(who(0)));
        let mut had = 0;
        for (bits, plausible, ticks) in forged {
            // Half of the lies name a participant: 0, 1 or 2.
            let bits = if plausible { (bits & !0xffff) | ((bits % 3) + 1) } else { bits };
            word.store(bits, Ordering::Relaxed);
            if lock.examine(&word) == Some(who(1)) || !lock.is_contended() {
                return Ok(());
            }
            if let Some(found) = lock.contended(0, &word) {
                let participant = usize::from(found.owner.participant);
                prop_assert!(participant < 3 && found.owner.vcpu == 0);
                let ticks = ticks.min(found.limit);
                if found.boost {
                    boosted[participant] += ticks;
                    prop_assert!(boosted[participant] <= 2 * HOLD);
                }
                had += ticks;
                let next = lock.charge(found.owner, ticks, found.boost, 0, &word);
                prop_assert_eq!(next.is_some(), had > HOLD);
                if next.is_some() {
                    return Ok(());
                }
            }
            prop_assert!(had <= HOLD);
        }
    }

    /// Verifies: BH-LOCK-007.
    #[test]
    fn nobody_gives_back_what_is_not_his(number in any::<u32>(), thief in 1u8..8, low in any::<u32>()) {
        let word = AtomicU64::new(u64::from(number) << 32);
        let mut lock = Arbiter::new(rules(true));
        let Taken::Yes(mine) = try_take(&word, who(0)) else { panic!("free") };
        let claim = Word::from_bits(mine.bits() & !0xffff_ffff | u64::from(low));
        prop_assert_eq!(lock.release(who(thief), claim, &word), Released::Lost);
        prop_assert_eq!(lock.release(who(thief), mine, &word), Released::Lost);
        prop_assert_eq!(word.load(Ordering::Relaxed), mine.bits());
    }
}

/// A lie makes a lock free for which somebody waits: who comes now does not overtake.
///
/// Verifies: BH-LOCK-003.
#[test]
fn a_free_lock_goes_to_who_waits_already() {
    let word = AtomicU64::new(0);
    let mut lock = Arbiter::new(rules(true));
    assert!(matches!(try_take(&word, who(0)), Taken::Yes(_)));
    assert_eq!(lock.wait(who(2), &word), Waited::Queued(who(0)));
    word.store(0, Ordering::Relaxed);
    assert_eq!(lock.wait(who(0), &word), Waited::Queued(who(2)));
    assert!(matches!(lock.wait(who(2), &word), Waited::Taken(_)));
}

/// A farmer of boosts takes the lock again and again while another waits.
///
/// Verifies: BH-LOCK-005.
#[test]
fn boosts_end_with_the_budget() {
    let word = AtomicU64::new(0);
    let mut lock = Arbiter::new(rules(true));
    for frame in 0..3 {
        let mut boosted = 0;
        for _ in 0..10 {
            let Taken::Yes(mine) = try_take(&word, who(0)) else {
                panic!("free")
            };
            assert_eq!(lock.wait(who(1), &word), Waited::Queued(who(0)));
            let found = lock.contended(frame, &word).unwrap();
            let ticks = found.limit.min(HOLD - 10);
            boosted += if found.boost { ticks } else { 0 };
            assert_eq!(lock.charge(who(0), ticks, found.boost, frame, &word), None);
            assert_eq!(lock.release(who(0), mine, &word), Released::To(Some(who(1))));
            let Waited::Taken(mine) = lock.wait(who(1), &word) else {
                panic!("granted")
            };
            assert_eq!(try_give(&word, mine), Given::Free);
        }
        assert_eq!(boosted, 2 * HOLD);
    }
}

/// Verifies: BH-LOCK-005.
#[test]
fn without_inheritance_nobody_is_boosted() {
    let word = AtomicU64::new(0);
    let mut lock = Arbiter::new(rules(false));
    assert!(matches!(try_take(&word, who(0)), Taken::Yes(_)));
    assert_eq!(lock.wait(who(1), &word), Waited::Queued(who(0)));
    assert!(!lock.contended(0, &word).unwrap().boost);
}

/// A job that is begun while one is under way, and one with no or too many steps, is refused.
///
/// Verifies: BH-LOCK-010.
#[test]
fn one_job_at_a_time() {
    let job = Job::new();
    assert_eq!(job.claim(0, 0), Turn::Done);
    assert!(!job.begin_once(0, 0, 1) && !job.begin_once(0, 255, 1));
    assert!(!job.begin_once(0, 1, 0) && !job.begin_once(0, 1, 2));
    assert!(job.begin_once(0, 1, 1));
    assert!(!job.begin_once(1, 1, 1) && !job.begin_once(1, 1, 2));
    let Turn::Execute(step) = job.claim(1, 0) else {
        panic!("a step")
    };
    assert!(step.helps && step.number == 0 && !job.begin_once(1, 1, 2));
    assert_eq!(job.claim(0, 0), Turn::Wait);
    assert!(job.finish(step));
    assert_eq!(job.claim(0, 0), Turn::Done);
    assert!(!job.begin_once(1, 2, 1) && !job.begin_anew());
    assert!(job.begin_once(1, 2, 2));
}

/// A job that is always due is begun by whoever looks, ends when a step finds nothing left, and is begun anew when a core
/// failed in a step of it.
///
/// Verifies: BH-LOCK-011, BH-LOCK-012, BH-LOCK-028.
#[test]
fn a_job_ends_when_a_step_finds_nothing_left() {
    let job = Job::new();
    assert!(!job.begin(0, 0) && !job.begin(0, 255));
    let claimed = |core, failed| match job.claim(core, failed) {
        Turn::Execute(step) => step,
        turn => panic!("{turn:?}"),
    };
    for _ in 0..3 {
        assert!(job.begin(0, 254) && !job.begin(1, 254));
        assert!(!job.finish(claimed(0, 0)));
        assert!(!job.begin(1, 254));
        let step = claimed(1, 0);
        assert!(step.helps && step.number == 1);
        assert!(job.conclude(step));
        assert_eq!(job.claim(0, 0), Turn::Done);
    }
    assert!(job.begin(0, 254));
    let lost = claimed(0, 0);
    assert_eq!(job.claim(1, 0), Turn::Wait);
    assert_eq!(job.claim(1, 1), Turn::Poisoned);
    // Nobody forgets by beginning the next one that the last one broke off.
    assert!(!job.begin(1, 254) && job.claim(1, 1) == Turn::Poisoned);
    assert!(
        !job.conclude(lost),
        "a core that was taken for failed has nothing to say"
    );
    assert!(job.begin_anew() && !job.begin_anew());
    assert_eq!(claimed(1, 1).number, 0);
}
