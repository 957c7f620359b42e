// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a device is brought into its reset state: register writes and bounded polls, as a board file says them.

use crate::decode::{Fields, present, small};
use crate::span::{Span, Spanned};
use crate::tree::Node;

/// Reads of a register until a poll is given up, unless the step says otherwise.
pub const TRIES: u32 = 1000;

/// A step of a reset recipe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResetStep {
    /// Index of the register block.
    pub block: Spanned<usize>,
    /// Offset of a 32-bit register from the first one of the block, bytes.
    pub offset: Spanned<u32>,
    /// What is done with it.
    pub action: ResetAction,
}

/// What a step does with its register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResetAction {
    /// Writes a value.
    Write(u32),
    /// Reads until the bits of a mask are as wanted.
    Poll {
        /// Bits that count.
        mask: u32,
        /// What they have to be.
        until: Spanned<u32>,
        /// Most reads, at least 1.
        tries: u32,
    },
}

/// A step; nothing when a value of it could not be read.
pub(crate) fn step(node: &Node) -> Option<ResetStep> {
    let fields = Fields::of(node)?;
    let number = |key: &str| fields.get(key).and_then(small::<u32>);
    let block = present(fields.get("block").map(small::<usize>))?;
    let block = block.unwrap_or(Spanned::new(0, node.span));
    if let Some(offset) = number("write") {
        let action = ResetAction::Write(number("value")?.value);
        return Some(ResetStep {
            block,
            offset,
            action,
        });
    }
    let tries = present(fields.get("tries").map(small::<u32>))?;
    Some(ResetStep {
        block,
        offset: number("poll")?,
        action: ResetAction::Poll {
            mask: number("mask")?.value,
            until: number("until")?,
            tries: tries.map_or(TRIES, |t| t.value),
        },
    })
}

impl ResetStep {
    /// Why the step can do nothing in register blocks of these `sizes` in bytes, and where that is said.
    pub(crate) fn flaw(&self, sizes: &[u64]) -> Option<(Span, String)> {
        let Some(size) = sizes.get(self.block.value) else {
            let text = format!(
                "there is no block {}: blocks are counted from 0",
                self.block.value
            );
            return Some((self.block.span, text));
        };
        let offset = u64::from(self.offset.value);
        if !offset.is_multiple_of(4) {
            let text = format!("offset {offset:#x} is no multiple of 4");
            return Some((self.offset.span, text));
        }
        if offset + 4 > *size {
            let text = format!("offset {offset:#x} is not in its {size:#x} bytes of registers");
            return Some((self.offset.span, text));
        }
        match self.action {
            ResetAction::Poll { mask, until, .. } if until.value & !mask != 0 => Some((
                until.span,
                format!("the bits {mask:#x} are never {:#x}", until.value),
            )),
            ResetAction::Poll { .. } | ResetAction::Write(_) => None,
        }
    }
}
