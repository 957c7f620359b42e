// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of the language as a table for people (Markdown), generated from the tables of the language.

use std::fmt::Write;

use crate::language::{Choose, Key, Kind, Meaning, Need, Table};

/// A key with its place.
#[derive(Clone, Debug)]
pub struct Row {
    /// Keys from the root, joined by dots: `partitions.NAME.memory`.
    pub path: String,
    /// The key.
    pub key: &'static Key,
    /// Whether exactly one of several keys is given, of which it is one.
    pub is_choice: bool,
}

/// Every key below a table, in the order in which people read them.
pub fn rows(table: &Table) -> Vec<Row> {
    let mut rows = Vec::new();
    collect(table, "", &mut rows);
    rows
}

fn collect(table: &Table, path: &str, rows: &mut Vec<Row>) {
    for key in table.keys {
        let path = format!("{path}{}", key.name);
        // A key of several forms is listed once.
        if rows.iter().any(|row| row.path == path) {
            continue;
        }
        rows.push(Row {
            path: path.clone(),
            key,
            is_choice: table.choose != Choose::Free && table.is_choice(key.name),
        });
        inside(key.value, &path, rows);
    }
}

fn inside(kind: Kind, path: &str, rows: &mut Vec<Row>) {
    match kind {
        Kind::Either(short, long) => {
            inside(*short, path, rows);
            inside(*long, path, rows);
        }
        Kind::Map(table) => collect(table, &format!("{path}."), rows),
        Kind::Forms(forms) => {
            for table in forms {
                collect(table, &format!("{path}."), rows);
            }
        }
        Kind::List(item, _) => inside(*item, &format!("{path}.N"), rows),
        Kind::Named(meaning, value, _) => {
            inside(*value, &format!("{path}.{}", placeholder(meaning)), rows);
        }
        Kind::Numbered(_, value) => inside(*value, &format!("{path}.NUMBER"), rows),
        Kind::Version
        | Kind::Number { .. }
        | Kind::Core
        | Kind::Bytes
        | Kind::Time
        | Kind::Frequency
        | Kind::Boolean
        | Kind::Text(_)
        | Kind::Word(_) => {}
    }
}

fn placeholder(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Free | Meaning::Something => "TEXT",
        Meaning::Name => "NAME",
        Meaning::Partition | Meaning::Run => "PARTITION",
        Meaning::Device => "DEVICE",
        Meaning::Can => "CONTROLLER",
        Meaning::Board => "BOARD",
        Meaning::File => "FILE",
        Meaning::PciId => "VENDOR:DEVICE",
        Meaning::Release => "RELEASE",
    }
}

/// What a key takes, for people.
fn takes(kind: Kind) -> String {
    match kind {
        Kind::Version => "`1`".to_owned(),
        Kind::Number { .. } => "number".to_owned(),
        Kind::Core => "core".to_owned(),
        Kind::Bytes => "size".to_owned(),
        Kind::Time => "time".to_owned(),
        Kind::Frequency => "frequency".to_owned(),
        Kind::Boolean => "`true`, `false`".to_owned(),
        Kind::Text(meaning) => placeholder(meaning).to_lowercase(),
        Kind::Word(words) => {
            let words: Vec<String> = words.iter().map(|w| format!("`{}`", w.name)).collect();
            words.join(", ")
        }
        Kind::List(item, _) => format!("list of: {}", takes(*item)),
        Kind::Named(meaning, value, _) => format!("map of {} to: {}", placeholder(meaning), takes(*value)),
        Kind::Numbered(key, value) => format!("map of {} to: {}", takes(*key), takes(*value)),
        Kind::Map(_) | Kind::Forms(_) => "map".to_owned(),
        Kind::Either(short, long) => format!("{}, or {}", takes(*short), takes(*long)),
    }
}

/// The keys below a table as Markdown.
pub fn markdown(table: &Table) -> String {
    let rows = rows(table);
    let mut text = "| key | takes | meaning | default |\n|---|---|---|---|\n".to_owned();
    for row in &rows {
        let default = match row.key.need {
            _ if row.is_choice => "one of these",
            Need::Needed | Need::NeededByRule => "needed",
            Need::Default(default) => default,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {default} |",
            row.path,
            takes(row.key.value),
            row.key.text
        );
    }
    text
}
