// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a person may ask about: a physical address, an address of a partition, or a thing by its name.

use bulkhead_model::board::Board;
use bulkhead_model::units;

use crate::built::{Built, BuiltError};
use crate::controllers;
use crate::records::{Placed, Span};
use crate::walk::{Leaf, Use, leaves, roots};
use crate::words::{listed, nearest};

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The built system is damaged.
    #[error(transparent)]
    Built(#[from] BuiltError),
    /// Nothing has this name, address, core, time or rule.
    #[error("{message}")]
    Unknown {
        /// What is not there.
        message: String,
        /// What could be meant.
        help: String,
    },
}

impl AskError {
    pub(crate) fn unknown(message: impl Into<String>, help: impl Into<String>) -> Self {
        AskError::Unknown {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// What it is, in words.
    pub(crate) what: String,
    /// Where it lies in physical memory; several ranges for a device with several BARs.
    pub(crate) physical: Vec<Span>,
    /// The device that it is.
    pub(crate) device: Option<Device>,
    /// What has to be said before the answer.
    pub(crate) notes: Vec<String>,
}

/// A device of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Bus, device, function; also its StreamID. Nothing for a device at fixed addresses.
    pub(crate) bdf: Option<u32>,
    /// Its interrupts as the board file says; nothing without that file.
    pub(crate) intids: Option<Vec<u32>>,
    /// For a bus master by the board file, whether the SMMU guards it.
    pub(crate) guarded: Option<bool>,
}

/// The short name of a placed thing: `adas/ram`, `el2/gicd`, `channel/vehicle-state`.
pub(crate) fn short(placed: &Placed) -> String {
    match placed.owner.split_once(':') {
        Some(("channel", name)) => format!("channel/{name}"),
        Some((_, name)) => format!("{name}/{}", placed.name),
        None => format!("{}/{}", placed.owner, placed.name),
    }
}

/// Finds what a text means.
///
/// # Errors
/// [`AskError::Unknown`] names what is similar.
pub(crate) fn find(built: &Built<'_>, board: Option<&Board>, text: &str) -> Result<Target, AskError> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return physical(built, board, number(text)?);
    }
    if let Some((partition, address)) = text.rsplit_once(':')
        && address.starts_with(|c: char| c.is_ascii_digit())
    {
        let index = built
            .partition(partition)
            .ok_or_else(|| no_partition(built, partition))?;
        return input(built, index, number(address)?);
    }
    let mut devices = board
        .into_iter()
        .flat_map(|b| b.devices.iter().map(move |d| (b, d)));
    if let Some((board, device)) = devices.find(|(_, d)| d.name.value == text) {
        let (what, physical) = match (device.bdf(), device.blocks()) {
            (Some(bdf), _) => (
                format!("device `{text}`, PCI function {bdf:#x}"),
                bars(built, bdf),
            ),
            (None, blocks) => {
                let spans = blocks.iter().map(|block| Span {
                    start: block.region.base,
                    end: block.region.end(),
                });
                let several = match blocks {
                    [] | [_] => String::new(),
                    all => format!(", {} register blocks", all.len()),
                };
                (format!("device `{text}`{several}"), spans.collect())
            }
        };
        return Ok(Target {
            what,
            physical,
            device: Some(Device {
                bdf: device.bdf(),
                intids: Some(device.intids().collect()),
                guarded: device.bus_master.then(|| board.guards(device)),
            }),
            notes: Vec::new(),
        });
    }
    let mut controllers = board
        .into_iter()
        .flat_map(|b| b.controllers.iter().map(move |c| (b, c)));
    if let Some((board, controller)) = controllers.find(|(_, c)| c.name.value == text) {
        return Ok(Target {
            what: format!("controller `{text}`"),
            physical: controllers::registers(controller).into_iter().collect(),
            device: None,
            notes: controllers::notes(built, board, controller),
        });
    }
    if built.partition(text).is_some() {
        return everything(built, text);
    }
    let wanted = text.replacen(':', "/", 1);
    let wanted = wanted.strip_prefix("partition/").unwrap_or(&wanted);
    let placed = built.records.memory.iter();
    let is_meant = |p: &&Placed| short(p) == wanted || (p.owner == "el2" && p.name == text) || alias(p, text);
    let things: Vec<&Placed> = placed.filter(is_meant).collect();
    match things.first() {
        Some(first) => Ok(Target {
            what: describe(first),
            physical: things.iter().map(|p| p.physical).collect(),
            device: None,
            notes: Vec::new(),
        }),
        None => match coloured(built, |p| short(p) == wanted)?.or_else(|| from_grants(built, text)) {
            Some(target) => Ok(target),
            None => Err(no_thing(built, board, text)),
        },
    }
}

/// Everything that was placed for a partition.
fn everything(built: &Built<'_>, name: &str) -> Result<Target, AskError> {
    let owner = format!("partition:{name}");
    let mut physical: Vec<Span> = Vec::new();
    physical.extend(
        built
            .records
            .memory
            .iter()
            .filter(|p| p.owner == owner)
            .map(|p| p.physical),
    );
    let of_colours = coloured(built, |p| p.owner == owner)?;
    physical.extend(of_colours.into_iter().flat_map(|target| target.physical));
    Ok(Target {
        what: format!("everything that was placed for partition `{name}`"),
        physical,
        device: None,
        notes: Vec::new(),
    })
}

/// A thing in pages of colours: where its owner's tables find it.
fn coloured(built: &Built<'_>, is_meant: impl Fn(&Placed) -> bool) -> Result<Option<Target>, BuiltError> {
    let all = built.records.coloured_memory.iter();
    let parts: Vec<&Placed> = all.filter(|p| is_meant(p)).collect();
    let Some(placed) = parts.first() else {
        return Ok(None);
    };
    let mut physical: Vec<Span> = Vec::new();
    for root in roots(built).iter().filter(|r| r.name == placed.owner) {
        leaves(built, root, &mut |leaf: Leaf| {
            for common in parts.iter().filter_map(|p| leaf.physical().common(p.physical)) {
                match physical.last_mut() {
                    Some(last) if last.end == common.start => last.end = common.end,
                    Some(_) | None => physical.push(common),
                }
            }
        })?;
    }
    Ok(Some(Target {
        what: format!("{}, only the pages of its colours", describe(placed)),
        physical,
        device: None,
        notes: Vec::new(),
    }))
}

/// A channel may be asked for by its bare name.
fn alias(placed: &Placed, text: &str) -> bool {
    placed.owner.strip_prefix("channel:") == Some(text)
}

/// Without the board file, the name of a grant of registers stands for the device.
fn from_grants(built: &Built<'_>, text: &str) -> Option<Target> {
    let grant = built
        .records
        .grants
        .iter()
        .find(|g| g.name == text && g.root.starts_with("partition:") && g.memory.starts_with("device"))?;
    let function = built.pci_functions.iter().find(|f| {
        let mut bars = f.bars.iter();
        bars.any(|b| b.size > 0 && b.address == grant.physical.start)
    })?;
    Some(Target {
        what: format!("device `{text}`, PCI function {:#x}", function.bdf),
        physical: bars(built, function.bdf),
        device: Some(Device {
            bdf: Some(function.bdf),
            intids: None,
            guarded: None,
        }),
        notes: Vec::new(),
    })
}

fn number(text: &str) -> Result<u64, AskError> {
    units::number(text).map_err(|_| {
        AskError::unknown(
            format!("`{text}` is no address"),
            "write an address like 0x4000_0000, PARTITION:0x4000_0000 for an address of a partition, or a name",
        )
    })
}

pub(crate) fn no_partition(built: &Built<'_>, name: &str) -> AskError {
    let known: Vec<&str> = built.records.partitions.iter().map(String::as_str).collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("partitions: {}", listed(known)),
    };
    AskError::unknown(format!("there is no partition `{name}`"), help)
}

fn no_thing(built: &Built<'_>, board: Option<&Board>, text: &str) -> AskError {
    let devices = board.into_iter().flat_map(|b| &b.devices);
    let mut known: Vec<String> = devices.map(|d| d.name.value.clone()).collect();
    let controllers = board.into_iter().flat_map(|b| &b.controllers);
    known.extend(controllers.map(|c| c.name.value.clone()));
    known.extend(built.records.all_memory().map(short));
    known.extend(built.records.partitions.iter().cloned());
    let channels = built
        .records
        .memory
        .iter()
        .filter_map(|p| p.owner.strip_prefix("channel:"));
    known.extend(channels.map(str::to_owned));
    let names = known.iter().map(String::as_str);
    let help = match nearest(text, names.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!(
            "an address, PARTITION:ADDRESS, or one of {}",
            listed(names.collect())
        ),
    };
    AskError::unknown(
        format!("there is no device, controller or memory called `{text}`"),
        help,
    )
}

fn bars(built: &Built<'_>, bdf: u32) -> Vec<Span> {
    let functions = built.pci_functions.iter().filter(|f| f.bdf == bdf);
    let bars = functions.flat_map(|f| f.bars).filter(|b| b.size > 0);
    let spans = bars.map(|b| Span {
        start: b.address,
        end: b.address.saturating_add(b.size),
    });
    spans.collect()
}

fn describe(placed: &Placed) -> String {
    let owner = match placed.owner.split_once(':') {
        Some((kind, name)) => format!("{kind} `{name}`"),
        None if placed.owner == "el2" => "EL2".to_owned(),
        None => format!("the {}", placed.owner),
    };
    let Span { start, end } = placed.physical;
    format!("`{}` of {owner}, {start:#x}-{end:#x}", placed.name)
}

/// A physical address that is something.
fn physical(built: &Built<'_>, board: Option<&Board>, address: u64) -> Result<Target, AskError> {
    let window = board.and_then(|b| b.pcie.as_ref()).map(|p| p.window);
    let mut controllers = board.into_iter().flat_map(|b| &b.controllers);
    let controller = controllers.find(|c| controllers::registers(c).is_some_and(|span| span.holds(address)));
    let controller = controller.map(|c| format!("registers of controller `{}`", c.name.value));
    let in_ram =
        |r: &bulkhead_types::tables::RamBank| r.base <= address && address < r.base.saturating_add(r.size);
    let what = match built.records.placed_at(address).map(describe).or(controller) {
        Some(what) => what,
        None if built.ram.iter().any(in_ram) => "RAM of the board that nothing was placed in".to_owned(),
        None if window.is_some_and(|w| w.base <= address && address < w.end()) => {
            "the PCI window of the board, where no BAR was placed".to_owned()
        }
        None if is_mapped(built, address)? => "memory that has no record".to_owned(),
        None => {
            let distance = |p: &&Placed| {
                p.physical
                    .start
                    .abs_diff(address)
                    .min(p.physical.end.abs_diff(address))
            };
            let near = built.records.memory.iter().min_by_key(distance);
            let near = near.map_or_else(String::new, |p| format!("; the nearest thing is {}", describe(p)));
            return Err(AskError::unknown(
                format!("there is nothing at physical address {address:#x}"),
                format!("addresses of a partition are written PARTITION:{address:#x}{near}"),
            ));
        }
    };
    Ok(Target {
        what,
        physical: vec![Span {
            start: address,
            end: address.saturating_add(1),
        }],
        device: None,
        notes: Vec::new(),
    })
}

fn is_mapped(built: &Built<'_>, address: u64) -> Result<bool, BuiltError> {
    let mut found = false;
    for root in roots(built) {
        leaves(built, &root, &mut |leaf: Leaf| {
            found |= leaf.physical().holds(address);
        })?;
    }
    Ok(found)
}

/// Where an address of a partition leads.
fn input(built: &Built<'_>, partition: usize, address: u64) -> Result<Target, AskError> {
    let name = built.partition_name(partition);
    let mut output = None;
    for root in roots(built)
        .iter()
        .filter(|r| r.serves == Use::Partition(partition))
    {
        leaves(built, root, &mut |leaf: Leaf| {
            let inside = address.checked_sub(leaf.input).filter(|d| *d < leaf.size);
            output = output.or(inside.and_then(|d| leaf.output.checked_add(d)));
        })?;
    }
    let asked = format!("address {address:#x} of partition `{name}`");
    let Some(output) = output else {
        let emulated = built.records.emulated.iter();
        let emulated = emulated.filter(|e| e.partition == name && e.input.holds(address));
        let mut notes: Vec<String> = emulated
            .map(|e| {
                format!(
                    "stage 2 maps nothing there; EL2 emulates the partition's {} ({:#x}-{:#x})",
                    e.device, e.input.start, e.input.end
                )
            })
            .collect();
        if notes.is_empty() {
            notes.push(
                "stage 2 maps nothing there: an access traps to EL2 and is an error of the partition"
                    .to_owned(),
            );
        }
        return Ok(Target {
            what: asked,
            physical: Vec::new(),
            device: None,
            notes,
        });
    };
    let what = match built.records.placed_at(output) {
        Some(placed) => describe(placed),
        None => "memory that has no record".to_owned(),
    };
    Ok(Target {
        what: format!("{asked}, physical {output:#x}: {what}"),
        physical: vec![Span {
            start: output,
            end: output.saturating_add(1),
        }],
        device: None,
        notes: Vec::new(),
    })
}
