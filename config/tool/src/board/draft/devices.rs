// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The devices of a draft: everything with registers and interrupts at the cores, and what can stop it.

use std::fmt::Write as _;

use super::{Draft, UARTS, hex, kind_of, name, size};
use crate::board::tree::{Interrupt, Node};
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
/// Other kinds, and whether they master the bus.
const KINDS: &[(&str, &[&str], bool)] = &[
    ("pl011", &["arm,pl011"], false),
    ("imx-uart", &["fsl,imx8mp-uart", "fsl,imx6q-uart"], false),
    ("uart-8250", &["ti,j721e-uart", "ti,am654-uart"], false),
    ("cadence-uart", &["xlnx,zynqmp-uart", "cdns,uart-r1p12"], false),
    ("xilinx-gem", &["xlnx,zynqmp-gem", "cdns,zynqmp-gem"], true),
    ("xilinx-dma", &["xlnx,zynqmp-dma-1.0"], true),
    ("xilinx-sdhci", &["xlnx,zynqmp-8.9a"], true),
    ("imx-usdhc", &["fsl,imx8mp-usdhc", "fsl,imx7d-usdhc"], true),
    ("imx-sdma", &["fsl,imx8mp-sdma", "fsl,imx8mq-sdma"], true),
];
/// Controllers that can stop devices: their kind, and the property by which devices name them.
const CONTROLLERS: &[(&str, &str, &str)] = &[
    ("clock", "clocks", "#clock-cells"),
    ("reset", "resets", "#reset-cells"),
    ("power", "power-domains", "#power-domain-cells"),
];
/// What a driver finds by other keys of a board file, or not at all in a partition.
const UNSAID: &[&str] = &[
    "compatible",
    "clocks",
    "dma-coherent",
    "interrupt-names",
    "interrupt-parent",
    "interrupts",
    "iommus",
    "name",
    "phandle",
    "power-domains",
    "reg",
    "reg-names",
    "resets",
    "status",
];

/// What a draft says of a device.
struct Entry<'a> {
    index: usize,
    node: &'a Node,
    label: String,
    kind: Option<&'a str>,
    can: bool,
    masters: bool,
}

/// Whether a node is a CAN controller.
fn is_can(node: &Node) -> bool {
    let named = |c: &&str| c.split(',').nth(1).is_some_and(|c| c.contains("can"));
    matches!(node.base_name(), "can" | "canfd" | "flexcan") || node.words("compatible").iter().any(named)
}

/// Whether a partition could own what a node describes: it is no part of the board that serves others.
fn is_device(node: &Node) -> bool {
    let serves = CONTROLLERS.iter().any(|(_, _, provider)| node.has(provider));
    let routes = node.has("interrupt-controller") && !node.has("gpio-controller");
    let guards = node.has("#iommu-cells") || node.is(super::OTHER_GUARDS) || node.is(&["arm,smmu-v3"]);
    let is_bus = node.has("ranges") || !node.words("device_type").is_empty();
    !(serves || routes || guards || is_bus || node.has("msi-controller"))
}

/// A register block, or an interrupt, with the name that the tree gives it.
fn entry(values: &str, name: Option<&&str>) -> String {
    match name {
        Some(name) => format!("{{ {values}, name: {name} }}"),
        None => format!("{{ {values} }}"),
    }
}

/// One entry as it stands, several as a list.
fn one_or_list(entries: &[String]) -> String {
    match entries {
        [one] => one.clone(),
        all => format!("[{}]", all.join(", ")),
    }
}

/// Texts of a list.
fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

impl Draft<'_> {
    pub(super) fn devices(&mut self) {
        let mut entries: Vec<Entry<'_>> = Vec::new();
        let mut cans = 0;
        for (index, node) in self.tree.nodes().filter(|(_, n)| n.has("reg")) {
            let known = KINDS.iter().find(|(_, all, _)| node.is(all));
            let can = is_can(node);
            if can {
                let kind = kind_of(node, CANS);
                let label = format!("can{cans}");
                cans += 1;
                entries.push(Entry {
                    index,
                    node,
                    label,
                    kind,
                    can,
                    masters: false,
                });
            } else if is_device(node) && node.has("compatible") && self.is_assignable(index) {
                entries.push(Entry {
                    index,
                    node,
                    label: name(&node.name).chars().take(31).collect(),
                    kind: Some(known.map_or("other", |(kind, ..)| kind)),
                    can,
                    masters: known.is_none_or(|(.., masters)| *masters),
                });
            }
        }
        let mut controllers: Vec<(usize, &str)> = Vec::new();
        let mut text = String::new();
        for entry in &entries {
            let _ = self.device(&mut text, entry, &mut controllers);
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

    /// Whether a node has registers and an interrupt at the cores, and is not EL2's UART.
    fn is_assignable(&self, index: usize) -> bool {
        let own = self
            .tree
            .nodes()
            .nth(index)
            .is_some_and(|(_, node)| kind_of(node, UARTS).is_some());
        let of_el2 = self.text.lines().find(|line| line.starts_with("uart:"));
        let blocks = self.tree.reg(index);
        let is_console = blocks.first().is_some_and(|(base, _)| {
            of_el2.is_some_and(|line| line.contains(&format!("base: {},", hex(*base))))
        });
        !blocks.is_empty() && self.shared(index).is_some() && !(own && is_console)
    }

    /// The interrupts of a node, when there are some and all are SPIs.
    fn shared(&self, index: usize) -> Option<Vec<Interrupt>> {
        let all = self.tree.interrupts(index, self.gic);
        (!all.is_empty() && all.iter().all(|i| i.intid >= 32)).then_some(all)
    }

    /// The register blocks of a device.
    fn blocks(&self, device: &Entry<'_>) -> Vec<(u64, u64)> {
        let reg = self.tree.reg(device.index);
        match reg.as_slice() {
            [(base, _), (ram, length)] if device.kind == Some(M_CAN) => {
                vec![(*base, (ram + length).saturating_sub(*base))]
            }
            // Of the CAN controllers that are drafted here, none has further registers.
            [first, ..] if device.can => vec![*first],
            _ => reg,
        }
    }

    /// A device; one without a driver here, or that is off, as a comment.
    fn device(
        &self,
        text: &mut String,
        device: &Entry<'_>,
        controllers: &mut Vec<(usize, &'static str)>,
    ) -> std::fmt::Result {
        let Entry {
            index, node, kind, ..
        } = device;
        let blocks = self.blocks(device);
        let Some(interrupts) = self.shared(*index).filter(|_| !blocks.is_empty()) else {
            return writeln!(
                text,
                "  # {}: its registers or its interrupt are not at the cores",
                node.name
            );
        };
        let is_whole = |(base, bytes): &(u64, u64)| {
            base.is_multiple_of(4096) && bytes.is_multiple_of(4096) && *bytes > 0
        };
        let odd = blocks.iter().find(|block| !is_whole(block));
        let mark = if kind.is_none() || node.is_off() || odd.is_some() {
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
        } else if let Some((base, bytes)) = odd {
            writeln!(
                text,
                "  # review: its registers are no whole pages: {} and {}",
                hex(*base),
                size(*bytes)
            )?;
        }
        writeln!(text, "  {mark}{}:", device.label)?;
        writeln!(text, "  {mark}  kind: {}", kind.unwrap_or("?"))?;
        if *kind == Some("other") {
            writeln!(
                text,
                "  {mark}  compatible: [{}]",
                quoted(&node.words("compatible"))
            )?;
            let further: Vec<&str> = node.names().filter(|n| !UNSAID.contains(n)).collect();
            if !further.is_empty() {
                let further = further.join(", ");
                writeln!(
                    text,
                    "  {mark}  # review: what its driver needs of {further}, for `properties`"
                )?;
            }
        }
        let names = |property: &str, count: usize| {
            let names = node.words(property);
            if names.len() == count && !device.can {
                names
            } else {
                Vec::new()
            }
        };
        let called = names("reg-names", blocks.len());
        let blocks = blocks.iter().enumerate().map(|(number, (base, bytes))| {
            entry(
                &format!("base: {}, size: {}", hex(*base), size(*bytes)),
                called.get(number),
            )
        });
        let blocks: Vec<String> = blocks.collect();
        writeln!(text, "  {mark}  registers: {}", one_or_list(&blocks))?;
        if let Some(hz) = self.clock(node) {
            writeln!(text, "  {mark}  clock: {}", show_frequency(hz.into()))?;
        }
        let called = names("interrupt-names", interrupts.len());
        let used = if device.can { 1 } else { interrupts.len() };
        let lines = interrupts
            .iter()
            .take(used)
            .enumerate()
            .map(|(number, interrupt)| {
                let trigger = if interrupt.edge { "edge" } else { "level" };
                entry(
                    &format!("intid: {}, trigger: {trigger}", interrupt.intid),
                    called.get(number),
                )
            });
        let lines: Vec<String> = lines.collect();
        writeln!(text, "  {mark}  interrupt: {}", one_or_list(&lines))?;
        if device.can {
            writeln!(text, "  {mark}  can: true")?;
        }
        if device.masters {
            let review = match kind {
                Some("other") => " # review: not where it moves no data by itself; the tree does not say it",
                _ => "",
            };
            writeln!(text, "  {mark}  bus_master: true{review}")?;
        }
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
