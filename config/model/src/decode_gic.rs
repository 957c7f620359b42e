// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a board's interrupt controller.

use crate::board::{Gic, GicV2, GicVersion};
use crate::decode::{Decoder, Fields, choice, list, small};
use crate::decode_board::value;
use crate::rules::hardware;
use crate::span::Span;

/// What a GIC has at most.
const MOST_SPIS: u32 = 960;

impl Decoder<'_> {
    /// The interrupt controller, and whether a part of it could not be read.
    pub(crate) fn gic(&mut self, fields: Fields<'_>, span: Span) -> (Gic, bool) {
        let versions = [("2", true), ("3", false)];
        let is_v2 = fields.get("version").and_then(|n| choice(n, &versions));
        if let Some(is_v2) = is_v2 {
            self.gic_registers(fields, span, is_v2.value);
        }
        let mut is_unread = is_v2.is_none();
        let mut address = |key: &str| {
            let read = value(fields, key);
            is_unread |= read.is_none();
            read.unwrap_or_default()
        };
        let version = if is_v2.is_some_and(|v| v.value) {
            GicVersion::V2(GicV2 {
                cpu: address("cpu"),
                control: address("control"),
                virtual_cpu: address("virtual_cpu"),
            })
        } else {
            GicVersion::V3 {
                redistributors: address("redistributors"),
            }
        };
        let distributor = address("distributor");
        let spi_lines = value(fields, "spi_lines");
        let unwired = fields.items("unwired");
        let lines: Vec<_> = unwired.iter().filter_map(small).collect();
        let are_lines_unread =
            lines.len() < unwired.len() || fields.get("unwired").is_some_and(|n| list(n).is_none());
        let gic = Gic {
            distributor,
            version,
            spi_lines: spi_lines.unwrap_or(MOST_SPIS),
            unwired: lines,
            span,
        };
        (gic, is_unread || spi_lines.is_none() || are_lines_unread)
    }

    /// Each version has registers of its own, and none of the other's. Implements: BH-BRD-020.
    fn gic_registers(&mut self, fields: Fields<'_>, span: Span, is_v2: bool) {
        const OF_V2: [&str; 3] = ["cpu", "control", "virtual_cpu"];
        const OF_V3: [&str; 1] = ["redistributors"];
        let (needed, strange): (&[&str], &[&str]) = if is_v2 { (&OF_V2, &OF_V3) } else { (&OF_V3, &OF_V2) };
        let what = if is_v2 { "a GICv2" } else { "a GICv3" };
        for key in needed.iter().filter(|key| fields.get(key).is_none()) {
            self.report(hardware::gic(span, what, &format!("needs `{key}`")));
        }
        for entry in fields.all() {
            let key = entry.key.value.as_str();
            if strange.contains(&key) {
                self.report(hardware::gic(entry.key.span, what, &format!("has no `{key}`")));
            }
        }
    }
}
