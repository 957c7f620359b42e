// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the language has, against what the systems use that run: the tables of the language say which keys and words there
//! are, so that a new one is missed here until a system with it runs.

use std::collections::BTreeSet;
use std::fs;

use bulkhead_model::keys::rows;
use bulkhead_model::language::{Kind, SPEC};
use bulkhead_on_target::in_tree;
use serde_json::Value;

/// Words that the system with every key does not use, each with a system that does by leaving the key out; a test in this
/// folder runs that one.
const BY_DEFAULT: [(&str, &str); 3] = [
    ("partitions.NAME.seed=board", "coloured"),
    ("locks.NAME.inheritance=priority", "inversion"),
    ("locks.NAME.less_critical=refused", "inversion"),
];

/// Reactions to errors; the suite `health` requires that each one of the example systems fires on the machine.
const REACTIONS: [&str; 3] = ["partitions.NAME.health.", "health.core.", "health.system."];

/// Whether a path of a document is that of a key, or below it; what is in capitals stands for any name.
fn is_at(path: &str, key: &str) -> bool {
    let is_free = |segment: &str| segment.chars().all(|c| c.is_ascii_uppercase());
    let (path, key): (Vec<&str>, Vec<&str>) = (path.split('.').collect(), key.split('.').collect());
    key.len() <= path.len() && key.iter().zip(path).all(|(k, p)| is_free(k) || *k == p)
}

/// The fixed words that a key takes.
fn words(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Word(words) => words.iter().map(|word| word.name).collect(),
        Kind::Either(short, long) => [words(*short), words(*long)].concat(),
        Kind::List(item, _) => words(*item),
        Kind::Boolean => vec!["true", "false"],
        Kind::Version
        | Kind::Number { .. }
        | Kind::Core
        | Kind::Bytes
        | Kind::Time
        | Kind::Frequency
        | Kind::Text(_)
        | Kind::Named(..)
        | Kind::Numbered(..)
        | Kind::Map(_)
        | Kind::Forms(_) => Vec::new(),
    }
}

/// Requires of a built system, by its report, that it uses each key of the language and each word, but those [`BY_DEFAULT`]
/// and [`REACTIONS`].
pub(crate) fn are_used(report: &Value) {
    let origins = report["origin"].as_array().expect("origins");
    let text = |origin: &Value, key: &str| origin[key].as_str().expect("a text").to_owned();
    let (written, defaults): (Vec<_>, Vec<_>) = origins
        .iter()
        .map(|o| (text(o, "path"), text(o, "value"), text(o, "from")))
        .partition(|(_, _, from)| from != "default");
    let mut unused = BTreeSet::new();
    for row in rows(&SPEC) {
        let at = |list: &[(String, String, String)]| {
            let values = list.iter().filter(|(path, ..)| is_at(path, &row.path));
            values.map(|(_, value, _)| value.clone()).collect::<BTreeSet<_>>()
        };
        let mut values = at(&written);
        if values.is_empty() {
            unused.insert(row.path.clone());
        }
        values.extend(at(&defaults));
        let is_reaction = REACTIONS.iter().any(|begin| row.path.starts_with(begin));
        let words = words(row.key.value).into_iter().filter(|_| !is_reaction);
        let missed = words.filter(|word| !values.contains(*word));
        unused.extend(missed.map(|word| format!("{}={word}", row.path)));
    }
    let elsewhere = BY_DEFAULT.iter().map(|(what, _)| (*what).to_owned());
    assert_eq!(unused, elsewhere.collect(), "what no system uses that runs");
    for (what, name) in BY_DEFAULT {
        let spec = fs::read_to_string(in_tree(&format!("tests/systems/{name}.yaml"))).expect("a spec");
        let (key, _) = what.split_once('=').expect("a word");
        let (first, last) = key
            .split_once('.')
            .zip(key.rsplit_once('.'))
            .map_or(("", ""), |(a, b)| (a.0, b.1));
        assert!(
            spec.contains(&format!("\n{first}:")) && !spec.contains(last),
            "{what}"
        );
        let test = fs::read_to_string(in_tree(&format!("tests/on-target/tests/{name}.rs"))).expect("a test");
        assert!(test.contains(&format!("tests/systems/{name}.yaml")), "{what}");
    }
}
