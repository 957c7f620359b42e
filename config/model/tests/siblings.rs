// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each spec and board of tests/invalid was made from breaks no rule, and is one edit away.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "the other test programs use the rest")]
mod cases;
#[allow(dead_code, reason = "the other test programs use the rest")]
mod common;

use std::fs;
use std::path::PathBuf;

use bulkhead_analysis::rules::load;
use bulkhead_model::LoadError;
use cases::{Case, cases};
use common::{Fixture, root};
use serde_json::Value;

/// Rules that a system breaks, with another board than its spec names.
fn broken(fixture: &Fixture, file: &str, board: &str) -> Vec<&'static str> {
    let board = [format!("board={board}")];
    match load(&fixture.paths(&format!("tests/invalid/{file}")), &board) {
        Ok(_) => Vec::new(),
        Err(LoadError::Invalid(found)) => found.records().iter().map(|r| r.rule).collect(),
        Err(error) => panic!("{file}: {error:?}"),
    }
}

fn spec(file: &str) -> String {
    fs::read_to_string(root().join("tests/invalid").join(file)).unwrap()
}

/// The board that a spec names.
fn board_of(spec: &str) -> &str {
    let board = spec.lines().find_map(|line| line.strip_prefix("board: "));
    board.unwrap_or_default()
}

/// Where a board is that a spec names by path, or by name.
fn board_file(name: &str) -> PathBuf {
    if name.ends_with(".yaml") {
        root().join("tests/invalid").join(name)
    } else {
        root().join("config/boards").join(name).with_extension("yaml")
    }
}

/// The valid board that a wrong one was made from, as a spec names it.
fn sibling_of(board: &str) -> Option<String> {
    let text = fs::read_to_string(board_file(board)).ok()?;
    let mut comments = text.lines().map_while(|line| line.strip_prefix("# "));
    let sibling = comments.find_map(|comment| comment.strip_prefix("from "))?;
    let is_here = sibling.ends_with(".yaml");
    Some(if is_here {
        format!("boards/{sibling}")
    } else {
        sibling.to_owned()
    })
}

/// What a board's file says.
fn values(board: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(board_file(board)).unwrap()).unwrap()
}

/// What a board's bounds file says, if it has one.
fn bounds(board: &str) -> Value {
    let text = fs::read_to_string(board_file(board).with_extension("bounds.toml"));
    text.map_or(Value::Null, |text| toml::from_str(&text).unwrap())
}

/// How many blocks differ: a value, a key with what is under it, or elements of a list that stand together.
fn edits(old: &Value, new: &Value) -> usize {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let kept = old
                .iter()
                .map(|(key, value)| new.get(key).map_or(1, |other| edits(value, other)));
            kept.sum::<usize>() + new.keys().filter(|key| !old.contains_key(*key)).count()
        }
        (Value::Array(old), Value::Array(new)) => {
            let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
            let (old, new) = (&old[head..], &new[head..]);
            let both = old.iter().rev().zip(new.iter().rev());
            let tail = both.take_while(|(a, b)| a == b).count();
            match (&old[..old.len() - tail], &new[..new.len() - tail]) {
                ([], []) => 0,
                ([], _) | (_, []) | ([_], [_, _, ..]) => 1,
                ([old], [new]) => edits(old, new),
                (old, _) => old.len(),
            }
        }
        _ => usize::from(old != new),
    }
}

#[test]
fn edits_are_counted() {
    let count = |old: &str, new: &str| {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        edits(&read(old), &read(new))
    };
    let old = r#"{"a": 1, "b": [1, 2, 3], "c": {"d": [{"e": 1, "f": 2}]}}"#;
    for (new, edits) in [
        (old, 0),
        (r#"{"a": 2, "b": [1, 2, 3], "c": {"d": [{"e": 1, "f": 2}]}}"#, 1),
        (r#"{"b": [1, 2, 3], "c": {"d": [{"e": 1, "f": 2}]}}"#, 1),
        (r#"{"a": 1, "b": [1, 3], "c": {"d": [{"e": 1, "f": 2}]}}"#, 1),
        (
            r#"{"a": 1, "b": [1, 2, 8, 9, 3], "c": {"d": [{"e": 1, "f": 2}]}}"#,
            1,
        ),
        (r#"{"a": 1, "b": [1, 2, 3], "c": {"d": [{"e": 2, "f": 3}]}}"#, 2),
        (r#"{"a": 1, "b": [1, 2, 3], "c": {"d": [{"e": 2}]}}"#, 2),
        (r#"{"b": [1, 2], "c": {}}"#, 3),
        (
            r#"{"a": 1, "b": [4, 5], "c": {"d": [{"e": 1, "f": 2}]}, "g": {"h": 1}}"#,
            4,
        ),
    ] {
        assert_eq!(count(old, new), edits, "{new}");
    }
}

/// Lines that one text has and the other has not, between what both begin and end with.
fn lines_apart(old: &[&str], new: &[&str]) -> (usize, usize) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let both = old.iter().rev().zip(new.iter().rev());
    let tail = both.take_while(|(a, b)| a == b).count();
    (old.len() - tail, new.len() - tail)
}

/// Where the edit is that of the board: the board that it was made from, on which the sibling breaks no rule.
fn judge_board(case: &Case, board: &str, fixture: &Fixture) -> Result<(), String> {
    let made_from = sibling_of(board).ok_or_else(|| format!("{board} does not say what it was made from"))?;
    let found = broken(fixture, &case.sibling, &made_from);
    if !found.is_empty() {
        return Err(format!("{} on {made_from} breaks {found:?}", case.sibling));
    }
    let both = [values, bounds].map(|part| (part(&made_from), part(board)));
    // A board without a bounds file has costs that nobody measured, which is no edit of what it says.
    let told = both.iter().filter(|(_, new)| !new.is_null());
    match told.map(|(old, new)| edits(old, new)).sum() {
        1 => Ok(()),
        count => Err(format!("{board} is {count} edits away from {made_from}")),
    }
}

// Verifies: BH-CFG-003
#[test]
fn the_valid_sibling_is_valid_and_one_edit_away() {
    let fixture = Fixture::new();
    let mut wrong = Vec::new();
    for case in cases() {
        let sibling = &case.sibling;
        assert!(sibling.starts_with("valid."), "{}: {sibling}", case.file);
        let valid = spec(sibling);
        let found = broken(&fixture, sibling, board_of(&valid));
        assert!(found.is_empty(), "{sibling}: {found:?}");
        let old: Vec<&str> = valid.lines().skip(1).collect();
        let new: Vec<&str> = case.body.lines().collect();
        let (removed, added) = lines_apart(&old, &new);
        // Of one line, or of a whole key with what is under it.
        assert!(
            removed <= 1 || added == 0,
            "{}: changes {removed} lines of {sibling} into {added}",
            case.file
        );
        // What `--set` gets wrong stands in no file.
        let by_line = case.rule == "document/no-such-path";
        assert_eq!(by_line, !case.overrides.is_empty(), "{}", case.file);
        assert_eq!(by_line, removed + added == 0, "{}: equals {sibling}", case.file);
        let board = board_of(&case.body);
        if board != board_of(&valid) && board.ends_with(".yaml") {
            wrong.extend(
                judge_board(&case, board, &fixture)
                    .err()
                    .map(|e| format!("{}: {e}", case.file)),
            );
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
