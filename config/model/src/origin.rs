// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where each value of a spec comes from: a place in a file, `--set`, or the default of the language.
//! Implements: BH-LANG-007.

use std::path::Path;

use serde::Serialize;

use crate::language::{Kind, Need, SPEC, Table};
use crate::span::{Sources, Span};
use crate::tree::{Node, Value, find};

/// A value and where it comes from.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Keys and list indices joined by dots, as `--set` takes them.
    pub path: String,
    /// The value as written, or what the default is.
    pub value: String,
    /// `FILE:LINE` with the file relative to the spec's folder, `--set TEXT`, or `default`.
    pub from: String,
}

/// The origin of every value of a spec, in the order of the merged document; a list that is empty is a value.
pub(crate) fn of(root: &Node, sources: &Sources, folder: &Path) -> Vec<Origin> {
    let mut collector = Collector {
        sources,
        folder,
        list: Vec::new(),
    };
    collector.map(root, &SPEC, "");
    collector.list
}

struct Collector<'s> {
    sources: &'s Sources,
    folder: &'s Path,
    list: Vec<Origin>,
}

impl Collector<'_> {
    fn place(&self, span: Span) -> String {
        let Some(source) = self.sources.get(span) else {
            return String::new();
        };
        match &source.path {
            Some(path) => {
                let file = path.strip_prefix(self.folder).unwrap_or(path);
                format!("{}:{}", file.display(), self.sources.position(span).line)
            }
            None => format!("{} {}", source.name, source.text),
        }
    }

    fn map(&mut self, node: &Node, table: &Table, path: &str) {
        let Value::Map(entries) = &node.value else { return };
        for key in table.keys {
            let inner = format!("{path}{}", key.name);
            match (find(entries, key.name), key.need) {
                (Some(entry), _) => self.value(&entry.value, key.value, &inner),
                (None, Need::Default(default)) => self.list.push(Origin {
                    path: inner,
                    value: default.replace('`', ""),
                    from: "default".to_owned(),
                }),
                (None, Need::Needed | Need::NeededByRule) => {}
            }
        }
    }

    fn value(&mut self, node: &Node, kind: Kind, path: &str) {
        let below = format!("{path}.");
        match (&node.value, kind) {
            (Value::Map(_), Kind::Map(table)) => self.map(node, table, &below),
            (Value::Map(_), Kind::Either(short, _)) if short.takes_a_map() => self.value(node, *short, path),
            (Value::Map(_), Kind::Either(_, long)) => self.value(node, *long, path),
            (Value::Map(entries), Kind::Forms(forms)) => {
                let is_given =
                    |t: &&&'static Table| t.keys.first().is_some_and(|k| find(entries, k.name).is_some());
                if let Some(table) = forms.iter().find(is_given) {
                    self.map(node, table, &below);
                }
            }
            (Value::Map(entries), Kind::Named(_, inner, _) | Kind::Numbered(_, inner)) => {
                for entry in entries {
                    self.value(&entry.value, *inner, &format!("{below}{}", entry.key.value));
                }
            }
            (Value::List(items), Kind::List(inner, _)) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, *inner, &format!("{below}{index}"));
                }
            }
            (Value::List(items), Kind::Either(_, Kind::List(inner, _))) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, **inner, &format!("{below}{index}"));
                }
            }
            (value, _) => self.list.push(Origin {
                path: path.to_owned(),
                value: match value {
                    Value::Scalar(text) => text.clone(),
                    Value::Null => "~".to_owned(),
                    Value::List(_) => "[]".to_owned(),
                    Value::Map(_) => "{}".to_owned(),
                },
                from: self.place(node.span),
            }),
        }
    }
}
