// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a partition as one word that its cores change by compare-and-swap.
//!
//! ```text
//! Off ── start ──> Loading ── entered ──> Running ── reset, off, error ──> Stopping(then)
//!  ^                  ^                                                        │ every vCPU has stopped and
//!  │                  │                                                        │ its memory was withdrawn
//!  ├──────────────────┼──────────── then = Off ────────────────────────────────┤
//!  │                  ├──────────── then = Reload ─────────────────────────────┤
//!  │                  └──────────── then = Safe: its payload gives the safe output
//!  └ (start)                        then = Fail ──> Failed <───────────────────┘
//! ```
//! Every change is [`Lifecycle::after`] on the word that was read, then a compare-and-swap; on failure both are
//! repeated with the word that is there now. A core that sees [`Lifecycle::must_stop`] for its vCPU takes the vCPU off and reports [`Event::Stopped`].
//! Whoever moved the partition to its stop, on whichever core, withdraws its memory and reports [`Event::Withdrawn`];
//! before that it is not loaded again, so that the withdrawal never meets the next life.
//! The core of vCPU 0 that sees [`Phase::Loading`] resets the partition's state (every vCPU but the first off), enters the loader and reports
//! [`Event::Entered`]. The first reason to stop wins, but an order to stay stopped or to be safe overrides a restart.

use crate::bits::{bit, low8, low32};

/// vCPUs that a partition can have.
pub const MAX_VCPUS: u32 = 32;

/// What follows when every vCPU has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Load the partition again.
    Reload,
    /// Leave it off, as it asked.
    Off,
    /// Load it a last time, to give its safe output.
    Safe,
    /// Leave it off, because of an error: its safe state where it has no safe output.
    Fail,
}

/// What a partition's safe state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafeState {
    /// It is stopped, and says nothing.
    Silent,
    /// Its payload is loaded and told to give its safe output.
    Output,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Off.
    Off,
    /// To be loaded by its vCPU 0.
    Loading,
    /// Its loader or its payload runs.
    Running,
    /// Its vCPUs are being stopped.
    Stopping(Then),
    /// Off because of an error.
    Failed,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The system starts the partition.
    Start,
    /// vCPU 0 is about to enter the loader.
    Entered,
    /// The partition asked for a reset.
    ResetRequested,
    /// The partition asked to be switched off.
    OffRequested,
    /// An error whose configured action is to restart the partition.
    Fault,
    /// An error whose configured action is to stop the partition.
    Stop,
    /// An error whose configured action is the partition's safe state.
    SafeState,
    /// The memory of the partition that stops was withdrawn.
    Withdrawn,
    /// A vCPU has stopped and will not run again before [`Event::Entered`].
    Stopped {
        /// Its index in the partition.
        vcpu: u32,
    },
}

/// Phase, vCPUs still to stop, number of vCPUs, and restarts that errors have left.
///
/// Bits 3:0 phase, 4 its memory has yet to be withdrawn, 5 it has a safe output, 6 it gives it, 15:8 vCPU count,
/// 31:16 restarts left, 63:32 a bit for each vCPU that has yet to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifecycle(u64);

const PHASE: u64 = 0xf;
/// [`Phase::Running`] in these bits.
const RUNNING: u64 = 2;
const HELD: u64 = 1 << 4;
const HAS_OUTPUT: u64 = 1 << 5;
const GIVES_OUTPUT: u64 = 1 << 6;
const ONE_RESTART: u64 = 1 << 16;
const RESTARTS: u64 = 0xffff << 16;
const WAITING: u64 = 0xffff_ffff << 32;

impl Lifecycle {
    /// A partition that is off. `vcpu_count` is 1 to [`MAX_VCPUS`], larger counts are cut; a `restart_limit`
    /// above 65 535 means 65 535.
    pub fn new(vcpu_count: u32, restart_limit: u32, safe_state: SafeState) -> Self {
        let count = u64::from(vcpu_count.clamp(1, MAX_VCPUS));
        let restarts = u64::from(restart_limit.min(0xffff));
        let output = match safe_state {
            SafeState::Silent => 0,
            SafeState::Output => HAS_OUTPUT,
        };
        Self(count << 8 | restarts << 16 | output)
    }

    /// The word.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The state in a word that [`Lifecycle::bits`] gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Where the partition stands.
    pub const fn phase(self) -> Phase {
        match self.0 & PHASE {
            0 => Phase::Off,
            1 => Phase::Loading,
            RUNNING => Phase::Running,
            3 => Phase::Stopping(Then::Reload),
            4 => Phase::Stopping(Then::Off),
            5 => Phase::Stopping(Then::Fail),
            6 => Phase::Stopping(Then::Safe),
            _ => Phase::Failed,
        }
    }

    /// Whether its payload is to give the safe output in this life.
    pub const fn gives_safe_output(self) -> bool {
        self.0 & GIVES_OUTPUT != 0
    }

    /// Errors that may still restart the partition.
    pub const fn restarts_left(self) -> u32 {
        low32((self.0 & RESTARTS) >> 16)
    }

    /// Whether vCPU `vcpu` has to stop and has not said yet that it has.
    pub const fn must_stop(self, vcpu: u32) -> bool {
        vcpu < MAX_VCPUS && bit(self.0, vcpu.wrapping_add(32))
    }

    /// The state after an event, or `None` when the event changes nothing.
    ///
    /// Implements: BH-LIFE-001, BH-LIFE-006, BH-LIFE-007.
    pub const fn after(self, event: Event) -> Option<Self> {
        match event {
            Event::Start => match self.phase() {
                Phase::Off => Some(self.with(Phase::Loading)),
                Phase::Loading | Phase::Running | Phase::Stopping(_) | Phase::Failed => None,
            },
            Event::Entered => match self.phase() {
                Phase::Loading => Some(self.with(Phase::Running)),
                Phase::Off | Phase::Running | Phase::Stopping(_) | Phase::Failed => None,
            },
            Event::ResetRequested => self.stopping(Then::Reload),
            Event::OffRequested => self.stopping(Then::Off),
            Event::Fault if self.restarts_left() == 0 || self.gives_safe_output() => {
                self.stopping(self.safe())
            }
            Event::Fault => Self(self.0.wrapping_sub(ONE_RESTART)).stopping(Then::Reload),
            Event::Stop => self.overriding(Then::Fail),
            Event::SafeState if self.gives_safe_output() => None,
            Event::SafeState => self.overriding(self.safe()),
            Event::Withdrawn if self.0 & HELD == 0 => None,
            Event::Withdrawn => Some(Self(self.0 & !HELD).settled()),
            Event::Stopped { vcpu } => self.without(vcpu),
        }
    }

    /// Whether vCPUs may execute; a vCPU that CPU_ON has made pending starts only then.
    pub const fn is_running(self) -> bool {
        self.0 & PHASE == RUNNING
    }

    const fn with(self, phase: Phase) -> Self {
        let code = match phase {
            Phase::Off => 0,
            Phase::Loading => 1,
            Phase::Running => RUNNING,
            Phase::Stopping(Then::Reload) => 3,
            Phase::Stopping(Then::Off) => 4,
            Phase::Stopping(Then::Fail) => 5,
            Phase::Stopping(Then::Safe) => 6,
            Phase::Failed => 7,
        };
        Self(self.0 & !PHASE | code)
    }

    const fn stopping(self, then: Then) -> Option<Self> {
        match self.phase() {
            Phase::Loading | Phase::Running => {}
            Phase::Off | Phase::Stopping(_) | Phase::Failed => return None,
        }
        let unused = MAX_VCPUS.saturating_sub(u32_from(low8(self.0 >> 8)));
        let all = match WAITING.checked_shr(unused) {
            Some(mask) => mask & WAITING,
            None => 0,
        };
        Some(Self(self.0 & !WAITING | all | HELD).with(Phase::Stopping(then)))
    }

    /// As [`Lifecycle::stopping`], and takes the place of a restart that has not come yet.
    const fn overriding(self, then: Then) -> Option<Self> {
        match self.phase() {
            Phase::Stopping(Then::Reload) => Some(self.with(Phase::Stopping(then))),
            Phase::Off
            | Phase::Loading
            | Phase::Running
            | Phase::Stopping(Then::Off | Then::Safe | Then::Fail)
            | Phase::Failed => self.stopping(then),
        }
    }

    /// How the partition gets into its safe state: one that fails while it gives its safe output gets no other.
    const fn safe(self) -> Then {
        if self.0 & HAS_OUTPUT != 0 && !self.gives_safe_output() {
            Then::Safe
        } else {
            Then::Fail
        }
    }

    const fn without(self, vcpu: u32) -> Option<Self> {
        if !self.must_stop(vcpu) {
            return None;
        }
        Some(Self(self.0 & !1u64.rotate_left(vcpu.wrapping_add(32))).settled())
    }

    /// Moves on when nothing is left to wait for.
    const fn settled(self) -> Self {
        let Phase::Stopping(then) = self.phase() else {
            return self;
        };
        if self.0 & (WAITING | HELD) != 0 {
            return self;
        }
        match then {
            Then::Reload => self.with(Phase::Loading),
            Then::Off => self.with(Phase::Off),
            Then::Safe => Self(self.0 | GIVES_OUTPUT).with(Phase::Loading),
            Then::Fail => self.with(Phase::Failed),
        }
    }
}

const fn u32_from(byte: u8) -> u32 {
    u32::from_le_bytes([byte, 0, 0, 0])
}
