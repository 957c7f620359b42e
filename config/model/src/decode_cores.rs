// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a board's cores and their errata.

use crate::board::{Core, Predictors};
use crate::decode::{Fields, choice, text};
use crate::decode_board::value;
use crate::errata::Erratum;
use crate::span::Spanned;
use crate::tree::Node;

/// All cores, and whether one could not be read: it is taken to be of the first type that was. Nothing when none was.
pub(crate) fn cores(nodes: &[Node]) -> Option<(Vec<Core>, bool)> {
    let read: Vec<Option<Core>> = nodes.iter().map(core).collect();
    let first = read.iter().flatten().next()?.clone();
    let is_unread = read.iter().any(Option::is_none);
    let or_first = |((node, core), index): ((&Node, Option<Core>), u64)| {
        core.unwrap_or_else(|| Core {
            mpidr: u64::MAX - index,
            span: node.span,
            ..first.clone()
        })
    };
    let all = nodes.iter().zip(read).zip(0..).map(or_first).collect();
    Some((all, is_unread))
}

fn core(node: &Node) -> Option<Core> {
    let fields = Fields::of(node)?;
    let predictors = fields
        .get("predictors")
        .and_then(|n| choice(n, &Predictors::NAMED));
    Some(Core {
        mpidr: value(fields, "mpidr")?,
        midr: value(fields, "midr")?,
        cluster: value(fields, "cluster")?,
        capacity: value(fields, "capacity")?,
        predictors: predictors.map_or(Predictors::None, |p| p.value),
        span: node.span,
    })
}

pub(crate) fn workaround(node: &Node) -> Option<Spanned<&'static Erratum>> {
    let name = text(node)?;
    Some(Spanned::new(Erratum::named(&name)?, name.span))
}
