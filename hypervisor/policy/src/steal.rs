// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stolen time: for how long a vCPU could have executed and did not.
//!
//! A vCPU that leaves its core in the middle of its work can execute from then on; one that waits for an interrupt,
//! from the time at which a timer of its own is due. Other interrupts of a vCPU that is off its core are pending bits
//! whose time nobody knows: what it waits after them is not counted. Times are counter ticks.
//! Implements: BH-STEAL-001.

/// A timer of a vCPU as it leaves its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// `CNTV_CTL_EL0` or `CNTP_CTL_EL0`.
    pub control: u64,
    /// Counter value at which it is due.
    pub due: u64,
    /// Whether its interrupt is enabled at the vCPU's interrupt controller.
    pub enabled: bool,
}

impl Timer {
    /// When it ends a wait; `u64::MAX` when it never does.
    #[inline]
    const fn wakes_at(self) -> u64 {
        /// `ENABLE` of the control register.
        const ENABLE: u64 = 1;
        /// `IMASK`.
        const IMASK: u64 = 2;
        if self.enabled && self.control & (ENABLE | IMASK) == ENABLE {
            self.due
        } else {
            u64::MAX
        }
    }
}

/// When a vCPU that waits from `now` on could go on, as far as its timers say.
#[inline]
pub fn woken_at(now: u64, timers: [Timer; 2]) -> u64 {
    let [a, b] = timers.map(Timer::wakes_at);
    a.min(b).max(now)
}

/// The stolen time of one vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stolen {
    /// Since when it could execute; `u64::MAX` while it executes, or cannot.
    from: u64,
    /// Ticks since its partition was started.
    ticks: u64,
    /// Nanoseconds in a tick, 32 bits after the binary point.
    scale: u64,
}

impl Stolen {
    /// Nothing is stolen of a vCPU that was not started. `frequency` is the counter's in Hz.
    pub fn new(frequency: u64) -> Self {
        let scale = (1_000_000_000u128 << 32).checked_div(frequency.into());
        Self {
            from: u64::MAX,
            ticks: 0,
            scale: scale.and_then(|s| u64::try_from(s).ok()).unwrap_or(0),
        }
    }

    /// The vCPU executes no more; it could from counter value `from` on, never if that is `u64::MAX`.
    #[inline]
    pub const fn leaves(&mut self, from: u64) {
        self.from = from;
    }

    /// The vCPU executes again; gives the ticks for which it could have.
    #[inline]
    pub const fn returns(&mut self, now: u64) -> u64 {
        let lost = now.saturating_sub(self.from);
        self.from = u64::MAX;
        self.ticks = self.ticks.wrapping_add(lost);
        lost
    }

    /// Its partition stopped: the next start begins at nothing.
    pub const fn reset(&mut self) {
        self.from = u64::MAX;
        self.ticks = 0;
    }

    /// All of it in ns, rounded down.
    ///
    /// # Timing
    /// One multiplication.
    #[inline]
    pub fn nanoseconds(&self) -> u64 {
        let scaled = u128::from(self.ticks).wrapping_mul(self.scale.into()) >> 32;
        u64::try_from(scaled & u128::from(u64::MAX)).unwrap_or(u64::MAX)
    }
}
