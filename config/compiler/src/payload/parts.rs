// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of a partition's RAM that differ in what may be done with them. Implements: BH-MEM-008.
//!
//! What the partition may write is RAM, which the loader scrubs and fills. What it may not write is mapped straight
//! from the image: nobody, not even the loader, can write it, and nothing has to be copied.

use bulkhead_types::blob::PAGE;

use super::{PayloadError, Piece, Program};
use crate::access::Rights;
use crate::machine::RAM;
use crate::units::{index, length, page_up};

/// Whole pages of RAM with the same rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// IPA of the first byte.
    pub start: u64,
    /// IPA behind the last byte.
    pub end: u64,
    /// What may be done with it.
    pub rights: Rights,
    /// Where its bytes lie in the payload, when they are mapped from there.
    pub image: Option<u64>,
}

impl Part {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.end - self.start
    }
}

/// The pages that a piece touches.
fn touched(piece: &Piece) -> (u64, u64) {
    let end = piece.target.saturating_add(piece.memory_size);
    (piece.target - piece.target % PAGE, page_up(end))
}

/// The parts of RAM, ascending, without gaps; neighbours that are written with the same rights are one part. The
/// pieces lie in RAM and apart.
///
/// # Errors
/// [`PayloadError::WrongElf`] when pieces with different rights share a page.
pub fn of(program: &Program, memory: u64) -> Result<Vec<Part>, PayloadError> {
    let mut pieces: Vec<&Piece> = program.pieces.iter().filter(|p| p.memory_size > 0).collect();
    pieces.sort_by_key(|p| p.target);
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |start: u64, end: u64, rights: Rights| match parts.last_mut() {
        Some(last) if last.rights == rights && (rights.writes() || start < last.end) => {
            last.end = last.end.max(end);
            Ok(())
        }
        Some(last) if start < last.end => {
            let what = "segments with different rights share a page";
            Err(PayloadError::WrongElf(what))
        }
        Some(_) | None if start == end => Ok(()),
        Some(_) | None => {
            parts.push(Part {
                start,
                end,
                rights,
                image: None,
            });
            Ok(())
        }
    };
    let mut behind = RAM;
    for piece in pieces {
        let (start, end) = touched(piece);
        if behind < start {
            add(behind, start, program.elsewhere)?;
        }
        add(start, end, piece.rights)?;
        behind = behind.max(end);
    }
    if behind < RAM + memory {
        add(behind, RAM + memory, program.elsewhere)?;
    }
    Ok(parts)
}

/// Appends the bytes of the parts that are mapped from the payload to it, each on pages of its own.
pub fn append(parts: &mut [Part], pieces: &[Piece], payload: &mut Vec<u8>) {
    for part in parts.iter_mut().filter(|part| !part.rights.writes()) {
        let start = length(payload);
        part.image = Some(start);
        payload.resize(index(start + part.size()), 0);
        for piece in pieces
            .iter()
            .filter(|p| part.start <= p.target && p.target < part.end)
        {
            let at = index(start + (piece.target - part.start));
            payload[at..at + piece.bytes.len()].copy_from_slice(&piece.bytes);
        }
    }
}
