// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to page colours, of a board and of a partition.

use crate::colours::{Colouring, MAX_COLOURS};
use crate::decode::{Decoder, Fields};
use crate::rules::document;
use crate::span::Spanned;
use crate::spec::ColoursSpec;
use crate::tree::{Node, Value};

impl Decoder<'_> {
    /// The colours of a board.
    pub(crate) fn colouring(&mut self, fields: &mut Fields<'_>) -> Option<Colouring> {
        let count = fields.required("count", self).and_then(|n| self.small::<u32>(n));
        let granule = fields.required("granule", self).and_then(|n| self.bytes(n));
        let (count, granule) = (count?, granule?);
        if !count.is_power_of_two() || !(2..=MAX_COLOURS).contains(&count.value) {
            let wanted = "a power of two from 2 to 64";
            self.report(document::out_of_range(
                count.span,
                "the number of colours",
                wanted,
            ));
            return None;
        }
        if !granule.is_power_of_two() || !(4 << 10..=2 << 20).contains(&granule.value) {
            let wanted = "a power of two from 4KiB to 2MiB";
            self.report(document::out_of_range(
                granule.span,
                "the granule of a colour",
                wanted,
            ));
            return None;
        }
        Some(Colouring {
            count: count.value,
            granule: granule.value,
        })
    }

    /// A list of colours, or how many.
    pub(crate) fn colours(&mut self, node: &Node) -> Option<ColoursSpec> {
        if let Value::List(items) = &node.value {
            let colours: Vec<Option<Spanned<u32>>> = items.iter().map(|i| self.small(i)).collect();
            let colours = self.non_empty(
                colours.into_iter().collect::<Option<_>>()?,
                node.span,
                "`colours`",
            )?;
            let span = node.span;
            return Some(ColoursSpec::Listed { colours, span });
        }
        let count = self.small::<u32>(node)?;
        if count.value == 0 {
            self.report(document::empty(count.span, "`colours`"));
            return None;
        }
        Some(ColoursSpec::Any(count))
    }
}
