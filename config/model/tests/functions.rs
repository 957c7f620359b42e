// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules and functions are one to one, in the sources of all crates that find breaches: each rule is named by one function,
//! and a function that names a rule names no other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rules that the compiler finds breaches of are described in the model.
const PLACEMENT: &str = "config/model/src/rules/placement.rs";
const COMPILER: &str = "config/compiler/src/rules.rs";

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Statics of rules with their IDs.
fn rules(text: &str) -> BTreeMap<String, String> {
    let statics = text.split("static ").skip(1);
    let rule = |text: &str| {
        let (name, rest) = text.split_once(": Rule = Rule {")?;
        let id = rest.split("id: \"").nth(1)?.split('"').next()?;
        (!name.contains(' ')).then(|| (name.to_owned(), id.to_owned()))
    };
    statics.filter_map(rule).collect()
}

/// Which of `rules` each function of a source file names.
fn named(text: &str, rules: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut functions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut function = String::new();
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once("fn ").filter(|(head, _)| !head.contains("//")) {
            function = rest.split(['(', '<']).next().unwrap().to_owned();
        }
        // A list of rules is no function.
        if !line.starts_with(' ') && line.contains("ALL: ") {
            function.clear();
        }
        let words = line.split('&').skip(1);
        for word in words.map(|w| {
            w.split(|c: char| !c.is_ascii_uppercase() && c != '_')
                .next()
                .unwrap()
        }) {
            if let Some(id) = rules.get(word).filter(|_| !function.is_empty()) {
                functions.entry(function.clone()).or_default().insert(id.clone());
            }
        }
    }
    functions
}

// Verifies: BH-CFG-003
#[test]
fn each_rule_has_one_function() {
    let text = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let folder = fs::read_dir(root().join("config/model/src/rules")).unwrap();
    let is_source = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs");
    let files = folder.map(|entry| entry.unwrap().path()).filter(is_source);
    let mut files: Vec<String> = files
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    files.extend(["rules.rs", "tolerance.rs"].map(|name| format!("config/analysis/src/{name}")));
    files.push(COMPILER.to_owned());
    let mut functions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in &files {
        let source = text(file);
        let own = if file == COMPILER {
            rules(&text(PLACEMENT))
        } else {
            rules(&source)
        };
        for (function, ids) in named(&source, &own) {
            assert_eq!(ids.len(), 1, "{file}: `{function}` finds breaches of {ids:?}");
            for id in ids {
                functions
                    .entry(id)
                    .or_default()
                    .push(format!("{file}: {function}"));
            }
        }
    }
    let all: BTreeSet<String> = bulkhead_analysis::rules::every()
        .map(|r| r.id.to_owned())
        .collect();
    assert_eq!(functions.keys().cloned().collect::<BTreeSet<_>>(), all);
    for (id, functions) in functions {
        assert_eq!(functions.len(), 1, "{id}: {functions:?}");
    }
}
