// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Properties that a board file gives a device in its partition's device tree.

use crate::decode::{Fields, list, small, text};
use crate::span::Spanned;
use crate::tree::Node;

/// A property.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value.
    pub value: PropertyValue,
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// Numbers of 32 bits, at least one.
    Cells(Vec<u32>),
    /// Texts, at least one.
    Strings(Vec<String>),
    /// None: it is there.
    Flag,
}

/// Longest name (Devicetree Specification v0.4, "Property Names").
const LONGEST: usize = 31;
/// What the compiler writes itself, from other keys of the device.
const WRITTEN: &[&str] = &[
    "compatible",
    "reg",
    "reg-names",
    "interrupts",
    "interrupt-names",
    "clocks",
    "label",
];
/// What leads out of the node, to something that its partition may not have.
const LEADING: &[&str] = &[
    "#address-cells",
    "#size-cells",
    "device_type",
    "dma-ranges",
    "interrupt-map",
    "interrupt-parent",
    "interrupts-extended",
    "iommu-map",
    "iommus",
    "linux,phandle",
    "msi-map",
    "msi-parent",
    "phandle",
    "ranges",
];

impl Property {
    /// Why a board file may not give it.
    pub(crate) fn flaw(&self) -> Option<&'static str> {
        let name = self.name.value.as_str();
        let allowed = |c: char| c.is_ascii_alphanumeric() || ",._+?#-".contains(c);
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(allowed) {
            Some("no name of a property: up to 31 letters, digits and `,._+?#-`")
        } else if WRITTEN.contains(&name) {
            Some("the compiler writes it from the device's other keys")
        } else if LEADING.contains(&name) {
            Some("it leads out of the device's node")
        } else {
            None
        }
    }
}

/// The values of a property: one, or a list of them.
fn values<T>(node: &Node, read: impl Fn(&Node) -> Option<T>) -> Option<Vec<T>> {
    match list(node) {
        Some(items) => items.iter().map(read).collect(),
        None => Some(vec![read(node)?]),
    }
}

/// All properties of a device; nothing when a value could not be read.
pub(crate) fn properties(node: &Node) -> Option<Vec<Property>> {
    let fields = Fields::of(node)?;
    let mut all = Vec::new();
    for entry in fields.entries("cells") {
        let cells = values(&entry.value, |n| Some(small::<u32>(n)?.value))?;
        all.push((entry.key.clone(), PropertyValue::Cells(cells)));
    }
    for entry in fields.entries("strings") {
        let strings = values(&entry.value, |n| Some(text(n)?.value))?;
        all.push((entry.key.clone(), PropertyValue::Strings(strings)));
    }
    for flag in fields.items("flags") {
        all.push((text(flag)?, PropertyValue::Flag));
    }
    let property = |(name, value)| Property { name, value };
    Some(all.into_iter().map(property).collect())
}
