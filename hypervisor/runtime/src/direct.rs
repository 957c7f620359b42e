// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Dedicated cores: the guest's GIC accesses applied to the physical GIC, owned bits only (design decision D3).
//!
//! In steady state none of this runs: interrupts, EOI, timers and WFI go past EL2. Implements: BH-GIC-021.

use bulkhead_arch::{barrier, registers};
use bulkhead_board::Gic;
use bulkhead_drivers::gic::{PARTITION_PRIORITY, gicd, gicr};
use bulkhead_policy::sysreg::{Direction, IccRegister};
use bulkhead_policy::vgic::direct::{self, DirectAction, Owner, PhysicalBank, PhysicalRegister, icc};
use bulkhead_policy::vgic::{Access, AccessSize, Frame};

use crate::core_state::{LocalVcpu, Running};
use crate::shared::Machine;
use crate::{direct_v2, entry, gic_cpu, health, physical};

fn offset(register: PhysicalRegister) -> usize {
    let offset = usize::try_from(register.offset).unwrap_or(usize::MAX);
    match register.bank {
        PhysicalBank::Distributor => offset,
        PhysicalBank::OwnSgi => offset.wrapping_add(gicr::SGI_BASE),
    }
}

fn read32(running: &Running, register: PhysicalRegister) -> u32 {
    match register.bank {
        PhysicalBank::Distributor => running.distributor.read32(offset(register)),
        PhysicalBank::OwnSgi => running.redistributor.read32(offset(register)),
    }
}

fn write32(running: &Running, register: PhysicalRegister, value: u32) {
    match register.bank {
        PhysicalBank::Distributor => running.distributor.write32(offset(register), value),
        PhysicalBank::OwnSgi => running.redistributor.write32(offset(register), value),
    }
}

/// Byte stores, so that the owner of the other bytes of the word loses none of its own.
fn write_bytes(running: &Running, register: PhysicalRegister, values: [u8; 4], masks: [u8; 4]) {
    for (k, (value, mask)) in values.into_iter().zip(masks).enumerate() {
        if mask != 0 {
            let at = offset(register).wrapping_add(k);
            match register.bank {
                PhysicalBank::Distributor => running.distributor.write8(at, value),
                PhysicalBank::OwnSgi => running.redistributor.write8(at, value),
            }
        }
    }
}

fn route_offset(intid: u32) -> usize {
    usize::try_from(intid).map_or(usize::MAX, |i| gicd::IROUTER.wrapping_add(i.wrapping_mul(8)))
}

/// Affinity of the core of a vCPU of the partition.
pub fn core_of(running: &Running, vcpu: &LocalVcpu, index: usize) -> Option<u64> {
    let entry = running.system.vcpus_of_partition(vcpu.partition).get(index)?;
    let core = running.system.cores.get(usize::try_from(entry.core).ok()?)?;
    Some(core.mpidr)
}

/// Takes what the partition owns and resets.
pub fn configure(machine: &mut Machine, owner: &Owner) {
    match entry::gic() {
        Gic::V3 | Gic::V3NonSecure => machine.direct.configure(owner),
        Gic::V2 { .. } => machine.direct.configure_v2(owner),
    }
}

/// A guest's access to its distributor or redistributors; gives what a load returns.
pub fn access(
    vcpu: &LocalVcpu,
    running: &Running,
    frame: Frame,
    at: u32,
    size: AccessSize,
    access: Access,
) -> u64 {
    match entry::gic() {
        Gic::V3 | Gic::V3NonSecure => {}
        Gic::V2 { .. } => return direct_v2::access(vcpu, running, at, size, access),
    }
    let action = vcpu
        .shared
        .machine
        .with(running.index, |machine| {
            machine.direct.access(vcpu.index(), frame, at, size, access)
        })
        .unwrap_or(DirectAction::Ignore);
    perform(vcpu, running, action)
}

/// Does to the physical GIC what an access implies; gives what a load returns.
pub fn perform(vcpu: &LocalVcpu, running: &Running, action: DirectAction) -> u64 {
    match action {
        DirectAction::Value(value) => value,
        DirectAction::Ignore => 0,
        DirectAction::Read(read) => read.value(read32(running, read.register)),
        DirectAction::Write32 { register, value } => {
            write32(running, register, value);
            0
        }
        DirectAction::WriteBytes {
            register,
            value,
            mask,
        } => {
            write_bytes(running, register, value.to_le_bytes(), mask.to_le_bytes());
            0
        }
        DirectAction::Route { intid, vcpu: index } => {
            if let Some(mpidr) = core_of(running, vcpu, index) {
                running.distributor.write64(route_offset(intid), mpidr);
            }
            0
        }
        DirectAction::ReadRoute { intid } => {
            let mpidr = running.distributor.read64(route_offset(intid));
            let owner = (0..8).find(|k| core_of(running, vcpu, *k) == Some(mpidr));
            direct::route_value(owner.unwrap_or(0))
        }
        DirectAction::ReloadEnables => {
            reload_enables(vcpu, running);
            0
        }
    }
}

/// Writes every owned enable bit as the guest wants it now.
fn reload_enables(vcpu: &LocalVcpu, running: &Running) {
    let _ = vcpu.shared.machine.with(running.index, |machine| {
        let model = &machine.direct;
        for (n, owned) in vcpu.partition.spis.iter().enumerate() {
            if *owned != 0 {
                let word = n.wrapping_add(1);
                let on = model.spi_enables(word) & owned;
                running
                    .distributor
                    .write32(gicd::ISENABLER.wrapping_add(word.wrapping_mul(4)), on);
                running
                    .distributor
                    .write32(gicd::ICENABLER.wrapping_add(word.wrapping_mul(4)), owned & !on);
            }
        }
        let private = model.private_enables(vcpu.index());
        let owned = model.owner().owned(0);
        running.redistributor.write32(gicr::ISENABLER0, private & owned);
        running.redistributor.write32(gicr::ICENABLER0, owned & !private);
    });
}

/// Takes everything of the partition's interrupts back to the reset state: off, not pending, not active.
pub fn reset(vcpu: &LocalVcpu, running: &Running) {
    let owner = running_owner(vcpu, running);
    running.redistributor.write32(gicr::ICENABLER0, owner);
    // What still comes after a timeout meets Group 1 off, and is neither pending nor active below.
    let bound = running.system.board.poll_bound;
    if gic_cpu::wait_private(&running.redistributor, bound).is_err() {
        health::own_poll_failed(running);
    }
    running.redistributor.write32(gicr::ICPENDR0, owner);
    gic_cpu::clear_sgis(&running.distributor);
    running.redistributor.write32(gicr::ICACTIVER0, owner);
    if vcpu.entry.index == 0 {
        physical::reset_spis(&running.distributor, vcpu, bound);
    }
    reset_priorities(vcpu, running, owner);
    gic_cpu::reset_direct();
}

/// Gives owned interrupts the priority and route that boot gave them: a restarted guest finds nothing of its past.
fn reset_priorities(vcpu: &LocalVcpu, running: &Running, private: u32) {
    for intid in 0..32usize {
        if private
            .checked_shr(u32::try_from(intid).unwrap_or(32))
            .unwrap_or(0)
            & 1
            != 0
        {
            let at = gicr::IPRIORITYR.wrapping_add(intid);
            running.redistributor.write8(at, PARTITION_PRIORITY);
        }
    }
    if vcpu.entry.index != 0 {
        return;
    }
    for spi in running.system.spis {
        if spi.partition != vcpu.entry.partition {
            continue;
        }
        let intid = usize::try_from(spi.intid).unwrap_or(usize::MAX);
        let at = gicd::IPRIORITYR.wrapping_add(intid);
        running.distributor.write8(at, PARTITION_PRIORITY);
        let core = usize::try_from(spi.core)
            .ok()
            .and_then(|c| running.system.cores.get(c));
        if let Some(core) = core {
            gic_cpu::route(&running.distributor, spi.intid, core.mpidr);
        }
    }
}

fn running_owner(vcpu: &LocalVcpu, running: &Running) -> u32 {
    let owned = vcpu
        .shared
        .machine
        .with(running.index, |machine| machine.direct.owner().owned(0));
    owned.unwrap_or(0)
}

/// A guest's write to `ICC_SGI1R_EL1`: only to cores of its own partition, never SGI 15.
pub fn send_sgi(vcpu: &LocalVcpu, running: &Running, value: u64) {
    let request = vcpu.shared.machine.with(running.index, |machine| {
        icc::sgi(machine.direct.owner(), vcpu.index(), value)
    });
    let Ok(Some(request)) = request else { return };
    barrier::dsb_sy();
    for target in request.targets {
        if let Some(mpidr) = core_of(running, vcpu, target) {
            registers::icc_sgi1r::write(icc::sgi1r(request.intid, mpidr));
        }
    }
    barrier::isb();
}

/// A trapped access to the CPU interface (`ICH_HCR_EL2.TC`); gives what a read returns.
pub fn cpu_interface(
    vcpu: &LocalVcpu,
    running: &Running,
    register: IccRegister,
    direction: Direction,
    value: u64,
) -> u64 {
    match (register, direction) {
        (IccRegister::Pmr, Direction::Read) => icc::pmr_to_guest(registers::icc_pmr::read()),
        (IccRegister::Pmr, Direction::Write) => {
            registers::icc_pmr::write(icc::pmr_to_physical(value));
            0
        }
        (IccRegister::Ctlr, Direction::Read) => icc::ctlr_to_guest(registers::icc_ctlr::read()),
        (IccRegister::Ctlr, Direction::Write) => {
            registers::icc_ctlr::write(icc::ctlr_to_physical(value));
            0
        }
        (IccRegister::Rpr, _) => icc::rpr_to_guest(registers::icc_rpr::read()),
        (IccRegister::Dir, _) => {
            let allowed = vcpu.shared.machine.with(running.index, |machine| {
                icc::may_deactivate(machine.direct.owner(), value)
            });
            if let Ok(Some(value)) = allowed {
                registers::icc_dir::write(value);
            }
            0
        }
        // SGIs go through `send_sgi` in both kinds of core.
        (IccRegister::Sgi1r, _) => 0,
    }
}
