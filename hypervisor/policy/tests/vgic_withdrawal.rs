// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A level-sensitive physical interrupt whose input falls before the guest acknowledges it.
//!
//! Arm IHI 0069, "Interrupt handling state machine": a level-sensitive interrupt is pending while its input is
//! asserted.

use bulkhead_policy::vgic::{Access, AccessSize, Frame, Vgic, VgicConfig};

const TIMER: u32 = 27;
const PENDING: u64 = 1 << 62;
const ACTIVE: u64 = 1 << 63;

/// A GIC whose guest let the timer's PPI through, which came and is in list register 0.
fn listed() -> (Vgic, [u64; 4]) {
    let mut vgic = Vgic::new();
    vgic.configure(&VgicConfig {
        vcpu_count: 1,
        spi_lines: 32,
        physical_spis: [0; 8],
    });
    let mut write = |frame, offset, value| {
        vgic.access(0, frame, offset, AccessSize::Word, Access::Write(value));
    };
    write(Frame::Distributor, 0, 2);
    write(Frame::RedistributorSgi(0), 0x80, 1 << TIMER);
    write(Frame::RedistributorSgi(0), 0x100, 1 << TIMER);
    assert!(vgic.hardware(0, TIMER).contains(0));
    let mut lrs = [0; 4];
    vgic.fill(0, &mut lrs);
    assert_eq!(lrs[0] & (PENDING | ACTIVE | 0xffff), PENDING | u64::from(TIMER));
    assert_eq!(vgic.next_deactivation(0), None);
    (vgic, lrs)
}

/// Verifies: BH-GIC-022.
#[test]
fn a_fallen_input_withdraws_the_interrupt() {
    let (mut vgic, mut lrs) = listed();
    assert_eq!(vgic.ppis_waiting(0), 0, "it is in a list register");
    let _ = vgic.fold(0, &lrs);
    assert_eq!(vgic.ppis_waiting(0), 1 << TIMER);
    vgic.lower_ppis(0, 1 << TIMER);
    assert!(!vgic.has_deliverable(0));
    vgic.fill(0, &mut lrs);
    assert_eq!(lrs, [0; 4]);
    assert_eq!(vgic.next_deactivation(0), Some(TIMER), "it can come again");
    assert_eq!(vgic.next_deactivation(0), None);
    assert!(vgic.hardware(0, TIMER).contains(0));
}

/// Verifies: BH-GIC-022.
#[test]
fn an_input_that_stays_leaves_it_pending() {
    let (mut vgic, mut lrs) = listed();
    let _ = vgic.fold(0, &lrs);
    vgic.lower_ppis(0, 0);
    vgic.fill(0, &mut lrs);
    assert_eq!(lrs[0] & PENDING, PENDING);
    assert_eq!(vgic.next_deactivation(0), None);
}

/// Verifies: BH-GIC-022.
#[test]
fn an_acknowledged_interrupt_stays_active() {
    let (mut vgic, mut lrs) = listed();
    lrs[0] ^= PENDING | ACTIVE;
    let _ = vgic.fold(0, &lrs);
    assert_eq!(vgic.ppis_waiting(0), 0);
    vgic.lower_ppis(0, 1 << TIMER);
    vgic.fill(0, &mut lrs);
    assert_eq!(lrs[0] & (PENDING | ACTIVE), ACTIVE);
    assert_eq!(vgic.next_deactivation(0), None);
}

/// Verifies: BH-GIC-022.
#[test]
fn a_pending_bit_of_software_outlives_the_input() {
    let (mut vgic, mut lrs) = listed();
    let _ = vgic.fold(0, &lrs);
    let set_pending = Access::Write(1 << TIMER);
    vgic.access(
        0,
        Frame::RedistributorSgi(0),
        0x200,
        AccessSize::Word,
        set_pending,
    );
    vgic.lower_ppis(0, 1 << TIMER);
    vgic.fill(0, &mut lrs);
    assert_eq!(lrs[0] & PENDING, PENDING);
}
