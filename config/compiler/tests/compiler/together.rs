// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All errors in one run: each breach in tests/invalid, together with one of form and model, one of times and one of
//! places, is found with them, and nothing is found that follows from another.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use bulkhead_analysis::rules::survey;
use bulkhead_compiler::rules::{Refusal, admit};
use bulkhead_model::{LoadError, Paths, Record};
use serde_json::{Value, json};

use crate::own_tree::put_foreign_tree;
use crate::support::cases::{Case, cases};
use crate::support::{Workshop, hypervisor_bin, repository};

/// An edit of a text: from which line on how many are replaced by which.
#[derive(Clone, Debug, PartialEq)]
struct Edit {
    at: usize,
    removed: usize,
    added: Vec<String>,
}

impl Edit {
    fn between(valid: &[&str], body: &str) -> Self {
        let body: Vec<&str> = body.lines().collect();
        let at = valid.iter().zip(&body).take_while(|(a, b)| a == b).count();
        let tails = valid[at..].iter().rev().zip(body[at..].iter().rev());
        let tail = tails.take_while(|(a, b)| a == b).count();
        Edit {
            at,
            removed: valid.len() - tail - at,
            added: body[at..body.len() - tail]
                .iter()
                .map(|l| (*l).to_owned())
                .collect(),
        }
    }

    /// Whether both can be made: they are apart, or add different keys at one place.
    fn goes_with(&self, other: &Self) -> bool {
        let (first, second) = if self.at <= other.at {
            (self, other)
        } else {
            (other, self)
        };
        let key = |e: &Self| {
            e.added
                .first()
                .and_then(|l| l.split(':').next())
                .map(str::to_owned)
        };
        let only_add = first.removed == 0 && second.removed == 0 && first.at == second.at;
        first.at + first.removed < second.at.max(1) || (only_add && key(first) != key(second))
    }
}

/// The text with edits, the last one first so that none moves another.
fn edited(valid: &[&str], mut edits: Vec<&Edit>) -> String {
    edits.sort_by_key(|e| std::cmp::Reverse(e.at));
    let mut lines: Vec<String> = valid.iter().map(|l| (*l).to_owned()).collect();
    for edit in edits {
        lines.splice(edit.at..edit.at + edit.removed, edit.added.iter().cloned());
    }
    lines.join("\n") + "\n"
}

struct Bench {
    workshop: Workshop,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let workshop = Workshop::new();
        put_foreign_tree(&workshop);
        let folder = tempfile::tempdir().unwrap();
        for name in ["boards", "fragments", "files"] {
            let there = repository().join("tests/invalid").join(name);
            symlink(fs::canonicalize(there).unwrap(), folder.path().join(name)).unwrap();
        }
        Bench { workshop, folder }
    }

    /// How often each rule is broken.
    fn found(&self, text: &str, overrides: &[String]) -> BTreeMap<&'static str, usize> {
        let mut rules = BTreeMap::new();
        for record in self.records(text, overrides) {
            *rules.entry(record.rule).or_default() += 1;
        }
        rules
    }

    fn records(&self, text: &str, overrides: &[String]) -> Vec<Record> {
        let spec = self.folder.path().join("spec.yaml");
        fs::write(&spec, text).unwrap();
        let paths = Paths {
            spec,
            boards: repository().join("config/boards"),
            images: self.workshop.path("images"),
            guest: self.workshop.path("guest"),
        };
        let (mut list, placing) = match survey(&paths, overrides) {
            Ok((system, _)) => (Vec::new(), Some(Box::new(system))),
            Err(refused) => match refused.error {
                LoadError::Invalid(found) => (found.records(), refused.placing),
                error => panic!("{text}: {error:?}"),
            },
        };
        if let Some(system) = placing {
            match admit(&system, &hypervisor_bin()) {
                Ok(()) => {}
                Err(Refusal::Rule(LoadError::Invalid(found))) => list.extend(found.records()),
                Err(error) => panic!("{text}: {error:?}"),
            }
        }
        list
    }
}

/// Those with which every other breach is found: of the model, of times, of places.
const WITH: [&str; 3] = [
    "memory.alignment.yaml",
    "tasks.not-schedulable.yaml",
    "payload.unusable.yaml",
];

/// Begins of files whose text cannot be read to its end.
const NOTHING: &[&str] = &["document.syntax", "document.version"];

/// Those on which the task of [`WITH`] depends: the slots of its core, the costs of EL2, a board that can be read.
const NO_TIMES: &[&str] = &[
    "board.bounds",
    "board.not-found",
    "schedule.no-slot",
    "schedule.no-table",
    "schedule.not-filled",
    "schedule.system-core.two",
    "schedule.too-short",
    "schedule.unaligned",
    "schedule.unknown-partition",
];

/// Those on which the payload of [`WITH`] depends: its partition's payload, device tree, memory, cores, devices and level, and the board but for
/// devices of others and what no place depends on.
const NO_PLACES: &[&str] = &[
    "board.no-such-bus",
    "board.not-found",
    "board.same-function",
    "board.streams.yaml",
    "device-tree.",
    "devices.board-interrupt",
    "devices.emulated-interrupt",
    "devices.no-",
    "devices.not-unguarded",
    "devices.occupied",
    "devices.owned-twice",
    "devices.shared-interrupt",
    "devices.un",
    "document.choice",
    "document.missing-key",
    "document.unknown-key.board",
    "document.wrong-type",
    "memory.not-free",
    "memory.overlap",
    "payload.missing",
    "payload.not-one",
    "payload.wrong-machine",
    "schedule.no-slot",
    "schedule.no-table",
    "totals.bars",
];

/// Those that are not what they are without the files of other tests, with a hypervisor for fewer cores, or with 32
/// locks that leave the task of [`WITH`] no time at all.
const ELSEWHERE: &[&str] = &[
    "cores.too-many-vcpus",
    "include.cycle",
    "locks.too-many.locks",
    "partitions.too-many",
    "payload.outside-memory",
    "payload.too-large",
];

/// Whether a breach of the rule cannot be seen beside what a file breaks.
fn hides(file: &str, rule: &str) -> bool {
    let begins = |list: &[&str]| list.iter().any(|begin| file.starts_with(begin));
    begins(NOTHING)
        || rule.starts_with("tasks/") && begins(NO_TIMES)
        || rule.starts_with("payload/") && begins(NO_PLACES)
        // What has no room for all partitions has room without the largest one.
        || rule == "memory/alignment" && file.starts_with("totals.image")
}

// Verifies: BH-CFG-230
#[test]
fn each_breach_is_found_beside_others() {
    let bench = Bench::new();
    let valid = fs::read_to_string(repository().join("tests/invalid/valid.yaml")).unwrap();
    let valid: Vec<&str> = valid.lines().skip(1).collect();
    let all: Vec<Case> = cases()
        .into_iter()
        .filter(|c| c.sibling == "valid.yaml")
        .collect();
    let edit = |name: &str| {
        let case = all.iter().find(|c| c.file == name).unwrap();
        (case.rule.as_str(), Edit::between(&valid, &case.body))
    };
    let with: Vec<(&str, Edit)> = WITH.iter().map(|name| edit(name)).collect();
    let together = edited(&valid, with.iter().map(|(_, edit)| edit).collect());
    let found: Vec<&str> = bench.found(&together, &[]).into_keys().collect();
    assert_eq!(
        found,
        ["memory/alignment", "payload/unusable", "tasks/not-schedulable"]
    );
    let (mut wrong, mut judged) = (Vec::new(), 0);
    let judged_here = |c: &&Case| {
        !WITH.contains(&c.file.as_str()) && !ELSEWHERE.iter().any(|begin| c.file.starts_with(begin))
    };
    for case in all.iter().filter(judged_here) {
        let own = Edit::between(&valid, &case.body);
        for (rule, other) in with.iter().filter(|(_, e)| e.goes_with(&own)) {
            let found = bench.found(&edited(&valid, vec![&own, other]), &case.overrides);
            let found: Vec<&str> = found.into_keys().collect();
            judged += 1;
            let mut wanted = vec![case.rule.as_str(), *rule];
            wanted.sort_unstable();
            wanted.dedup();
            let seen = if hides(&case.file, rule) {
                found.len() == 1 && wanted.contains(&found[0])
            } else {
                found == wanted
            };
            if !seen {
                wrong.push(format!("{} with {rule}: {found:?}", case.file));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {judged}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(judged > 200, "{judged}");
}

/// Below these a board file may be broken, and all else is judged.
const JUDGED_BESIDE: [&str; 3] = ["cores", "gic", "ram"];

/// Pointers to what is below a value, and to itself; of a list, to its first entries.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate().take(2) {
                pointers(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                pointers(item, &format!("{at}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The board with each key below [`JUDGED_BESIDE`] replaced by what cannot be read, or removed, one at a time.
fn broken_boards(board: &Value) -> Vec<(String, Value)> {
    let mut boards = Vec::new();
    for key in JUDGED_BESIDE {
        let mut found = Vec::new();
        pointers(&board[key], &format!("/{key}"), &mut found);
        for at in found {
            for other in [
                json!("no such word!"),
                json!(-1),
                json!([null]),
                json!({ "no-such-key": 1 }),
            ] {
                let mut changed = board.clone();
                *changed.pointer_mut(&at).unwrap() = other.clone();
                boards.push((format!("{at} = {other}"), changed));
            }
            let (parent, name) = at.rsplit_once('/').unwrap();
            let mut changed = board.clone();
            if let Some(map) = changed.pointer_mut(parent).and_then(Value::as_object_mut) {
                map.remove(name);
                boards.push((format!("no {at}"), changed));
            }
        }
    }
    boards
}

/// What of the board cannot be read hides no breach of the spec, and none follows from it. Without any core there is no board.
/// Verifies: BH-CFG-230.
#[test]
fn a_broken_board_hides_nothing_else() {
    let bench = Bench::new();
    let read = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let valid = read("tests/invalid/valid.yaml").replace("board: qemu-virt", "board: broken.yaml");
    let valid: Vec<&str> = valid.lines().skip(1).collect();
    let edits: Vec<Edit> = cases()
        .iter()
        .filter(|c| WITH.contains(&c.file.as_str()))
        .map(|c| Edit::between(&valid, &c.body.replace("board: qemu-virt", "board: broken.yaml")))
        .collect();
    let [alone, together] = [Vec::new(), edits.iter().collect()].map(|edits| edited(&valid, edits));
    // Pinned memory, colours, a dump and doorbells depend on the board most.
    let others = ["valid.pins", "valid.colours", "valid.dump", "valid.doorbells"];
    let others = others.map(|name| read(&format!("tests/invalid/{name}.yaml")));
    let board: Value = serde_saphyr::from_str(&read("config/boards/qemu-virt.yaml")).unwrap();
    let bounds = repository().join("config/boards/qemu-virt.bounds.toml");
    fs::copy(bounds, bench.folder.path().join("broken.bounds.toml")).unwrap();
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for (what, board) in broken_boards(&board) {
        fs::write(bench.folder.path().join("broken.yaml"), board.to_string()).unwrap();
        let is_of_board = |r: &Record| r.primary.file.ends_with("broken.yaml");
        let own = bench.records(&alone, &[]);
        if own.is_empty() {
            continue;
        }
        let follows = own.iter().filter(|r| !is_of_board(r));
        wrong.extend(follows.map(|r| format!("{what}: {} follows", r.rule)));
        let all = bench.records(&together, &[]);
        let mut found: Vec<&str> = all.iter().filter(|r| !is_of_board(r)).map(|r| r.rule).collect();
        found.sort_unstable();
        let has_core = board["cores"]
            .as_array()
            .is_some_and(|list| list.iter().any(Value::is_object));
        let wanted: &[&str] = match has_core {
            true => &["memory/alignment", "payload/unusable", "tasks/not-schedulable"],
            false => &["memory/alignment"],
        };
        if found != wanted {
            wrong.push(format!("{what}: {found:?}"));
        }
        let other = &others[judged % others.len()];
        let other = other.replace("board: qemu-virt\n", "board: broken.yaml\n");
        let follows = bench.records(&other, &[]).into_iter().filter(|r| !is_of_board(r));
        wrong.extend(follows.map(|r| format!("{what}: {} follows: {}", r.rule, r.message)));
        judged += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} of {judged}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(judged > 100, "{judged}");
}
