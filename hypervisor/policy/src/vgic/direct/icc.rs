// SPDX-License-Identifier: Apache-2.0 OR MIT
//! CPU interface registers of a partition on dedicated cores that trap (`ICH_HCR_EL2.TC` = 1), and the
//! mapping of its priorities.
//!
//! The guest has 16 levels, 0x00 to 0xf0; they become 0x80 to 0xf8 physically. Everything of EL2 on these
//! cores is more urgent than 0x80, and no priority mask that the guest can set hides it.
//! Implements: BH-GIC-011.
//!
//! # References
//! Arm IHI 0069, "AArch64 System register descriptions": ICC_PMR_EL1, ICC_RPR_EL1, ICC_CTLR_EL1,
//! ICC_DIR_EL1, ICC_SGI1R_EL1; "Interrupt prioritization".

use super::{OWNED_SGIS, Owner};
use crate::vgic::events::sgi_targets;
use crate::vgic::types::VcpuSet;
use crate::vgic::words::low;

/// `ICC_RPR_EL1` when no interrupt is active.
const IDLE: u64 = 0xff;
/// `ICC_CTLR_EL1.EOImode`.
const EOI_MODE: u64 = 1 << 1;
/// `ICC_CTLR_EL1.PRIbits`: the number of priority bits less one.
const PRIORITY_BITS: u64 = 7 << 8;

/// Four guest priorities to physical ones: 0x80 | *p* / 2, each of 16 levels.
#[inline]
pub(super) fn priorities_to_physical(guest: u32) -> u32 {
    (guest & 0xf0f0_f0f0) >> 1 | 0x8080_8080
}

/// Inverse of [`priorities_to_physical`]. What is more urgent than a guest may be reads as 0.
#[inline]
pub(super) fn priorities_to_guest(physical: u32) -> u32 {
    let of_guest = (physical & 0x8080_8080) >> 7;
    ((physical & 0x7878_7878) << 1) & of_guest.wrapping_mul(0xff)
}

/// The physical `ICC_PMR_EL1` for the value that the guest writes: 0x80, which masks all of the guest's
/// interrupts and none of EL2's, to 0xf8.
#[inline]
pub fn pmr_to_physical(guest: u64) -> u64 {
    u64::from(priorities_to_physical(low(guest & 0xff)) & 0xff)
}

/// What the guest reads from `ICC_PMR_EL1`.
#[inline]
pub fn pmr_to_guest(physical: u64) -> u64 {
    u64::from(priorities_to_guest(low(physical & 0xff)))
}

/// What the guest reads from `ICC_RPR_EL1`.
#[inline]
pub fn rpr_to_guest(physical: u64) -> u64 {
    if physical & 0xff == IDLE {
        IDLE
    } else {
        pmr_to_guest(physical)
    }
}

/// The physical `ICC_CTLR_EL1` for the value that the guest writes: only EOImode is the guest's.
#[inline]
pub fn ctlr_to_physical(guest: u64) -> u64 {
    guest & EOI_MODE
}

/// What the guest reads from `ICC_CTLR_EL1`: the physical one, with 4 bits of priority.
#[inline]
pub fn ctlr_to_guest(physical: u64) -> u64 {
    physical & !PRIORITY_BITS | 3 << 8
}

/// The value for the physical `ICC_DIR_EL1`, or none when the guest does not own the interrupt.
#[inline]
pub fn may_deactivate(owner: &Owner, guest: u64) -> Option<u64> {
    let intid = low(guest & 0xff_ffff);
    owner.owns(intid).then_some(u64::from(intid))
}

/// SGIs that a write to `ICC_SGI1R_EL1` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SgiRequest {
    /// 0 to 14.
    pub intid: u32,
    /// vCPUs of the partition.
    pub targets: VcpuSet,
}

/// What a write of `guest` to `ICC_SGI1R_EL1` by vCPU `from` asks for; SGI 15 is EL2's and is ignored.
#[inline]
pub fn sgi(owner: &Owner, from: usize, guest: u64) -> Option<SgiRequest> {
    let (intid, targets) = sgi_targets(VcpuSet::first(owner.vcpu_count), from, guest);
    let allowed = OWNED_SGIS >> intid & 1 != 0 && !targets.is_empty();
    allowed.then_some(SgiRequest { intid, targets })
}

/// The physical `ICC_SGI1R_EL1` that sends SGI `intid` to the core whose `MPIDR_EL1` is `mpidr`.
#[inline]
pub fn sgi1r(intid: u32, mpidr: u64) -> u64 {
    let (aff0, aff1) = (mpidr & 0xff, mpidr >> 8 & 0xff);
    let (aff2, aff3) = (mpidr >> 16 & 0xff, mpidr >> 32 & 0xff);
    let target = 1_u64 << (aff0 & 0xf);
    aff3 << 48 | aff0 >> 4 << 44 | aff2 << 32 | u64::from(intid & 0xf) << 24 | aff1 << 16 | target
}
