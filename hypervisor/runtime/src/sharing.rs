// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slots that several vCPUs share (design decision D5): fixed priority, budgets, slack.
//!
//! `bulkhead_policy::sharing` keeps the accounts; here its order becomes vCPUs on the core. `choose` goes through the
//! claims from the most urgent on and stops at the first that can run; where none can, the last one waits on the core.
//! Those before it are *watched*: their SPIs stay enabled, EL2's timer stands in for theirs, and other cores call this one
//! for them. Those after it, and those without budget, are not: what concerns them stays pending and costs the others
//! nothing. Implements: BH-SCHED-023.

use bulkhead_abi::health::Error;
use bulkhead_abi::stats::MAX_VCPUS_PER_CORE;
use bulkhead_abi::trace::Kind;
use bulkhead_arch::barrier::{counter, isb};
use bulkhead_arch::registers;
use bulkhead_policy::lifecycle::Phase;
use bulkhead_policy::schedule::{Position, ticks};
use bulkhead_policy::sharing::{Claim, Sharing};
use bulkhead_policy::vgic::VcpuSet;
use bulkhead_types::system::System;
use bulkhead_types::tables::{Core, MAX_SHARES, share_kind};

use crate::core_state::{LocalVcpu, PerCore, Readiness, Running};
use crate::gic::{GUEST_PPIS, notify};
use crate::gic_cpu;
use crate::health::{self, Blame, Event};
use crate::lifecycle::life;
use crate::physical::{owns, set_spis};
use crate::shared::{SHARED, set_running};
use crate::{vcpu_field, view};

/// A shared slot at work.
pub struct SlotShares {
    accounts: Sharing,
    /// Bit *n*: the slot was granted to vCPU *n* of the core.
    granted: u32,
    /// Bit *n*: vCPU *n* of the core is watched.
    watched: u32,
    /// Bit *n*: other cores call this one for vCPU *n*.
    called: u32,
    /// Physical SPIs of each vCPU in this slot.
    interrupts: [u32; MAX_VCPUS_PER_CORE],
    /// The vCPU whose partition the next path loads.
    starting: Option<usize>,
}

impl SlotShares {
    /// Counts an SPI of a vCPU's partition; gives the sum in this slot.
    pub fn count_interrupt(&mut self, local: usize) -> u32 {
        self.interrupts.get_mut(local).map_or(0, |count| {
            *count = count.wrapping_add(1);
            *count
        })
    }
}

/// What [`PerCore::choose`] found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// The vCPU of `Running::slot` can run.
    Runs,
    /// None can; that of `Running::slot` waits on the core, if there is one.
    Rests,
    /// That of `Running::slot` is to be started, or was: its start, and its way onto the core, are paths of their own.
    Starts,
}

/// The bit of a vCPU in sets of a core's.
pub fn bit(local: usize) -> u32 {
    u32::try_from(local)
        .ok()
        .and_then(|n| 1u32.checked_shl(n))
        .unwrap_or(0)
}

/// Whether a core in whose word of [`crate::shared::RUNNING`] stands `runs` wants to be called for vCPU `global`.
pub fn calls(system: &System<'_>, core: &Core, runs: u32, global: u32) -> bool {
    let place = system.vcpus_of(core).iter().position(|v| v.vcpu == global);
    runs & SHARED != 0 && runs != u32::MAX && place.is_some_and(|place| runs & bit(place) != 0)
}

impl Running {
    /// Counts a budget that ended.
    fn ended(&self, vcpus: &[Option<LocalVcpu>], who: Option<usize>) {
        if let Some(Some(vcpu)) = who.and_then(|who| vcpus.get(who)) {
            vcpu.stats.add64(vcpu_field!(budgets_used_up), 1);
        }
    }
}

impl PerCore {
    /// Opens the accounts of the slot that begins, after what every slot's begin does.
    #[inline(never)]
    pub fn begin_sharing(&mut self, position: &Position) {
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let slots = running.system.slots_of(running.core);
        let Some(slot) = slots.get(position.index()) else {
            return;
        };
        let frequency = view::handoff().frequency;
        // Its own vCPU has it already.
        let mut granted = running.slot.map_or(0, bit);
        let mut claims = [None; MAX_SHARES];
        for (claim, share) in claims.iter_mut().zip(slot.shares()) {
            let vcpu = self.vcpus.iter_mut().enumerate();
            let vcpu = vcpu.filter_map(|(who, v)| Some((who, v.as_mut()?)));
            let mut here = vcpu.filter(|(_, v)| v.global == share.vcpu);
            let Some((who, vcpu)) = here.next() else { continue };
            let slack = share.kind == share_kind::SLACK;
            if !slack && granted & bit(who) == 0 {
                granted |= bit(who);
                vcpu.used = false;
                vcpu.stats.add64(vcpu_field!(slots_granted), 1);
            }
            *claim = Some(Claim {
                who,
                left: (!slack).then_some(ticks(share.budget_ns, frequency)),
            });
        }
        running.slot = None;
        running.sharing = Some(SlotShares {
            accounts: Sharing::new(claims, counter()),
            granted,
            watched: 0,
            called: 0,
            interrupts: [0; MAX_VCPUS_PER_CORE],
            starting: None,
        });
        for claim in claims.iter().flatten() {
            self.feed_console(Some(claim.who));
        }
    }

    /// Closes the accounts of the slot that ends, takes the loaded vCPU off the core and masks what was watched.
    #[inline(never)]
    pub fn end_sharing(&mut self) {
        self.unload();
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let Some(mut sharing) = running.sharing.take() else {
            return;
        };
        let ended = sharing.accounts.pay(running.path.begin);
        running.ended(&self.vcpus, ended);
        for (_, vcpu) in self.members(sharing.granted).filter(|(_, vcpu)| vcpu.used) {
            vcpu.stats.add64(vcpu_field!(slots_used), 1);
        }
        self.watch(sharing.watched, 0);
    }

    /// Something happened that may change whose turn it is in a shared slot.
    #[inline]
    pub fn decide_again(&mut self) {
        if let Some(running) = self.running.as_mut()
            && running.sharing.is_some()
        {
            running.slot = None;
        }
    }

    /// Finds whose turn it is by the order of the claims; `Running::slot` names the vCPU.
    pub fn choose(&mut self) -> Chosen {
        let Some(running) = self.running.as_mut() else {
            return Chosen::Rests;
        };
        let entered = running.path.begin;
        let Some(sharing) = running.sharing.as_mut() else {
            return Chosen::Rests;
        };
        let ended = sharing.accounts.pay(entered);
        sharing.called = 0;
        running.ended(&self.vcpus, ended);
        running.slot = None;
        let mut last = None;
        for place in 0..MAX_SHARES {
            let Some(running) = self.running.as_mut() else {
                return Chosen::Rests;
            };
            let Some(sharing) = running.sharing.as_mut() else {
                return Chosen::Rests;
            };
            let Some(who) = sharing.accounts.candidate(place) else {
                continue;
            };
            // Called from here on, then asked: what another core does for it is either seen here or called for.
            sharing.called |= bit(who);
            set_running(running.index, SHARED | sharing.called);
            last = Some(place);
            running.slot = Some(who);
            let begins = sharing.starting != Some(who) && self.is_to_start(who);
            let was_off = self.is_off(who);
            if begins || self.can_run(who) {
                if let Some(running) = self.running.as_mut()
                    && let Some(sharing) = running.sharing.as_mut()
                {
                    sharing.starting = begins.then_some(who);
                    let ended = sharing.accounts.give(place, entered);
                    running.ended(&self.vcpus, ended);
                }
                return if was_off { Chosen::Starts } else { Chosen::Runs };
            }
        }
        if let Some(running) = self.running.as_mut()
            && let Some(sharing) = running.sharing.as_mut()
        {
            let now = counter();
            let ended = match last {
                Some(place) => sharing.accounts.rest(place, now),
                None => sharing.accounts.pause(now),
            };
            running.ended(&self.vcpus, ended);
        }
        Chosen::Rests
    }

    fn is_off(&self, local: usize) -> bool {
        let vcpu = self.vcpus.get(local).and_then(Option::as_ref);
        vcpu.is_some_and(|v| v.readiness == Readiness::Off)
    }

    /// Whether this core has to load the vCPU's partition.
    fn is_to_start(&self, local: usize) -> bool {
        let vcpu = self.vcpus.get(local).and_then(Option::as_ref);
        vcpu.is_some_and(|v| {
            v.entry.index == 0 && v.readiness == Readiness::Off && life(v.shared).phase() == Phase::Loading
        })
    }

    /// Ends a path before a start, and behind it: the core calls itself, and when it looks again goes on with the vCPU that
    /// has the turn, and pays.
    pub fn start_apart(&mut self) {
        self.decide_again();
        if let Some(running) = self.running.as_ref() {
            gic_cpu::kick(&running.distributor, running.core);
        }
    }

    /// Whether the vCPU can run now, or finds out as soon as it is loaded.
    #[inline(never)]
    fn can_run(&mut self, local: usize) -> bool {
        self.follow_life(local);
        let Some(Some(vcpu)) = self.vcpus.get(local) else {
            return false;
        };
        match vcpu.readiness {
            Readiness::Ready => true,
            Readiness::Off => false,
            Readiness::Waiting => {
                if self.running.as_ref().is_some_and(|r| r.loaded == Some(local)) {
                    self.refresh(local);
                    self.lock_woken(local) || self.wakes(local)
                } else {
                    self.lock_woken(local) || self.is_roused(local)
                }
            }
        }
    }

    /// Whether a vCPU that waits, and is not loaded, has an interrupt.
    fn is_roused(&self, local: usize) -> bool {
        let now = counter();
        let (Some(running), Some(Some(vcpu))) = (self.running.as_ref(), self.vcpus.get(local)) else {
            return false;
        };
        let found = vcpu.shared.machine.with(running.index, |machine| {
            machine.vgic.has_deliverable(vcpu.index())
        });
        found.unwrap_or(false) || alarm(running, vcpu, now) <= now
    }

    /// Puts the vCPU whose turn it is onto the core, watches the more urgent ones and arms EL2's timer.
    pub fn settle(&mut self, chosen: Chosen) {
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let boosted = running.clock.is_some_and(|c| c.is_boosted());
        let owner = running.owner;
        let Some(sharing) = running.sharing.as_mut() else {
            return;
        };
        let before = sharing.watched;
        if boosted {
            let ended = sharing.accounts.pause(counter());
            set_running(running.index, SHARED | sharing.called | owner.map_or(0, bit));
            running.ended(&self.vcpus, ended);
        }
        let here = owner.filter(|o| {
            let vcpu = self.vcpus.get(*o).and_then(Option::as_ref);
            vcpu.is_some_and(|v| v.readiness != Readiness::Off)
        });
        match here {
            Some(local) => self.make_loaded(local),
            None => self.unload(),
        }
        let now = counter();
        let (mut watched, mut until) = (0, u64::MAX);
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let Some(sharing) = running.sharing.as_mut() else {
            return;
        };
        let ended = sharing.accounts.on_core(now);
        if let Some(limit) = sharing.accounts.limit() {
            until = limit;
        }
        for place in 0..MAX_SHARES {
            let Some(who) = sharing.accounts.candidate(place) else {
                continue;
            };
            if boosted || owner == Some(who) {
                break;
            }
            let vcpu = self.vcpus.get(who).and_then(Option::as_ref);
            if vcpu.is_some_and(|v| v.readiness != Readiness::Off) {
                watched |= bit(who);
            }
        }
        sharing.watched = watched;
        running.ended(&self.vcpus, ended);
        if chosen == Chosen::Rests && !boosted {
            // Whoever wakes, the order of the claims is asked again.
            running.slot = None;
        }
        self.watch(before, watched);
        let Some(running) = self.running.as_ref() else {
            return;
        };
        for (_, vcpu) in self.members(watched) {
            if vcpu.readiness == Readiness::Waiting {
                until = until.min(alarm(running, vcpu, now));
            }
        }
        if until < registers::cnthp_cval::read() {
            registers::cnthp_cval::write(until);
            isb();
        }
    }

    /// The vCPUs of a set.
    fn members(&self, set: u32) -> impl Iterator<Item = (usize, &LocalVcpu)> {
        let all = self.vcpus.iter().enumerate();
        all.filter(move |(local, _)| set & bit(*local) != 0)
            .filter_map(|(local, vcpu)| Some((local, vcpu.as_ref()?)))
    }

    /// Masks the SPIs of vCPUs that are watched no more, and enables those of vCPUs that are. What the switch does to the
    /// SPIs of the vCPU that it takes off the core comes before.
    fn watch(&self, before: u32, after: u32) {
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let bound = running.system.board.poll_bound;
        for (local, vcpu) in self.members(before | after) {
            if vcpu.entry.index != 0 || running.loaded == Some(local) {
                continue;
            }
            let takes = after & bit(local) != 0;
            let _ = vcpu.shared.machine.with(running.index, |machine| {
                if machine.takes_spis == takes {
                    return;
                }
                machine.takes_spis = takes;
                let spis = machine.vgic.physical_spi_enables();
                let enabled = |n| spis.get(n).copied().filter(|_| takes).unwrap_or(0);
                set_spis(&running.distributor, vcpu, enabled, bound);
            });
        }
    }

    /// Gives an SPI to the vCPU that is watched for it; whether there is one. Implements: BH-SCHED-024.
    #[inline(never)]
    pub fn deliver_watched(&mut self, intid: u32) -> bool {
        let watched = self
            .running
            .as_ref()
            .and_then(|r| r.sharing.as_ref())
            .map_or(0, |s| s.watched);
        if watched == 0 || intid < 32 {
            return false;
        }
        let found = self.members(watched).find(|(_, vcpu)| owns(vcpu, intid));
        let (Some((local, vcpu)), Some(running)) = (found, self.running.as_ref()) else {
            return false;
        };
        let set = vcpu.shared.machine.with(running.index, |machine| {
            machine.vgic.hardware(vcpu.index(), intid)
        });
        running.note(Kind::Inject, vcpu.global, intid, 0);
        notify(vcpu, running, set.unwrap_or(VcpuSet::EMPTY));
        let (limit, partition, index) = (
            vcpu.partition.interrupt_limit,
            vcpu.entry.partition,
            vcpu.entry.index,
        );
        let Some(running) = self.running.as_mut() else {
            return true;
        };
        let count = running
            .sharing
            .as_mut()
            .map_or(0, |sharing| sharing.count_interrupt(local));
        if limit > 0 && count == limit.wrapping_add(1) {
            let event = Event {
                error: Error::InterruptStorm,
                blame: Blame::Partition {
                    partition,
                    vcpu: index,
                },
                detail: [u64::from(intid), 0, u64::from(limit)],
            };
            health::report(running, &event);
        }
        self.decide_again();
        true
    }
}

/// When EL2's timer is to stand in for the timers of a vCPU that waits and is not loaded: not before `now`.
fn alarm(running: &Running, vcpu: &LocalVcpu, now: u64) -> u64 {
    let ppis = vcpu.shared.machine.with(running.index, |machine| {
        let active = machine.vgic.ppi_active(vcpu.index(), &vcpu.context.gic.lr);
        machine.vgic.ppi_enables(vcpu.index()) & !active & GUEST_PPIS
    });
    vcpu.due(now, ppis.unwrap_or(0))
}
