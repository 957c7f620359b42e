// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What runs next on a core: found at the end of each path through EL2, slept for while nothing can run.

use core::sync::atomic::Ordering;

use bulkhead_abi::trace::{CLASS_WAKE, NO_VCPU};
use bulkhead_arch::barrier::wait_for_interrupt;
use bulkhead_arch::context::VcpuContext;
use bulkhead_types::tables::core_mode;

use crate::core_state::{PerCore, Readiness};
use crate::errors::Errors;
use crate::locks::Turn;
use crate::path::Path;
use crate::stats::Account;
use crate::{core_field, gic_cpu};

impl PerCore {
    /// Finds what runs next, sleeping while nothing can, and ends the EL2 entry.
    #[inline]
    pub fn resume(&mut self) -> &VcpuContext {
        let next = match self.unchanged() {
            Some(next) => next,
            None => self.find(),
        };
        self.leave(next)
    }

    /// Ends a trap's path. What other cores put into the vCPU's model meanwhile waits for a path of its own: this core
    /// calls itself, so that what the guest asked for costs the same whatever they do.
    #[inline]
    pub fn resume_trap(&mut self) -> &VcpuContext {
        let next = match self.goes_on() {
            Some(next) if self.put_off(next) => next,
            Some(_) | None => self.find(),
        };
        self.leave(next)
    }

    /// Whether nothing is new for the vCPU that goes on, or this core was called for it.
    #[inline]
    fn put_off(&self, local: usize) -> bool {
        if !self.is_refreshed(local) {
            return true;
        }
        match self.running.as_ref() {
            Some(running) if running.core.mode == core_mode::SLICED => {
                gic_cpu::kick(&running.distributor, running.core);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether other cores put something into the model of a vCPU that it has not been shown.
    #[inline]
    fn is_refreshed(&self, local: usize) -> bool {
        let vcpu = self.vcpus.get(local).and_then(Option::as_ref);
        vcpu.is_some_and(|v| v.shared.refresh.load(Ordering::SeqCst) & v.bit() != 0)
    }

    /// Finds what runs next, when something asks for more; apart, so that it costs nothing when nothing does.
    ///
    /// The loop ends at the next interrupt that makes a vCPU ready; a sliced core has one at every slot begin.
    #[inline(never)]
    fn find(&mut self) -> usize {
        loop {
            if let Some(next) = self.pick() {
                return next;
            }
            self.sleep();
            if let Some(next) = self.unchanged() {
                return next;
            }
        }
    }

    /// Index of the vCPU that goes on because nothing asks for more: what [`Self::pick`] would find by changing
    /// nothing.
    pub fn unchanged(&self) -> Option<usize> {
        self.goes_on().filter(|local| !self.is_refreshed(*local))
    }

    /// Index of the vCPU that goes on, but for what other cores may have put into its model.
    #[inline]
    fn goes_on(&self) -> Option<usize> {
        let running = self.running.as_ref()?;
        let owner = running.owner?;
        let vcpu = self.vcpus.get(owner)?.as_ref()?;
        let goes_on = running.loaded == Some(owner)
            && vcpu.readiness == Readiness::Ready
            && !running.is_out_of_budget()
            && crate::lifecycle::life(vcpu.shared).is_running()
            && self.locks_quiet();
        goes_on.then_some(owner)
    }

    /// Index of the vCPU to run now, loaded and refreshed.
    fn pick(&mut self) -> Option<usize> {
        if self.take_turn() == Turn::PutOff {
            return None;
        }
        let owner = self.running.as_ref()?.owner?;
        self.follow_life(owner);
        if self.running.as_ref()?.is_out_of_budget() {
            return None;
        }
        let vcpu = self.vcpus.get(owner)?.as_ref()?;
        match vcpu.readiness {
            Readiness::Ready => {
                self.make_loaded(owner);
                self.refresh(owner);
                Some(owner)
            }
            Readiness::Waiting => {
                self.make_loaded(owner);
                self.refresh(owner);
                (self.lock_woken(owner) || self.wakes(owner)).then_some(owner)
            }
            Readiness::Off => None,
        }
    }

    /// Sleeps until an interrupt, and takes it. An error that is pending is settled instead: the caller looks at
    /// the partition's life before it sleeps.
    pub fn sleep(&mut self) {
        if self.settle_errors() == Errors::Blamed {
            return;
        }
        if let Some(running) = self.running.as_mut() {
            let slept = running.ledger.charge(Account::El2);
            running.path_ends(slept, NO_VCPU);
            gic_cpu::suspend(running.core);
            let owner = running
                .owner
                .and_then(|o| self.vcpus.get(o))
                .and_then(Option::as_ref);
            let woke = running.ledger.charge(Account::Idle(owner.map(|v| v.stats)));
            if running.is_out_of_budget() {
                running
                    .stats
                    .add64(core_field!(budget_ticks), woke.saturating_sub(slept));
                let loaded = running.loaded.and_then(|local| self.vcpus.get_mut(local));
                if let Some(Some(vcpu)) = loaded
                    && vcpu.readiness == Readiness::Ready
                {
                    vcpu.stolen.leaves(slept);
                    vcpu.returns(woke);
                }
            }
            running.path = Path {
                begin: woke,
                from: NO_VCPU,
                class: CLASS_WAKE,
            };
        } else {
            wait_for_interrupt();
        }
        self.take_interrupts();
    }

    /// Takes what is pending for EL2: its own interrupts first, then the guest's.
    fn take_interrupts(&mut self) {
        self.take_group0();
        let sliced = self
            .running
            .as_ref()
            .is_some_and(|r| r.core.mode == core_mode::SLICED);
        if sliced {
            self.take_group1(0);
        }
    }

    /// Takes EL2's own interrupts, at most one of each kind.
    #[inline]
    pub fn take_group0(&mut self) {
        for _ in 0..3 {
            let Some(intid) = gic_cpu::acknowledge0() else {
                return;
            };
            self.on_group0(intid);
            gic_cpu::end0(intid);
        }
    }

    /// An interrupt of EL2 itself.
    #[inline(never)]
    fn on_group0(&mut self, intid: u32) {
        // A kick only makes the core look: `pick` sees life, power and refresh requests.
        if intid == gic_cpu::EL2_TIMER_PPI {
            self.on_slot_timer();
        } else if self.is_budget_interrupt(intid) {
            self.on_budget_spent();
        } else {
            self.decide_again();
        }
    }
}
