// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The CPU interface, the list registers and the virtual GIC of this board's GIC version.
//!
//! The board's binary names the version as a constant, so that linking leaves one arm of each `match` here.
//! A GICv3's side is [`bulkhead_arch::gic_cpu`] and [`bulkhead_policy::vgic`]; a GICv2's is
//! [`bulkhead_drivers::gicv2`] and [`bulkhead_policy::vgic::v2`].

use bulkhead_arch::barrier::{dsb_sy, send_event, wait_for_event, wait_for_interrupt};
use bulkhead_arch::context::{GicState, VcpuContext};
use bulkhead_arch::gic_cpu::Group0;
use bulkhead_arch::{gic_cpu as v3, registers, switch};
use bulkhead_board::Gic;
use bulkhead_drivers::gic::{Distributor, GROUP1_KICK_SGI, KICK_SGI, Redistributor, gicd};
use bulkhead_drivers::gicv2::gicd2;
use bulkhead_drivers::gicv2::interface::{Interface, VirtualState};
use bulkhead_drivers::mmio::Timeout;
use bulkhead_policy::vgic::v2::{self, VgicV2, list_register, state_of};
use bulkhead_policy::vgic::{self, Access, AccessSize, Fill, Frame, Outcome, VcpuSet, VgicConfig};

use bulkhead_types::tables::{Core, core_mode};

use crate::entry::{self, gic};
use crate::shared::Machine;

pub use v3::EL2_TIMER_PPI;

/// Physical priority mask with which the guest of a dedicated core starts.
fn direct_reset_pmr() -> u64 {
    vgic::direct::icc::pmr_to_physical(0)
}

/// Whose Group 0 is.
#[inline]
fn group0() -> Group0 {
    match gic() {
        Gic::V3 | Gic::V2 { .. } => Group0::Own,
        Gic::V3NonSecure => Group0::Firmware,
    }
}

/// The calling core's interfaces on a GICv2.
#[inline]
fn interface() -> Option<Interface> {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => None,
        Gic::V2 { .. } => Some(entry::gicv2_interface()),
    }
}

/// Sets up the interface of a sliced core: EL2 takes all physical interrupts, EOI drops the priority only.
pub fn init_sliced() {
    match interface() {
        None => v3::init_sliced(group0()),
        Some(own) => own.init_sliced(),
    }
}

/// Sets up the interface of a dedicated core: EL2's interrupts, where it can have some, come as FIQs; the others are
/// the guest's.
pub fn init_direct() {
    match interface() {
        None => v3::init_direct(direct_reset_pmr(), group0()),
        Some(own) => own.reset(),
    }
}

/// Gives a dedicated core's guest the interface as it is at reset: nothing active, nothing signalled.
#[inline]
pub fn reset_direct() {
    match interface() {
        None => v3::reset_direct(direct_reset_pmr()),
        Some(own) => own.reset(),
    }
}

/// Makes no SGI pending at a dedicated core, whoever sent it. With a GICv3 `GICR_ICPENDR0` does so; the clear-pending
/// register of a GICv2 ignores SGIs, and each is pending once for every sender. Implements: BH-GIC-038.
#[inline]
pub fn clear_sgis(distributor: &Distributor) {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => {}
        Gic::V2 { .. } => {
            for word in 0..4usize {
                let at = gicd2::CPENDSGIR.wrapping_add(word.wrapping_mul(4));
                distributor.write32(at, u32::MAX);
            }
        }
    }
}

/// Acknowledges an interrupt of EL2 that came as FIQ. With a GICv2 there is none: the guest of a dedicated core that
/// chose FIQs for its own gets IRQs.
#[inline]
pub fn acknowledge0() -> Option<u32> {
    match interface() {
        None if group0() == Group0::Own => v3::acknowledge0(),
        None => None,
        Some(own) => {
            own.refuse_fiq();
            None
        }
    }
}

/// Ends an interrupt of EL2 that came as FIQ.
#[inline]
pub fn end0(intid: u32) {
    match gic() {
        Gic::V3 => v3::end0(intid),
        Gic::V3NonSecure | Gic::V2 { .. } => {}
    }
}

/// An acknowledged interrupt of a sliced core.
pub enum Taken {
    /// EL2's slot timer.
    SlotTimer,
    /// A call of another core: EL2 only has to look.
    Kick,
    /// A guest's, or the maintenance interrupt; its priority is dropped.
    Other(u32),
}

/// Takes the most urgent interrupt that comes as IRQ; with a GICv2 EL2's own are among them.
#[inline]
pub fn take_irq() -> Option<Taken> {
    match interface() {
        None => {
            let intid = v3::acknowledge1()?;
            v3::drop1(intid);
            Some(classify(intid))
        }
        Some(own) => {
            let intid = own.acknowledge()?;
            dsb_sy();
            if intid == KICK_SGI {
                return Some(Taken::Kick);
            }
            own.drop_priority(intid);
            Some(if intid == EL2_TIMER_PPI {
                Taken::SlotTimer
            } else {
                Taken::Other(intid)
            })
        }
    }
}

/// Takes an interrupt that the vector acknowledged (GICv3), as [`take_irq`].
#[inline]
pub fn adopt(intid: u32) -> Option<Taken> {
    if intid >= v3::SPECIAL {
        return None;
    }
    v3::drop1(intid);
    Some(classify(intid))
}

/// What an interrupt of a GICv3 that came as IRQ is; with two security states EL2's own are among them.
#[inline]
fn classify(intid: u32) -> Taken {
    match (group0(), intid) {
        (Group0::Firmware, EL2_TIMER_PPI) => Taken::SlotTimer,
        (Group0::Firmware, GROUP1_KICK_SGI) => {
            v3::deactivate(intid);
            Taken::Kick
        }
        (Group0::Own | Group0::Firmware, _) => Taken::Other(intid),
    }
}

/// Whether the vector knows how to list an interrupt on this GIC.
#[inline]
pub fn vector_lists() -> bool {
    match gic() {
        Gic::V3 => true,
        // EL2's own interrupts are among those that the vector would list.
        Gic::V3NonSecure | Gic::V2 { .. } => false,
    }
}

/// Deactivates an interrupt.
#[inline]
pub fn deactivate(intid: u32) {
    match interface() {
        None => v3::deactivate(intid),
        Some(own) => {
            own.deactivate(intid);
            dsb_sy();
        }
    }
}

/// Calls EL2 on a core. With two security states or a GICv2 a dedicated core hears it in its sleep only: an SGI there
/// would be its guest's. Implements: BH-GIC-023.
#[inline]
pub fn kick(distributor: &Distributor, core: &Core) {
    let mpidr = core.mpidr;
    match gic() {
        Gic::V3 => v3::kick(mpidr),
        Gic::V3NonSecure | Gic::V2 { .. } if core.mode != core_mode::SLICED => send_event(),
        Gic::V3NonSecure => v3::kick_group1(GROUP1_KICK_SGI, mpidr),
        Gic::V2 { .. } => send_sgi(
            distributor,
            KICK_SGI,
            bulkhead_drivers::gicv2::interface_bit(mpidr),
        ),
    }
}

/// Suspends the core while nothing can run on it: until its next interrupt, or until it is called.
#[inline]
pub fn suspend(core: &Core) {
    match gic() {
        Gic::V3NonSecure | Gic::V2 { .. } if core.mode != core_mode::SLICED => wait_for_event(),
        Gic::V3 | Gic::V3NonSecure | Gic::V2 { .. } => wait_for_interrupt(),
    }
}

/// Sends an SGI to the CPU interfaces of a target list (GICv2).
pub fn send_sgi(distributor: &Distributor, intid: u32, interfaces: u32) {
    // What the other core is to see must be visible before it is called.
    dsb_sy();
    distributor.write32(gicd2::SGIR, (interfaces & 0xff) << 16 | intid & 0xf);
}

/// Reads the list registers.
#[inline]
pub fn list_registers() -> [u64; 4] {
    match interface() {
        None => v3::list_registers(),
        Some(own) => own.list_registers().map(state_of),
    }
}

/// Writes the list registers and what the model asks of the interface's control register; `word` is the vCPU's own.
#[inline]
pub fn hand_out(lrs: &[u64; 4], word: u64, fill: Fill) {
    let control = (word & !Fill::MASK) | fill.hcr;
    match interface() {
        None => {
            v3::set_list_registers(lrs);
            registers::ich_hcr::write(control);
        }
        Some(own) => {
            for (index, lr) in lrs.iter().enumerate() {
                own.set_list_register(index, list_register(*lr));
            }
            own.set_control(control_word(control));
        }
    }
}

/// The part of the word of a GICv3 that a GICv2 may have.
fn control_word(word: u64) -> u32 {
    u32::try_from(word & 0xffff_ffff).unwrap_or(0)
}

/// Writes one list register.
#[inline]
pub fn set_list_register(index: usize, value: u64) {
    match interface() {
        None => v3::set_list_register(index, value),
        Some(own) => own.set_list_register(index, list_register(value)),
    }
}

/// Active interrupts in no list register that the guest has ended.
#[inline]
pub fn ended_unlisted() -> u32 {
    match interface() {
        None => v3::ended_unlisted(),
        Some(own) => own.ended_unlisted(),
    }
}

/// Bits of the list registers that are free.
#[inline]
pub fn free_list_registers() -> u32 {
    match interface() {
        None => v3::free_list_registers(),
        Some(own) => own.free_list_registers(),
    }
}

/// Takes a vCPU off the core: its registers and its virtual interface.
#[inline]
pub fn save(context: &mut VcpuContext) {
    match interface() {
        None => switch::save(context),
        Some(own) => {
            switch::save_v2(context);
            let VirtualState { vmcr, apr, lr } = own.save();
            context.gic = GicState {
                vmcr: vmcr.into(),
                ap0r0: apr.into(),
                ap1r0: 0,
                kept: 0,
                lr: lr.map(state_of),
            };
        }
    }
}

/// Puts a vCPU onto the core, without its general registers.
#[inline]
pub fn load(context: &VcpuContext) {
    match interface() {
        None => switch::load(context),
        Some(own) => {
            switch::load_v2(context);
            let state = VirtualState {
                vmcr: control_word(context.gic.vmcr),
                apr: control_word(context.gic.ap0r0),
                lr: context.gic.lr.map(list_register),
            };
            own.load(&state, control_word(context.control.ich_hcr));
        }
    }
}

/// Whether the guest of a dedicated core has no interrupt active, so that one of EL2 would end a sleep. With a GICv2, or
/// two security states, it never would.
pub fn idle() -> bool {
    /// `ICC_RPR_EL1` while no interrupt is active.
    const IDLE: u64 = 0xff;
    match gic() {
        Gic::V3 => registers::icc_rpr::read() & 0xff == IDLE,
        Gic::V3NonSecure | Gic::V2 { .. } => false,
    }
}

/// Waits until disabled SGIs and PPIs of the calling core are signalled no more.
///
/// # Errors
/// [`Timeout`] after `bound` tries.
pub fn wait_private(redistributor: &Redistributor, bound: u64) -> Result<(), Timeout> {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => redistributor.wait(bound),
        // GICv2 has no such register: what still comes is found disabled.
        Gic::V2 { .. } => Ok(()),
    }
}

/// Sends an SPI to a core.
pub fn route(distributor: &Distributor, intid: u32, mpidr: u64) {
    let at = |base: usize, stride: usize| {
        let intid = usize::try_from(intid).unwrap_or(usize::MAX);
        base.wrapping_add(intid.wrapping_mul(stride))
    };
    match gic() {
        Gic::V3 | Gic::V3NonSecure => distributor.write64(at(gicd::IROUTER, 8), mpidr),
        Gic::V2 { .. } => {
            let [list, ..] = bulkhead_drivers::gicv2::interface_bit(mpidr).to_le_bytes();
            distributor.write8(at(gicd2::ITARGETSR, 1), list);
        }
    }
}

/// Takes the model's configuration and resets it.
pub fn configure(machine: &mut Machine, config: &VgicConfig) {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => machine.vgic.configure(config),
        Gic::V2 { .. } => VgicV2::new(&mut machine.vgic, &mut machine.extras).configure(config),
    }
}

/// Takes list registers back into the model; gives other vCPUs that this concerns.
#[inline]
pub fn fold(machine: &mut Machine, vcpu: usize, lrs: &[u64; 4]) -> VcpuSet {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => machine.vgic.fold(vcpu, lrs),
        Gic::V2 { .. } => VgicV2::new(&mut machine.vgic, &mut machine.extras).fold(vcpu, lrs),
    }
}

/// The model's list registers.
#[inline]
pub fn fill(machine: &mut Machine, vcpu: usize, lrs: &mut [u64; 4]) -> Fill {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => machine.vgic.fill(vcpu, lrs),
        Gic::V2 { .. } => VgicV2::new(&mut machine.vgic, &mut machine.extras).fill(vcpu, lrs),
    }
}

/// Whether an access needs the own vCPU's list registers folded before.
#[inline]
pub fn observes_state(frame: Frame, offset: u32) -> bool {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => vgic::observes_state(frame, offset),
        Gic::V2 { .. } => v2::observes_state(offset),
    }
}

/// A guest's access to a frame of the model.
#[inline]
pub fn access(
    machine: &mut Machine,
    vcpu: usize,
    frame: Frame,
    offset: u32,
    size: AccessSize,
    access: Access,
) -> Outcome {
    match gic() {
        Gic::V3 | Gic::V3NonSecure => machine.vgic.access(vcpu, frame, offset, size, access),
        Gic::V2 { .. } => {
            VgicV2::new(&mut machine.vgic, &mut machine.extras).access(vcpu, offset, size, access)
        }
    }
}
