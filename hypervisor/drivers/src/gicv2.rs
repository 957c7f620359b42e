// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GICv2 distributor, as EL2 sets it up; its CPU and virtual interfaces are in [`interface`].
//!
//! EL2 uses one group: with the Security Extensions it sees Group 1 alone, without them everything stays in
//! Group 0; the enables that it writes are bit 0 of the control registers in both cases. The registers of SGIs and
//! PPIs are banked by core.
//!
//! # References
//! Arm IHI 0048B (GICv2 architecture specification), "Distributor register descriptions".

pub mod interface;

use core::ops::Deref;

use bulkhead_types::tables::{Core, Spi};

use crate::gic::{EL2_PRIORITY, EL2_TIMER_PPI, GicError, KICK_SGI, PARTITION_PRIORITY, at, gicd, priorities};
use crate::mmio::Frame;

/// Byte offsets of registers that a GICv3 distributor does not have, or has elsewhere.
pub mod gicd2 {
    /// Processor targets, one byte per INTID.
    pub const ITARGETSR: usize = 0x800;
    /// Software generated interrupt.
    pub const SGIR: usize = 0xF00;
    /// SGI clear-pending, one byte per SGI.
    pub const CPENDSGIR: usize = 0xF10;
    /// Peripheral ID 2: architecture revision in bits 7:4.
    pub const ICPIDR2: usize = 0xFE8;
    /// Bytes of the frame.
    pub const SIZE: usize = 0x1000;
}

/// The two interrupts that EL2 has on every sliced core.
const TWO: u32 = 1 << KICK_SGI | 1 << EL2_TIMER_PPI;

/// Bit of a core's CPU interface in target lists; its number is the core's Aff0, which [`Distributor::init_core`]
/// compares.
pub fn interface_bit(mpidr: u64) -> u32 {
    u32::try_from(mpidr & 7)
        .ok()
        .and_then(|n| 1u32.checked_shl(n))
        .unwrap_or(0)
}

/// The distributor; its registers are those of the frame that it derefs to.
#[derive(Debug)]
pub struct Distributor(Frame);

impl Deref for Distributor {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.0
    }
}

impl Distributor {
    /// Takes the distributor at `base`.
    ///
    /// # Safety
    /// As [`Frame::new`], with `size` = [`gicd2::SIZE`].
    pub const unsafe fn new(base: usize) -> Self {
        // SAFETY: the caller's claim.
        Self(unsafe { Frame::new(base, gicd2::SIZE) })
    }

    /// Interrupt lines: INTIDs from 0, a multiple of 32.
    fn lines(&self) -> u32 {
        let field = self.read32(gicd::TYPER) & 0x1F;
        field.saturating_add(1).saturating_mul(32).min(1020)
    }

    /// Brings the distributor into its start state: every SPI disabled, idle, level-sensitive, without a target; the
    /// owned ones with their trigger and their core; forwarding enabled.
    ///
    /// Implements: BH-IRQ-003.
    ///
    /// # Errors
    /// What the hardware lacks.
    pub fn init(&self, spis: &[Spi], cores: &[Core]) -> Result<(), GicError> {
        let revision = (self.read32(gicd2::ICPIDR2) >> 4) & 0xF;
        if revision != 2 {
            return Err(GicError::NotVersion2(revision));
        }
        self.write32(gicd::CTLR, 0);
        let lines = self.lines();
        for word in 1..lines.div_ceil(32) {
            self.write32(at(gicd::ICENABLER, word, 4), u32::MAX);
            self.write32(at(gicd::ICPENDR, word, 4), u32::MAX);
            self.write32(at(gicd::ICACTIVER, word, 4), u32::MAX);
            self.write32(at(gicd::IGROUPR, word, 4), 0);
        }
        for word in 8..lines.div_ceil(4) {
            self.write32(at(gicd::IPRIORITYR, word, 4), priorities([PARTITION_PRIORITY; 4]));
            self.write32(at(gicd2::ITARGETSR, word, 4), 0);
        }
        for word in 2..lines.div_ceil(16) {
            self.write32(at(gicd::ICFGR, word, 4), 0);
        }
        for spi in spis {
            let core = usize::try_from(spi.core).ok().and_then(|c| cores.get(c));
            let (true, Some(core)) = ((32..lines).contains(&spi.intid), core) else {
                return Err(GicError::Lines(spi.intid, lines));
            };
            let word = at(gicd::ICFGR, spi.intid >> 4, 4);
            let edge = 2u32 << ((spi.intid & 0xF) << 1);
            let others = self.read32(word) & !edge;
            self.write32(word, if spi.edge == 0 { others } else { others | edge });
            self.target(spi.intid, interface_bit(core.mpidr));
        }
        self.write32(gicd::CTLR, 1);
        Ok(())
    }

    /// Sends an SPI to the cores in a target list.
    pub fn target(&self, intid: u32, interfaces: u32) {
        let [list, ..] = interfaces.to_le_bytes();
        self.write8(at(gicd2::ITARGETSR, intid, 1), list);
    }

    /// Brings SGIs and PPIs of the calling core into their start state: EL2's
    /// most urgent and, where `own` says so, enabled; all others disabled and idle.
    ///
    /// SGIs may be permanently enabled: nobody sends one that EL2 does not. Implements: BH-IRQ-004.
    ///
    /// # Errors
    /// The core's CPU interface has another number than its Aff0.
    pub fn init_core(&self, mpidr: u64, own: OwnInterrupts) -> Result<(), GicError> {
        let found = self.read32(gicd2::ITARGETSR) & 0xFF;
        if found != interface_bit(mpidr) {
            return Err(GicError::Affinity(found.into()));
        }
        self.write32(gicd::ICENABLER, u32::MAX);
        self.write32(gicd::ICPENDR, u32::MAX);
        for word in 0..4u32 {
            self.write32(at(gicd2::CPENDSGIR, word, 4), u32::MAX);
        }
        self.write32(gicd::ICACTIVER, u32::MAX);
        self.write32(gicd::IGROUPR, 0);
        self.write32(at(gicd::ICFGR, 1, 4), 0);
        let urgent = match own {
            OwnInterrupts::Enabled(more) => TWO | more,
            OwnInterrupts::None => TWO,
        };
        for word in 0..8u32 {
            let byte = |lane: u32| {
                let intid = word.saturating_mul(4).saturating_add(lane);
                let el2 = urgent.checked_shr(intid).is_some_and(|bits| bits & 1 == 1);
                if el2 { EL2_PRIORITY } else { PARTITION_PRIORITY }
            };
            let value = priorities([byte(0), byte(1), byte(2), byte(3)]);
            self.write32(at(gicd::IPRIORITYR, word, 4), value);
        }
        match own {
            OwnInterrupts::Enabled(_) => self.write32(gicd::ISENABLER, urgent),
            OwnInterrupts::None => {}
        }
        Ok(())
    }
}

/// Whether EL2 takes interrupts of its own on a core.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnInterrupts {
    /// It does, a sliced core: its two, and those in this set of bits.
    Enabled(u32),
    /// All that the CPU interface signals is the guest's: a dedicated core.
    None,
}

#[cfg(test)]
mod tests;
