// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to the devices of a board.

use crate::board::{Block, Device, DeviceKind, Interrupt, PciFunction, Registers, Trigger};
use crate::decode::{
    Decoder, Fields, boolean, bytes, choice, hertz, key, list, present, small, some, text, texts,
};
use crate::decode_board::value;
use crate::property;
use crate::reset;
use crate::rules::document;
use crate::span::{Span, Spanned};
use crate::tree::{Entry, Node};

/// Granule of what can be assigned.
const PAGE: u64 = 4096;

const TRIGGERS: &[(&str, Trigger)] = &[("level", Trigger::Level), ("edge", Trigger::Edge)];

impl Decoder<'_> {
    /// A device.
    pub(crate) fn device(&mut self, entry: &Entry, controllers: &[&str]) -> Option<Device> {
        let fields = Fields::of(&entry.value)?;
        let pci = present(fields.get("pci").map(|n| self.pci(n)))?;
        let registers = self.registers(fields.get("registers")?, pci.as_ref())?;
        let masters = fields.get("bus_master").and_then(boolean);
        let interrupt_key = fields.key_span("interrupt").unwrap_or(entry.key.span);
        let interrupts = fields.get("interrupt").map(|n| interrupts(n, interrupt_key));
        let properties = present(fields.get("properties").map(property::properties))?;
        let reset = fields.get("reset").and_then(list);
        let reset = reset.map(|steps| steps.iter().map(reset::step).collect());
        let mut controlled_by = Vec::new();
        for name in fields.items("controlled_by").iter().filter_map(text) {
            match controllers.iter().position(|c| *c == name.value) {
                Some(index) => controlled_by.push(Spanned::new(index, name.span)),
                None => self.report(document::choice(&name, "a controller of the board", controllers)),
            }
        }
        Some(Device {
            name: entry.key.clone(),
            kind: fields
                .get("kind")
                .and_then(|n| choice(n, &DeviceKind::NAMED))?
                .value,
            compatible: present(fields.get("compatible").map(texts))?.unwrap_or_default(),
            properties: properties.unwrap_or_default(),
            pci,
            registers,
            clock: fields.get("clock").and_then(hertz),
            interrupts: present(interrupts)?.unwrap_or_default(),
            can: fields.get("can").and_then(boolean).is_some_and(|c| c.value),
            bus_master: masters.is_some_and(|b| b.value),
            streams: fields.items("streams").iter().map(small).collect::<Option<_>>()?,
            reset: present(reset)?,
            controlled_by,
        })
    }

    fn registers(&mut self, node: &Node, pci: Option<&PciFunction>) -> Option<Registers> {
        if let Some(items) = list(node) {
            let blocks: Option<Vec<Block>> = items.iter().map(|item| self.block(item)).collect();
            return Some(Registers::At(some(blocks?)?));
        }
        let fields = Fields::of(node)?;
        let Some(bar) = fields.get("bar").and_then(small::<usize>) else {
            return Some(Registers::At(vec![self.block(node)?]));
        };
        let exists = |pci: &PciFunction| pci.bars.get(bar.value).is_some_and(|size| size.value > 0);
        if !pci.is_some_and(exists) {
            let wanted = "one of the BARs under `pci`";
            self.report(document::out_of_range(bar.span, "the registers' BAR", wanted));
            return None;
        }
        Some(Registers::Bar(bar.value))
    }

    /// A register block at fixed addresses.
    fn block(&mut self, node: &Node) -> Option<Block> {
        let region = self.region(node, node.span)?;
        if region.base % PAGE != 0 || region.size % PAGE != 0 {
            let wanted = "whole pages of 4KiB";
            self.report(document::out_of_range(node.span, "`registers`", wanted));
        }
        Some(Block {
            name: present(Fields::of(node)?.get("name").map(text))?,
            region,
            span: node.span,
        })
    }

    fn pci(&mut self, node: &Node) -> Option<PciFunction> {
        let fields = Fields::of(node)?;
        let mut bars = [Spanned::default(); 6];
        for entry in fields.entries("bars") {
            let (index, size) = (key::<usize>(entry)?, bytes(&entry.value)?);
            if !size.is_power_of_two() {
                let wanted = "a power of two";
                self.report(document::out_of_range(size.span, "the size of a BAR", wanted));
            }
            if let Some(bar) = bars.get_mut(index.value) {
                *bar = size;
            }
        }
        let (vendor, device) = fields.get("id").and_then(|n| self.pci_id(n))?;
        Some(PciFunction {
            bus: present(fields.get("bus").map(small))?.map_or(0, |b| b.value),
            slot: value(fields, "slot")?,
            vendor,
            device,
            bars,
        })
    }

    /// `vendor:device` in hexadecimal.
    fn pci_id(&mut self, node: &Node) -> Option<(u16, u16)> {
        let text = text(node)?;
        let half = |s: &str| u16::from_str_radix(s, 16).ok().filter(|_| s.len() == 4);
        let id = text.split_once(':').and_then(|(v, d)| Some((half(v)?, half(d)?)));
        if id.is_none() {
            let wanted = "`vendor:device`, four hexadecimal digits each";
            self.report(document::out_of_range(text.span, "the PCI ID", wanted));
        }
        id
    }
}

/// The interrupt of a device, or a list of them; `span` is where one is named.
fn interrupts(node: &Node, span: Span) -> Option<Vec<Spanned<Interrupt>>> {
    match list(node) {
        Some(items) => items.iter().map(|item| interrupt(item, item.span)).collect(),
        None => Some(vec![interrupt(node, span)?]),
    }
}

fn interrupt(node: &Node, span: Span) -> Option<Spanned<Interrupt>> {
    let fields = Fields::of(node)?;
    let interrupt = Interrupt {
        intid: value(fields, "intid")?,
        trigger: fields.get("trigger").and_then(|n| choice(n, TRIGGERS))?.value,
        name: present(fields.get("name").map(text))?,
    };
    Some(Spanned::new(interrupt, span))
}
