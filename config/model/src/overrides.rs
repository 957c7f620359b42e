// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `--set path=value`: changes to a parsed spec before it is typed.
//!
//! A path is keys and list indices joined by dots; the value is YAML. The last key may be new (a typo there
//! is found as an unknown key), everything before it must exist. Implements: BH-CFG-004.

use crate::diagnostic::Diagnostic;
use crate::rules::document::no_such_path;
use crate::span::{Sources, Span, Spanned};
use crate::tree::{Entry, Node, Value, listed, nearest};
use crate::yaml::{self, Place};

/// Applies one override to `root`; `text` is what followed `--set`.
pub(crate) fn apply(root: &mut Node, text: &str, sources: &mut Sources, diagnostics: &mut Vec<Diagnostic>) {
    let source = sources.add("--set", text);
    let Some((path, value)) = text.split_once('=') else {
        let span = Span {
            source,
            start: 0,
            length: text.len(),
        };
        diagnostics.push(no_such_path(
            span,
            format!("`--set {text}` has no value"),
            "write --set PATH=VALUE, for example --set partitions.adas.autostart=false".to_owned(),
        ));
        return;
    };
    let place = Place {
        source,
        offset: path.len() + 1,
    };
    let Some(value) = yaml::parse_at(value, place, diagnostics) else {
        return;
    };
    if let Err(diagnostic) = insert(root, &segments(path, source), value) {
        diagnostics.push(*diagnostic);
    }
}

/// An override of `include`.
pub(crate) fn too_late(span: Span) -> Diagnostic {
    no_such_path(
        span,
        "`--set` cannot include files".to_owned(),
        "write `include: [FILE]` into a spec of your own and set other values".to_owned(),
    )
}

fn segments(path: &str, source: usize) -> Vec<Spanned<String>> {
    let mut start = 0;
    path.split('.')
        .map(|segment| {
            let span = Span {
                source,
                start,
                length: segment.len(),
            };
            start += segment.len() + 1;
            Spanned::new(segment.to_owned(), span)
        })
        .collect()
}

fn insert(node: &mut Node, path: &[Spanned<String>], value: Node) -> Result<(), Box<Diagnostic>> {
    let Some((segment, rest)) = path.split_first() else {
        *node = value;
        return Ok(());
    };
    let kind = node.kind();
    match &mut node.value {
        Value::Map(entries) => {
            if let Some(entry) = entries.iter_mut().find(|e| e.key.value == segment.value) {
                return insert(&mut entry.value, rest, value);
            }
            if rest.is_empty() && !segment.is_empty() {
                entries.push(Entry {
                    key: segment.clone(),
                    value,
                });
                return Ok(());
            }
            let keys: Vec<&str> = entries.iter().map(|e| e.key.value.as_str()).collect();
            let help = match nearest(segment, keys.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there is {}", listed(keys)),
            };
            Err(Box::new(no_such_path(
                segment.span,
                format!("the spec has no `{}` here", segment.value),
                help,
            )))
        }
        Value::List(items) => {
            let length = items.len();
            let item = segment.parse().ok().and_then(|index: usize| items.get_mut(index));
            match item {
                Some(item) => insert(item, rest, value),
                None => Err(Box::new(no_such_path(
                    segment.span,
                    format!("this list has no entry `{}`", segment.value),
                    format!("it has {length} entries, counted from 0"),
                ))),
            }
        }
        Value::Null | Value::Scalar(_) => Err(Box::new(no_such_path(
            segment.span,
            format!("there is no `{}` inside {kind}", segment.value),
            "shorten the path and set the whole value, for example --set partitions.adas.memory=4MiB"
                .to_owned(),
        ))),
    }
}
