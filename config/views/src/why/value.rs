// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a value comes from: a line of the spec, the board file, a default, or a choice of the compiler.

use bulkhead_model::keys::{self, Row};
use bulkhead_model::language::{self, Need};
use bulkhead_model::span::{Sources, Span};
use bulkhead_model::system::{Partition, System};
use bulkhead_model::values::{Document, Value};

use super::evidence::place;
use super::{Fact, Why, effect};
use crate::built::Built;
use crate::records::Placed;
use crate::target::short;
use crate::words::{count, size};

/// Values below a path that are shown.
const SHOWN: usize = 40;

/// The path of a value as a person asks for it: those of the board file begin with `board/`.
pub(crate) fn path(value: &Value) -> String {
    match value.document {
        Document::Spec => value.path.clone(),
        Document::Board => format!("board/{}", value.path),
    }
}

fn why(question: &str, kind: &'static str, answer: String, facts: Vec<Fact>) -> Why {
    Why {
        version: 1,
        question: question.to_owned(),
        kind,
        answer,
        holds: None,
        facts,
    }
}

fn origin(system: &System, value: &Value) -> String {
    let from = match value.document {
        Document::Spec => "written in the spec",
        Document::Board => "written in the board file",
    };
    match system.sources.get(value.span) {
        Some(source) if source.name.starts_with("--set") => {
            format!("the command line: --set {}", source.text)
        }
        Some(_) | None => format!("{from}, {}", place(&system.sources, value.span)),
    }
}

/// A value, or all values below a path.
pub(crate) fn written(system: &System, built: &Built<'_>, text: &str) -> Option<Why> {
    if let Some(value) = system.values.iter().find(|v| path(v) == text) {
        let mut facts = vec![Fact::new("from", origin(system, value))];
        facts.extend(meaning(value.document, &value.path));
        facts.extend(effect::of(system, built, value.document, &value.path));
        return Some(why(text, "value", format!("`{}`", value.text), facts));
    }
    let below: Vec<&Value> = system
        .values
        .iter()
        .filter(|v| {
            path(v)
                .strip_prefix(text)
                .is_some_and(|rest| rest.starts_with('.'))
        })
        .collect();
    let first = below.first()?;
    let mut facts: Vec<Fact> = below
        .iter()
        .take(SHOWN)
        .map(|v| {
            Fact::new(
                "value",
                format!("{} = `{}`, {}", path(v), v.text, origin(system, v)),
            )
        })
        .collect();
    if below.len() > SHOWN {
        facts.push(Fact::new("value", format!("and {} more", below.len() - SHOWN)));
    }
    let bare = text.strip_prefix("board/").unwrap_or(text);
    facts.extend(effect::of(system, built, first.document, bare));
    Some(why(text, "value", count(below.len(), "value"), facts))
}

/// A key that the spec leaves out, of something that it has.
pub(crate) fn default(system: &System, built: &Built<'_>, text: &str) -> Option<Why> {
    let row = row(text, &language::SPEC)?;
    let Need::Default(value) = row.key.need else {
        return None;
    };
    let (mut parent, key) = text.rsplit_once('.').unwrap_or(("", text));
    let written = |below: &str| {
        let mut values = system.values.iter().filter(|v| v.document == Document::Spec);
        values.find(|v| below.is_empty() || v.path.strip_prefix(below).is_some_and(|r| r.starts_with('.')))
    };
    // A map that the spec leaves out has all its defaults.
    let beside = loop {
        if let Some(beside) = written(parent) {
            break beside;
        }
        let Need::Default(_) = self::row(parent, &language::SPEC)?.key.need else {
            return None;
        };
        parent = parent.rsplit_once('.').map_or("", |(above, _)| above);
    };
    let at = place(&system.sources, beside.span);
    let mut facts = vec![
        Fact::new("means", row.key.text),
        Fact::new(
            "from",
            format!("the language's default: the spec does not say `{key}` (beside {at})"),
        ),
    ];
    facts.extend(effect::of(system, built, Document::Spec, text));
    Some(why(text, "default", value.to_owned(), facts))
}

/// The row of the language that describes a key.
fn row(path: &str, table: &'static language::Table) -> Option<Row> {
    let segments: Vec<&str> = path.split('.').collect();
    let is_placeholder = |key: &str| key.chars().all(|c| !c.is_ascii_lowercase());
    let is_meant = |row: &Row| {
        let keys: Vec<&str> = row.path.split('.').collect();
        keys.len() == segments.len()
            && keys
                .iter()
                .zip(&segments)
                .all(|(key, segment)| key == segment || is_placeholder(key))
    };
    // A key that is written out is nearer than a placeholder.
    let placeholders = |row: &Row| row.path.chars().filter(char::is_ascii_uppercase).count();
    keys::rows(table)
        .into_iter()
        .filter(is_meant)
        .min_by_key(placeholders)
}

/// What a key means, as the language says it.
fn meaning(document: Document, path: &str) -> Option<Fact> {
    let table = match document {
        Document::Spec => &language::SPEC,
        Document::Board => &language::BOARD,
    };
    // An entry of a list or of a map of names has no row of its own.
    let around = path.rsplit_once('.').map(|(around, _)| around);
    let row = row(path, table).or_else(|| row(around?, table));
    row.map(|row| Fact::new("means", row.key.text))
}

/// A thing that was placed.
pub(crate) fn placement(system: &System, built: &Built<'_>, text: &str) -> Option<Why> {
    let placed = built
        .records
        .memory
        .iter()
        .find(|p| short(p) == text || p.name == text && p.owner == "el2")?;
    let physical = placed.physical;
    let answer = format!(
        "{:#x}-{:#x}, {}",
        physical.start,
        physical.end,
        size(physical.size())
    );
    let mut facts = vec![Fact::new("from", chosen(system, placed, place))];
    let shared = built.records.shared.iter().find(|s| s.physical == physical);
    facts.extend(shared.map(|s| Fact::new("decides", format!("shared by {}", s.parties.join(", ")))));
    let grants = built
        .records
        .grants
        .iter()
        .filter(|g| g.physical.common(physical).is_some());
    facts.extend(grants.take(SHOWN).map(|g| {
        Fact::new(
            "decides",
            format!(
                "{} reaches it at its address {:#x}, {} {}, as `{}`",
                g.root, g.input, g.rights, g.memory, g.name
            ),
        )
    }));
    Some(why(text, "placement", answer, facts))
}

/// Who chose an address; `place` writes a place in a source.
pub(crate) fn chosen(system: &System, placed: &Placed, place: fn(&Sources, Span) -> String) -> String {
    if let Some(pin) = system.pin(&placed.owner, &placed.name) {
        let mut chosen = match pin.at {
            Some(at) => format!(
                "pinned by the spec: `{}`, {}",
                pin.key,
                place(&system.sources, at.span)
            ),
            None => format!("chosen by the compiler; `{}` would pin it", pin.key),
        };
        let named = |p: &&Partition| placed.owner.strip_prefix("partition:") == Some(&p.name.value);
        if let Some(partition) = system
            .partitions
            .iter()
            .find(named)
            .filter(|_| placed.name == "ram")
        {
            let size = place(&system.sources, partition.memory.size.span);
            chosen.push_str(&format!("; its size by {size}"));
        }
        return chosen;
    }
    match (placed.owner.as_str(), placed.name.as_str()) {
        ("board", _) => "the board file reserves it".to_owned(),
        ("gic", _) | ("el2", "gicd" | "gicr" | "gicc-dir" | "gich" | "uart" | "smmu" | "ecam") => {
            "the board file says where the device is".to_owned()
        }
        ("el2", "hypervisor") => {
            "the board file says where the hypervisor lies; its size is that of hypervisor.bin".to_owned()
        }
        ("el2", "blob" | "certificate" | "padding" | "slack") => {
            "it follows the hypervisor's image, which lies where the board file says".to_owned()
        }
        (owner, _) if owner.starts_with("controller:") => {
            "the board file says where the controller is".to_owned()
        }
        _ => "chosen by the compiler".to_owned(),
    }
}
