// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The form of a document against the tables of the language: keys, types, quantities, words.
//!
//! This is the only place that reports breaches of form; what reads the values afterwards takes what it can.

use crate::diagnostic::Diagnostic;
use crate::language::{Choose, Count, Key, Kind, Meaning, Need, Table, VERSION};
use crate::rules::document;
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node, Value, find};
use crate::units::{self, Quantity};

/// Checks a whole document but for its version, see [`check_version`].
pub(crate) fn check(root: &Node, table: &'static Table, diagnostics: &mut Vec<Diagnostic>) {
    let mut check = Check { diagnostics };
    if let Some(entries) = check.entries(root, table.what) {
        check.map(entries, table, root.span);
    }
}

/// Checks whether a document's version is the one that the tables describe. Another one ends the reading, since
/// keys may mean something else there.
pub(crate) fn check_version(root: &Node, table: &Table, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let mut check = Check { diagnostics };
    let entries = check.entries(root, table.what);
    entries.is_some_and(|e| check.version(e, table, root.span))
}

/// Checks one value; `owner` is where it is named.
pub(crate) fn check_value(
    node: &Node,
    kind: Kind,
    name: &str,
    owner: Span,
    diagnostics: &mut Vec<Diagnostic>,
) {
    Check { diagnostics }.value(node, kind, &format!("`{name}`"), owner);
}

struct Check<'d> {
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Check<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The version that the first key of the table says.
    fn version(&mut self, entries: &[Entry], table: &Table, owner: Span) -> bool {
        let Some(key) = table.keys.first() else {
            return true;
        };
        let Some(entry) = find(entries, key.name) else {
            self.report(document::missing_key(owner, table.what, key.name));
            return false;
        };
        let Some(version) = self.quantity(&entry.value, key.name, &units::NUMBER) else {
            return false;
        };
        if version != VERSION {
            let version = Spanned::new(version, entry.value.span);
            self.report(document::version(&version, key.name));
        }
        version == VERSION
    }

    fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        self.report(document::wrong_type(node, what, "a map"));
        None
    }

    /// A map with fixed keys; `owner` is where it is named.
    fn map(&mut self, entries: &[Entry], table: &'static Table, owner: Span) {
        for entry in entries {
            let Some(key) = table.key(&entry.key.value) else {
                let known: Vec<&str> = table.keys.iter().map(|k| k.name).collect();
                self.report(document::unknown_key(&entry.key, table.what, &known));
                continue;
            };
            let name = format!("`{}`", key.name);
            self.value(&entry.value, key.value, &name, entry.key.span);
        }
        let given = |name: &str| find(entries, name).is_some();
        let lacks = |k: &&Key| k.need == Need::Needed && !given(k.name) && !table.is_choice(k.name);
        for key in table.keys.iter().filter(lacks) {
            self.report(document::missing_key(owner, table.what, key.name));
        }
        if let Choose::One(names) = table.choose
            && let Some(first) = names.first().filter(|_| !names.iter().any(|n| given(n)))
        {
            self.report(document::missing_key(owner, table.what, first));
        }
    }

    /// A value under `name`; `owner` is where it is named.
    fn value(&mut self, node: &Node, kind: Kind, name: &str, owner: Span) {
        match kind {
            Kind::Version => {}
            Kind::Number {
                least,
                most,
                multiple,
            } => self.number(node, name, (least, most, multiple)),
            Kind::Core => self.number(node, name, (0, u64::from(u32::MAX), 1)),
            Kind::Bytes => {
                self.quantity(node, name, &units::SIZE);
            }
            Kind::Time => {
                self.quantity(node, name, &units::TIME);
            }
            Kind::Frequency => {
                let most = u64::from(u32::MAX);
                if let Some(hz) = self.quantity(node, name, &units::FREQUENCY)
                    && !(1..=most).contains(&hz)
                {
                    let wanted = format!("from 1Hz to {}", units::show_frequency(most));
                    self.report(document::out_of_range(node.span, name, &wanted));
                }
            }
            Kind::Boolean => self.word(node, name, &["true", "false"]),
            Kind::Word(words) => {
                let names: Vec<&str> = words.iter().map(|w| w.name).collect();
                self.word(node, name, &names);
            }
            Kind::Text(meaning) => {
                let text = self.scalar(node, name);
                if meaning == Meaning::Something && text.is_some_and(str::is_empty) {
                    self.report(document::empty(node.span, name));
                }
            }
            Kind::List(item, count) => self.list(node, *item, count, name),
            Kind::Named(_, value, count) => self.named(node, *value, count, name, owner),
            Kind::Numbered(key, value) => self.numbered(node, (*key, *value), name),
            Kind::Map(table) => {
                if let Some(entries) = self.entries(node, name) {
                    self.map(entries, table, owner);
                }
            }
            Kind::Either(short, long) => match &node.value {
                Value::Scalar(_) => self.value(node, *short, name, owner),
                Value::Map(_) if short.takes_a_map() => self.value(node, *short, name, owner),
                Value::Null | Value::List(_) | Value::Map(_) => self.value(node, *long, name, owner),
            },
            Kind::Forms(forms) => {
                if let Some(entries) = self.entries(node, name)
                    && let Some(table) = form(entries, forms)
                {
                    self.map(entries, table, owner);
                }
            }
        }
    }

    fn list(&mut self, node: &Node, item: Kind, count: Count, name: &str) {
        let Value::List(items) = &node.value else {
            self.report(document::wrong_type(node, name, "a list"));
            return;
        };
        if items.is_empty() && count == Count::Some {
            self.report(document::empty(node.span, name));
        }
        let name = match item {
            Kind::Map(table) => table.what.to_owned(),
            _ => format!("an entry of {name}"),
        };
        for entry in items {
            self.value(entry, item, &name, entry.span);
        }
    }

    fn named(&mut self, node: &Node, value: Kind, count: Count, name: &str, owner: Span) {
        let Some(entries) = self.entries(node, name) else {
            return;
        };
        if entries.is_empty() && count == Count::Some {
            self.report(document::empty(owner, name));
        }
        for entry in entries {
            let name = format!("`{}`", entry.key.value);
            self.value(&entry.value, value, &name, entry.key.span);
        }
    }

    fn numbered(&mut self, node: &Node, (key, value): (Kind, Kind), name: &str) {
        for entry in self.entries(node, name).unwrap_or_default() {
            let number = Node {
                value: Value::Scalar(entry.key.value.clone()),
                span: entry.key.span,
            };
            self.value(&number, key, &format!("a key of {name}"), entry.key.span);
            let name = format!("`{}`", entry.key.value);
            self.value(&entry.value, value, &name, entry.key.span);
        }
    }

    fn scalar<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        if let Value::Scalar(text) = &node.value {
            return Some(text);
        }
        self.report(document::wrong_type(node, name, "a single value"));
        None
    }

    fn quantity(&mut self, node: &Node, name: &str, quantity: &Quantity) -> Option<u64> {
        let text = self.scalar(node, name)?;
        (quantity.read)(text)
            .map_err(|error| self.report(document::quantity(node.span, text, &error, quantity)))
            .ok()
    }

    fn number(&mut self, node: &Node, name: &str, (least, most, multiple): (u64, u64, u64)) {
        let Some(number) = self.quantity(node, name, &units::NUMBER) else {
            return;
        };
        if (least..=most).contains(&number) && number.is_multiple_of(multiple) {
            return;
        }
        let wanted = if multiple == 1 {
            format!("from {least} to {most}")
        } else {
            format!("a multiple of {multiple} from {least} to {most}")
        };
        self.report(document::out_of_range(node.span, name, &wanted));
    }

    fn word(&mut self, node: &Node, name: &str, words: &[&str]) {
        if let Some(text) = self.scalar(node, name).filter(|t| !words.contains(t)) {
            let word = Spanned::new(text.to_owned(), node.span);
            self.report(document::choice(&word, name, words));
        }
    }
}

/// The form whose first key is given; the first form when none is.
fn form(entries: &[Entry], forms: &[&'static Table]) -> Option<&'static Table> {
    let is_given = |t: &&&'static Table| t.keys.first().is_some_and(|k| find(entries, k.name).is_some());
    forms.iter().find(is_given).or(forms.first()).copied()
}
