// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys of the language as a table for people (Markdown), generated from the tables of the language.

use std::fmt::Write;

use crate::language::{Choose, Key, Kind, Meaning, Need, Status, Table};

/// A key with its place.
#[derive(Clone, Debug)]
pub struct Row {
    /// Keys from the root, joined by dots: `partitions.NAME.memory`.
    pub path: String,
    /// The key.
    pub key: &'static Key,
    /// Whether exactly one of several keys is given, of which it is one.
    pub is_choice: bool,
    /// Whether it or a key around it is not enforced.
    pub is_refused: bool,
}

/// Every key below a table, in the order in which people read them.
pub fn rows(table: &Table) -> Vec<Row> {
    let mut rows = Vec::new();
    collect(table, "", false, &mut rows);
    rows
}

fn collect(table: &Table, path: &str, is_refused: bool, rows: &mut Vec<Row>) {
    for key in table.keys {
        let is_refused = is_refused || key.status != Status::Enforced;
        let path = format!("{path}{}", key.name);
        rows.push(Row {
            path: path.clone(),
            key,
            is_choice: table.choose != Choose::Free && table.is_choice(key.name),
            is_refused,
        });
        inside(key.value, &path, is_refused, rows);
    }
}

fn inside(kind: Kind, path: &str, is_refused: bool, rows: &mut Vec<Row>) {
    match kind {
        Kind::Either(_, long) => inside(*long, path, is_refused, rows),
        Kind::Map(table) => collect(table, &format!("{path}."), is_refused, rows),
        Kind::Forms(forms) => {
            for table in forms {
                collect(table, &format!("{path}."), is_refused, rows);
            }
        }
        Kind::List(item, _) => inside(*item, &format!("{path}.N"), is_refused, rows),
        Kind::Named(meaning, value, _) => {
            inside(
                *value,
                &format!("{path}.{}", placeholder(meaning)),
                is_refused,
                rows,
            );
        }
        Kind::Numbered(_, value) => inside(*value, &format!("{path}.NUMBER"), is_refused, rows),
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

/// The keys below a table as Markdown: those that are enforced, then those that are refused.
pub fn markdown(table: &Table) -> String {
    let rows = rows(table);
    let mut text = "| key | takes | meaning | default |\n|---|---|---|---|\n".to_owned();
    for row in rows.iter().filter(|r| !r.is_refused) {
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
    let refused: Vec<_> = rows
        .iter()
        .filter_map(|row| match row.key.status {
            Status::Enforced => None,
            Status::NotEnforced { what, instead } => Some((row, what, instead)),
        })
        .collect();
    if !refused.is_empty() {
        text += "\nThese keys are known and refused, since nobody would enforce them:\n\n";
        text += "| key | would need | instead |\n|---|---|---|\n";
    }
    for (row, what, instead) in refused {
        let _ = writeln!(text, "| `{}` | {what} | {instead} |", row.path);
    }
    text
}
