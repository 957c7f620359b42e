// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition's interrupt controller: set-up of its own interrupts, and their handler.

use core::cell::RefCell;
use core::ptr::NonNull;

use arm_gic::gicv2::{GicV2, registers as v2};
use arm_gic::gicv3::registers::{Gicd, GicrSgi};
use arm_gic::gicv3::{GicCpuInterface, GicV3, Group};
use arm_gic::{IntId, InterruptGroup, Trigger, UniqueMmioPointer};
use critical_section::Mutex;

use super::{can, critical, doorbell, fault, time};
use crate::machine::{Gic, Machine, Range};

/// Priorities, the lower the more urgent.
const TIMER_PRIORITY: u8 = 0x90;
const DEVICE_PRIORITY: u8 = 0xa0;

/// The GICv2, on a machine that has one: a GICv3's CPU interface is system registers.
static OLDER: Mutex<RefCell<Option<GicV2<'static>>>> = Mutex::new(RefCell::new(None));

/// Sets up the GIC, enables the virtual timer's interrupt and those of devices, and unmasks IRQs.
pub(super) fn enable(machine: &Machine<'_>) {
    let done = match machine.gic {
        Gic::V2 { interface } => configure_v2(machine, interface),
        Gic::V3 { redistributors } => configure_v3(machine, redistributors),
    };
    if done.is_none() {
        fault::fail(format_args!("the interrupt controller cannot be set up"));
    }
    critical::unmask();
}

fn configure_v3(machine: &Machine<'_>, redistributors: Range) -> Option<()> {
    let distributor = usize::try_from(machine.distributor.start).ok()?;
    let redistributor = usize::try_from(redistributors.start).ok()?;
    let distributor = NonNull::new(core::ptr::with_exposed_provenance_mut::<Gicd>(distributor))?;
    let redistributor = NonNull::new(core::ptr::with_exposed_provenance_mut::<GicrSgi>(redistributor))?;
    // SAFETY: both addresses come from the GIC's node of the device tree, are mapped as Device memory for
    // ever, and this function, which runs once, makes the only pointers to them.
    let mut gic = unsafe { GicV3::new(UniqueMmioPointer::new(distributor), redistributor, 1) }.ok()?;
    gic.init_cpu(0);
    gic.redistributor(0).ok()?.configure_default_settings();
    gic.distributor().enable_affinity_routing_secure(true);
    gic.distributor().enable_group1_non_secure(true);
    GicCpuInterface::set_priority_mask(0xff);
    GicCpuInterface::enable_group1(true);

    let timer = IntId::ppi(time::PPI);
    gic.set_interrupt_priority(timer, Some(0), TIMER_PRIORITY).ok()?;
    gic.enable_interrupt(timer, Some(0), true).ok()?;
    for node in &machine.cans {
        let intid = IntId::try_from(node.intid).ok()?;
        gic.set_group(intid, None, Group::Group1NS).ok()?;
        gic.set_trigger(intid, None, Trigger::Level).ok()?;
        gic.set_interrupt_priority(intid, None, DEVICE_PRIORITY).ok()?;
        gic.distributor().set_routing(intid, Some(0)).ok()?;
        gic.enable_interrupt(intid, None, true).ok()?;
    }
    for number in doorbell::heard_by(&machine.doorbells) {
        let intid = IntId::try_from(number).ok()?;
        gic.set_group(intid, None, Group::Group1NS).ok()?;
        gic.set_trigger(intid, None, Trigger::Edge).ok()?;
        gic.set_interrupt_priority(intid, None, DEVICE_PRIORITY).ok()?;
        gic.distributor().set_routing(intid, Some(0)).ok()?;
        gic.enable_interrupt(intid, None, true).ok()?;
    }
    Some(())
}

/// One vCPU: its interrupts have no other target.
fn configure_v2(machine: &Machine<'_>, interface: Range) -> Option<()> {
    let distributor = usize::try_from(machine.distributor.start).ok()?;
    let interface = usize::try_from(interface.start).ok()?;
    let distributor = NonNull::new(core::ptr::with_exposed_provenance_mut::<v2::Gicd>(distributor))?;
    let interface = NonNull::new(core::ptr::with_exposed_provenance_mut::<v2::Gicc>(interface))?;
    // SAFETY: as above. The deactivation register, which may lie beyond what is mapped, is not used.
    let mut gic = unsafe { GicV2::new(distributor.as_ptr(), interface.as_ptr()) };
    gic.setup();
    let timer = IntId::ppi(time::PPI);
    gic.set_interrupt_priority(timer, TIMER_PRIORITY);
    gic.enable_interrupt(timer, true).ok()?;
    for node in &machine.cans {
        let intid = IntId::try_from(node.intid).ok()?;
        gic.set_trigger(intid, Trigger::Level);
        gic.set_interrupt_priority(intid, DEVICE_PRIORITY);
        gic.enable_interrupt(intid, true).ok()?;
    }
    for number in doorbell::heard_by(&machine.doorbells) {
        let intid = IntId::try_from(number).ok()?;
        gic.set_trigger(intid, Trigger::Edge);
        gic.set_interrupt_priority(intid, DEVICE_PRIORITY);
        gic.enable_interrupt(intid, true).ok()?;
    }
    critical_section::with(|section| OLDER.borrow(section).replace(Some(gic)));
    Some(())
}

fn serve(intid: IntId) {
    if intid == IntId::ppi(time::PPI) {
        time::on_interrupt();
    } else if !doorbell::on_interrupt(intid.into()) {
        can::on_interrupt();
    }
}

/// Serves the interrupt that is pending; called from the vector.
#[unsafe(export_name = "partition_interrupt")]
extern "C" fn on_interrupt() {
    critical_section::with(|section| {
        // Nobody else borrows it once interrupts are unmasked.
        let Ok(mut older) = OLDER.borrow(section).try_borrow_mut() else {
            return;
        };
        match older.as_mut() {
            Some(gic) => gic.handle_interrupt(InterruptGroup::Group0, serve),
            None => GicCpuInterface::handle_interrupt(InterruptGroup::Group1, serve),
        };
    });
}
