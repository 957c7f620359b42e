// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The GICv2 driver on registers of plain memory.

use super::interface::Interface;
use super::*;
use zerocopy::FromZeros;

fn memory() -> Vec<u64> {
    vec![0u64; 0x2000 / 8]
}

fn distributor(memory: &mut [u64]) -> Distributor {
    let base = memory.as_mut_ptr().expose_provenance();
    // SAFETY: the caller's memory outlives the driver and is used through it alone until the test ends.
    let gicd = unsafe { Distributor::new(base) };
    gicd.write32(gicd2::ICPIDR2, 0x2B);
    gicd.write32(gicd::TYPER, 1 | 3 << 5);
    gicd
}

fn cores() -> [Core; 4] {
    [0, 1, 2, 3].map(|mpidr| {
        let mut core = Core::new_zeroed();
        core.mpidr = mpidr;
        core
    })
}

fn spi(intid: u32, core: u32, edge: u32) -> Spi {
    Spi {
        intid,
        partition: 0,
        core,
        edge,
        ringer: u32::MAX,
        doorbell: 0,
        interval_ns: 0,
    }
}

/// Verifies: BH-IRQ-003.
#[test]
fn owned_spis_get_their_trigger_and_core_and_all_stay_disabled() {
    let mut memory = memory();
    let gicd = distributor(&mut memory);
    gicd.write32(gicd::ICFGR + 8, u32::MAX);
    gicd.write32(gicd2::ITARGETSR + 40, u32::MAX);
    assert_eq!(gicd.init(&[spi(37, 1, 1), spi(55, 3, 0)], &cores()), Ok(()));
    assert_eq!(gicd.read32(gicd::CTLR), 1);
    assert_eq!(gicd.read32(gicd::ICFGR + 8), 1 << 11);
    assert_eq!(gicd.read32(gicd2::ITARGETSR + 36), 0x0200);
    assert_eq!(gicd.read32(gicd2::ITARGETSR + 40), 0);
    assert_eq!(gicd.read32(gicd2::ITARGETSR + 52), 0x0800_0000);
    assert_eq!(gicd.read32(gicd::ICENABLER + 4), u32::MAX);
    assert_eq!(gicd.read32(gicd::ICACTIVER + 4), u32::MAX);
    assert_eq!(gicd.read32(gicd::ISENABLER + 4), 0);
    assert_eq!(gicd.read32(gicd::IPRIORITYR + 36), 0xA0A0_A0A0);
    // The registers of SGIs and PPIs are each core's own business.
    assert_eq!(gicd.read32(gicd::ICENABLER), 0);
    assert_eq!(gicd.read32(gicd2::ITARGETSR), 0);
}

/// Verifies: BH-IRQ-003.
#[test]
fn a_distributor_that_does_not_fit_is_refused() {
    let mut memory = memory();
    let gicd = distributor(&mut memory);
    assert_eq!(
        gicd.init(&[spi(64, 0, 0)], &cores()),
        Err(GicError::Lines(64, 64))
    );
    gicd.write32(gicd2::ICPIDR2, 0x3B);
    assert_eq!(gicd.init(&[], &cores()), Err(GicError::NotVersion2(3)));
}

/// Verifies: BH-IRQ-004.
#[test]
fn a_core_has_its_own_interrupts_only_where_it_takes_them() {
    for (own, enabled) in [
        (OwnInterrupts::Enabled(0), 1 << 15 | 1 << 26),
        (OwnInterrupts::Enabled(1 << 23), 1 << 15 | 1 << 23 | 1 << 26),
        (OwnInterrupts::None, 0),
    ] {
        let mut memory = memory();
        let gicd = distributor(&mut memory);
        gicd.write32(gicd2::ITARGETSR, 0x0404_0404);
        assert_eq!(gicd.init_core(3, own), Err(GicError::Affinity(4)));
        assert_eq!(gicd.init_core(2, own), Ok(()));
        assert_eq!(gicd.read32(gicd::ISENABLER), enabled);
        assert_eq!(gicd.read32(gicd::ICENABLER), u32::MAX);
        assert_eq!(gicd.read32(gicd2::CPENDSGIR + 12), u32::MAX);
        assert_eq!(gicd.read32(gicd::IPRIORITYR + 12), 0x00A0_A0A0);
        assert_eq!(gicd.read32(gicd::IPRIORITYR + 24), 0xA000_A0A0);
    }
}

/// Verifies: BH-IRQ-005.
#[test]
fn what_is_saved_of_a_virtual_interface_is_loaded_again_and_signals_nothing_meanwhile() {
    let (mut low, mut high) = (memory(), memory());
    let gicc = low.as_mut_ptr().expose_provenance();
    let gich = high.as_mut_ptr().expose_provenance();
    // SAFETY: as in `distributor`, for two pieces of memory.
    let (interface, control) = unsafe { (Interface::new(gicc, gich), Frame::new(gich, 0x200)) };
    assert_eq!(interface.check(), Err(GicError::ListRegisters(1)));
    control.write32(0x04, 3);
    assert_eq!(interface.check(), Ok(()));
    control.write32(0x00, 1);
    control.write32(0x08, 0xF81C_0201);
    control.write32(0xF0, 0x10);
    for n in 0..4u32 {
        interface.set_list_register(usize::try_from(n).unwrap_or(0), 0x9000_0000 | n);
    }
    let state = interface.save();
    assert_eq!(state.lr, [0x9000_0000, 0x9000_0001, 0x9000_0002, 0x9000_0003]);
    assert_eq!((control.read32(0), interface.list_registers()), (0, [0; 4]));
    control.write32(0x08, 0);
    control.write32(0xF0, 0);
    // Bits of a GICv3's word that a GICv2 does not have are left out.
    interface.load(&state, 0x0000_0801);
    assert_eq!(interface.save(), state);
    interface.set_control(0x0000_4c07);
    assert_eq!(control.read32(0), 7);
}

/// Verifies: BH-IRQ-005.
#[test]
fn an_sgi_is_ended_with_its_source_and_a_peripheral_interrupt_is_not() {
    let (mut low, mut high) = (memory(), memory());
    let gicc = low.as_mut_ptr().expose_provenance();
    // SAFETY: as in `distributor`, for two pieces of memory.
    let (interface, cpu) = unsafe {
        let gich = high.as_mut_ptr().expose_provenance();
        (Interface::new(gicc, gich), Frame::new(gicc, 0x2000))
    };
    interface.init_sliced();
    assert_eq!((cpu.read32(0), cpu.read32(4)), (1 | 0xF << 5 | 1 << 9, 0xFF));
    cpu.write32(0x0C, 1023);
    assert_eq!((interface.acknowledge(), cpu.read32(0x10)), (None, 0));
    cpu.write32(0x0C, 26);
    assert_eq!((interface.acknowledge(), cpu.read32(0x10)), (Some(26), 0));
    cpu.write32(0x0C, 2 << 10 | 15);
    assert_eq!(interface.acknowledge(), Some(15));
    assert_eq!(
        (cpu.read32(0x10), cpu.read32(0x1000)),
        (2 << 10 | 15, 2 << 10 | 15)
    );
    cpu.write32(0, 0x209);
    interface.refuse_fiq();
    assert_eq!(cpu.read32(0), 0x201);
}

/// What a boot loader or a guest left active in either group masks nobody's interrupts, and nothing bypasses the
/// interface while its groups are off. Verifies: BH-IRQ-005.
#[test]
fn a_reset_interface_has_nothing_active_and_is_not_bypassed() {
    let (mut low, mut high) = (memory(), memory());
    let gicc = low.as_mut_ptr().expose_provenance();
    // SAFETY: as in `distributor`, for two pieces of memory.
    let (interface, cpu) = unsafe {
        let gich = high.as_mut_ptr().expose_provenance();
        (Interface::new(gicc, gich), Frame::new(gicc, 0x2000))
    };
    cpu.write32(0, 0x20B);
    cpu.write32(4, 0xF0);
    for active in [0xD0, 0xDC, 0xE0, 0xEC] {
        cpu.write32(active, 1 << 20);
    }
    interface.reset();
    assert_eq!((cpu.read32(0), cpu.read32(4)), (0xF << 5, 0));
    assert_eq!([0xD0, 0xDC, 0xE0, 0xEC].map(|at| cpu.read32(at)), [0; 4]);
}
