// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The GIC driver on registers of plain memory.

use super::*;
use zerocopy::FromZeros;

/// A distributor of plain memory with 64 lines; every poll finds it ready.
fn distributor(memory: &mut [u64]) -> Distributor {
    let base = memory.as_mut_ptr().expose_provenance();
    // SAFETY: the caller's memory outlives the driver and is used through it alone until the test reads it back.
    let gicd = unsafe { Distributor::new(base) };
    gicd.write32(gicd::PIDR2, 0x30);
    gicd.write32(gicd::TYPER, 1);
    gicd
}

fn spi(intid: u32, core: u32, edge: u32) -> Spi {
    Spi {
        intid,
        partition: 0,
        core,
        edge,
    }
}

fn cores() -> [Core; 2] {
    let mut cores = [Core::new_zeroed(), Core::new_zeroed()];
    cores[1].mpidr = 0x1_0002_0300;
    cores
}

/// Verifies: BH-IRQ-001.
#[test]
fn owned_spis_get_their_trigger_and_core_and_all_stay_disabled() {
    let mut memory = vec![0u64; gicd::SIZE / 8];
    let gicd = distributor(&mut memory);
    gicd.write32(gicd::ICFGR + 8, u32::MAX);
    let spis = [spi(37, 1, 1), spi(38, 0, 0), spi(63, 1, 0)];
    assert_eq!(gicd.init(&spis, &cores(), SecurityStates::One, 1), Ok(()));
    assert_eq!(gicd.read32(gicd::CTLR), 0x53);
    assert_eq!(gicd.read32(gicd::ICFGR + 8), 1 << 11);
    assert_eq!(gicd.read64(gicd::IROUTER + 37 * 8), 0x1_0002_0300);
    assert_eq!(gicd.read64(gicd::IROUTER + 38 * 8), 0);
    assert_eq!(gicd.read64(gicd::IROUTER + 63 * 8), 0x1_0002_0300);
    assert_eq!(gicd.read32(gicd::IGROUPR + 4), u32::MAX);
    assert_eq!(gicd.read32(gicd::ICENABLER + 4), u32::MAX);
    assert_eq!(
        (
            gicd.read32(gicd::ISENABLER + 4),
            gicd.read32(gicd::IPRIORITYR + 60)
        ),
        (0, 0xA0A0_A0A0)
    );
    assert_eq!(gicd.read32(gicd::IPRIORITYR + 64), 0);
}

/// Verifies: BH-IRQ-001.
#[test]
fn affinity_routing_that_is_on_stays_on() {
    let mut memory = vec![0u64; gicd::SIZE / 8];
    let gicd = distributor(&mut memory);
    gicd.write32(gicd::CTLR, 0x12);
    // A poll that never tries ends the set-up after its first write.
    assert!(gicd.init(&[], &cores(), SecurityStates::One, 0).is_err());
    assert_eq!(gicd.read32(gicd::CTLR), 0x50);
}

/// Verifies: BH-IRQ-001.
#[test]
fn a_distributor_that_does_not_fit_is_refused() {
    let mut memory = vec![0u64; gicd::SIZE / 8];
    let gicd = distributor(&mut memory);
    assert_eq!(
        gicd.init(&[spi(64, 0, 0)], &cores(), SecurityStates::One, 1),
        Err(GicError::Lines(64, 64))
    );
    gicd.write32(gicd::PIDR2, 0x20);
    assert_eq!(
        gicd.init(&[], &cores(), SecurityStates::One, 1),
        Err(GicError::Architecture(2))
    );
    gicd.write32(gicd::PIDR2, 0x30);
    let stuck = Timeout {
        register: "GICD_CTLR.RWP",
    };
    assert_eq!(
        gicd.init(&[], &cores(), SecurityStates::One, 0),
        Err(GicError::Timeout(stuck))
    );
}

/// Verifies: BH-IRQ-002.
#[test]
fn only_the_two_interrupts_of_el2_are_enabled_and_urgent() {
    let mut memory = vec![0u64; gicr::SIZE / 8];
    // SAFETY: as in `distributor`.
    let gicr = unsafe { Redistributor::new(memory.as_mut_ptr().expose_provenance()) };
    gicr.write64(gicr::TYPER, 0x0102_0300 << 32);
    assert_eq!(
        gicr.init(0x1_0002_0301, OwnInterrupts::Group0, 0, 1),
        Err(GicError::Affinity(0x1_0002_0300))
    );
    gicr.write32(gicr::WAKER, PROCESSOR_SLEEP);
    assert_eq!(
        gicr.init(0x1_0002_0300, OwnInterrupts::Group0, 1 << 23, 1),
        Ok(())
    );
    assert_eq!(gicr.read32(gicr::WAKER), 0);
    assert_eq!(gicr.read32(gicr::ISENABLER0), 1 << 15 | 1 << 23 | 1 << 26);
    assert_eq!(gicr.read32(gicr::IGROUPR0), !(1 << 15 | 1 << 23 | 1 << 26));
    for intid in 0..32u32 {
        let word = gicr.read32(at(gicr::IPRIORITYR, intid / 4, 4));
        let priority = (word >> (intid % 4 * 8)) & 0xFF;
        assert_eq!(
            priority,
            if matches!(intid, 15 | 23 | 26) { 0 } else { 0xA0 },
            "{intid}"
        );
    }
    gicr.write32(gicr::WAKER, CHILDREN_ASLEEP);
    let stuck = Timeout {
        register: "GICR_WAKER.ChildrenAsleep",
    };
    assert_eq!(
        gicr.init(0x1_0002_0300, OwnInterrupts::Group0, 0, 9),
        Err(GicError::Timeout(stuck))
    );
}

/// Verifies: BH-IRQ-006.
#[test]
fn with_two_security_states_only_group_1_is_used() {
    let mut memory = vec![0u64; gicd::SIZE / 8];
    let gicd = distributor(&mut memory);
    assert_eq!(gicd.init(&[], &cores(), SecurityStates::Two, 1), Ok(()));
    assert_eq!(gicd.read32(gicd::CTLR), 0x12, "ARE_NS, EnableGrp1A");
    assert_eq!(gicd.security_states(), SecurityStates::Two);
    let mut memory = vec![0u64; gicr::SIZE / 8];
    // SAFETY: as in `distributor`.
    let gicr = unsafe { Redistributor::new(memory.as_mut_ptr().expose_provenance()) };
    for (own, bits) in [
        (OwnInterrupts::Group1, 1 << 7 | 1 << 26),
        (OwnInterrupts::None, 0),
    ] {
        assert_eq!(gicr.init(0, own, 0, 1), Ok(()));
        assert_eq!(
            (gicr.read32(gicr::IGROUPR0), gicr.read32(gicr::ISENABLER0)),
            (u32::MAX, bits)
        );
        let urgent =
            (0..32u32).filter(|n| gicr.read32(at(gicr::IPRIORITYR, n / 4, 4)) >> (n % 4 * 8) & 0xff == 0);
        assert_eq!(urgent.fold(0, |set, n| set | 1u32 << n), bits);
    }
}
