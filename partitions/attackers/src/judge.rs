// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each trap of the fuzzer must change: by [`Reference`], by what the standards say of calls and registers.

use core::sync::atomic::{AtomicU32, Ordering};

use bulkhead_abi::hypercall::{self, BULKHEAD_UID};

use crate::claims::Lock;
use crate::program::{Record, Step};
use crate::reference::{Known, Reference};
use crate::steps::{ALL, Act, Form, KEPT, MRS, SGI, word};
use crate::uart::{self, Uart};

/// `ESR_EL1` of an exception for an unknown reason.
const UNDEFINED: [u64; 2] = [0x0200_0000, 0];

/// What the fuzzer knows of its machine.
pub(crate) struct Oracle {
    pub(crate) gic: Reference,
    pub(crate) uart: Uart,
    pub(crate) lock: Option<Lock>,
    pub(crate) kept: [Option<u64>; KEPT.len()],
    /// `S3_0_C0_C<m>_<n>` at 8 × m + n.
    pub(crate) identity: [u64; 64],
}

/// Encodings of system registers, by direction: seen, and found to be undefined.
static SEEN: [AtomicU32; 2048] = [const { AtomicU32::new(0) }; 2048];
static ABSENT: [AtomicU32; 2048] = [const { AtomicU32::new(0) }; 2048];

/// What the PSCI function with these arguments answers in a partition with one vCPU, which runs (DEN 0022).
fn psci(function: u32, x1: u64, x2: u64) -> i64 {
    let wide = function & 1 << 30 != 0;
    let cut = |value: u64| {
        if wide {
            value
        } else {
            u64::from(word(value & 0xffff_ffff))
        }
    };
    let (target, level) = (cut(x1), x2 & 0xffff_ffff);
    match (function & 0x1f, wide) {
        (0, false) => 0x1_0001,
        (1, _) => -2,
        (3, _) if target == 0 => -4,
        (4, _) if level == 0 && target == 0 || (1..4).contains(&level) && target >> 8 == 0 => 0,
        (3 | 4, _) => -2,
        (6, false) => 2,
        (10, false) => match word(x1 & 0xffff_ffff) {
            0x8400_0000..=0x8400_0004 | 0x8400_0006 | 0x8400_0008..=0x8400_000a | 0x8400_0012 => 0,
            0xc400_0001 | 0xc400_0003 | 0xc400_0004 | 0xc400_0012 | 0x8000_0000 => 0,
            _ => -1,
        },
        _ => -1,
    }
}

/// What HVC #0 leaves in `x0` to `x3`.
fn answered([x0, x1, x2, x3]: [u64; 4]) -> [u64; 4] {
    let one = |result: i64| [result as u64, x1, x2, x3];
    match word(x0 & 0xffff_ffff) {
        0x8600_ff01 => BULKHEAD_UID.map(u64::from),
        0x8600_ff03 => [1, 0, 0, 0],
        0xc600_0001 => one(0),
        // Another partition's lock: no word.
        0xc600_0010 => [-3i64 as u64, 0, x2, x3],
        0xc600_0002 | 0xc600_0011 | 0xc600_0020 => one(-3),
        0x8000_0000 => one(0x1_0002),
        0x8000_0001 => one(if x1 & 0xffff_fffe == 0x8000_0000 { 0 } else { -1 }),
        function if function & 0xbfff_ffe0 == 0x8400_0000 => one(psci(function, x1, x2)),
        _ => one(-1),
    }
}

impl Oracle {
    /// What a read of a system register gives, and whether the access may be undefined, or must be.
    fn register(&self, instruction: u32) -> (u64, Option<bool>) {
        let operand = |at: u32, bits: u32| instruction >> at & ((1 << bits) - 1);
        let is_read = instruction & MRS != 0;
        let encoding = (
            operand(19, 2),
            operand(16, 3),
            operand(12, 4),
            operand(8, 4),
            operand(5, 3),
        );
        match encoding {
            (3, 0, 0, crm, op2) => {
                let known = self.identity.get((8 * crm + op2) as usize);
                let absent = if is_read && crm == 0 { None } else { Some(!is_read) };
                (known.copied().unwrap_or(0), absent)
            }
            (3, 0, 12, 8, 0 | 2) => (1023, Some(!is_read)),
            (3, 0, 12, 8, 1) => (0, Some(is_read)),
            (3, 0, 12, 8, 3 | 4) => (0, Some(false)),
            (2, 0, 1, 1, 4) => (8, Some(!is_read)),
            (2, 0, 0, 0 | 2, 2) => (0, Some(false)),
            _ => (0, None),
        }
    }

    /// What HVC #0 leaves in `x0` to `x3`, and which bits of `x0` are known.
    fn called(&mut self, x: [u64; 4], found: [u64; 4]) -> ([u64; 4], u64) {
        let [x0, x1, x2, x3] = x;
        let own = self.lock.as_mut().filter(|lock| lock.number == x1 & 0xffff_ffff);
        match (word(x0 & 0xffff_ffff), own) {
            (hypercall::LOCK_WAIT, Some(lock)) => match lock.wait(found[1]) {
                Some((result, taken)) => ([result.cast_unsigned(), taken, x2, x3], ALL),
                // It may be given at any time.
                None => ([found[0], found[1], x2, x3], 0),
            },
            (hypercall::LOCK_RELEASE, Some(lock)) => match lock.release(x2) {
                Some(result) => ([result.cast_unsigned(), x1, x2, x3], ALL),
                None => (x, 0),
            },
            _ => (answered(x), ALL),
        }
    }

    /// Whether the record of a step is what it must be; else what that is.
    pub(crate) fn judge(
        &mut self,
        act: Act,
        step: &Step,
        patterns: &[u64; 28],
        found: Record,
    ) -> Result<(), Record> {
        let mut expected = Record::of(step, patterns);
        let mut known = ALL;
        match act {
            Act::Call => {
                let (x, bits) = self.called(expected.x, found.x);
                expected.x = x;
                known = bits;
            }
            Act::Refused => expected.x[0] = ALL,
            Act::Register(instruction) => {
                let (value, absent) = self.register(instruction);
                let at = (instruction >> 5 & 0x7fff | (instruction & MRS) >> 6) as usize;
                let (bit, at) = (1 << (at % 32), at / 32);
                let before =
                    |all: &[AtomicU32; 2048]| all.get(at).map_or(0, |w| w.load(Ordering::Relaxed)) & bit != 0;
                let now = found.exception[0] != 0;
                // An encoding is there for ever, or never.
                let absent = absent.unwrap_or(if before(&SEEN) { before(&ABSENT) } else { now });
                for all in [Some(&SEEN), now.then_some(&ABSENT)].into_iter().flatten() {
                    if let Some(word) = all.get(at) {
                        word.fetch_or(bit, Ordering::Relaxed);
                    }
                }
                if absent {
                    expected.exception = [UNDEFINED[0], found.exception[1]];
                } else if instruction & MRS != 0 {
                    expected.x[0] = value;
                }
            }
            Act::Access {
                frame,
                offset,
                width,
                form,
            } => {
                let stored = match form {
                    Form::Store => Some(step.x0),
                    Form::StoreZero => Some(0),
                    _ => None,
                };
                let ones = ALL >> (64 - (8 << width));
                let (value, bits): Known = self.gic.access(frame, offset, width, stored.map(|v| v & ones));
                let (value, sign) = (value & ones, value >> ((8 << width) - 1) & 1 == 1);
                match form {
                    Form::Load => expected.x[0] = value,
                    Form::Signed => expected.x[0] = if sign { value | !ones } else { value },
                    Form::SignedWord => {
                        expected.x[0] = if sign {
                            (value | !ones) & 0xffff_ffff
                        } else {
                            value
                        }
                    }
                    Form::Store | Form::StoreZero | Form::LoadNowhere => {}
                }
                known = if stored.is_none() { bits } else { ALL };
            }
            Act::Sgi => {
                if step.instructions[1] == SGI[0] {
                    self.gic.send(step.x0);
                }
            }
            Act::SetWay => {}
            Act::Kept { register, written } => {
                if let (Some(kept), Some((_, bits))) = (self.kept.get_mut(register), KEPT.get(register)) {
                    let value = if written { step.x0 } else { found.x[0] & bits };
                    let held = *kept.get_or_insert(value);
                    *kept = Some(if written { value } else { held });
                    if !written {
                        expected.x[0] = held;
                        known = *bits;
                    }
                }
            }
            Act::Uart {
                offset,
                width,
                stored,
            } => {
                let ones = ALL >> (64 - (8 << width));
                if stored {
                    self.uart.store(offset, step.x0 & ones);
                } else {
                    expected.x[0] = self.uart.load(offset) & ones;
                }
            }
            Act::Lock {
                offset,
                width,
                stored,
            } => {
                let ones = ALL >> (64 - (8 << width));
                let value = stored.then_some(step.x0 & ones);
                let answer = self
                    .lock
                    .as_mut()
                    .and_then(|lock| lock.register(offset.into(), value, found.x[0]));
                if !stored {
                    expected.x[0] = answer.unwrap_or(0) & ones;
                    known = answer.map_or(0, |_| ALL);
                }
            }
            Act::Word { stored } => {
                let value = self
                    .lock
                    .as_mut()
                    .and_then(|lock| lock.access(stored.then_some(step.x0)));
                if !stored {
                    expected.x[0] = value.unwrap_or(0);
                    known = value.map_or(0, |_| ALL);
                }
            }
            Act::Idle => {}
            Act::Acknowledge => {
                let intid = found.x[0];
                expected.x[0] = if self.gic.acknowledged(intid) { intid } else { ALL };
            }
        }
        self.gic.set_line(uart::INTID, self.uart.line());
        let mut seen = found;
        seen.x[0] = seen.x[0] & known | expected.x[0] & !known;
        if seen == expected { Ok(()) } else { Err(expected) }
    }
}
