// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where a branch to an address in a register goes that a table holds: the code that compilers make of a `match`.
//!
//! The table is found by following registers back through the instructions before the branch; its length is what a
//! comparison before it says, else it ends where another table begins, or where an entry is no address of its function.
//! More entries than there are make more ways, never fewer.
//!
//! # References
//! Arm DDI 0487, "A64 Base Instructions": ADR, ADRP, ADD, LDRB, LDRH, LDRSW, SUBS, `B.cond`.

use std::ops::Range;

use crate::Program;

/// Instructions before the branch that are looked at.
const FAR: u64 = 32;

/// How the entries of a table are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Table {
    at: u64,
    base: u64,
    /// Bytes of an entry.
    width: u64,
    signed: bool,
    /// What an entry is shifted by.
    shift: u32,
    /// Its number, if a comparison says it.
    entries: Option<u64>,
}

fn field(word: u32, low: u32, bits: u32) -> u32 {
    word >> low & ((1 << bits) - 1)
}

fn signed(value: u64, bits: u32) -> i64 {
    let unused = 64 - bits;
    (value << unused).cast_signed() >> unused
}

/// What an ADR or ADRP at an address gives.
fn address_of(word: u32, at: u64) -> Option<u64> {
    let offset = signed(u64::from(field(word, 5, 19) << 2 | field(word, 29, 2)), 21);
    match word & 0x9f00_0000 {
        0x1000_0000 => Some(at.wrapping_add_signed(offset)),
        0x9000_0000 => Some((at & !0xfff).wrapping_add_signed(offset << 12)),
        _ => None,
    }
}

struct Before<'a> {
    program: &'a Program,
    function: Range<u64>,
}

impl Before<'_> {
    /// Instructions before an address, the nearest first.
    fn from(&self, at: u64) -> impl Iterator<Item = (u64, u32)> {
        let before = (1..=FAR).map(move |k| at.saturating_sub(4 * k));
        let before = before.take_while(|a| self.function.contains(a));
        before.map_while(|a| Some((a, self.program.word(a).ok()?)))
    }

    /// A constant in a register before an instruction.
    fn constant(&self, register: u32, at: u64, depth: u32) -> Option<u64> {
        for (a, word) in self.from(at) {
            if field(word, 0, 5) != register {
                continue;
            }
            if let Some(value) = address_of(word, a) {
                return Some(value);
            }
            // ADD (immediate).
            if word & 0xff80_0000 == 0x9100_0000 && depth > 0 {
                let value = self.constant(field(word, 5, 5), a, depth - 1)?;
                return Some(value + (u64::from(field(word, 10, 12)) << (12 * field(word, 22, 1))));
            }
        }
        None
    }

    /// `SUBS wzr, index, #n` and `B.HI` before an instruction.
    fn entries(&self, index: u32, at: u64) -> Option<u64> {
        let mut above = false;
        for (_, word) in self.from(at) {
            let compares = word & 0x7f80_001f == 0x7100_001f && field(word, 5, 5) == index;
            if above && compares {
                return Some(u64::from(field(word, 10, 12)) + 1);
            }
            above |= word & 0xff00_001f == 0x5400_0008;
        }
        None
    }

    fn table(&self, branch: u64) -> Option<Table> {
        let register = field(self.program.word(branch).ok()?, 5, 5);
        // ADD (shifted register) of the base and the entry.
        let is_sum =
            |(_, word): &(u64, u32)| word & 0xff20_0000 == 0x8b00_0000 && field(*word, 0, 5) == register;
        let (sum_at, sum) = self.from(branch).find(is_sum)?;
        let entry = field(sum, 16, 5);
        let load = |(_, word): &(u64, u32)| field(*word, 0, 5) == entry && kind(*word).is_some();
        let (load_at, load) = self.from(sum_at).find(load)?;
        let (width, signed) = kind(load)?;
        Some(Table {
            at: self.constant(field(load, 5, 5), load_at, 4)?,
            base: self.constant(field(sum, 5, 5), sum_at, 4)?,
            width,
            signed,
            shift: field(sum, 10, 6),
            entries: self.entries(field(load, 16, 5), load_at),
        })
    }
}

/// Bytes that a load by a register offset loads, and whether it extends the sign.
fn kind(word: u32) -> Option<(u64, bool)> {
    match word & 0xffe0_0c00 {
        0x3860_0800 => Some((1, false)),
        0x7860_0800 => Some((2, false)),
        0xb8a0_0800 => Some((4, true)),
        _ => None,
    }
}

/// Where a branch in a function may go; none when that is not known.
pub(crate) fn targets(program: &Program, function: &Range<u64>, branch: u64) -> Option<Vec<u64>> {
    let before = |function: &Range<u64>| Before {
        program,
        function: function.clone(),
    };
    let table = before(function).table(branch)?;
    let others = program
        .branches()
        .filter_map(|(at, f)| before(&(f.start..f.end)).table(at));
    let next = others.map(|t| t.at).filter(|at| *at > table.at).min();
    let room = next.map_or(u64::MAX, |next| (next - table.at) / table.width);
    let mut targets = Vec::new();
    for entry in 0..table.entries.unwrap_or(room).min(1024) {
        let Some(value) = program.constant(table.at + entry * table.width, table.width) else {
            break;
        };
        let value = if table.signed {
            signed(value, 32)
        } else {
            i64::try_from(value).ok()?
        };
        let target = table.base.wrapping_add_signed(value << table.shift);
        if !function.contains(&target) || target % 4 != 0 {
            break;
        }
        targets.push(target);
    }
    (!targets.is_empty()).then_some(targets)
}
