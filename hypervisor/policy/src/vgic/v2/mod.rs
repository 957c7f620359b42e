// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GICv2 for guests: the same state machine behind the distributor of a GICv2 and list registers of 32 bits.
//!
//! The guest has one interrupt group, as a GICv2 without the Security Extensions that is used like Linux uses it:
//! `IGROUPR` reads as zero, `GICD_CTLR` has one enable. In the state machine that group is Group 1, in the list
//! registers Group 0. [`VgicV2`] adds what only a GICv2 has: a source for each pending SGI, target lists, `GICD_SGIR`.
//! [`direct`] is the distributor of a partition on dedicated cores.
//!
//! # References
//! Arm IHI 0048B, ARM Generic Interrupt Controller Architecture Specification, version 2.0.

mod access;
mod decode;
pub mod direct;
mod list;
mod sgi;

pub use decode::{Register, decode, observes_state};
pub use list::{list_register, state_of};
pub use sgi::Extras;

use super::lists::Fill;
use super::state::{Vgic, VgicConfig};
use super::types::{LIST_REGISTERS, VcpuSet};

/// SGIs, which a GIC-400 has permanently enabled.
const SGIS: u32 = 0xffff;

/// The GICv2 of one partition as its guest sees it: the state machine, and the sources of its SGIs. Implements: BH-GIC-030.
#[derive(Debug)]
pub struct VgicV2<'a> {
    vgic: &'a mut Vgic,
    extras: &'a mut Extras,
}

impl<'a> VgicV2<'a> {
    /// The two parts of a partition's GICv2.
    #[inline]
    pub fn new(vgic: &'a mut Vgic, extras: &'a mut Extras) -> Self {
        Self { vgic, extras }
    }

    /// Takes the configuration and resets.
    pub fn configure(&mut self, config: &VgicConfig) {
        self.vgic.configure(config);
        *self.extras = Extras::new();
        for bank in &mut self.vgic.private {
            bank.group1 = u32::MAX;
            bank.enabled = SGIS;
        }
        for shared in &mut self.vgic.shared {
            shared.bank.group1 = u32::MAX;
        }
    }

    /// As [`Vgic::fold`]; `lrs` are what [`state_of`] made of `GICH_LR<n>`. Implements: BH-GIC-031.
    #[must_use]
    pub fn fold(&mut self, vcpu: usize, lrs: &[u64; LIST_REGISTERS]) -> VcpuSet {
        self.extras.take_back(vcpu, lrs);
        self.vgic.fold(vcpu, lrs)
    }

    /// As [`Vgic::fill`]; [`list_register`] makes of each of `lrs` the value for `GICH_LR<n>`. Implements: BH-GIC-031.
    pub fn fill(&mut self, vcpu: usize, lrs: &mut [u64; LIST_REGISTERS]) -> Fill {
        let fill = self.vgic.fill(vcpu, lrs);
        self.extras.hand_out(self.vgic, vcpu, lrs);
        fill
    }
}
