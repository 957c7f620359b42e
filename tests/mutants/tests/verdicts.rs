// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checker's verdicts against the second opinion, over seeded mutations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod systems;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use bulkhead_mutants::judge::{Verdict, judge};
use bulkhead_mutants::mutate::{Base, Class};

/// Mutations of a usual run, and of a long one.
const USUAL: u64 = 10_000;
const LONG: u64 = 200_000;

/// What a worker found.
#[derive(Default)]
struct Found {
    counts: BTreeMap<(Class, Verdict), u64>,
    disagreements: Vec<String>,
}

impl Found {
    fn compare(&mut self, base: &Base, seed: u64) {
        let mutant = base.mutate(seed);
        let found = judge(&mutant.files);
        let verdict = found.verdict();
        *self.counts.entry((mutant.class, verdict)).or_default() += 1;
        let checker = systems::prove(&mutant.files);
        if checker.is_ok() != (verdict == Verdict::Harmless) {
            self.disagreements.push(format!(
                "seed {seed}, {:?}: {}\n  second opinion: {verdict:?} {:?} {:?}\n  checker: {:?}",
                mutant.class,
                mutant.text,
                found.harmful,
                found.form,
                checker.map(|proof| proof.pages)
            ));
        }
    }
}

/// None missed, none falsely accused. Verifies: BH-CHK-080, BH-CHK-025, BH-DMA-010.
#[test]
fn the_checker_agrees_with_the_second_opinion() {
    compare(0..USUAL);
}

/// Other mutations, and more. Verifies: BH-CHK-080.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn the_checker_agrees_for_ever() {
    compare(USUAL..USUAL + LONG);
}

fn compare(seeds: Range<u64>) {
    let begin = Instant::now();
    let bases: Vec<Base> = systems::all()
        .into_iter()
        .map(|files| Base::new(files).unwrap())
        .collect();
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut found = Found::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return found;
            }
            found.compare(&bases[usize::try_from(seed).unwrap() % bases.len()], seed);
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<Found> = thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        started.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let mut counts: BTreeMap<(Class, Verdict), u64> = BTreeMap::new();
    for (what, count) in all.iter().flat_map(|found| &found.counts) {
        *counts.entry(*what).or_default() += count;
    }
    for ((class, verdict), count) in &counts {
        println!("{class:?} {verdict:?} {count}");
    }
    let disagreements: Vec<&String> = all.iter().flat_map(|found| &found.disagreements).collect();
    let shown: Vec<&str> = disagreements.iter().take(40).map(|d| d.as_str()).collect();
    assert!(
        disagreements.is_empty(),
        "{} disagreements:\n{}",
        disagreements.len(),
        shown.join("\n")
    );
    let classes: BTreeSet<Class> = counts.keys().map(|(class, _)| *class).collect();
    assert_eq!(
        classes.len(),
        15,
        "a class of mutations was not tried: {classes:?}"
    );
    let verdicts = |wanted| -> u64 {
        counts
            .iter()
            .filter(|((_, v), _)| *v == wanted)
            .map(|(_, c)| c)
            .sum()
    };
    println!(
        "{} mutations in {:?}: {} harmful, {} ill-formed, {} harmless; none missed, none falsely accused",
        seeds.end - seeds.start,
        begin.elapsed(),
        verdicts(Verdict::Harmful),
        verdicts(Verdict::IllFormed),
        verdicts(Verdict::Harmless),
    );
    // Agreement on mutations of one kind alone would show little.
    for verdict in [Verdict::Harmful, Verdict::IllFormed, Verdict::Harmless] {
        let (found, all) = (verdicts(verdict), seeds.end - seeds.start);
        assert!(found >= all / 20, "only {found} of {all} are {verdict:?}");
    }
}
