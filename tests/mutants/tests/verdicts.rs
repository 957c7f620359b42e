// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checker's verdicts against the second opinion, over seeded mutations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod systems;

use std::collections::BTreeMap;

use bulkhead_mutants::judge::{Verdict, judge};
use bulkhead_mutants::mutate::{Base, Class, Mutant};

/// Mutations of a run; `BULKHEAD_MUTATIONS` asks for more.
const MUTATIONS: u64 = 10_000;

fn mutations() -> u64 {
    std::env::var("BULKHEAD_MUTATIONS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(MUTATIONS)
}

/// What the checker says.
fn accepts(mutant: &Mutant) -> Result<(), Vec<String>> {
    systems::prove(&mutant.files)
        .map(|_| ())
        .map_err(|failures| failures.iter().map(ToString::to_string).collect())
}

/// None missed, none falsely accused. Verifies: BH-CHK-080, BH-DMA-010.
#[test]
fn the_checker_agrees_with_the_second_opinion() {
    let bases: Vec<Base> = systems::all()
        .into_iter()
        .map(|files| Base::new(files).unwrap())
        .collect();
    let mut counts: BTreeMap<(Class, Verdict), u64> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for seed in 0..mutations() {
        let base = &bases[usize::try_from(seed).unwrap() % bases.len()];
        let mutant = base.mutate(seed);
        let found = judge(&mutant.files);
        let verdict = found.verdict();
        *counts.entry((mutant.class, verdict)).or_default() += 1;
        let checker = accepts(&mutant);
        if checker.is_ok() != (verdict == Verdict::Harmless) {
            disagreements.push(format!(
                "seed {seed}, {:?}: {}\n  second opinion: {verdict:?} {:?} {:?}\n  checker: {checker:?}",
                mutant.class, mutant.text, found.harmful, found.form
            ));
        }
    }
    for ((class, verdict), count) in &counts {
        println!("{class:?} {verdict:?} {count}");
    }
    let shown = disagreements
        .iter()
        .take(40)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        disagreements.is_empty(),
        "{} disagreements:\n{shown}",
        disagreements.len()
    );
}
