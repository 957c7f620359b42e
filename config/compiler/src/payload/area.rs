// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Payload areas: the load list, then everything that is copied, each piece on pages of its own.

use std::cmp::Reverse;

use bulkhead_model::board::{DeviceKind, Region};
use bulkhead_model::reset::ResetStep;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::Range;
use bulkhead_types::load::{DUMP_IPA, MAX_STEPS, PAYLOAD_IPA, Step, step};
use zerocopy::IntoBytes;

use super::parts::{self, Part};
use super::reset;
use super::{DEVICE_TREE, PayloadError, Piece, Program};
use crate::devicetree::DeviceTree;
use crate::layout::{MemoryMap, Zone};
use crate::machine::RAM;
use crate::units::{length, pad, page_up};

/// Registers of an owned device, which the loader resets before each start.
#[derive(Clone, Debug)]
pub struct Registers {
    /// Programming model.
    pub kind: DeviceKind,
    /// IPAs of its register blocks, at least one.
    pub blocks: Vec<Range>,
    /// Whether it masters the bus.
    pub masters: bool,
    /// The board file's own recipe.
    pub recipe: Option<Vec<ResetStep>>,
}

/// A finished payload area.
#[derive(Clone, Debug)]
pub struct Area {
    /// Load list, padded to whole pages; mapped at `LIST_IPA`.
    pub list: Vec<u8>,
    /// Payload, padded to whole pages.
    pub payload: Vec<u8>,
    /// Bytes of the payload that are copied; mapped at `PAYLOAD_IPA`. Parts of RAM that are not written follow.
    pub copied: u64,
    /// What may be done with RAM.
    pub parts: Vec<Part>,
    /// The steps of the list.
    pub steps: Vec<Step>,
}

impl Area {
    /// Bytes, a multiple of 4 KiB.
    pub fn size(&self) -> u64 {
        length(&self.list) + length(&self.payload)
    }
}

/// Where the pieces of a program lie in RAM.
///
/// # Errors
/// [`PayloadError::Layout`] when pieces overlap or leave the RAM.
fn place_pieces(program: &Program, memory: u64) -> Result<MemoryMap, PayloadError> {
    let ram = Region {
        base: RAM,
        size: memory,
    };
    let zone = Zone {
        name: "the partition's RAM",
        regions: vec![ram],
    };
    let mut map = MemoryMap::default();
    for piece in program.pieces.iter().filter(|piece| piece.memory_size > 0) {
        map.claim_in(&zone, "payload", &piece.name, piece.target, piece.memory_size)?;
    }
    Ok(map)
}

/// Where the device tree of a program goes: where the program's kind wants it, else on the last free pages
/// of RAM that is written, else on the lowest free ones.
///
/// # Errors
/// [`PayloadError::Layout`] when there is no room.
fn place_device_tree(
    program: &Program,
    mut map: MemoryMap,
    parts: &[Part],
    tree: u64,
) -> Result<u64, PayloadError> {
    let written = parts.iter().filter(|part| part.rights.writes());
    let region = |part: &Part| Region {
        base: part.start,
        size: part.size(),
    };
    let zone = Zone {
        name: "what the payload leaves of the partition's RAM",
        regions: written.map(region).collect(),
    };
    let size = page_up(tree);
    if let Some(at) = program.device_tree_at {
        return Ok(map.claim_in(&zone, "payload", DEVICE_TREE, at, size)?.start);
    }
    let end = zone.regions.last().map_or(RAM, Region::end);
    let last = end.saturating_sub(size);
    match map.clone().claim_in(&zone, "payload", DEVICE_TREE, last, size) {
        Ok(range) => Ok(range.start),
        Err(_) => Ok(map.place(&zone, "payload", DEVICE_TREE, size, PAGE)?.start),
    }
}

/// Packs a program and its device tree.
///
/// The order of the steps: keep RAM where it `dumps`; reset the bus masters, which may still write what is about to be filled; zero all RAM that
/// is written (the largest part first, in which the loader finds its stack), copy, fill the seeds, reset the other
/// devices, jump with `x0` = IPA of the device tree.
///
/// # Errors
/// [`PayloadError::Layout`], [`PayloadError::TooManySteps`].
pub fn pack(
    program: &Program,
    tree: &DeviceTree,
    memory: u64,
    dumps: bool,
    devices: &[Registers],
) -> Result<Area, PayloadError> {
    let map = place_pieces(program, memory)?;
    let mut parts = parts::of(program, memory)?;
    let tree_at = place_device_tree(program, map, &parts, length(&tree.dtb))?;
    let tree_piece = Piece {
        name: DEVICE_TREE.to_owned(),
        target: tree_at,
        memory_size: length(&tree.dtb),
        bytes: tree.dtb.clone(),
        rights: program.elsewhere,
    };
    let mut written: Vec<&Part> = parts.iter().filter(|part| part.rights.writes()).collect();
    written.sort_by_key(|part| Reverse(part.size()));
    let zero = |part: &Part| Step {
        kind: step::ZERO,
        target: part.start,
        source: 0,
        size: part.size(),
    };
    let (masters, others): (Vec<&Registers>, Vec<&Registers>) = devices.iter().partition(|d| d.masters);
    let dump = Step {
        kind: step::DUMP,
        target: DUMP_IPA,
        source: RAM,
        size: memory,
    };
    let mut steps: Vec<Step> = dumps.then_some(dump).into_iter().collect();
    steps.extend(masters.into_iter().flat_map(reset::steps));
    steps.extend(written.into_iter().map(zero));
    let mut payload = Vec::new();
    for piece in program.pieces.iter().chain([&tree_piece]) {
        if piece.bytes.is_empty() || !piece.rights.writes() {
            continue;
        }
        steps.push(Step {
            kind: step::COPY,
            target: piece.target,
            source: PAYLOAD_IPA + length(&payload),
            size: length(&piece.bytes),
        });
        payload.extend_from_slice(&piece.bytes);
        pad(&mut payload, PAGE);
    }
    let copied = length(&payload);
    parts::append(&mut parts, &program.pieces, &mut payload);
    steps.extend(tree.seeds.iter().map(|seed| Step {
        kind: step::RANDOM,
        target: tree_at + seed.offset,
        source: 0,
        size: seed.size,
    }));
    steps.extend(others.into_iter().flat_map(reset::steps));
    steps.push(Step {
        kind: step::JUMP,
        target: program.entry,
        source: tree_at,
        size: 0,
    });
    if steps.len() > MAX_STEPS {
        return Err(PayloadError::TooManySteps { steps: steps.len() });
    }
    let mut list = steps.as_slice().as_bytes().to_vec();
    pad(&mut list, PAGE);
    Ok(Area {
        list,
        payload,
        copied,
        parts,
        steps,
    })
}
