// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The devices of a draft: CAN controllers, and what can stop them.

use std::fmt::Write as _;

use super::{Draft, hex, kind_of, name, size};
use crate::board::tree::Node;
use bulkhead_model::units::show_frequency;

/// The kind whose message RAM is a region of its own in a tree, and belongs to its registers in a board file.
const M_CAN: &str = "m-can";
/// CAN controllers that partitions drive.
const CANS: &[(&str, &[&str])] = &[
    ("ctucanfd", &["ctu,ctucanfd"]),
    ("xilinx-can", &["xlnx,zynq-can-1.0"]),
    ("xilinx-canfd", &["xlnx,canfd-2.0"]),
    (M_CAN, &["bosch,m_can"]),
];
/// Controllers that can stop devices: their kind, and the property by which devices name them.
const CONTROLLERS: &[(&str, &str, &str)] = &[
    ("clock", "clocks", "#clock-cells"),
    ("reset", "resets", "#reset-cells"),
    ("power", "power-domains", "#power-domain-cells"),
];

impl Draft<'_> {
    pub(super) fn devices(&mut self) {
        let cans: Vec<(usize, &Node)> = (self.tree.nodes())
            .filter(|(_, n)| {
                let named = |c: &&str| c.split(',').nth(1).is_some_and(|c| c.contains("can"));
                let is_can = matches!(n.base_name(), "can" | "canfd" | "flexcan")
                    || n.words("compatible").iter().any(named);
                is_can && n.has("reg")
            })
            .collect();
        let mut controllers: Vec<(usize, &str)> = Vec::new();
        let mut text = String::new();
        for (number, (index, node)) in cans.iter().enumerate() {
            let _ = self.device(&mut text, &format!("can{number}"), *index, node, &mut controllers);
        }
        let supported = text.lines().any(|line| !line.trim_start().starts_with('#'));
        if !text.is_empty() {
            self.line(if supported { "devices:" } else { "# devices:" });
            self.text.push_str(&text);
        }
        if !controllers.is_empty() {
            self.line("controllers:");
        }
        for (index, kind) in controllers {
            let Some((_, node)) = self.tree.nodes().nth(index) else {
                continue;
            };
            if let Some((base, bytes)) = self.tree.reg(index).first() {
                self.line(format!(
                    "  {}: {{ kind: {kind}, base: {}, size: {} }}",
                    name(&node.name),
                    hex(*base),
                    hex(*bytes)
                ));
            }
        }
    }

    /// A CAN controller; one without a driver here, or that is off, as a comment.
    fn device(
        &self,
        text: &mut String,
        label: &str,
        index: usize,
        node: &Node,
        controllers: &mut Vec<(usize, &'static str)>,
    ) -> std::fmt::Result {
        let (kind, reg) = (kind_of(node, CANS), self.tree.reg(index));
        let interrupts = self.tree.interrupts(index, self.gic);
        let (Some((base, bytes)), Some(interrupt)) = (reg.first(), interrupts.first()) else {
            return writeln!(
                text,
                "  # {}: its registers or its interrupt are not at the cores",
                node.name
            );
        };
        let end = match reg.get(1) {
            Some((ram, length)) if kind == Some(M_CAN) => ram + length,
            Some(_) | None => base + bytes,
        };
        let bytes = &end.saturating_sub(*base);
        let whole = base.is_multiple_of(4096) && bytes.is_multiple_of(4096);
        let mark = if kind.is_none() || node.is_off() || !whole {
            "# "
        } else {
            ""
        };
        if kind.is_none() {
            writeln!(
                text,
                "  # review: bsp/devices has no driver for {}",
                node.words("compatible").join(", ")
            )?;
        } else if node.is_off() {
            writeln!(text, "  # review: the tree says that it is off")?;
        } else if !whole {
            writeln!(
                text,
                "  # review: its registers are no whole pages: {} and {}",
                hex(*base),
                size(*bytes)
            )?;
        }
        writeln!(text, "  {mark}{label}:")?;
        writeln!(text, "  {mark}  kind: {}", kind.unwrap_or("?"))?;
        writeln!(
            text,
            "  {mark}  registers: {{ base: {}, size: {} }}",
            hex(*base),
            size(*bytes)
        )?;
        if let Some(hz) = self.clock(node) {
            writeln!(text, "  {mark}  clock: {}", show_frequency(hz.into()))?;
        }
        let trigger = if interrupt.edge { "edge" } else { "level" };
        writeln!(
            text,
            "  {mark}  interrupt: {{ intid: {}, trigger: {trigger} }}",
            interrupt.intid
        )?;
        writeln!(text, "  {mark}  can: true")?;
        if let [_, stream, ..] = node.cells("iommus")[..] {
            writeln!(
                text,
                "  {mark}  # review: its StreamID is {}, for `streams` if it masters the bus",
                hex(stream.into())
            )?;
        }
        for provider in self.without_registers(node) {
            writeln!(
                text,
                "  {mark}# review: {provider} controls it without registers: where that is firmware, name its functions under `smc` of a controller"
            )?;
        }
        let depends = self.depends(node);
        if !depends.is_empty() {
            let names: Vec<String> = depends.iter().map(|(_, _, name)| name.clone()).collect();
            writeln!(text, "  {mark}  controlled_by: [{}]", names.join(", "))?;
        }
        for (index, kind, _) in depends.into_iter().filter(|_| mark.is_empty()) {
            if !controllers.iter().any(|(known, _)| *known == index) {
                controllers.push((index, kind));
            }
        }
        Ok(())
    }

    /// Frequency of the first clock, when that is a fixed one.
    fn clock(&self, node: &Node) -> Option<u32> {
        let (_, clock) = self.tree.by_phandle(node.cell("clocks")?)?;
        clock.cell("clock-frequency").filter(|hz| *hz > 0)
    }

    /// The controllers without registers that a node names, each once; a clock that nobody sets is none.
    fn without_registers(&self, node: &Node) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (_, property, provider) in CONTROLLERS {
            let controller = node
                .cell(property)
                .and_then(|phandle| self.tree.by_phandle(phandle));
            if let Some((index, controller)) = controller
                && controller.has(provider)
                && !controller.has("clock-frequency")
                && self.tree.reg(index).is_empty()
                && !found.contains(&controller.name)
            {
                found.push(controller.name.clone());
            }
        }
        found
    }

    /// The controllers with registers that a node names.
    fn depends(&self, node: &Node) -> Vec<(usize, &'static str, String)> {
        let mut found: Vec<(usize, &'static str, String)> = Vec::new();
        for (kind, property, provider) in CONTROLLERS {
            let controller = node
                .cell(property)
                .and_then(|phandle| self.tree.by_phandle(phandle));
            if let Some((index, controller)) = controller
                && controller.has(provider)
                && !self.tree.reg(index).is_empty()
                && !found.iter().any(|(known, ..)| *known == index)
            {
                found.push((index, kind, name(&controller.name)));
            }
        }
        found
    }
}
