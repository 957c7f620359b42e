// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reference system, mutated at random: each is a system, or has diagnostics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "shared with the other tests")]
mod common;

use std::fs;

use bulkhead_model::{LoadError, load_text};
use common::{Fixture, root};
use proptest::prelude::*;
use proptest::sample::Index;

const REFERENCE: &str = "config/systems/adas-infotainment.yaml";

/// One random change to a text.
#[derive(Clone, Debug)]
enum Mutation {
    Delete(Index, Index),
    Duplicate(Index),
    Swap(Index, Index),
    Insert(Index, String),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let words = [
        "\t", ":", "- ", "[", "}", "&a ", "*a", "<<: ", "!x ", "0x", "~", "'", "\u{fffd}", "ä", "# ", "|\n",
        "-1", "1e9", "\0",
    ];
    prop_oneof![
        any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Delete(a, b)),
        any::<Index>().prop_map(Mutation::Duplicate),
        any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Swap(a, b)),
        (any::<Index>(), prop::sample::select(words.to_vec()))
            .prop_map(|(i, w)| Mutation::Insert(i, w.to_owned())),
        any::<(Index, String)>().prop_map(|(i, s)| Mutation::Insert(i, s)),
    ]
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    match mutation {
        Mutation::Delete(from, length) => {
            let characters: Vec<char> = text.chars().collect();
            let from = from.index(characters.len() + 1);
            let to = (from + length.index(40)).min(characters.len());
            return characters[..from].iter().chain(&characters[to..]).collect();
        }
        Mutation::Insert(at, word) => {
            let at = at.index(text.chars().count() + 1);
            return text
                .chars()
                .take(at)
                .chain(word.chars())
                .chain(text.chars().skip(at))
                .collect();
        }
        Mutation::Duplicate(line) if !lines.is_empty() => {
            let line = line.index(lines.len());
            lines.insert(line, lines[line]);
        }
        Mutation::Swap(a, b) if !lines.is_empty() => {
            let count = lines.len();
            lines.swap(a.index(count), b.index(count));
        }
        Mutation::Duplicate(_) | Mutation::Swap(..) => {}
    }
    lines.join("\n")
}

// Verifies: BH-CFG-003
#[test]
fn a_mutated_spec_is_a_system_or_has_diagnostics() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(root().join(REFERENCE)).unwrap();
    let config = ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(changes in prop::collection::vec(mutation(), 1..4))| {
        let text = changes.iter().fold(text.clone(), |t, c| mutate(&t, c));
        match load_text(&text, &fixture.paths(REFERENCE), &[]) {
            Ok(_) => {}
            Err(LoadError::Invalid(diagnostics)) => {
                prop_assert!(!diagnostics.list.is_empty());
                prop_assert!(diagnostics.records().iter().all(|r| r.primary.line >= 1 && !r.help.is_empty()));
                prop_assert!(!diagnostics.plain().is_empty());
                prop_assert!(!diagnostics.graphical(80, false).is_empty());
            }
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    });
}
