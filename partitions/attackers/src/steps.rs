// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Steps of the fuzzer: what a trap is caused by, as a seed decides.
//!
//! What could end or blind the fuzzer itself is left out: other attacks try that.

use bulkhead_abi::lock::registers;

use crate::program::Step;
use crate::random::Random;
use crate::reference::Frame;

pub(crate) const ALL: u64 = u64::MAX;
/// The bit of an instruction that makes MSR an MRS.
pub(crate) const MRS: u32 = 1 << 21;
/// `ICC_IAR1_EL1`, read into `x0`; `ICC_EOIR1_EL1`, written from it.
pub(crate) const ACKNOWLEDGE: [u32; 2] = [0xd538_cc00, 0xd518_cc20];
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
    /// Loads or stores `1 << width` bytes of the emulated UART, or of the registers of a lock.
    Uart {
        offset: u32,
        width: u32,
        stored: bool,
    },
    Lock {
        offset: u32,
        width: u32,
        stored: bool,
    },
    /// Loads or stores the word of a lock, past EL2.
    Word {
        stored: bool,
    },
    /// Nothing.
    Idle,
}

/// Where the fuzzer finds what it tries.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub(crate) distributor: u64,
    pub(crate) redistributor: u64,
    /// Words of SPIs.
    pub(crate) spi_words: u32,
    /// The emulated UART, if there is one.
    pub(crate) uart: Option<u64>,
    /// Page of a lock and its registers, if there is one.
    pub(crate) lock: Option<[u64; 2]>,
}

/// `STR X0, [X1]` and `LDR X0, [X1]` of `1 << width` bytes.
pub(crate) fn mover(stored: bool, width: u32) -> u32 {
    let operation = if stored { 0x3900_0020 } else { 0x3940_0020 };
    operation | width << 30
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

fn uart(random: &mut Random, base: u64) -> (Act, Step) {
    let offset = match random.below(8) {
        // What receives and sends, what enables the FIFO and the loop.
        0..3 => 0,
        3 => random.of([0x2c, 0x30]),
        4 => random.of([0x18, 0x38, 0x3c, 0x40, 0x44]),
        5 | 6 => 4 * word(random.below(0x14)),
        _ => word(random.below(0x1000 >> 3)) << 3,
    };
    let stored = random.below(2) == 0;
    let width = if offset.is_multiple_of(8) {
        word(random.below(4))
    } else {
        2
    };
    // Characters without spaces, so that they are no line of the fuzzer's.
    let value = match offset {
        0 => random.value() << 8 | (0x61 + random.below(16)),
        _ => random.value(),
    };
    let act = Act::Uart {
        offset,
        width,
        stored,
    };
    (
        act,
        Step::one(value, base + u64::from(offset), mover(stored, width)),
    )
}

fn lock(random: &mut Random, [page, base]: [u64; 2]) -> (Act, Step) {
    let taking = random.below(4) << 32 | random.below(2) << 17 | random.below(2) << 16;
    // Owners that there are, and few that there are not; the other one is seldom waited for, which takes time.
    let owner = match random.below(32) {
        0 => 2,
        1 => random.value() & 0xffff,
        2..12 => 0,
        _ => 1,
    };
    if random.below(4) == 0 {
        let stored = random.below(2) == 0;
        let step = Step::one(taking | owner, page, mover(stored, 3));
        return (Act::Word { stored }, step);
    }
    let (offset, stored) = match random.below(16) {
        0..5 => (registers::TRY, false),
        5..7 => (registers::WAIT, false),
        7..12 => (registers::RELEASE, true),
        12..14 => (registers::STATUS, false),
        _ => (8 * random.below(512), random.below(2) == 0),
    };
    let offset = word(offset);
    let act = Act::Lock {
        offset,
        width: 3,
        stored,
    };
    (
        act,
        Step::one(taking | owner, base + u64::from(offset), mover(stored, 3)),
    )
}

fn access(random: &mut Random, places: Places) -> (Act, Step) {
    let Places {
        distributor,
        redistributor,
        spi_words,
        ..
    } = places;
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

/// The next step.
pub(crate) fn next(random: &mut Random, places: Places) -> (Act, Step) {
    match (random.below(20), places.uart, places.lock) {
        (16 | 17, Some(base), _) => return uart(random, base),
        (18 | 19, _, Some(bases)) => return lock(random, bases),
        _ => {}
    }
    match random.below(16) {
        0..=2 => call(random),
        3..=5 => register(random),
        6..=11 => access(random, places),
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
