// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a board's cores and their errata.

use crate::board::{Core, Predictors};
use crate::decode::{Fields, choice, text};
use crate::decode_board::value;
use crate::errata::Erratum;
use crate::span::Spanned;
use crate::tree::Node;

pub(crate) fn core(node: &Node) -> Option<Core> {
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
