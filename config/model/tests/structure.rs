// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Schema and tool agree on the form of documents: each value of each key of valid documents is replaced, removed and
//! added to, and two validators of other hands say of the result what the tool says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;
#[path = "common/judges.rs"]
mod judges;

use std::collections::BTreeSet;
use std::fs;

use bulkhead_model::{LoadError, Paths, load_board, load_text, schema};
use common::{Fixture, root};
use judges::Judges;
use serde_json::{Value, json};

/// Rules on the form alone; the others need the meaning of what they read.
fn is_form(rule: &str) -> bool {
    let named = [
        "payload/not-one",
        "channels/no-writer",
        "partitions/name",
        "tasks/name",
    ];
    rule.starts_with("document/") || named.contains(&rule)
}

/// What the tool says of keys that name others of the same file; a schema looks at each key alone.
const REFERENCES: [&str; 2] = ["a device of the board cannot be", "BAR must be one of the BARs"];

/// The breaches of form that the tool finds in an error.
fn breaches(error: LoadError) -> Vec<String> {
    let LoadError::Invalid(found) = error else {
        panic!("{error:?}")
    };
    let all = found.records().into_iter();
    all.filter(|r| is_form(r.rule) && !REFERENCES.iter().any(|text| r.message.contains(text)))
        .map(|r| {
            format!(
                "{} at {}:{}: {}",
                r.rule, r.primary.line, r.primary.column, r.message
            )
        })
        .collect()
}

/// What a value of any key is replaced with.
fn others() -> Vec<Value> {
    vec![
        Value::Null,
        json!("no such word!"),
        json!(""),
        json!("3 parsecs"),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e30),
        json!([]),
        json!({}),
        json!([[]]),
        json!({ "no-such-key": 1 }),
    ]
}

/// Pointers to all values in a document, the inner ones after the outer one.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every document that is one change away, with a word for the change.
fn changed(document: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    pointers(document, "", &mut places);
    // The same key of several partitions, tasks or slots is the same key.
    let mut seen = BTreeSet::new();
    places.retain(|at| {
        let mut names = at.rsplit('/');
        let form = match document.pointer(at).unwrap() {
            Value::Object(entries) => format!("{:?}", entries.keys()),
            Value::Array(_) => "list".to_owned(),
            other => format!("{:?}", std::mem::discriminant(other)),
        };
        seen.insert((
            names.next().map(str::to_owned),
            names.nth(1).map(str::to_owned),
            form,
        ))
    });
    let mut all = Vec::new();
    for at in &places {
        let mut with = |what: String, change: &dyn Fn(&mut Value)| {
            let mut copy = document.clone();
            change(copy.pointer_mut(at).unwrap());
            all.push((format!("{at}: {what}"), copy));
        };
        for other in others() {
            with(other.to_string(), &|value| *value = other.clone());
        }
        match document.pointer(at).unwrap() {
            Value::Object(entries) => {
                with("an unknown key".to_owned(), &|v| v["no-such-key"] = json!(1));
                if let Some(value) = entries.values().next() {
                    with("a strange key".to_owned(), &|v| v["Strange Key"] = value.clone());
                }
                for key in entries.keys() {
                    with(format!("no `{key}`"), &|v| {
                        v.as_object_mut().unwrap().remove(key);
                    });
                }
            }
            Value::Array(_) => with("one more".to_owned(), &|v| {
                v.as_array_mut().unwrap().push(Value::Null)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    all
}

/// Judges every change of some documents; `tool` says what breaks the form.
fn agree(schema: &Value, documents: &[Value], tool: impl Fn(&str) -> Vec<String>) {
    let judges = Judges::new(schema);
    let (mut wrong, mut refused, mut accepted) = (Vec::new(), 0, 0);
    for document in documents {
        assert_eq!(judges.accept(document), [true; 2], "{document}");
        assert_eq!(tool(&document.to_string()), Vec::<String>::new());
        for (what, document) in changed(document) {
            let (breaches, accept) = (tool(&document.to_string()), judges.accept(&document));
            if accept != [breaches.is_empty(); 2] {
                wrong.push(format!(
                    "{what}: validators accept: {accept:?}, tool: {breaches:?}"
                ));
            } else if breaches.is_empty() {
                accepted += 1;
            } else {
                refused += 1;
            }
        }
    }
    let few: Vec<_> = wrong.iter().take(60).cloned().collect();
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), few.join("\n"));
    assert!(
        refused > 1000 && accepted > 10,
        "{refused} refused, {accepted} accepted"
    );
}

fn instance(path: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

// Verifies: BH-LANG-002
#[test]
fn validators_and_tool_agree_on_specs() {
    let fixture = Fixture::new();
    // A board that is not there: what is meant is not looked at, and the form is judged all the same.
    let paths = Paths {
        boards: root().join("no-boards"),
        ..fixture.paths("spec.yaml")
    };
    let mut whole = instance("tests/systems/every-key.yaml");
    whole.as_object_mut().unwrap().remove("include");
    for (key, value) in instance("tests/systems/every-key/panel.yaml")["partitions"]["panel"]
        .as_object()
        .unwrap()
    {
        whole["partitions"]["panel"][key] = value.clone();
    }
    let documents = [whole];
    agree(&schema::spec(None), &documents, |text| {
        load_text(text, &paths, &[]).map_or_else(breaches, |_| Vec::new())
    });
}

// Verifies: BH-LANG-002
#[test]
fn validators_and_tool_agree_on_board_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("board.yaml");
    let documents = [
        instance("config/boards/qemu-virt.yaml"),
        instance("tests/invalid/boards/gicv2.yaml"),
    ];
    agree(&schema::board(), &documents, |text| {
        fs::write(&path, text).unwrap();
        load_board(&path).map_or_else(breaches, |_| Vec::new())
    });
}

/// A system on a broken board gets the board's errors, whatever is broken: no rule expects of a board what only a sound
/// one has. Verifies: BH-LANG-002
#[test]
fn a_system_on_a_broken_board_is_told_of_it() {
    let fixture = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qemu-virt.yaml");
    let paths = Paths {
        boards: folder.path().to_owned(),
        ..fixture.paths("spec.yaml")
    };
    let system = fs::read_to_string(root().join("tests/invalid/valid.yaml")).unwrap();
    let mut broken = 0;
    for (what, board) in changed(&instance("config/boards/qemu-virt.yaml")) {
        fs::write(&path, board.to_string()).unwrap();
        let alone = load_board(&path).map_or_else(breaches, |_| Vec::new());
        let together = load_text(&system, &paths, &[]).map_or_else(breaches, |_| Vec::new());
        let missing = alone.iter().find(|message| !together.contains(message));
        assert_eq!(missing, None, "{what}: {together:?}");
        broken += usize::from(!alone.is_empty());
    }
    assert!(broken > 1000, "{broken} broken boards");
}

/// A schema judges values: `012`, `+1` and `1e3` are numbers to it, as they are to some readers of YAML and not, or not
/// the same, to others. Only the tool refuses them. Verifies: BH-LANG-002
#[test]
fn only_the_tool_sees_how_a_number_is_written() {
    let fixture = Fixture::new();
    let judges = Judges::new(&schema::spec(None));
    let text = fs::read_to_string(root().join("tests/invalid/valid.yaml")).unwrap();
    for number in ["1000.0", "1e3", "+8", "0o10"] {
        let text = text.replace("memory: 128MiB", &format!("memory: {number}"));
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(judges.accept(&document), [true; 2], "{number}");
        let found = load_text(&text, &fixture.paths("spec.yaml"), &[]).unwrap_err();
        assert!(breaches(found)[0].starts_with("document/quantity"), "{number}");
    }
}
