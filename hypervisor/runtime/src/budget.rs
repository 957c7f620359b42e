// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The budget of memory traffic of a sliced core. Implements: BH-BW-002.

use bulkhead_arch::budget;

use crate::core_field;
use crate::core_state::{PerCore, Running};

impl Running {
    /// Lets the core begin with a whole budget.
    pub fn start_budget(&mut self) {
        if let Some(regulator) = &self.regulator {
            budget::start(self.core.budget_event, self.core.budget_kept);
            budget::renew(regulator.budget(), self.core.budget_kept);
        }
    }

    /// Gives the core its budget again when a period has begun by `now`, ticks since the epoch.
    pub fn renew_budget(&mut self, now: u64) {
        if let (Some(regulator), Some(position)) = (self.regulator.as_mut(), self.position.as_ref())
            && regulator.renew(position, now)
        {
            budget::renew(regulator.budget(), self.core.budget_kept);
        }
    }

    /// Whether the core has spent its budget and stands still.
    pub fn is_out_of_budget(&self) -> bool {
        self.regulator.is_some_and(|r| r.spent())
    }
}

impl PerCore {
    /// Whether an interrupt tells that the core's budget is spent.
    pub fn is_budget_interrupt(&self, intid: u32) -> bool {
        let core = self.running.as_ref().map(|r| r.core);
        core.is_some_and(|c| c.budget != 0 && c.budget_intid == intid)
    }

    /// The performance counter overflowed.
    pub fn on_budget_spent(&mut self) {
        let Some(running) = self.running.as_mut() else {
            return;
        };
        budget::settle();
        if let Some(regulator) = running.regulator.as_mut() {
            regulator.exhaust();
            running.stats.add64(core_field!(budget_spent), 1);
        }
    }
}
