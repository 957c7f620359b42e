// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to the controllers of a board.

use crate::board::{Controller, ControllerKind};
use crate::decode::{Decoder, Fields, choice, list, small};
use crate::decode_board::value;
use crate::rules::smc;
use crate::smc::Functions;
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node};

impl Decoder<'_> {
    /// A controller.
    pub(crate) fn controller(&mut self, entry: &Entry) -> Option<Controller> {
        let fields = Fields::of(&entry.value)?;
        Some(Controller {
            name: entry.key.clone(),
            kinds: fields.get("kind").and_then(controller_kinds)?,
            registers: match fields.get("base") {
                Some(_) => Some(Spanned::new(
                    self.region(&entry.value, entry.key.span)?,
                    entry.key.span,
                )),
                None => None,
            },
            functions: fields
                .items("smc")
                .iter()
                .filter_map(|n| self.functions(n, entry.key.span))
                .collect(),
        })
    }

    /// A function of the firmware, or those from one to another. Implements: BH-LANG-022.
    fn functions(&mut self, node: &Node, controller: Span) -> Option<Functions> {
        let (first, last) = match Fields::of(node) {
            Some(fields) => (value(fields, "first")?, value(fields, "last")?),
            None => {
                let function = small(node)?.value;
                (function, function)
            }
        };
        let functions = Functions::new(first, last);
        if functions.is_none() {
            self.report(smc::functions(node.span, first, last).and(controller, "its controller"));
        }
        functions
    }
}

/// What a controller controls: a word, or a list of words.
fn controller_kinds(node: &Node) -> Option<Vec<ControllerKind>> {
    let kind = |node: &Node| Some(choice(node, &ControllerKind::NAMED)?.value);
    match list(node) {
        Some(items) => items.iter().map(kind).collect(),
        None => Some(vec![kind(node)?]),
    }
}
