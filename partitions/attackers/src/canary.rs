// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fills every register that keeps what is written to it, and looks whether it still has it after other partitions
//! have had the core.
//!
//! Which registers those are is found by trying every encoding; the test compares them with the architecture's list.

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_partition::el1::{console, time};
use bulkhead_partition::periodic::ns_to_ticks;

use crate::Tried;
use crate::code::{Code, Hold, ISB, hold, run_at};

const MRS: u32 = 0xd530_0000;
const MSR: u32 = 0xd510_0000;
/// `x0` and `x1` as `Rt` are 0 and 1: `LDR X0, [X1], #8` and `STR X0, [X2], #8`.
const LOAD_NEXT: u32 = 0xf840_8420;
const STORE_NEXT: u32 = 0xf800_8440;
/// Registers that can be held, by the places in `Hold`.
const MOST: usize = 64;
/// Times that everything is held, and for how long: some major frames of 10 ms.
const ROUNDS: u64 = 8;
const HOLD_NS: u64 = 35_000_000;
/// From line to line of the console, which drops what it has no room for.
const LINE_NS: u64 = 1_000_000;

/// Words of `Hold`.
const DEADLINE: usize = 24;
const SET: usize = 25;
const GET: usize = 26;
const X: usize = 32;
const X_AFTER: usize = 64;
const Q: usize = 96;
const Q_AFTER: usize = 160;
const VALUES: usize = 224;
const ORIGINALS: usize = 288;
const FIRST: usize = 352;
const SECOND: usize = 416;

static CODE: Code = Code::new();
static SETTER: Code = Code::new();
static GETTER: Code = Code::new();
static HOLD: Hold = Hold([const { AtomicU64::new(0) }; 512]);

/// op0 (2 or 3), op1, CRn, CRm, op2 at the places of an instruction's bits 19 to 5.
const fn encoding(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    (op0 & 1) << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
}

const SCTLR_EL1: u32 = encoding(3, 0, 1, 0, 0);
const CPACR_EL1: u32 = encoding(3, 0, 1, 0, 2);
const CNTP_CTL_EL0: u32 = encoding(3, 3, 14, 2, 1);
const CNTV_CTL_EL0: u32 = encoding(3, 3, 14, 3, 1);
/// Views of `PSTATE` (CRn 4, CRm 2), which an exception saves: among them the masks without which this ends.
const fn is_pstate(encoding: u32) -> bool {
    matches!(encoding >> 8 & 0xff, 0x42)
}
/// `CNTP_TVAL_EL0`, `CNTV_TVAL_EL0`: views of the compare values that change with time.
const TIMER_VALUES: [u32; 2] = [encoding(3, 3, 14, 2, 0), encoding(3, 3, 14, 3, 0)];

/// Bits that may be tried: of `SCTLR_EL1` those that concern EL0 alone, of `CPACR_EL1` not what FP needs, of timers'
/// control not their status.
const fn may_change(encoding: u32) -> u64 {
    match encoding {
        // UCI, E0E, nTWE, nTWI, UCT, DZE, UMA, SED, ITD, CP15BEN.
        SCTLR_EL1 => {
            1 << 26 | 1 << 24 | 1 << 18 | 1 << 16 | 1 << 15 | 1 << 14 | 1 << 9 | 1 << 8 | 1 << 7 | 1 << 5
        }
        // FPEN: FPCR and FPSR are among what is held.
        CPACR_EL1 => !(3 << 20),
        CNTP_CTL_EL0 | CNTV_CTL_EL0 => !4,
        _ => u64::MAX,
    }
}

/// A register that keeps what is written to it.
#[derive(Clone, Copy)]
struct Register {
    encoding: u32,
    /// Bits that can be changed.
    mask: u64,
    original: u64,
}

/// Writes a register with some bits changed, and what was there again; gives what was there and what was read back.
fn change(encoding: u32, bits: u64) -> Option<(u64, u64)> {
    CODE.put(
        [
            MRS | encoding | 1,
            // EOR X0, X0, X1
            0xca01_0000,
            MSR | encoding,
            ISB,
            MRS | encoding,
            MSR | encoding | 1,
            ISB,
        ]
        .into_iter(),
    );
    let ran = run_at(CODE.address(), bits, 0);
    let [back, original] = ran.values;
    ran.exception.is_none().then_some((original, back))
}

fn examine(encoding: u32) -> Option<Register> {
    if is_pstate(encoding) || TIMER_VALUES.contains(&encoding) {
        return None;
    }
    let allowed = may_change(encoding);
    let (original, one) = change(encoding, 0x5555_5555_5555_5555 & allowed)?;
    let (_, other) = change(encoding, 0xaaaa_aaaa_aaaa_aaaa & allowed)?;
    let mask = ((one ^ original) | (other ^ original)) & allowed;
    (mask != 0).then_some(Register {
        encoding,
        mask,
        original,
    })
}

fn said(text: core::fmt::Arguments<'_>) {
    console::line(text);
    time::sleep_until(time::now() + LINE_NS);
}

fn place(n: usize) -> &'static AtomicU64 {
    HOLD.0.get(n).unwrap_or(&HOLD.0[511])
}

/// Counts what was lost in one word.
fn compare(tried: &mut Tried, what: core::fmt::Arguments<'_>, before: u64, after: u64) {
    tried.note(before != after);
    if before != after {
        said(format_args!("LOST {what}: {before:#x}, now {after:#x}"));
    }
}

/// What is lost after a switch, another partition may have found.
pub(crate) fn attack(seed: u64) -> Tried {
    let mut found: [Option<Register>; MOST] = [None; MOST];
    let mut places = found.iter_mut();
    for encoding in (0..1u32 << 15).map(|n| n << 5) {
        if let Some(register) = examine(encoding)
            && let Some(place) = places.next()
        {
            *place = Some(register);
        }
    }
    let found = || found.iter().flatten().enumerate();
    for (_, Register { encoding, mask, .. }) in found() {
        let part = |at: u32, bits: u32| encoding >> at & ((1 << bits) - 1);
        said(format_args!(
            "state {} {} {} {} {} {mask:#x}",
            2 + part(19, 1),
            part(16, 3),
            part(12, 4),
            part(8, 4),
            part(5, 3)
        ));
    }
    SETTER.put(
        found()
            .flat_map(|(_, r)| [LOAD_NEXT, MSR | r.encoding])
            .chain([ISB]),
    );
    GETTER.put(found().flat_map(|(_, r)| [MRS | r.encoding, STORE_NEXT]));
    place(SET).store(SETTER.address(), Ordering::Relaxed);
    place(GET).store(GETTER.address(), Ordering::Relaxed);
    let mut random = seed | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut tried = Tried::default();
    for _ in 0..ROUNDS {
        for at in (X..X + 32).chain(Q..Q + 64) {
            place(at).store(next(), Ordering::Relaxed);
        }
        for (n, r) in found() {
            place(VALUES + n).store(r.original ^ next() & r.mask, Ordering::Relaxed);
            place(ORIGINALS + n).store(r.original, Ordering::Relaxed);
        }
        let end = time::now() + HOLD_NS;
        place(DEADLINE).store(ns_to_ticks(end, crate::edge::frequency()), Ordering::Relaxed);
        hold(&HOLD);
        let word = |at| place(at).load(Ordering::Relaxed);
        for (n, r) in found() {
            let mask = may_change(r.encoding);
            let name = format_args!("{:#x}", r.encoding >> 5);
            compare(&mut tried, name, word(FIRST + n) & mask, word(SECOND + n) & mask);
        }
        for n in 2..31 {
            compare(&mut tried, format_args!("x{n}"), word(X + n), word(X_AFTER + n));
        }
        for n in 0..64 {
            compare(
                &mut tried,
                format_args!("half {n} of q"),
                word(Q + n),
                word(Q_AFTER + n),
            );
        }
    }
    said(format_args!(
        "canary: {} registers, {ROUNDS} rounds",
        found().count()
    ));
    tried
}
