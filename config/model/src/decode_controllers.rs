// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to the controllers of a board.

use crate::board::{Controller, ControllerKind};
use crate::decode::{Decoder, Fields, choice, list};
use crate::span::Spanned;
use crate::tree::{Entry, Node};

impl Decoder<'_> {
    /// A controller.
    pub(crate) fn controller(&mut self, entry: &Entry) -> Option<Controller> {
        let fields = Fields::of(&entry.value)?;
        Some(Controller {
            name: entry.key.clone(),
            kinds: fields.get("kind").and_then(controller_kinds)?,
            registers: Spanned::new(self.region(&entry.value, entry.key.span)?, entry.key.span),
        })
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
