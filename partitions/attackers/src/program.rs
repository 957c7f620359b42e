// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Programs of steps past the partition's own translation: each traps, and leaves all that a trap may change in a record.
//!
//! A step executes one instruction or two with its `x0` and `x1`, keeps `x30`, and calls the recorder. So what a trap does
//! to any other register, to the flags, or to where the guest goes on, shows in the record of that step.
//!
//! Its code is made once for each pair of instructions and is found again by them: an emulator that would have to translate
//! new code for each program does little else.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::code::clean;

/// Steps of a program.
pub(crate) const STEPS: usize = 92;
/// Instructions of a piece of code.
const LENGTH: usize = 4;
/// Pieces that there may be, a power of two: more than twice as many as [`crate::steps`] has pairs of instructions.
const PIECES: usize = 1 << BITS;
const BITS: u32 = 12;
/// Words of a record, in which before the step are its `x0`, its `x1`, the address of its code.
const RECORD: usize = 8;
/// Words of the frame: place of the record that is next, of `x2`, of what `q0` to `q31` hold and are found to hold, of the
/// first record. The assembly below knows them.
const LOG_AT: usize = 4;
const PATTERN: usize = 8;
const PATTERNS: usize = 28;
const HELD: usize = 128;
const FOUND: usize = 192;
const RECORDS: usize = 256;
const FP_WORDS: usize = 64;
/// `NZCV` during a program.
const FLAGS: u64 = 0xa000_0000;

const NOP: u32 = 0xd503_201f;
/// `STR X30, [SP, #40]`.
const KEEP_LINK: u32 = 0xf900_17fe;
const BL: u32 = 0x9400_0000;

global_asm!(
    ".section .text.attacker, \"ax\"",
    ".arch_extension fp",
    ".arch_extension simd",
    ".balign 0x800",
    // An exception at EL1: its syndrome and address are kept, and the step goes on behind the instruction.
    "attacker_program_vectors:",
    ".rept 16",
    ".balign 0x80",
    "stp x0, x1, [sp, #288]",
    "mrs x0, esr_el1",
    "mrs x1, far_el1",
    "stp x0, x1, [sp, #16]",
    "mrs x1, elr_el1",
    "add x1, x1, #4",
    "msr elr_el1, x1",
    "ldp x0, x1, [sp, #288]",
    "eret",
    ".endr",
    ".balign 0x80",
    // Called by each step: x0 to x3, syndrome and address, the distance from the step's begin, the other registers.
    "attacker_record:",
    "stp x0, x1, [sp]",
    "ldr x0, [sp, #32]",
    "stp x2, x3, [x0, #16]",
    "ldp x2, x3, [sp]",
    "stp x2, x3, [x0]",
    "ldp x2, x3, [sp, #16]",
    "stp x2, x3, [x0, #32]",
    "stp xzr, xzr, [sp, #16]",
    "mrs x3, nzcv",
    ".irp n, 4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29",
    "eor x3, x3, x\\n, ror #\\n",
    ".endr",
    "ldr x2, [sp, #40]",
    "sub x2, x30, x2",
    "stp x2, x3, [x0, #48]",
    // What does not keep `x30` leaves none.
    "str xzr, [sp, #40]",
    "add x0, x0, #64",
    "str x0, [sp, #32]",
    "ldr x30, [x0, #16]",
    "ldp x2, x3, [sp, #64]",
    "ldp x0, x1, [x0]",
    "ret",
    // x0: frame.
    "attacker_program:",
    "mrs x1, sctlr_el1",
    "mrs x2, vbar_el1",
    "mrs x3, daif",
    "mrs x4, cpacr_el1",
    "msr daifset, #0xf",
    "bic x5, x1, #1",
    "dsb sy",
    "msr sctlr_el1, x5",
    "isb",
    "stp x19, x20, [x0, #304]",
    "stp x21, x22, [x0, #320]",
    "stp x23, x24, [x0, #336]",
    "stp x25, x26, [x0, #352]",
    "stp x27, x28, [x0, #368]",
    "stp x29, x30, [x0, #384]",
    "mov x5, sp",
    "stp x1, x2, [x0, #400]",
    "stp x3, x4, [x0, #416]",
    "str x5, [x0, #432]",
    "adr x1, attacker_program_vectors",
    "msr vbar_el1, x1",
    "mov x1, #(3 << 20)",
    "msr cpacr_el1, x1",
    "isb",
    "mov sp, x0",
    "add x1, sp, #1024",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "ldr q\\n, [x1], #16",
    ".endr",
    // Behind the last step.
    "adr x1, 1f",
    "str x1, [sp, #{LAST}]",
    "mov x1, #{FLAGS}",
    "msr nzcv, x1",
    ".irp n, 2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29",
    "ldr x\\n, [sp, #(48 + 8 * \\n)]",
    ".endr",
    "ldr x0, [sp, #2048]",
    "ldr x1, [sp, #2056]",
    "ldr x30, [sp, #2064]",
    "ret",
    "1: mov x0, sp",
    "mov x1, #(3 << 20)",
    "msr cpacr_el1, x1",
    "isb",
    "add x1, sp, #1536",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "str q\\n, [x1], #16",
    ".endr",
    "ldr x5, [x0, #432]",
    "mov sp, x5",
    "ldp x1, x2, [x0, #400]",
    "ldp x3, x4, [x0, #416]",
    "ldp x19, x20, [x0, #304]",
    "ldp x21, x22, [x0, #320]",
    "ldp x23, x24, [x0, #336]",
    "ldp x25, x26, [x0, #352]",
    "ldp x27, x28, [x0, #368]",
    "ldp x29, x30, [x0, #384]",
    "msr vbar_el1, x2",
    "msr cpacr_el1, x4",
    "dsb sy",
    "msr sctlr_el1, x1",
    "isb",
    "msr daif, x3",
    "ret",
    FLAGS = const FLAGS,
    LAST = const 8 * (RECORDS + RECORD * STEPS + 2),
);

unsafe extern "C" {
    fn attacker_program(frame: *const Frame);
    safe static attacker_record: u8;
}

/// What a program works with, at its stack pointer: scratch, patterns, records.
#[repr(C, align(4096))]
struct Frame([AtomicU64; RECORDS + RECORD * (STEPS + 1)]);

/// Pieces of code: the instructions of a step, [`KEEP_LINK`], the call of the recorder; zeros where there is none yet.
#[repr(C, align(4096))]
struct Pieces([AtomicU32; LENGTH * PIECES]);

static FRAME: Frame = Frame([const { AtomicU64::new(0) }; RECORDS + RECORD * (STEPS + 1)]);
static CODE: Pieces = Pieces([const { AtomicU32::new(0) }; LENGTH * PIECES]);

const _: () = assert!(size_of::<Frame>() <= 8192);

/// Where the piece of code with these instructions lies, which is made if there is none.
fn code_of([first, second]: [u32; 2]) -> u64 {
    let home = (first ^ second).wrapping_mul(0x9e37_79b1) >> (u32::BITS - BITS);
    let (pieces, _) = CODE.0.as_chunks::<LENGTH>();
    for n in 0..PIECES {
        let Some(piece @ [a, b, c, d]) = pieces.get((home as usize + n) % PIECES) else {
            continue;
        };
        let address = piece.as_ptr().addr() as u64;
        match [a, b].map(|word| word.load(Ordering::Relaxed)) {
            found if found == [first, second] => return address,
            [0, _] => {
                let record = (&raw const attacker_record).addr() as u64;
                let from = address + 4 * (LENGTH as u64 - 1);
                let words = (record.wrapping_sub(from) / 4) & 0x03ff_ffff;
                let call = BL | u32::try_from(words).unwrap_or(0);
                for (place, instruction) in [a, b, c, d].into_iter().zip([first, second, KEEP_LINK, call]) {
                    place.store(instruction, Ordering::Relaxed);
                }
                clean(address, 4 * LENGTH as u64);
                return address;
            }
            _ => {}
        }
    }
    // There are fewer pairs than pieces.
    0
}

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// `x0` before.
    pub(crate) x0: u64,
    /// `x1` before.
    pub(crate) x1: u64,
    /// What it executes; the second traps.
    pub(crate) instructions: [u32; 2],
}

impl Step {
    /// One instruction.
    pub(crate) const fn one(x0: u64, x1: u64, instruction: u32) -> Self {
        Self {
            x0,
            x1,
            instructions: [NOP, instruction],
        }
    }
}

/// What a step left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// `x0` to `x3`.
    pub(crate) x: [u64; 4],
    /// `ESR_EL1` and `FAR_EL1` of the last exception that it met at EL1, or zeros.
    pub(crate) exception: [u64; 2],
    /// Bytes between its begin and its end.
    pub(crate) length: u64,
    /// All other registers, folded.
    pub(crate) others: u64,
}

impl Record {
    /// That of a step which changes no register and meets no exception at EL1.
    pub(crate) fn of(step: &Step, patterns: &[u64; PATTERNS]) -> Self {
        let [x2, x3, others @ ..] = patterns;
        let folded = others.iter().zip(4..);
        Self {
            x: [step.x0, step.x1, *x2, *x3],
            exception: [0; 2],
            length: 4 * LENGTH as u64,
            others: folded.fold(FLAGS, |sum, (value, n)| sum ^ value.rotate_right(n)),
        }
    }
}

/// Executes a program, the MMU off, interrupts masked. `pattern` gives what registers hold; gives what `x2` to `x29`
/// held, the records, and whether the floating-point registers are as they were.
pub(crate) fn execute(
    steps: &[Step; STEPS],
    mut pattern: impl FnMut() -> u64,
) -> ([u64; PATTERNS], impl Fn(usize) -> Record, bool) {
    let word = |n: usize| FRAME.0.get(n);
    let store = |n: usize, value: u64| {
        if let Some(word) = word(n) {
            word.store(value, Ordering::Relaxed);
        }
    };
    let load = move |n: usize| word(n).map_or(0, |word| word.load(Ordering::Relaxed));
    let start = FRAME.0.as_ptr().addr() as u64;
    store(LOG_AT, start + 8 * RECORDS as u64);
    for (step, at) in steps.iter().zip((RECORDS..).step_by(RECORD)) {
        for (value, n) in [step.x0, step.x1, code_of(step.instructions)]
            .into_iter()
            .zip(at..)
        {
            store(n, value);
        }
    }
    let patterns = [(); PATTERNS].map(|()| pattern());
    for (value, n) in patterns.iter().zip(PATTERN..) {
        store(n, *value);
    }
    for n in 0..FP_WORDS {
        store(HELD + n, pattern());
    }
    clean(start, size_of::<Frame>() as u64);
    // SAFETY: 1. The routine keeps what the C ABI has it keep, and the MMU, the vectors and the masks. 2. The image is
    // mapped at its own address; while the MMU is off its stack is the frame, which is as large as the steps need.
    // 3. What the steps may do to this partition is for the fuzzer to know.
    unsafe { attacker_program(&raw const FRAME) };
    clean(start, size_of::<Frame>() as u64);
    let unchanged = (0..FP_WORDS).all(|n| load(HELD + n) == load(FOUND + n));
    let record = move |step: usize| {
        let at = RECORDS + RECORD * step;
        Record {
            x: [load(at), load(at + 1), load(at + 2), load(at + 3)],
            exception: [load(at + 4), load(at + 5)],
            length: load(at + 6),
            others: load(at + 7),
        }
    };
    (patterns, record, unchanged)
}
