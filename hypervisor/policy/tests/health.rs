// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables of reactions, and the watch over signs of life.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_abi::health::{Action, ERRORS, Error, Level};
use bulkhead_policy::health::{Expected, Found, Seen, Watch};
use proptest::prelude::*;

fn everywhere() -> impl Iterator<Item = (Error, Level)> {
    let levels = |error: &Error| {
        Level::ALL
            .iter()
            .map(|level| (*error, *level))
            .collect::<Vec<_>>()
    };
    Error::ALL.iter().flat_map(levels)
}

/// Verifies: BH-HEALTH-001.
#[test]
fn codes_and_words_are_told_apart() {
    let codes: Vec<u8> = Error::ALL.iter().map(|e| e.code()).collect();
    assert_eq!(codes, (0..11).collect::<Vec<u8>>());
    for code in 0..=255 {
        assert!(Error::from_code(code).is_none_or(|e| e.code() == code));
        assert!(Action::from_code(code).is_none_or(|a| a.code() == code));
        assert!(Level::from_code(code).is_none_or(|l| l.code() == code));
    }
    assert_eq!(
        Action::from_code(0),
        None,
        "an empty place of a table is no action"
    );
    for word in Error::ALL.iter().map(|e| e.word()) {
        assert_eq!(Error::ALL.iter().filter(|e| e.word() == word).count(), 1);
    }
}

/// Verifies: BH-HEALTH-002.
#[test]
fn every_table_gives_an_answer_that_fits_the_level() {
    for (error, level) in everywhere().filter(|(error, level)| error.occurs_on(*level)) {
        for code in 0..=255 {
            let action = Action::of(&[code; ERRORS], error, level);
            assert!(action.answers(error, level), "{error:?} on {level:?}: {action:?}");
            let told = Action::from_code(code).filter(|told| told.answers(error, level));
            assert!(
                told.is_none_or(|told| told == action),
                "another reaction than the table's"
            );
        }
        // EL2 does not go on where it cannot trust itself.
        let fatal = matches!(error, Error::Assertion | Error::Crash)
            || (error, level) == (Error::SError, Level::Core);
        assert_eq!(Action::Log.answers(error, level), !fatal);
    }
    for (error, level) in everywhere().filter(|(error, level)| !error.occurs_on(*level)) {
        assert!(Action::ALL.iter().all(|action| !action.answers(error, level)));
    }
}

/// The reaction is that of the error, not of its neighbour. Verifies: BH-HEALTH-002.
#[test]
fn a_table_is_read_by_the_errors_code() {
    let mut table = [Action::Log.code(); ERRORS];
    table[usize::from(Error::DmaFault.code())] = Action::StopPartition.code();
    assert_eq!(
        Action::of(&table, Error::DmaFault, Level::Partition),
        Action::StopPartition
    );
    assert_eq!(
        Action::of(&table, Error::IllegalCall, Level::Partition),
        Action::Log
    );
}

const EVERY: Expected = Expected {
    every: 100,
    grace: 50,
};

fn seen(beat: u64, starts: u32) -> Seen {
    Seen {
        beat,
        starts,
        misses: 0,
    }
}

/// Verifies: BH-HEALTH-006.
#[test]
fn a_missing_sign_of_life_is_found_once_a_period() {
    let mut watch = Watch::new();
    assert_eq!(watch.look(1000, seen(0, 1), EVERY), Found::default());
    assert_eq!(
        watch.look(1150, seen(0, 1), EVERY),
        Found::default(),
        "grace and a period"
    );
    assert_eq!(watch.look(1160, seen(0, 1), EVERY).overdue, Some(10));
    assert_eq!(watch.look(1260, seen(0, 1), EVERY), Found::default());
    assert_eq!(watch.look(1261, seen(0, 1), EVERY).overdue, Some(1));
    // A beat, whatever its value, counts; then a restart gives grace again.
    assert_eq!(watch.look(1300, seen(7, 1), EVERY), Found::default());
    assert_eq!(watch.look(1400, seen(3, 1), EVERY), Found::default());
    assert_eq!(watch.look(1501, seen(3, 1), EVERY).overdue, Some(1));
    assert_eq!(watch.look(1502, seen(3, 2), EVERY), Found::default());
    assert_eq!(watch.look(1652, seen(3, 2), EVERY), Found::default());
    assert_eq!(watch.look(1653, seen(3, 2), EVERY).overdue, Some(1));
}

/// Verifies: BH-HEALTH-007.
#[test]
fn growing_misses_are_found_and_a_restart_forgets() {
    let mut watch = Watch::new();
    let none = Expected { every: 0, grace: 0 };
    let at = |misses, starts| Seen {
        beat: 0,
        starts,
        misses,
    };
    assert_eq!(watch.look(0, at(0, 1), none).missed, None);
    assert_eq!(watch.look(1, at(2, 1), none).missed, Some(2));
    assert_eq!(watch.look(2, at(2, 1), none).missed, None);
    assert_eq!(watch.look(3, at(0, 2), none).missed, None);
    assert_eq!(watch.look(4, at(u64::MAX, 2), none).missed, Some(u64::MAX));
    assert_eq!(
        watch.look(u64::MAX, at(1, 2), none),
        Found::default(),
        "no heartbeat is expected"
    );
}

proptest! {
    /// Whatever a partition writes: it is found dead only after a period without change, and never twice in one.
    /// Verifies: BH-HEALTH-006.
    #[test]
    fn claims_confuse_no_watch(steps in prop::collection::vec((1..400u64, any::<u8>(), 0..3u32, any::<u64>()), 1..100)) {
        let mut watch = Watch::new();
        let (mut now, mut changed, mut found): (u64, u64, Option<u64>) = (0, 0, None);
        let mut last = seen(0, 0);
        for (step, beat, starts, misses) in steps {
            now += step;
            let new = Seen { beat: u64::from(beat % 2), starts, misses };
            if (new.beat, new.starts) != (last.beat, last.starts) {
                changed = now;
            }
            last = new;
            if watch.look(now, new, EVERY).overdue.is_some() {
                prop_assert!(now - changed > EVERY.every || changed == 0, "{now} {changed}");
                prop_assert!(found.is_none_or(|at| now - at > EVERY.every));
                found = Some(now);
            }
        }
    }
}
