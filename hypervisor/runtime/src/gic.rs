// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The vGIC between its model and the hardware: list registers, physical interrupts, the world switch.
//!
//! The model (`bulkhead_policy::vgic`) decides; this file reads and writes the registers that it speaks of.
//! Implements: BH-GIC-020.

use core::sync::atomic::Ordering;

use bulkhead_abi::trace::Kind;
use bulkhead_arch::barrier::{counter, dmb_ish, dsb_sy};
use bulkhead_drivers::gic::gicr;
use bulkhead_policy::vgic::{Access, AccessSize, Frame, VcpuSet};
use bulkhead_types::tables::core_mode;

use crate::core_state::{LocalVcpu, PerCore, Readiness, Running};
use crate::physical::{change, set_spis};
use crate::predictors;
use crate::shared::{self, Machine, SHARED};
use crate::sharing;
use crate::{gic_cpu, health};

/// PPI of the virtual timer.
const CNTV_PPI: u32 = 27;
/// PPI of the EL1 physical timer.
const CNTP_PPI: u32 = 30;
/// PPI of the maintenance interrupt.
pub const MAINTENANCE_PPI: u32 = 25;
/// PPIs of a sliced vCPU that are physical.
pub const GUEST_PPIS: u32 = (1 << CNTV_PPI) | (1 << CNTP_PPI);

/// Takes back the list registers of the vCPU whose registers are loaded, and what it ended that was in none
/// of them; gives other vCPUs that this concerns. [`fill`] follows.
fn take_back(machine: &mut Machine, vcpu: &LocalVcpu) -> VcpuSet {
    machine.vgic.end_unlisted(vcpu.index(), gic_cpu::ended_unlisted());
    gic_cpu::fold(machine, vcpu.index(), &gic_cpu::list_registers())
}

/// Takes back and hands out list registers; gives other vCPUs that this concerns.
pub fn refill(machine: &mut Machine, vcpu: &LocalVcpu, running: &Running) -> VcpuSet {
    let concerned = take_back(machine, vcpu);
    fill(machine, vcpu, running);
    concerned
}

/// Hands out list registers. A timer's interrupt whose condition has gone before the guest acknowledged it is
/// withdrawn: a level-sensitive interrupt is pending while its input is high.
fn fill(machine: &mut Machine, vcpu: &LocalVcpu, running: &Running) {
    let waiting = machine.vgic.ppis_waiting(vcpu.index());
    if waiting != 0 {
        let raised = running.redistributor.read32(gicr::ISPENDR0);
        machine.vgic.lower_ppis(vcpu.index(), waiting & !raised);
    }
    let mut lrs = [0; 4];
    let fill = gic_cpu::fill(machine, vcpu.index(), &mut lrs);
    gic_cpu::hand_out(&lrs, vcpu.context.control.ich_hcr, fill);
    deactivate_pending(machine, vcpu.index());
}

/// Deactivates physically what the model says; the model holds at most one physical interrupt per timer and SPI.
pub fn deactivate_pending(machine: &mut Machine, vcpu: usize) {
    for _ in 0..32 {
        match machine.vgic.next_deactivation(vcpu) {
            Some(intid) => gic_cpu::deactivate(intid),
            None => return,
        }
    }
}

/// INTID of the SGI that a write to `ICC_SGI1R_EL1` asks for (Arm IHI 0069, "ICC_SGI1R_EL1").
fn sgi_intid(value: u64) -> u32 {
    u32::try_from(value >> 24 & 0xf).unwrap_or(0)
}

/// Makes the cores of the vCPUs in `set` (but not `vcpu` itself) look at their list registers.
#[inline]
pub fn notify(vcpu: &LocalVcpu, running: &Running, set: VcpuSet) {
    let others = set.without(vcpu.index());
    if !others.is_empty() {
        notify_others(vcpu, running, others);
    }
}

#[inline(never)]
fn notify_others(vcpu: &LocalVcpu, running: &Running, others: VcpuSet) {
    vcpu.shared
        .refresh
        .fetch_or(u32::from(others.bits()), Ordering::SeqCst);
    dmb_ish();
    let members = running.system.vcpus_of_partition(vcpu.partition);
    for other in others {
        let Some(entry) = members.get(other) else { continue };
        kick_if_running(running, vcpu.partition.vcpu_first, entry.index, entry.core);
    }
}

/// Calls the core of a vCPU, if it is that vCPU's slot, or one that it shares; otherwise its next slot begin is early enough.
pub fn kick_if_running(running: &Running, first: u32, index: u32, core: u32) {
    let global = first.wrapping_add(index);
    let runs = shared::running(core);
    if core == running.index || runs != global && runs & SHARED == 0 {
        return;
    }
    let entry = usize::try_from(core)
        .ok()
        .and_then(|c| running.system.cores.get(c));
    if let Some(entry) = entry {
        if runs != global && !sharing::calls(&running.system, entry, runs, global) {
            return;
        }
        running.note(Kind::Kick, global, core, 0);
        gic_cpu::kick(&running.distributor, entry);
    }
}

/// A guest's access to its distributor or redistributors; gives what a load returns.
pub fn access(
    vcpu: &LocalVcpu,
    running: &Running,
    frame: Frame,
    offset: u32,
    size: AccessSize,
    access: Access,
) -> u64 {
    if running.core.mode != core_mode::SLICED {
        return crate::direct::access(vcpu, running, frame, offset, size, access);
    }
    let folds = gic_cpu::observes_state(frame, offset);
    let result = vcpu.shared.machine.with(running.index, |machine| {
        let mut concerned = VcpuSet::EMPTY;
        if folds {
            concerned = take_back(machine, vcpu);
        }
        let outcome = gic_cpu::access(machine, vcpu.index(), frame, offset, size, access);
        if folds {
            fill(machine, vcpu, running);
        } else if outcome.refresh.contains(vcpu.index()) {
            concerned = refill(machine, vcpu, running);
        }
        let value = outcome.value | change(running, vcpu, machine, outcome.physical);
        deactivate_pending(machine, vcpu.index());
        (value, outcome.refresh.union(concerned))
    });
    let (value, refresh) = result.unwrap_or((0, VcpuSet::EMPTY));
    notify(vcpu, running, refresh);
    value
}

impl PerCore {
    /// Makes `local` the vCPU whose registers are loaded. Implements: BH-SCHED-030.
    pub fn make_loaded(&mut self, local: usize) {
        let Some(running) = self.running.as_ref() else {
            return;
        };
        if running.loaded == Some(local) {
            return;
        }
        self.unload();
        // Nobody's registers are loaded: what EL2 itself caused since is not blamed on the next vCPU.
        self.settle_errors();
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        gic_cpu::load(&vcpu.context);
        running.loaded = Some(local);
        if running.core.mode == core_mode::SLICED {
            let bound = running.system.board.poll_bound;
            let _ = vcpu.shared.machine.with(running.index, |machine| {
                let state = &vcpu.context.gic;
                let active = machine.vgic.ppi_active(vcpu.index(), &state.lr) & GUEST_PPIS;
                // Where none is, too: a switch is as long.
                running.redistributor.write32(gicr::ISACTIVER0, active);
                // Read back: it has arrived before anybody can deactivate the interrupt.
                running.redistributor.read32(gicr::ISACTIVER0);
                dsb_sy();
                if state.kept == 0 {
                    fill(machine, vcpu, running);
                }
                let enabled = machine.vgic.ppi_enables(vcpu.index()) & GUEST_PPIS;
                running
                    .redistributor
                    .write32(gicr::ISENABLER0, enabled | 1 << MAINTENANCE_PPI);
                if vcpu.entry.index == 0 {
                    machine.takes_spis = true;
                    let spis = machine.vgic.physical_spi_enables();
                    let enabled = |n| spis.get(n).copied().unwrap_or(0);
                    set_spis(&running.distributor, vcpu, enabled, bound);
                }
            });
            vcpu.returns(counter());
        }
    }

    /// Takes the loaded vCPU off the core: its errors are settled, its interrupts masked, its timers stopped, its
    /// state saved.
    pub fn unload(&mut self) {
        if self.current().is_some() {
            self.settle_errors();
        }
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let Some(local) = running.loaded.take() else {
            return;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        let ended = gic_cpu::ended_unlisted();
        gic_cpu::save(&mut vcpu.context);
        if running.core.mode == core_mode::SLICED {
            predictors::sanitise(running.core, vcpu);
            let lrs = vcpu.context.gic.lr;
            let bound = running.system.board.poll_bound;
            // Only who waits is asked which interrupts could wake it.
            let mut ppis = 0;
            // Nobody asks the model for what would wake this one.
            let mut keeps = vcpu.readiness == Readiness::Ready && running.sharing.is_none();
            let concerned = vcpu.shared.machine.with(running.index, |machine| {
                keeps &= !machine.vgic.is_crowded(vcpu.index());
                let mut concerned = VcpuSet::EMPTY;
                if !keeps {
                    machine.vgic.end_unlisted(vcpu.index(), ended);
                    concerned = gic_cpu::fold(machine, vcpu.index(), &lrs);
                    deactivate_pending(machine, vcpu.index());
                }
                if vcpu.entry.index == 0 {
                    machine.takes_spis = false;
                    set_spis(&running.distributor, vcpu, |_| 0, bound);
                }
                if vcpu.readiness == Readiness::Waiting {
                    ppis = machine.vgic.ppi_enables(vcpu.index());
                }
                concerned
            });
            vcpu.context.gic.kept = keeps.into();
            if !keeps {
                vcpu.context.gic.lr = [0; 4];
            }
            // What began with its trap, or with the interrupt that ended its wait, is no more its own.
            vcpu.leaves(running.path.begin, ppis);
            // The next vCPU of this core has the same PPIs: their enable and active bits go with their vCPU.
            running.redistributor.write32(gicr::ICENABLER0, GUEST_PPIS);
            // A timeout here leaves the next vCPU a timer interrupt whose condition it finds not met.
            if gic_cpu::wait_private(&running.redistributor, bound).is_err() {
                health::own_poll_failed(running);
            }
            running.redistributor.write32(gicr::ICACTIVER0, GUEST_PPIS);
            notify(vcpu, running, concerned.unwrap_or(VcpuSet::EMPTY));
        }
    }

    /// Shows the loaded vCPU what other cores put into the model.
    #[inline(always)]
    pub fn refresh(&mut self, local: usize) {
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let Some(Some(vcpu)) = self.vcpus.get(local) else {
            return;
        };
        let bit = vcpu.bit();
        if vcpu.shared.refresh.load(Ordering::SeqCst) & bit == 0 {
            return;
        }
        vcpu.shared.refresh.fetch_and(!bit, Ordering::SeqCst);
        if running.core.mode == core_mode::SLICED {
            let concerned = vcpu.shared.machine.with(running.index, |machine| {
                // Another vCPU may have written this one's redistributor.
                let enabled = machine.vgic.ppi_enables(vcpu.index()) & GUEST_PPIS;
                running.redistributor.write32(gicr::ISENABLER0, enabled);
                running
                    .redistributor
                    .write32(gicr::ICENABLER0, GUEST_PPIS & !enabled);
                refill(machine, vcpu, running)
            });
            notify(vcpu, running, concerned.unwrap_or(VcpuSet::EMPTY));
        }
    }

    /// Whether the loaded vCPU, waiting for an interrupt, has one; it is ready then. Where it surely has none, its list
    /// registers stay as they are, and the interrupt that wakes it can be the one that was listed last.
    #[inline(always)]
    pub fn wakes(&mut self, local: usize) -> bool {
        let Some(running) = self.running.as_ref() else {
            return false;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return false;
        };
        let found = vcpu.shared.machine.with(running.index, |machine| {
            if machine.vgic.rests(vcpu.index(), gic_cpu::free_list_registers()) {
                return (false, VcpuSet::EMPTY);
            }
            let concerned = take_back(machine, vcpu);
            let deliverable = machine.vgic.has_deliverable(vcpu.index());
            fill(machine, vcpu, running);
            (deliverable, concerned)
        });
        let (wakes, concerned) = found.unwrap_or((false, VcpuSet::EMPTY));
        notify(vcpu, running, concerned);
        if wakes {
            vcpu.readiness = Readiness::Ready;
        }
        wakes
    }

    /// A guest's write to `ICC_SGI1R_EL1`.
    pub fn send_sgi(&mut self, value: u64) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let vcpu: &LocalVcpu = vcpu;
        if running.core.mode != core_mode::SLICED {
            crate::direct::send_sgi(vcpu, running, value);
            return;
        }
        let set = vcpu.shared.machine.with(running.index, |machine| {
            let set = machine.vgic.sgi(vcpu.index(), value);
            if !set.contains(vcpu.index()) {
                return set;
            }
            let intid = sgi_intid(value);
            running.note(Kind::Inject, vcpu.global, intid, 0);
            let free = gic_cpu::free_list_registers();
            match machine.vgic.list_now(vcpu.index(), intid, free) {
                Some((lr, listed)) => {
                    gic_cpu::set_list_register(lr, listed);
                    set
                }
                None => set.union(refill(machine, vcpu, running)),
            }
        });
        notify(vcpu, running, set.unwrap_or(VcpuSet::EMPTY));
    }

    /// A trapped deactivation of an interrupt that is in no list register (sliced cores).
    pub fn deactivate(&mut self, intid: u32) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let vcpu: &LocalVcpu = vcpu;
        let set = vcpu.shared.machine.with(running.index, |machine| {
            let concerned = take_back(machine, vcpu);
            let set = machine.vgic.deactivate(vcpu.index(), intid);
            fill(machine, vcpu, running);
            set.union(concerned)
        });
        notify(vcpu, running, set.unwrap_or(VcpuSet::EMPTY));
    }

    /// Runs `section` on the loaded vCPU's machine, then shows the vCPUs whose interrupts it changed.
    pub fn with_machine(&mut self, section: impl FnOnce(&mut Machine) -> VcpuSet) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let vcpu: &LocalVcpu = vcpu;
        let set = vcpu.shared.machine.with(running.index, |machine| {
            let set = section(machine);
            if set.contains(vcpu.index()) {
                return set.union(refill(machine, vcpu, running));
            }
            set
        });
        notify(vcpu, running, set.unwrap_or(VcpuSet::EMPTY));
    }
}
