// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Physical interrupts of a sliced core: taken by EL2, and given to the loaded vCPU.

use bulkhead_abi::trace::Kind;
use bulkhead_drivers::gic::{gicd, gicr};
use bulkhead_policy::vgic::VcpuSet;

use crate::core_state::{LocalVcpu, PerCore, Readiness};
use crate::gic::{MAINTENANCE_PPI, deactivate_pending, notify, refill};
use crate::gic_cpu::{self, Taken};
use crate::physical::{owns, spi_word};
use crate::trace;

impl PerCore {
    /// Takes the physical interrupts that are pending for the loaded vCPU; at most one for each list register. `first`
    /// is the INTID + 1 of one that the vector acknowledged, or 0. Gives the INTID of the last one if the vector may
    /// list it again by itself, else 0.
    pub fn take_group1(&mut self, first: u32) -> u32 {
        let mut listed = 0;
        let mut first = first.checked_sub(1);
        for _ in 0..4 {
            let taken = match first.take() {
                Some(intid) => gic_cpu::adopt(intid),
                None => gic_cpu::take_irq(),
            };
            listed = match taken {
                None => return listed,
                Some(Taken::Other(MAINTENANCE_PPI)) => {
                    self.maintain();
                    gic_cpu::deactivate(MAINTENANCE_PPI);
                    0
                }
                Some(Taken::Other(intid)) if self.is_budget_interrupt(intid) => {
                    self.on_budget_spent();
                    gic_cpu::deactivate(intid);
                    0
                }
                Some(Taken::Other(intid)) => {
                    let listed = self.deliver(intid);
                    if intid >= 32 {
                        self.count_interrupt(intid);
                    }
                    listed
                }
                Some(Taken::SlotTimer) => {
                    self.on_slot_timer();
                    gic_cpu::deactivate(gic_cpu::EL2_TIMER_PPI);
                    0
                }
                Some(Taken::Kick) => {
                    self.decide_again();
                    0
                }
            };
        }
        listed
    }

    fn maintain(&mut self) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let vcpu: &LocalVcpu = vcpu;
        let concerned = vcpu
            .shared
            .machine
            .with(running.index, |machine| refill(machine, vcpu, running));
        notify(vcpu, running, concerned.unwrap_or(VcpuSet::EMPTY));
    }

    /// Gives an acknowledged physical interrupt to the loaded vCPU; see [`Self::take_group1`]. A partition with vCPUs on
    /// other cores, which could change it meanwhile, has none that the vector may list, nor has one whose interrupts are
    /// counted.
    fn deliver(&mut self, intid: u32) -> u32 {
        let Some((vcpu, running)) = self.current() else {
            self.mask_unowned(intid);
            return 0;
        };
        let mut listed = None;
        let notified = vcpu.shared.machine.with(running.index, |machine| {
            listed = machine
                .vgic
                .inject_now(vcpu.index(), intid, gic_cpu::free_list_registers());
            if let Some((lr, value)) = listed {
                gic_cpu::set_list_register(lr, value);
                return Some(VcpuSet::EMPTY);
            }
            if !owns(vcpu, intid) {
                return None;
            }
            let set = machine.vgic.hardware(vcpu.index(), intid);
            if set.contains(vcpu.index()) {
                return Some(set.union(refill(machine, vcpu, running)));
            }
            deactivate_pending(machine, vcpu.index());
            Some(set)
        });
        let Ok(Some(set)) = notified else {
            self.mask_unowned(intid);
            return 0;
        };
        running.note(Kind::Inject, vcpu.global, intid, 0);
        let Some((index, lr)) = listed else {
            notify(vcpu, running, set);
            return 0;
        };
        // Only what the guest may take is listed: its WFI ends, and `wakes` need not find out.
        if vcpu.readiness == Readiness::Waiting {
            vcpu.readiness = Readiness::Ready;
        }
        let counted = intid >= 32 && vcpu.partition.interrupt_limit > 0;
        if !gic_cpu::vector_lists() || vcpu.partition.vcpu_count != 1 || counted {
            return 0;
        }
        let repeat = &mut vcpu.context.repeat;
        repeat.free = 1 << (index & 3);
        repeat.lr = lr;
        repeat.event = trace::injection(vcpu.global, intid);
        intid
    }

    /// An interrupt that is not the loaded vCPU's: of one that shares the slot, or without a vCPU to give it to: off, until its partition is loaded again.
    fn mask_unowned(&mut self, intid: u32) {
        if self.deliver_watched(intid) {
            return;
        }
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let bit = 1u32.checked_shl(intid & 31).unwrap_or(0);
        if intid < 32 {
            running.redistributor.write32(gicr::ICENABLER0, bit);
        } else {
            let word = usize::try_from(intid >> 5).unwrap_or(0);
            running.distributor.write32(spi_word(gicd::ICENABLER, word), bit);
            running.distributor.write32(spi_word(gicd::ISPENDR, word), bit);
        }
        gic_cpu::deactivate(intid);
    }
}
