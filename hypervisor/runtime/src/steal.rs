// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stolen time of a sliced core's vCPUs (Arm DEN0057A): counted when one leaves the core and when it returns, shown to
//! its guest before it executes. Implements: BH-STEAL-001, BH-STEAL-002.

use core::mem::offset_of;

use bulkhead_abi::steal::{SIZE, StolenTime};
use bulkhead_policy::steal::{Timer, woken_at};
use bulkhead_types::load::STOLEN_TIME_IPA;

use crate::core_state::{LocalVcpu, Readiness};
use crate::vcpu_field;

/// Bits of the timers' PPIs.
const VIRTUAL_TIMER: u32 = 1 << 27;
const PHYSICAL_TIMER: u32 = 1 << 30;

impl LocalVcpu {
    /// It left its core at `now`, its registers are saved; `ppis` are the PPIs that are enabled.
    #[inline]
    pub fn leaves(&mut self, now: u64, ppis: u32) {
        let from = match self.readiness {
            Readiness::Ready => now,
            Readiness::Waiting => self.due(now, ppis),
            Readiness::Off => u64::MAX,
        };
        self.stolen.leaves(from);
    }

    /// The counter value, not before `now`, at which its saved timers would wake it; `u64::MAX` is never.
    #[inline]
    pub fn due(&self, now: u64, ppis: u32) -> u64 {
        let state = &self.context.el1;
        woken_at(
            now,
            [
                Timer {
                    control: state.cntv_ctl,
                    due: state.cntv_cval.wrapping_add(self.entry.cntvoff),
                    enabled: ppis & VIRTUAL_TIMER != 0,
                },
                Timer {
                    control: state.cntp_ctl,
                    due: state.cntp_cval,
                    enabled: ppis & PHYSICAL_TIMER != 0,
                },
            ],
        )
    }

    /// It goes on at `now`.
    #[inline]
    pub fn returns(&mut self, now: u64) {
        let lost = self.stolen.returns(now);
        self.stats.add64(vcpu_field!(stolen_ticks), lost);
        self.stolen_time
            .write64(offset_of!(StolenTime, stolen), self.stolen.nanoseconds());
    }

    /// IPA of its stolen time, when it has one.
    pub fn stolen_time_ipa(&self) -> Option<i64> {
        let offset = u64::from(self.entry.index).wrapping_mul(SIZE);
        let ipa = i64::try_from(STOLEN_TIME_IPA.wrapping_add(offset));
        ipa.ok().filter(|_| self.entry.stolen_time != 0)
    }
}
