// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Traps of every kind in an order that a seed decides: calls, system registers, the interrupt controller, timers, SGIs,
//! acknowledged interrupts.
//!
//! Each trap is judged by [`Oracle`]: it must change its destination and nothing else. What could end or blind itself is left out: other attacks try that. Memory, slots and
//! state of the others, and that it comes to its end, are judged outside.

use bulkhead_partition::el1::{Partition, console};

use crate::Tried;
use crate::edge::{Operation, attempt, mask, read, write};
use crate::judge::Oracle;
use crate::program::{STEPS, Step, execute};
use crate::random::Random;
use crate::reference::{Frame, Reference};

pub(crate) const ALL: u64 = u64::MAX;
/// The bit of an instruction that makes MSR an MRS.
pub(crate) const MRS: u32 = 1 << 21;
/// `ICC_IAR1_EL1`, read into `x0`; `ICC_EOIR1_EL1`, written from it.
const ACKNOWLEDGE: [u32; 2] = [0xd538_cc00, 0xd518_cc20];
/// `ICC_SGI1R_EL1`, `ICC_ASGI1R_EL1`, `ICC_SGI0R_EL1`, written from `x0`.
pub(crate) const SGI: [u32; 3] = [0xd518_cba0, 0xd518_cbc0, 0xd518_cbe0];
/// Set/way maintenance by `x0`.
const SET_WAY: [u32; 3] = [0xd508_7640, 0xd508_7a40, 0xd508_7e40];
/// Registers that no other partition changes, written from `x0`, and their bits: `TPIDR_EL0`, `TPIDRRO_EL0`, `TPIDR_EL1`,
/// `SP_EL0`, `PAR_EL1`; `CNTV_CVAL_EL0`, `CNTV_CTL_EL0`, `CNTP_CVAL_EL0`, `CNTP_CTL_EL0` without ISTATUS.
pub(crate) const KEPT: [(u32, u64); 9] = [
    (0xd51b_d040, ALL),
    (0xd51b_d060, ALL),
    (0xd518_d080, ALL),
    (0xd518_4100, ALL),
    (0xd518_7400, ALL),
    (0xd51b_e340, ALL),
    (0xd51b_e320, 3),
    (0xd51b_e240, ALL),
    (0xd51b_e220, 3),
];

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// HVC #0.
    Call,
    /// HVC with another immediate, SMC.
    Refused,
    /// MRS or MSR.
    Register(u32),
    /// Loads or stores `1 << width` bytes.
    Access {
        frame: Frame,
        offset: u32,
        width: u32,
        form: Form,
    },
    Sgi,
    SetWay,
    Kept {
        register: usize,
        written: bool,
    },
    Acknowledge,
}

/// How a device is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Store,
    Load,
    /// Sign-extended to 64 bits, to 32 bits.
    Signed,
    SignedWord,
    /// Of the zero register.
    StoreZero,
    LoadNowhere,
}

/// Lossless: what is given is below 2^32.
pub(crate) fn word(value: u64) -> u32 {
    value as u32
}

fn call(random: &mut Random) -> (Act, Step) {
    let base = random.of([
        0x8400_0000,
        0xc400_0000,
        0x8600_ff00,
        0xc600_0000,
        0x8000_0000,
        0xb000_0000,
    ]);
    let mut offset = random.of([0, 1, 3, 4, 5, 6, 7, 10, 11, 13, 15, 16, 17, 20, 24, 32, 48, 63]);
    let mut x1 = match random.below(3) {
        0 => random.below(4),
        1 => u64::from(base | word(random.below(32))),
        _ => random.value() >> 16,
    };
    // CPU_SUSPEND with a power state that exists would sleep.
    if base & 0x3fff_ffff == 0x400_0000 && offset == 1 {
        x1 |= 1 << 17;
    }
    if base == 0xc600_0000 && offset == 3 {
        offset = 2;
    }
    let upper = if random.below(4) == 0 {
        random.value() << 32
    } else {
        0
    };
    let x0 = upper | u64::from(base + offset);
    if random.below(4) == 0 {
        let call = random.of([0xd400_0022, 0xd41f_ffe2, 0xd400_0003, 0xd41f_ffe3]);
        (Act::Refused, Step::one(x0, x1, call))
    } else {
        (Act::Call, Step::one(x0, x1, 0xd400_0002))
    }
}

fn register(random: &mut Random) -> (Act, Step) {
    let low = word(random.below(1 << 8)) << 5;
    let group = match random.below(7) {
        // ID registers; ICC Group 0; debug; DCC; performance monitors; implementation-defined.
        0 => 0xd518_0000 | low & 0x7e0,
        1 => 0xd518_c800 | low & 0xe0,
        2 => 0xd510_0000 | low,
        3 => 0xd513_0000 | low,
        4 => 0xd51b_9c00 | low & 0x2e0,
        5 => 0xd51b_e800 | low & 0x7e0,
        _ => 0xd518_f000 | low & 0xfe0,
    };
    let instruction = if random.below(2) == 0 { group } else { group | MRS };
    (
        Act::Register(instruction),
        Step::one(random.value(), 0, instruction),
    )
}

fn access(random: &mut Random, bases: [u64; 2], spi_words: u32) -> (Act, Step) {
    let frame = [Frame::Distributor, Frame::Redistributor, Frame::Private][random.below(3) as usize];
    let width = word(random.below(4));
    let n = word(random.below(u64::from(spi_words) + 2));
    let (offset, width) = match random.below(10) {
        0..=4 => (word(random.below(7) + 1) << 7 | n << 2, 2),
        5 => (0x400 + word(random.below(0x400)), 0),
        6 => (0x400 + 32 * n + 4 * word(random.below(8)), 2),
        7 => (0xc00 + 8 * n + 4 * word(random.below(2)), 2),
        8 => (0x6100 + 8 * word(random.below(0x100)), 2 + word(random.below(2))),
        _ if random.below(4) == 0 => (random.of([0, 4, 8, 0x14, 0xffe8]), 2),
        _ => (word(random.below(1 << 16 >> width)) << width, width),
    };
    // Words of SGIs and PPIs, where the frame has no others.
    let offset = match (frame, offset) {
        (Frame::Private, 0x80..0x400) if random.below(4) != 0 => offset & !0x7c,
        (Frame::Private, 0x400..0x7fc) if random.below(4) != 0 => offset & !0x3e0,
        _ => offset,
    };
    let form = match random.below(16) {
        0..7 => Form::Store,
        7..12 => Form::Load,
        12 if width < 3 => Form::Signed,
        13 if width < 2 => Form::SignedWord,
        14 => Form::StoreZero,
        15 => Form::LoadNowhere,
        _ => Form::Load,
    };
    let operation = match form {
        Form::Store => 0x3900_0020,
        Form::Load => 0x3940_0020,
        Form::Signed => 0x3980_0020,
        Form::SignedWord => 0x39c0_0020,
        Form::StoreZero => 0x3900_003f,
        Form::LoadNowhere => 0x3940_003f,
    };
    let [distributor, redistributor] = bases;
    let base = match frame {
        Frame::Distributor => distributor,
        Frame::Redistributor => redistributor,
        Frame::Private => redistributor + 0x1_0000,
    };
    // Few interrupts at once are more telling than many.
    let value = match (offset, random.below(4)) {
        (0x180..0x200 | 0x280..0x300 | 0x380..0x400, 0) => ALL,
        (0x80..0x400, 1 | 2) => 1 << random.below(32),
        _ => random.value(),
    };
    // Of an end of interrupt that is in no list register EL2 is told no INTID: with more active ones than an
    // operating system makes, another could be meant.
    let value = match (frame, offset) {
        (Frame::Private, 0x300..0x380) => value & 3,
        (_, 0x300..0x380) => 0,
        _ => value,
    };
    let step = Step::one(value, base + u64::from(offset), operation | width << 30);
    let act = Act::Access {
        frame,
        offset,
        width,
        form,
    };
    (act, step)
}

fn next(random: &mut Random, bases: [u64; 2], spi_words: u32) -> (Act, Step) {
    match random.below(16) {
        0..=2 => call(random),
        3..=5 => register(random),
        6..=11 => access(random, bases, spi_words),
        12 => {
            let target = if random.below(2) == 0 {
                1
            } else {
                random.value() & !(0xf << 24)
            };
            let step = Step::one(target | random.below(16) << 24, 0, random.of(SGI));
            (Act::Sgi, step)
        }
        13 if random.below(4) == 0 => (Act::SetWay, Step::one(random.value(), 0, random.of(SET_WAY))),
        13 | 14 => {
            let register = random.below(KEPT.len() as u64) as usize;
            let (instruction, bits) = KEPT.get(register).copied().unwrap_or_default();
            let written = random.below(2) == 0;
            let instruction = if written { instruction } else { instruction | MRS };
            let step = Step::one(random.value() & bits, 0, instruction);
            (Act::Kept { register, written }, step)
        }
        _ => {
            let step = Step {
                x0: 0,
                x1: 0,
                instructions: ACKNOWLEDGE,
            };
            (Act::Acknowledge, step)
        }
    }
}

/// Writes all of the interrupt controller, so that its state is known; gives the words of SPIs.
fn reset(distributor: u64, private: u64) -> u32 {
    let spi_words = word(read::<4>(distributor + 4) & 0x1f);
    write::<4>(distributor, 0);
    for (base, words) in [(private, 0..1), (distributor, 1..u64::from(spi_words) + 1)] {
        for n in words {
            for (kind, value) in [(0x80, 0), (0x180, ALL), (0x280, ALL), (0x380, ALL)] {
                write::<4>(base + kind + 4 * n, value);
            }
            for byte in (0..32).step_by(4) {
                write::<4>(base + 0x400 + 32 * n + byte, 0);
            }
            for half in [0, 4] {
                write::<4>(base + 0xc00 + 8 * n + half, 0);
            }
            for intid in (32 * n..32 * n + 32).filter(|intid| (32..1020).contains(intid)) {
                write::<8>(distributor + 0x6000 + 8 * intid, 0);
            }
        }
    }
    spi_words
}

/// Executes `programs` programs; ends at the first step that does not do what it must.
pub(crate) fn attack(partition: &Partition, seed: u64, programs: u64) -> Tried {
    mask();
    let machine = &partition.machine;
    let bases = [machine.distributor.start, machine.gic.others().start];
    let [distributor, redistributor] = bases;
    let spi_words = reset(distributor, redistributor + 0x1_0000);
    let get = |register: usize| {
        attempt(
            Operation::Execute,
            u64::from(0xd538_0000 | word(register as u64) << 5),
            0,
        )
        .0
    };
    let mut oracle = Oracle {
        gic: Reference::new(spi_words),
        kept: [None; KEPT.len()],
        identity: core::array::from_fn(get),
    };
    let [pfr0, dfr0] = [4, 5].map(|crm: usize| oracle.identity[8 * crm]);
    // ID_AA64PFR0_EL1: no EL3, no EL2. ID_AA64DFR0_EL1: no performance monitors, no trace unit.
    if pfr0 & 0xff00 != 0 || dfr0 & 0xff0 != 0 {
        console::line(format_args!("BROKEN identity: {pfr0:#x} {dfr0:#x}"));
        return Tried {
            attempts: 1,
            succeeded: 1,
        };
    }
    // ICC_PMR_EL1, ICC_IGRPEN1_EL1: everything that has a priority is signalled.
    let (_, _) = attempt(Operation::Execute, 0xd518_4600, 0xff);
    let (_, _) = attempt(Operation::Execute, 0xd518_cce0, 1);
    let mut random = Random(seed | 1);
    let mut tried = Tried::default();
    for program in 0..programs {
        let acts: [(Act, Step); STEPS] = core::array::from_fn(|_| next(&mut random, bases, spi_words));
        let steps = acts.map(|(_, step)| step);
        let (patterns, record, unchanged) = execute(&steps, || random.next());
        for (n, (act, step)) in acts.iter().enumerate() {
            let found = record(n);
            if let Err(expected) = oracle.judge(*act, step, &patterns, found) {
                tried.note(true);
                console::line(format_args!(
                    "BROKEN at seed {seed}, program {program}, step {n}: {act:x?}"
                ));
                console::line(format_args!("BROKEN with {step:x?}"));
                console::line(format_args!("BROKEN found {found:x?}"));
                console::line(format_args!("BROKEN where {expected:x?}"));
                return tried;
            }
        }
        tried.note(!unchanged);
        if !unchanged {
            console::line(format_args!(
                "BROKEN at seed {seed}, program {program}: floating-point registers"
            ));
            return tried;
        }
    }
    tried
}
