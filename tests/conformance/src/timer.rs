// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two timers of EL1, and waiting by the counter.
//!
//! # References
//! Arm DDI 0487, "The Generic Timer in AArch64 state".
#![forbid(unsafe_code)]

use crate::board::Board;
use crate::edge::registers as r;

/// `CNTx_CTL_EL0`.
pub(crate) const ENABLE: u64 = 1;
pub(crate) const IMASK: u64 = 1 << 1;
pub(crate) const ISTATUS: u64 = 1 << 2;

/// A timer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    Virtual,
    Physical,
}

impl Timer {
    pub(crate) fn intid(self, board: &Board) -> u32 {
        match self {
            Self::Virtual => board.virtual_timer,
            Self::Physical => board.physical_timer,
        }
    }

    /// Its counter.
    pub(crate) fn count(self) -> u64 {
        match self {
            Self::Virtual => r::cntvct(),
            Self::Physical => r::cntpct(),
        }
    }

    pub(crate) fn control(self) -> u64 {
        match self {
            Self::Virtual => r::cntv_ctl(),
            Self::Physical => r::cntp_ctl(),
        }
    }

    pub(crate) fn set_control(self, value: u64) {
        match self {
            Self::Virtual => r::write_cntv_ctl(value),
            Self::Physical => r::write_cntp_ctl(value),
        }
    }

    pub(crate) fn compare(self) -> u64 {
        match self {
            Self::Virtual => r::cntv_cval(),
            Self::Physical => r::cntp_cval(),
        }
    }

    pub(crate) fn set_compare(self, value: u64) {
        match self {
            Self::Virtual => r::write_cntv_cval(value),
            Self::Physical => r::write_cntp_cval(value),
        }
    }

    pub(crate) fn value(self) -> u64 {
        match self {
            Self::Virtual => r::cntv_tval(),
            Self::Physical => r::cntp_tval(),
        }
    }

    pub(crate) fn set_value(self, value: u64) {
        match self {
            Self::Virtual => r::write_cntv_tval(value),
            Self::Physical => r::write_cntp_tval(value),
        }
    }

    /// Sets it to fire at `compare`.
    pub(crate) fn fire_at(self, compare: u64) {
        self.set_control(0);
        self.set_compare(compare);
        self.set_control(ENABLE);
    }

    pub(crate) fn stop(self) {
        self.set_control(0);
    }

    pub(crate) fn condition(self) -> bool {
        self.control() & ISTATUS != 0
    }
}

/// Ticks of `us` microseconds.
pub(crate) fn ticks(us: u64) -> u64 {
    us.saturating_mul(r::cntfrq()) / 1_000_000
}

/// What must happen is waited for this long, µs: a core that is shared is away for most of each frame.
const PATIENCE: u64 = 5_000_000;
/// What must not happen is watched for this long, µs.
const WATCH: u64 = 500;

fn wait(us: u64, condition: impl Fn() -> bool) -> bool {
    let start = r::cntvct();
    let limit = ticks(us);
    loop {
        if condition() {
            return true;
        }
        if r::cntvct().wrapping_sub(start) > limit {
            return condition();
        }
    }
}

/// Whether `condition` comes true in time.
pub(crate) fn eventually(condition: impl Fn() -> bool) -> bool {
    wait(PATIENCE, condition)
}

/// Whether `condition` stays false as long as is watched.
pub(crate) fn never(condition: impl Fn() -> bool) -> bool {
    !wait(WATCH, condition)
}

/// Lets so many microseconds pass.
pub(crate) fn pause(us: u64) {
    wait(us, || false);
}
