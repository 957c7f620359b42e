// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's `memcpy` and `memset`, which this program links in from their source in place of the compiler's: with the
//! argument `copies` it tries every alignment of both ends with every length up to some rounds.
//!
//! The alignment check is on, so that an access that is not aligned ends the run.
//!
//! Verifies: BH-MEM-012.
#![forbid(unsafe_code)]

use core::hint::black_box;

use crate::edge::console::line;
use crate::edge::stop;

/// Addresses that differ in how they are aligned.
const ALIGNMENTS: usize = 8;
/// Lengths tried: more than two rounds of 64 bytes and every rest.
const LENGTHS: usize = 150;
const ROOM: usize = 192;
/// What lies around a copy.
const AROUND: u8 = 0xee;

/// A buffer whose first byte is aligned.
#[repr(align(64))]
struct Buffer([u8; ROOM]);

/// Tries all and says how many were exact.
pub(crate) fn run() -> ! {
    let source = Buffer(core::array::from_fn(pattern));
    let (mut exact, mut wrong) = (0_u32, 0_u32);
    let mut judge = |holds: bool| *if holds { &mut exact } else { &mut wrong } += 1;
    for start in 0..ALIGNMENTS {
        for length in 0..LENGTHS {
            for from in 0..ALIGNMENTS {
                let source = source.0.get(from..from + length).unwrap_or(&[]);
                judge(is_exact(
                    start,
                    length,
                    |part| part.copy_from_slice(source),
                    |k| pattern(from + k),
                ));
            }
            judge(is_exact(
                start,
                length,
                |part| part.fill(black_box(0xa5)),
                |_| 0xa5,
            ));
        }
    }
    line(format_args!("copies: {exact} exact, {wrong} wrong"));
    stop()
}

/// A byte that tells its place.
fn pattern(index: usize) -> u8 {
    u8::try_from(index).map_or(0, |index| index.wrapping_mul(37) ^ 0x11)
}

/// Whether `write` makes each byte of a part what `expected` says, and no other byte anything else than it was.
fn is_exact(
    start: usize,
    length: usize,
    write: impl FnOnce(&mut [u8]),
    expected: impl Fn(usize) -> u8,
) -> bool {
    let mut buffer = Buffer([AROUND; ROOM]);
    let Some(part) = black_box(&mut buffer.0).get_mut(start..start + black_box(length)) else {
        return false;
    };
    write(part);
    black_box(&buffer.0).iter().enumerate().all(|(index, byte)| {
        *byte
            == match index.checked_sub(start) {
                Some(k) if k < length => expected(k),
                _ => AROUND,
            }
    })
}
