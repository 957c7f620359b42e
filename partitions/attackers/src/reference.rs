// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the interrupt controller of a partition with one vCPU answers: one plain structure, without list registers.
//!
//! Written from Arm IHI 0069 and from what a partition is told of its GIC (one Security state, affinity routing, five
//! bits of priority, no LPIs); it shares no code with EL2.

use core::fmt::{Display, Formatter};

/// Timers: their inputs change by themselves, so that pending and active are not known.
const TIMERS: u32 = 1 << 27 | 1 << 30;
/// INTIDs of SGIs, which are edges for ever.
const SGIS: u32 = 0xffff;
/// Bits of a priority that exist.
const PRIORITY: u8 = 0xf8;
const ALL: u64 = u64::MAX;

/// 32 interrupts.
#[derive(Clone, Copy)]
struct Word {
    group: u32,
    enabled: u32,
    pending: u32,
    active: u32,
    edge: u32,
    /// Inputs that are high.
    line: u32,
    priority: [u8; 32],
    /// SPIs that are routed to the vCPU.
    here: u32,
}

/// Which frame is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Distributor,
    Redistributor,
    /// The second frame of the redistributor.
    Private,
}

/// The interrupt controller.
pub(crate) struct Reference {
    control: u32,
    asleep: bool,
    spi_words: u32,
    words: [Word; 32],
}

/// A value, and which of its bits are known.
pub(crate) type Known = (u64, u64);

/// Two bits an interrupt, of which the upper says edge.
fn spread(edges: u32) -> u64 {
    (0..16).fold(0, |sum, n| sum | u64::from(edges >> n & 1) << (2 * n + 1))
}

fn gather(fields: u64) -> u32 {
    (0..16).fold(0, |sum, n| sum | u32::from(fields >> (2 * n + 1) & 1 == 1) << n)
}

/// Lossless: the lower half.
fn low(value: u64) -> u32 {
    value as u32
}

/// The interrupts that something is to be done about: INTID, whether pending, active, its priority.
impl Display for Reference {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        write!(f, "control {}", self.control)?;
        for (word, first) in self.words.iter().zip((0..).step_by(32)) {
            for (priority, n) in word.priority.iter().zip(0..) {
                if word.occupying() >> n & 1 == 1 {
                    let (intid, active) = (first + n, word.active >> n & 1);
                    let waiting = word.waiting() >> n & 1;
                    write!(f, ", {intid}: {waiting} {active} {priority:x}")?;
                }
            }
        }
        Ok(())
    }
}

impl Reference {
    /// After every register was written with zeros, or with ones where ones clear.
    pub(crate) fn new(spi_words: u32) -> Self {
        let word = Word {
            group: 0,
            enabled: 0,
            pending: 0,
            active: 0,
            edge: 0,
            line: 0,
            priority: [0; 32],
            here: u32::MAX,
        };
        let mut words = [word; 32];
        words[0].edge = SGIS;
        Self {
            control: 0,
            asleep: false,
            spi_words,
            words,
        }
    }

    /// The word with INTIDs from 32 × `n`, if the frame has it.
    fn word(&mut self, frame: Frame, n: u32) -> Option<&mut Word> {
        let there = match frame {
            Frame::Distributor => (1..=self.spi_words).contains(&n),
            Frame::Redistributor => false,
            Frame::Private => n == 0,
        };
        self.words.get_mut(usize::try_from(n).ok()?).filter(|_| there)
    }

    /// A load, or a store of `stored`, of `1 << width` bytes; gives what a load returns.
    pub(crate) fn access(&mut self, frame: Frame, offset: u32, width: u32, stored: Option<u64>) -> Known {
        let nothing = (0, ALL);
        let first = offset & 0x3ff;
        match (frame, offset, width) {
            (Frame::Distributor, 0, 2) => {
                if let Some(value) = stored {
                    self.control = low(value) & 3;
                }
                (u64::from(self.control | 0x50), ALL)
            }
            (Frame::Distributor, 4, 2) => (u64::from(self.spi_words) | 9 << 19 | 1 << 25, ALL),
            (Frame::Distributor | Frame::Redistributor, 0xffe8, 2) => (0x30, ALL),
            // The only redistributor is that of affinity 0, and the last.
            (Frame::Redistributor, 8, 2 | 3) => (1 << 4, ALL),
            (Frame::Redistributor, 0x14, 2) => {
                if let Some(value) = stored {
                    self.asleep = value & 2 != 0;
                }
                (if self.asleep { 6 } else { 0 }, ALL)
            }
            (Frame::Redistributor, ..) => nothing,
            (_, 0x80..0x400, 2) => {
                let n = offset >> 2 & 31;
                let Some(word) = self.word(frame, n) else {
                    return nothing;
                };
                let known = if n == 0 && offset >= 0x200 {
                    !TIMERS
                } else {
                    u32::MAX
                };
                let value = word.bits(offset >> 7, stored.map(low));
                (u64::from(value), u64::from(known))
            }
            (_, 0x400..0x7fc, 0 | 2) => {
                let Some(word) = self.word(frame, first >> 5) else {
                    return nothing;
                };
                let bytes = word
                    .priority
                    .iter_mut()
                    .skip((first & 31) as usize)
                    .take(1 << width);
                let value = stored.unwrap_or(0).to_le_bytes();
                let value = bytes.zip(value).zip(0..).fold(0, |sum, ((byte, new), n)| {
                    if stored.is_some() {
                        *byte = new & PRIORITY;
                    }
                    sum | u64::from(*byte) << (8 * n)
                });
                (value, ALL)
            }
            (_, 0xc00..0xd00, 2) => {
                let (n, shift) = ((offset & 0xff) >> 3, offset << 2 & 16);
                let Some(word) = self.word(frame, n) else {
                    return nothing;
                };
                if let Some(value) = stored.filter(|_| n > 0 || shift > 0) {
                    word.edge = word.edge & !(0xffff << shift) | gather(value) << shift;
                }
                (spread(word.edge >> shift), ALL)
            }
            (Frame::Distributor, 0x6100..0x7fe0, 2 | 3) => {
                let intid = (offset & 0x1fff) >> 3;
                let Some(word) = self.word(frame, intid >> 5) else {
                    return nothing;
                };
                let bit = 1 << (intid & 31);
                if offset & 4 != 0 {
                    return nothing;
                }
                if let Some(value) = stored {
                    let here = if low(value) & 0xff_ffff == 0 { bit } else { 0 };
                    word.here = word.here & !bit | here;
                }
                (if word.here & bit == 0 { 0xff } else { 0 }, ALL)
            }
            _ => nothing,
        }
    }

    /// An SGI by `ICC_SGI1R_EL1`: to this vCPU or to nobody.
    pub(crate) fn send(&mut self, value: u64) {
        let foreign = 0xff << 48 | 1 << 40 | 0xf << 44 | 0xff << 32 | 0xff << 16;
        if value & foreign == 0 && value & 1 == 1 {
            let bit = 1 << (value >> 24 & 15);
            self.words[0].pending |= bit & self.words[0].group;
        }
    }

    /// The input of an SPI is high or low; one that is edge-triggered becomes pending when it rises.
    pub(crate) fn set_line(&mut self, intid: u32, high: bool) {
        let bit = 1 << (intid & 31);
        if let Some(word) = self.words.get_mut((intid >> 5) as usize) {
            let line = if high { word.line | bit } else { word.line & !bit };
            word.pending |= line & !word.line & word.edge;
            word.line = line;
        }
    }

    /// Priority of an interrupt that may be signalled.
    fn signalled(&self, intid: u32) -> Option<u8> {
        let n = intid >> 5;
        let word = self
            .words
            .get(usize::try_from(n).ok()?)
            .filter(|_| n <= self.spi_words)?;
        let timers = if n == 0 { TIMERS } else { 0 };
        let waiting = (word.waiting() & !word.active | timers) & word.enabled & word.group & word.here;
        let priority = *word.priority.get((intid & 31) as usize)?;
        let may = waiting >> (intid & 31) & 1 == 1 && priority < PRIORITY && self.control & 2 != 0;
        may.then_some(priority)
    }

    /// What was acknowledged and ended; false: it could not be.
    pub(crate) fn acknowledged(&mut self, intid: u64) -> bool {
        let certain = |intid: u32| intid != 27 && intid != 30;
        let all = 0..32 * (self.spi_words + 1);
        let Some(intid) = u32::try_from(intid).ok().filter(|intid| *intid != 1023) else {
            return all.filter(|n| certain(*n)).all(|n| self.signalled(n).is_none());
        };
        let Some(priority) = self.signalled(intid) else {
            return false;
        };
        let mut urgent = all.filter(|n| certain(*n) && self.signalled(*n).is_some_and(|p| p < priority));
        if urgent.next().is_some() {
            return false;
        }
        if let Some(word) = self.words.get_mut((intid >> 5) as usize) {
            word.pending &= !(1 << (intid & 31));
        }
        true
    }
}

impl Word {
    /// Pending: made so, or by an input that is high of one that is level-sensitive.
    fn waiting(&self) -> u32 {
        self.pending | self.line & !self.edge
    }

    /// What list registers are needed for.
    fn occupying(&self) -> u32 {
        self.active | self.waiting() & self.enabled & self.group & self.here
    }

    /// A register with a bit an interrupt; `kind` is its block of 128 bytes.
    fn bits(&mut self, kind: u32, stored: Option<u32>) -> u32 {
        let written = stored.unwrap_or(0);
        match kind {
            1 => self.group = stored.unwrap_or(self.group),
            2 => self.enabled |= written,
            3 => self.enabled &= !written,
            4 => self.pending |= written,
            5 => self.pending &= !written,
            6 => self.active |= written,
            _ => self.active &= !written,
        }
        match kind {
            1 => self.group,
            2 | 3 => self.enabled,
            4 | 5 => self.waiting(),
            _ => self.active,
        }
    }
}
