// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every value that was written, with its path and its place: where the values of a system come from.

use crate::span::Span;
use crate::tree::{self, Node};

/// Which document a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// The spec, with everything that changes it.
    Spec,
    /// The board file.
    Board,
}

/// A value that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Which document it belongs to.
    pub document: Document,
    /// Keys and list indices joined by dots, as `--set` takes them.
    pub path: String,
    /// The scalar as written; nothing for `~`.
    pub text: String,
    /// Where it was written.
    pub span: Span,
}

/// Every scalar below a node, in order.
pub(crate) fn collect(document: Document, root: &Node) -> Vec<Value> {
    let mut values = Vec::new();
    below(document, root, "", &mut values);
    values
}

fn below(document: Document, node: &Node, path: &str, values: &mut Vec<Value>) {
    let join = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match &node.value {
        tree::Value::Null => values.push(Value {
            document,
            path: path.to_owned(),
            text: String::new(),
            span: node.span,
        }),
        tree::Value::Scalar(text) => values.push(Value {
            document,
            path: path.to_owned(),
            text: text.clone(),
            span: node.span,
        }),
        tree::Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                below(document, item, &join(&index.to_string()), values);
            }
        }
        tree::Value::Map(entries) => {
            for entry in entries {
                below(document, &entry.value, &join(&entry.key.value), values);
            }
        }
    }
}
