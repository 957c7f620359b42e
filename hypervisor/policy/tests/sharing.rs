// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accounts of a shared slot against a diary that keeps every stretch of time with who is to pay for it.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_policy::sharing::{Claim, Sharing};
use bulkhead_types::tables::MAX_SHARES;
use proptest::prelude::*;

/// What happens from one stay of EL2 to the next.
#[derive(Clone, Debug)]
struct Round {
    /// How long the guest runs before anything happens.
    run: u64,
    /// From EL2's entry to its choice.
    stay: u64,
    /// From the choice to the begin of the next guest.
    switch: u64,
    /// Who can run, a bit a place.
    ready: u8,
    /// Whether a boost runs instead of all of them.
    boost: bool,
}

const LONGEST_STAY: u64 = 5;
const LONGEST_SWITCH: u64 = 9;

fn round() -> impl Strategy<Value = Round> {
    let times = (0..60_u64, 0..=LONGEST_STAY, 0..=LONGEST_SWITCH);
    (times, any::<u8>(), prop::bool::weighted(0.1)).prop_map(|((run, stay, switch), ready, boost)| Round {
        run,
        stay,
        switch,
        ready,
        boost,
    })
}

/// Budgets of up to four places, and whether slack follows.
fn claims() -> impl Strategy<Value = (Vec<u64>, bool)> {
    (prop::collection::vec(1..300_u64, 1..5), any::<bool>())
}

/// Who pays for what, and what each place cost the others beside that.
struct Diary {
    paid: Vec<u64>,
    caused: Vec<u64>,
}

fn play(budgets: &[u64], slack: bool, begin: u64, rounds: &[Round]) -> Diary {
    let places = budgets.len() + usize::from(slack);
    let mut entries = [None; MAX_SHARES];
    for (place, entry) in entries.iter_mut().enumerate().take(places) {
        *entry = Some(Claim {
            who: 10 + place,
            left: budgets.get(place).copied(),
        });
    }
    let mut sharing = Sharing::new(entries, begin);
    let mut diary = Diary {
        paid: vec![0; places],
        caused: vec![0; places],
    };
    let spent = |paid: &[u64], place: usize| budgets.get(place).is_some_and(|b| paid[place] >= *b);
    let mut now = begin;
    // Who runs, who waits on the core without running, or a boost.
    let (mut runs, mut turn): (Option<usize>, Option<usize>) = (None, None);
    for round in rounds {
        // EL2's timer ends the run with the budget.
        let limit = sharing.limit();
        let left = runs.and_then(|place| Some(budgets.get(place)?.saturating_sub(diary.paid[place])));
        assert_eq!(limit, left.map(|left| now + left), "{round:?}");
        let run = round.run.min(left.unwrap_or(u64::MAX));
        let (entered, chosen) = (now + run, now + run + round.stay);
        if let Some(place) = runs {
            diary.paid[place] += run;
            diary.caused[place] += run;
        }
        let ended = sharing.pay(entered);
        let ends =
            runs.filter(|place| spent(&diary.paid, *place) && diary.paid[*place] - run < budgets[*place]);
        assert_eq!(ended, ends.map(|place| 10 + place), "{round:?}");
        now = chosen + round.switch;
        let open: Vec<usize> = (0..places).filter(|place| !spent(&diary.paid, *place)).collect();
        for place in 0..MAX_SHARES {
            let expected = open.contains(&place).then_some(10 + place);
            assert_eq!(sharing.candidate(place), expected, "{round:?}");
        }
        let first = open.iter().copied().find(|place| round.ready >> place & 1 != 0);
        let payer = match (round.boost, first, open.last()) {
            (true, ..) => {
                sharing.pause(chosen);
                let before = runs.map(|place| (place, round.stay));
                runs = None;
                before
            }
            (false, Some(place), _) => {
                sharing.give(place, entered);
                // The more urgent of who had the turn and who gets it.
                let urgent = turn.map_or(place, |before| before.min(place));
                (turn, runs) = (Some(place), Some(place));
                Some((urgent, round.stay + round.switch))
            }
            (false, None, Some(last)) => {
                sharing.rest(*last, chosen);
                let before = runs.map(|place| (place, round.stay));
                (turn, runs) = (Some(*last), None);
                before
            }
            (false, None, None) => {
                sharing.pause(chosen);
                let before = runs.map(|place| (place, round.stay));
                runs = None;
                before
            }
        };
        if let Some((place, time)) = payer {
            diary.paid[place] += time;
            diary.caused[place] += time;
        }
        sharing.on_core(now);
    }
    diary
}

proptest! {
    /// Each stretch of time is paid by who the rules name, nobody has the turn without budget, and a budget ends once.
    /// Verifies: BH-SCHED-021, BH-SCHED-022.
    #[test]
    fn accounts_agree_with_a_diary(
        (budgets, slack) in claims(),
        begin in 0..u64::MAX / 2,
        rounds in prop::collection::vec(round(), 1..60),
    ) {
        let _ = play(&budgets, slack, begin, &rounds);
    }

    /// Whoever wakes however often costs the others its budget, and at its end two changes, each from EL2's entry on, and
    /// the stay before a boost: a change to it that leaves nothing of the budget, a boost at once, the change from it.
    /// Verifies: BH-SCHED-022.
    #[test]
    fn nobody_costs_more_than_its_budget_and_an_overrun(
        (budgets, slack) in claims(),
        rounds in prop::collection::vec(round(), 1..200),
    ) {
        let diary = play(&budgets, slack, 0, &rounds);
        for (caused, budget) in diary.caused.iter().zip(&budgets) {
            let most = budget + 2 * (LONGEST_STAY + LONGEST_SWITCH) + LONGEST_STAY;
            prop_assert!(*caused < most, "{caused} of {budget}");
        }
    }
}

/// A vCPU that wakes with one tick of its budget left, and is followed by a boost, costs as much as anyone can.
/// Verifies: BH-SCHED-022.
#[test]
fn the_most_that_a_budget_is_overrun_by() {
    let round = |run, ready, boost| Round {
        run,
        stay: LONGEST_STAY,
        switch: LONGEST_SWITCH,
        ready,
        boost,
    };
    // It comes to the core, runs until one tick is left, and gives way; wakes again; a boost; the next one has the turn.
    let first = LONGEST_STAY + LONGEST_SWITCH;
    let rounds = [
        round(0, 1, false),
        round(10, 2, false),
        round(5, 1, false),
        round(0, 2, true),
        round(0, 2, false),
    ];
    let budget = first + 10 + first + 1;
    let diary = play(&[budget, 1000], false, 0, &rounds);
    let most = budget + 2 * first + LONGEST_STAY - 1;
    assert_eq!(diary.caused[0], most);
}

// Verifies: BH-SCHED-021, BH-SCHED-022
#[test]
fn slack_has_no_end_and_pays_for_no_more_urgent_one() {
    let mut claims = [None; MAX_SHARES];
    claims[0] = Some(Claim {
        who: 3,
        left: Some(100),
    });
    claims[1] = Some(Claim { who: 5, left: None });
    let mut sharing = Sharing::new(claims, 1000);
    // Slack runs while the owner sleeps, for as long as it likes.
    assert_eq!((sharing.give(1, 1000), sharing.limit()), (None, None));
    sharing.on_core(1010);
    assert_eq!(sharing.pay(1_000_000), None);
    assert_eq!(sharing.candidate(1), Some(5));
    // The owner wakes: the way to it, from 1 000 000 to 1 000 040, is its own, and so is the way back.
    assert_eq!(sharing.give(0, 1_000_000), None);
    assert_eq!(sharing.on_core(1_000_040), None);
    assert_eq!(sharing.limit(), Some(1_000_100));
    assert_eq!(sharing.give(1, 1_000_050), None);
    assert_eq!(sharing.on_core(1_000_090), None);
    assert_eq!(sharing.candidate(0), Some(3));
    // Ten ticks are left of its budget: the next way takes them.
    assert_eq!(sharing.give(0, 1_000_200), None);
    assert_eq!(sharing.on_core(1_000_230), Some(3));
    assert_eq!(sharing.candidate(0), None);
    assert_eq!(sharing.give(1, 1_000_231), None);
    assert_eq!(sharing.candidate(1), Some(5));
}
