// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The GIC: its frames, its bits, and the CPU interface.
//!
//! # References
//! Arm IHI 0069, "Distributor register descriptions", "Redistributor register descriptions", "AArch64 System
//! register descriptions".
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bulkhead_partition::machine::Range;

use crate::board::Board;
use crate::edge::mmio::Frame;
use crate::edge::registers as r;
use crate::timer;

/// Register offsets; those from IGROUPR on are the same in GICD and in the SGI frame of a redistributor.
pub(crate) const CTLR: u64 = 0x0000;
pub(crate) const IIDR_GICD: u64 = 0x0008;
pub(crate) const TYPER_GICD: u64 = 0x0004;
pub(crate) const TYPER_GICR: u64 = 0x0008;
pub(crate) const WAKER: u64 = 0x0014;
pub(crate) const PIDR2: u64 = 0xffe8;
pub(crate) const IGROUPR: u64 = 0x0080;
pub(crate) const ISENABLER: u64 = 0x0100;
pub(crate) const ICENABLER: u64 = 0x0180;
pub(crate) const ISPENDR: u64 = 0x0200;
pub(crate) const ICPENDR: u64 = 0x0280;
pub(crate) const ISACTIVER: u64 = 0x0300;
pub(crate) const ICACTIVER: u64 = 0x0380;
pub(crate) const IPRIORITYR: u64 = 0x0400;
pub(crate) const ICFGR: u64 = 0x0c00;
pub(crate) const IROUTER: u64 = 0x6000;

/// `GICD_CTLR`: EnableGrp1 of the view with one Security state, EnableGrp1A of the Non-secure one.
pub(crate) const ENABLE_GROUP1: u32 = 1 << 1;
/// `GICD_CTLR.ARE`.
pub(crate) const AFFINITY_ROUTING: u32 = 1 << 4;
/// `GICD_CTLR.RWP`.
pub(crate) const WRITE_PENDING: u32 = 1 << 31;
/// `GICR_CTLR.RWP`.
const REDISTRIBUTOR_WRITE_PENDING: u32 = 1 << 3;
/// `GICR_WAKER`.
pub(crate) const PROCESSOR_SLEEP: u32 = 1 << 1;
pub(crate) const CHILDREN_ASLEEP: u32 = 1 << 2;
/// `GICR_TYPER.Last`.
pub(crate) const LAST: u64 = 1 << 4;

/// The first PPI, behind the SGIs.
pub(crate) const FIRST_PPI: u32 = 16;
/// INTID that says that there is none.
pub(crate) const SPURIOUS: u32 = 1023;
/// Priorities that every implementation tells apart: steps of 16.
pub(crate) const STEP: u8 = 0x10;
/// Priority of every interrupt when a case begins.
pub(crate) const MIDDLE: u8 = 0x80;
/// Lets every priority but the lowest pass, whatever the number of bits.
pub(crate) const OPEN: u64 = 0xf0;
/// `ICC_CTLR_EL1.EOImode`.
const EOI_MODE: u64 = 1 << 1;

/// Bytes of a redistributor's two frames.
const REDISTRIBUTOR: u64 = 0x2_0000;
const SGI_FRAME: u64 = 0x1_0000;

static DISTRIBUTOR: AtomicU64 = AtomicU64::new(0);
static REDISTRIBUTORS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static SPI: AtomicU32 = AtomicU32::new(0);
static SGIS: AtomicU32 = AtomicU32::new(0);

/// The affinity fields of `MPIDR_EL1` packed as in `GICR_TYPER`.
fn packed(mpidr: u64) -> u64 {
    (mpidr & 0xff_ffff) | (mpidr >> 32 & 0xff) << 24
}

/// The redistributors of the board, up to the one that says that it is the last.
pub(crate) fn redistributors(board: &Board) -> impl Iterator<Item = Frame> {
    let all = Frame::new(board.redistributors);
    let count = board.redistributors.size / REDISTRIBUTOR;
    let mut last = false;
    (0..count)
        .map(move |k| all.part(k * REDISTRIBUTOR, REDISTRIBUTOR))
        .take_while(move |frame| {
            let go_on = !last;
            last = go_on && frame.read64(TYPER_GICR) & LAST != 0;
            go_on
        })
}

/// Finds the frames; whether all that are needed are there.
pub(crate) fn find(board: &Board) -> bool {
    DISTRIBUTOR.store(board.machine.distributor.start, Ordering::Relaxed);
    let start = board.redistributors.start;
    for (slot, mpidr) in REDISTRIBUTORS.iter().zip(&board.cpus) {
        let own = |frame: Frame| frame.read64(TYPER_GICR) >> 32 == packed(*mpidr);
        let Some(index) = (0_u64..).zip(redistributors(board)).find(|(_, f)| own(*f)) else {
            return false;
        };
        slot.store(start + index.0 * REDISTRIBUTOR, Ordering::Relaxed);
    }
    true
}

/// The distributor.
pub(crate) fn distributor() -> Frame {
    Frame::new(Range {
        start: DISTRIBUTOR.load(Ordering::Relaxed),
        size: 0x1_0000,
    })
}

/// The redistributor of this CPU.
pub(crate) fn redistributor() -> Frame {
    let own = usize::try_from(r::cpu())
        .ok()
        .and_then(|cpu| REDISTRIBUTORS.get(cpu));
    Frame::new(Range {
        start: own.map_or(0, |start| start.load(Ordering::Relaxed)),
        size: REDISTRIBUTOR,
    })
}

/// SGIs and PPIs of this CPU.
pub(crate) fn private() -> Frame {
    redistributor().part(SGI_FRAME, 0x1_0000)
}

/// The frame in which an interrupt's bits lie.
pub(crate) fn frame(intid: u32) -> Frame {
    if intid < 32 { private() } else { distributor() }
}

/// The offset of the word of a bit register that has the interrupt's bit.
fn word(register: u64, intid: u32) -> u64 {
    register + u64::from(intid / 32) * 4
}

/// Writes the interrupt's bit to a register in which zeros have no effect.
pub(crate) fn write_bit(register: u64, intid: u32) {
    frame(intid).write32(word(register, intid), 1 << (intid % 32));
    settle(intid);
}

/// The interrupt's bit of a register.
pub(crate) fn bit(register: u64, intid: u32) -> bool {
    frame(intid).read32(word(register, intid)) >> (intid % 32) & 1 != 0
}

/// Waits until a write has taken effect everywhere.
fn settle(intid: u32) {
    let (frame, pending) = if intid < 32 {
        (redistributor(), REDISTRIBUTOR_WRITE_PENDING)
    } else {
        (distributor(), WRITE_PENDING)
    };
    timer::eventually(|| frame.read32(CTLR) & pending == 0);
}

pub(crate) fn enable(intid: u32) {
    write_bit(ISENABLER, intid);
}

pub(crate) fn disable(intid: u32) {
    write_bit(ICENABLER, intid);
}

pub(crate) fn pend(intid: u32) {
    write_bit(ISPENDR, intid);
}

pub(crate) fn is_pending(intid: u32) -> bool {
    bit(ISPENDR, intid)
}

pub(crate) fn is_active(intid: u32) -> bool {
    bit(ISACTIVER, intid)
}

pub(crate) fn set_priority(intid: u32, priority: u8) {
    frame(intid).write8(IPRIORITYR + u64::from(intid), priority);
}

pub(crate) fn priority(intid: u32) -> u8 {
    frame(intid).read8(IPRIORITYR + u64::from(intid))
}

/// Lets Group 1 through the distributor, or not.
pub(crate) fn forward(on: bool) {
    let group = if on { ENABLE_GROUP1 } else { 0 };
    distributor().write32(CTLR, AFFINITY_ROUTING | group);
    settle(32);
}

/// The SGIs that can be enabled, as bits.
pub(crate) fn sgis() -> u32 {
    SGIS.load(Ordering::Relaxed)
}

/// An SPI that this machine lets its owner enable, and that no device here raises; 0 when there is none.
pub(crate) fn spi() -> u32 {
    SPI.load(Ordering::Relaxed)
}

/// Finds out which interrupts can be enabled.
pub(crate) fn probe() {
    private().write32(ISENABLER, 0xffff);
    SGIS.store(private().read32(ISENABLER) & 0xffff, Ordering::Relaxed);
    let lines = 32 * ((distributor().read32(TYPER_GICD) & 0x1f) + 1);
    // From the end, where `virt` has no device.
    let free = (32..lines.min(1020)).rev().find(|intid| {
        write_bit(ISENABLER, *intid);
        let sticks = bit(ISENABLER, *intid);
        write_bit(ICENABLER, *intid);
        sticks && !is_pending(*intid)
    });
    SPI.store(free.unwrap_or(0), Ordering::Relaxed);
}

/// Brings this CPU's interrupts to the state in which each case begins: all of Group 1, disabled but the SGIs,
/// not pending, not active, of the middle priority; the CPU interface open.
pub(crate) fn prepare() {
    r::mask_interrupts();
    r::write_icc_sre(r::icc_sre() | 7);
    r::write_icc_igrpen1(0);
    let waker = redistributor().read32(WAKER);
    redistributor().write32(WAKER, waker & !PROCESSOR_SLEEP);
    timer::eventually(|| redistributor().read32(WAKER) & CHILDREN_ASLEEP == 0);
    let frame = private();
    frame.write32(ICENABLER, u32::MAX);
    settle(0);
    frame.write32(ICPENDR, u32::MAX);
    frame.write32(ICACTIVER, u32::MAX);
    frame.write32(IGROUPR, u32::MAX);
    for register in 0..8 {
        frame.write32(IPRIORITYR + 4 * register, u32::from_ne_bytes([MIDDLE; 4]));
    }
    frame.write32(ISENABLER, sgis());
    settle(0);
    let spi = spi();
    if spi != 0 && r::cpu() == 0 {
        disable(spi);
        write_bit(ICPENDR, spi);
        write_bit(ICACTIVER, spi);
        let groups = word(IGROUPR, spi);
        distributor().write32(groups, distributor().read32(groups) | 1 << (spi % 32));
        set_priority(spi, MIDDLE);
        route(spi, r::affinity());
    }
    if r::icc_rpr() != 0xff {
        r::write_icc_ap1r0(0);
    }
    r::write_icc_ctlr(r::icc_ctlr() & !EOI_MODE);
    r::write_icc_bpr1(0);
    r::write_icc_pmr(OPEN);
    r::write_icc_igrpen1(1);
}

/// Sends an SPI to one CPU.
pub(crate) fn route(spi: u32, mpidr: u64) {
    distributor().write64(IROUTER + 8 * u64::from(spi), mpidr & 0xff_00ff_ffff);
    settle(spi);
}

/// EOImode: whether the end of interrupt only drops the priority.
pub(crate) fn split_end(on: bool) {
    let mode = if on { EOI_MODE } else { 0 };
    r::write_icc_ctlr(r::icc_ctlr() & !EOI_MODE | mode);
}

fn intid(value: u64) -> u32 {
    u32::try_from(value & 0xff_ffff).unwrap_or(SPURIOUS)
}

/// Acknowledges what can be, if anything.
pub(crate) fn acknowledge() -> u32 {
    let intid = intid(r::icc_iar1());
    r::synchronise();
    intid
}

/// Acknowledges the next interrupt, for which it waits.
pub(crate) fn next() -> u32 {
    let found = core::cell::Cell::new(SPURIOUS);
    timer::eventually(|| {
        found.set(acknowledge());
        found.get() != SPURIOUS
    });
    found.get()
}

/// Whether nothing can be acknowledged as long as is watched; if it can, it was, and is what is given.
pub(crate) fn quiet() -> Result<(), u32> {
    let found = core::cell::Cell::new(SPURIOUS);
    let quiet = timer::never(|| {
        found.set(acknowledge());
        found.get() != SPURIOUS
    });
    if quiet { Ok(()) } else { Err(found.get()) }
}

pub(crate) fn highest_pending() -> u32 {
    intid(r::icc_hppir1())
}

pub(crate) fn end(intid: u32) {
    r::write_icc_eoir1(u64::from(intid));
}

pub(crate) fn deactivate(intid: u32) {
    r::write_icc_dir(u64::from(intid));
}

/// The fields of `ICC_SGI1R_EL1` that name the CPU with this affinity.
pub(crate) fn target(mpidr: u64) -> u64 {
    let (aff0, aff1) = (mpidr & 0xff, mpidr >> 8 & 0xff);
    let (aff2, aff3) = (mpidr >> 16 & 0xff, mpidr >> 32 & 0xff);
    aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | aff1 << 16 | 1 << (aff0 & 15)
}

/// Sends an SGI to the CPU with this affinity.
pub(crate) fn send(sgi: u32, mpidr: u64) {
    r::write_icc_sgi1r(target(mpidr) | u64::from(sgi) << 24);
}

/// Sends an SGI to this CPU.
pub(crate) fn send_self(sgi: u32) {
    send(sgi, r::affinity());
}

/// Sends an SGI to all CPUs but this one.
pub(crate) fn send_others(sgi: u32) {
    r::write_icc_sgi1r(1 << 40 | u64::from(sgi) << 24);
}
