// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The trace: what each core's EL2 did last, which the host reads from memory while the system runs.
//!
//! Each core's statistics block ends with a ring of [`EVENTS`] [`Event`]s at [`RING_OFFSET`], written by that
//! core only. [`CoreStats::traced`](crate::stats::CoreStats::traced) counts the events ever written; event *n*
//! lies at *n* mod [`EVENTS`]. A core writes an event, then the count (release); nobody ever waits, and the
//! oldest event is overwritten. A reader takes the count, the ring, and the count again: of the events that it
//! has not seen, those older than the second count - [`EVENTS`] + 1 are lost, the others up to the first are whole.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Events in a ring, a power of two.
pub const EVENTS: usize = 512;
/// Offset of the ring in a core's statistics block.
pub const RING_OFFSET: usize = 0x2000;
/// Bytes of a ring.
pub const RING_SIZE: usize = EVENTS * size_of::<Event>();

/// In [`Event::vcpu`] and [`Event::next`]: no vCPU.
pub const NO_VCPU: u8 = 0xff;
/// In [`Event::vcpu`] of [`Kind::Slot`]: EL2's own slot.
pub const SYSTEM: u8 = 0xfe;

/// In [`Event::class`] of [`Kind::Path`]: an IRQ; smaller values are `ESR_EL2.EC`.
pub const CLASS_IRQ: u8 = 64;
/// Likewise: an FIQ.
pub const CLASS_FIQ: u8 = 65;
/// Likewise: an SError.
pub const CLASS_SERROR: u8 = 66;
/// Likewise: the end of EL2's own sleep.
pub const CLASS_WAKE: u8 = 67;
/// Likewise: the core's start.
pub const CLASS_START: u8 = 68;

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A path through EL2 from `time`, `value` ticks long: why it began is `class`; from vCPU `vcpu`, on to vCPU
    /// `next`, or to sleep. Times are those of the ledger: without saving and loading registers.
    Path,
    /// Interrupt `detail` was made pending in a list register of `vcpu`.
    Inject,
    /// A slot begins, `value` ticks late: that of `vcpu`, of EL2 itself, or of nobody. `detail` is its index in the
    /// slot table.
    Slot,
    /// vCPU `vcpu` waits for lock `detail`.
    LockWait,
    /// vCPU `vcpu` took lock `detail` after it had waited.
    LockTake,
    /// vCPU `vcpu` released lock `detail` to a waiter, or lost it (`value` 1: its hold was over; 2: it stopped).
    LockRelease,
    /// vCPU `vcpu` begins (`value` 1) or ends (0) to run ahead of the slot table because of lock `detail`.
    Boost,
    /// An error of vCPU `vcpu`: `class` (`ESR_EL2.EC`, or an error of the health monitor from 64 on) is the upper
    /// byte of `detail`, the action taken its lower byte; `value` is bits 43:12 of the address.
    Fault,
    /// The core of vCPU `vcpu`, number `detail`, was called.
    Kick,
    /// The partition of vCPU `vcpu` starts, for the `value`-th time from 0.
    Restart,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Path,
        Self::Inject,
        Self::Slot,
        Self::LockWait,
        Self::LockTake,
        Self::LockRelease,
        Self::Boost,
        Self::Fault,
        Self::Kick,
        Self::Restart,
    ];

    /// Its number, from 1.
    pub const fn number(self) -> u8 {
        match self {
            Self::Path => 1,
            Self::Inject => 2,
            Self::Slot => 3,
            Self::LockWait => 4,
            Self::LockTake => 5,
            Self::LockRelease => 6,
            Self::Boost => 7,
            Self::Fault => 8,
            Self::Kick => 9,
            Self::Restart => 10,
        }
    }
}

/// One event.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Counter value at which it happened, or at which a path began.
    pub time: u64,
    /// Bits 7:0 kind, 15:8 vCPU (global index), 31:16 detail, 63:32 value.
    pub word: u64,
}
const _: () = assert!(size_of::<Event>() == 16 && EVENTS.is_power_of_two());

impl Event {
    /// An event. For [`Kind::Path`], `detail` is `next` × 256 + `class`.
    #[inline]
    pub const fn new(time: u64, kind: Kind, vcpu: u8, detail: u16, value: u32) -> Self {
        let [d0, d1] = detail.to_le_bytes();
        let [v0, v1, v2, v3] = value.to_le_bytes();
        Self {
            time,
            word: u64::from_le_bytes([kind.number(), vcpu, d0, d1, v0, v1, v2, v3]),
        }
    }

    /// Its kind; none that a later version has added.
    pub fn kind(&self) -> Option<Kind> {
        let [number, ..] = self.word.to_le_bytes();
        Kind::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The vCPU that it concerns, or [`NO_VCPU`].
    pub const fn vcpu(&self) -> u8 {
        let [_, vcpu, ..] = self.word.to_le_bytes();
        vcpu
    }

    /// Depends on the kind.
    pub const fn detail(&self) -> u16 {
        let [_, _, low, high, ..] = self.word.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Of a path: why it began.
    pub const fn class(&self) -> u8 {
        let [class, _] = self.detail().to_le_bytes();
        class
    }

    /// Of a path: the vCPU that goes on, or [`NO_VCPU`] when the core sleeps.
    pub const fn next(&self) -> u8 {
        let [_, next] = self.detail().to_le_bytes();
        next
    }

    /// Depends on the kind.
    pub const fn value(&self) -> u32 {
        let [.., a, b, c, d] = self.word.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}
