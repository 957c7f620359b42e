// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GICv3 distributor and redistributor, as EL2 sets them up.
//!
//! With one security state (`GICD_CTLR.DS` = 1) Group 0 interrupts are EL2's own (FIQ), Group 1 interrupts the
//! partitions'. With two, Group 0 and priorities below 0x80 are the firmware's: EL2's own are Group 1 interrupts
//! like all others, more urgent than them, and exist on sliced cores only, where EL2 takes every interrupt. What
//! firmware keeps in its groups stays its own: those bits ignore EL2's writes.
//!
//! # References
//! Arm IHI 0069 (GICv3 and GICv4 architecture specification), "The Distributor register descriptions" and
//! "The Redistributor register descriptions".

use core::ops::Deref;

use bulkhead_types::tables::{Core, Spi};

use crate::mmio::{Frame, Timeout, poll};

/// Byte offsets of distributor registers.
pub mod gicd {
    /// Control.
    pub const CTLR: usize = 0x0000;
    /// Interrupt controller type.
    pub const TYPER: usize = 0x0004;
    /// Group, one bit per INTID.
    pub const IGROUPR: usize = 0x0080;
    /// Set-enable, one bit per INTID.
    pub const ISENABLER: usize = 0x0100;
    /// Clear-enable, one bit per INTID.
    pub const ICENABLER: usize = 0x0180;
    /// Set-pending, one bit per INTID.
    pub const ISPENDR: usize = 0x0200;
    /// Clear-pending, one bit per INTID.
    pub const ICPENDR: usize = 0x0280;
    /// Set-active, one bit per INTID.
    pub const ISACTIVER: usize = 0x0300;
    /// Clear-active, one bit per INTID.
    pub const ICACTIVER: usize = 0x0380;
    /// Priority, one byte per INTID.
    pub const IPRIORITYR: usize = 0x0400;
    /// Configuration, two bits per INTID: bit 1 set = edge-triggered.
    pub const ICFGR: usize = 0x0C00;
    /// Routing, 8 bytes per INTID from INTID 32.
    pub const IROUTER: usize = 0x6000;
    /// Peripheral ID 2: architecture revision in bits 7:4.
    pub const PIDR2: usize = 0xFFE8;
    /// Bytes of the frame.
    pub const SIZE: usize = 0x1_0000;
}

/// Byte offsets of redistributor registers, from RD_base.
pub mod gicr {
    /// Control.
    pub const CTLR: usize = 0x0000;
    /// Type: affinity in bits 63:32.
    pub const TYPER: usize = 0x0008;
    /// Power management.
    pub const WAKER: usize = 0x0014;
    /// SGI_base − RD_base.
    pub const SGI_BASE: usize = 0x1_0000;
    /// Group of SGIs and PPIs.
    pub const IGROUPR0: usize = SGI_BASE + 0x0080;
    /// Set-enable of SGIs and PPIs.
    pub const ISENABLER0: usize = SGI_BASE + 0x0100;
    /// Clear-enable of SGIs and PPIs.
    pub const ICENABLER0: usize = SGI_BASE + 0x0180;
    /// Set-pending of SGIs and PPIs.
    pub const ISPENDR0: usize = SGI_BASE + 0x0200;
    /// Clear-pending of SGIs and PPIs.
    pub const ICPENDR0: usize = SGI_BASE + 0x0280;
    /// Set-active of SGIs and PPIs.
    pub const ISACTIVER0: usize = SGI_BASE + 0x0300;
    /// Clear-active of SGIs and PPIs.
    pub const ICACTIVER0: usize = SGI_BASE + 0x0380;
    /// Priority, one byte per INTID.
    pub const IPRIORITYR: usize = SGI_BASE + 0x0400;
    /// Configuration of PPIs.
    pub const ICFGR1: usize = SGI_BASE + 0x0C04;
    /// Bytes of RD_base and SGI_base together.
    pub const SIZE: usize = 0x2_0000;
}

/// `GICD_CTLR` with one security state.
mod ctlr {
    pub(super) const ENABLE_GROUP0: u32 = 1 << 0;
    pub(super) const ENABLE_GROUP1: u32 = 1 << 1;
    pub(super) const ARE: u32 = 1 << 4;
    pub(super) const DS: u32 = 1 << 6;
    pub(super) const RWP: u32 = 1 << 31;
}

/// `GICR_CTLR.RWP`.
const GICR_RWP: u32 = 1 << 3;
/// `GICR_CTLR.EnableLPIs`.
const GICR_ENABLE_LPIS: u32 = 1 << 0;
/// `GICR_WAKER.ProcessorSleep`.
const PROCESSOR_SLEEP: u32 = 1 << 1;
/// `GICR_WAKER.ChildrenAsleep`.
const CHILDREN_ASLEEP: u32 = 1 << 2;

/// SGI that EL2 keeps for itself on every core.
pub const KICK_SGI: u32 = 15;
/// PPI of the EL2 physical timer.
pub const EL2_TIMER_PPI: u32 = 26;
/// Priority of EL2's own interrupts.
pub const EL2_PRIORITY: u8 = 0x00;
/// Priority of a partition's interrupts until its guest chooses another.
pub const PARTITION_PRIORITY: u8 = 0xA0;

/// Four priority bytes as one word.
pub(crate) const fn priorities(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes)
}

/// Why the interrupt controller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GicError {
    /// A poll did not end.
    Timeout(Timeout),
    /// Not a GICv3 or later; holds the architecture revision found.
    Architecture(u32),
    /// Other security states than the board should have; holds those found.
    Security(SecurityStates),
    /// The INTID is beyond the distributor's lines; holds the INTID and the number of lines.
    Lines(u32, u32),
    /// The redistributor belongs to another core; holds the affinity found.
    Affinity(u64),
    /// LPIs were left enabled and cannot be switched off.
    LpisEnabled,
    /// Not a GICv2, which the board should have; holds the architecture revision found.
    NotVersion2(u32),
    /// Too few list registers; holds their number.
    ListRegisters(u32),
}

impl From<Timeout> for GicError {
    fn from(timeout: Timeout) -> Self {
        Self::Timeout(timeout)
    }
}

/// Byte offset of word or entry `index` in an array of registers; beyond every frame when it overflows.
pub(crate) fn at(base: usize, index: u32, stride: usize) -> usize {
    usize::try_from(index)
        .ok()
        .and_then(|i| i.checked_mul(stride))
        .and_then(|o| o.checked_add(base))
        .unwrap_or(usize::MAX)
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
    /// As [`Frame::new`], with `size` = [`gicd::SIZE`].
    pub const unsafe fn new(base: usize) -> Self {
        // SAFETY: the caller's claim.
        Self(unsafe { Frame::new(base, gicd::SIZE) })
    }

    /// Takes the distributor of a GICv2 at `base`, for accesses to registers that both versions have.
    ///
    /// # Safety
    /// As [`crate::gicv2::Distributor::new`].
    pub const unsafe fn small(base: usize) -> Self {
        // SAFETY: the caller's claim.
        Self(unsafe { Frame::new(base, crate::gicv2::gicd2::SIZE) })
    }

    /// Waits until the effects of the last write to `GICD_CTLR` or `GICD_ICENABLER` are visible.
    ///
    /// # Errors
    /// [`Timeout`] after `bound` tries.
    pub fn wait(&self, bound: u64) -> Result<(), Timeout> {
        poll("GICD_CTLR.RWP", bound, || {
            self.read32(gicd::CTLR) & ctlr::RWP == 0
        })
    }

    /// Security states; a distributor with two shows EL2 `DS` as 0.
    pub fn security_states(&self) -> SecurityStates {
        if self.read32(gicd::CTLR) & ctlr::DS == 0 {
            SecurityStates::Two
        } else {
            SecurityStates::One
        }
    }

    /// Interrupt lines: INTIDs from 0, a multiple of 32.
    pub fn lines(&self) -> u32 {
        let field = self.read32(gicd::TYPER) & 0x1F;
        field.saturating_add(1).saturating_mul(32).min(1020)
    }

    /// Brings the distributor into its start state: every SPI disabled, idle, Group 1, level-sensitive; the
    /// owned ones with their trigger and routed to their core; both groups enabled.
    ///
    /// Implements: BH-IRQ-001, BH-IRQ-006.
    ///
    /// # Errors
    /// What the hardware lacks, or a poll that did not end within `bound` tries.
    pub fn init(
        &self,
        spis: &[Spi],
        cores: &[Core],
        states: SecurityStates,
        bound: u64,
    ) -> Result<(), GicError> {
        let revision = (self.read32(gicd::PIDR2) >> 4) & 0xF;
        if revision < 3 {
            return Err(GicError::Architecture(revision));
        }
        // ARE must not go from 1 to 0 ("GICD_CTLR, Distributor Control Register").
        let routed = self.read32(gicd::CTLR) & ctlr::ARE;
        let ds = match states {
            SecurityStates::One => ctlr::DS,
            // The bit is reserved in EL2's view; `ARE` and `ENABLE_GROUP1` are where they are with one state.
            SecurityStates::Two => 0,
        };
        self.write32(gicd::CTLR, ds | routed);
        self.wait(bound)?;
        let found = self.security_states();
        if found != states {
            return Err(GicError::Security(found));
        }
        self.write32(gicd::CTLR, ds | ctlr::ARE);
        self.wait(bound)?;
        self.silence_spis(bound)?;
        for spi in spis {
            self.route(spi, cores)?;
        }
        let group0 = match states {
            SecurityStates::One => ctlr::ENABLE_GROUP0,
            SecurityStates::Two => 0,
        };
        let enabled = ds | ctlr::ARE | group0 | ctlr::ENABLE_GROUP1;
        self.write32(gicd::CTLR, enabled);
        self.wait(bound)?;
        Ok(())
    }

    fn silence_spis(&self, bound: u64) -> Result<(), Timeout> {
        let lines = self.lines();
        for word in 1..lines.div_ceil(32) {
            self.write32(at(gicd::ICENABLER, word, 4), u32::MAX);
            self.write32(at(gicd::ICPENDR, word, 4), u32::MAX);
            self.write32(at(gicd::ICACTIVER, word, 4), u32::MAX);
            self.write32(at(gicd::IGROUPR, word, 4), u32::MAX);
        }
        self.wait(bound)?;
        for word in 8..lines.div_ceil(4) {
            self.write32(at(gicd::IPRIORITYR, word, 4), priorities([PARTITION_PRIORITY; 4]));
        }
        for word in 2..lines.div_ceil(16) {
            self.write32(at(gicd::ICFGR, word, 4), 0);
        }
        Ok(())
    }

    /// Gives an SPI its trigger and its core.
    fn route(&self, spi: &Spi, cores: &[Core]) -> Result<(), GicError> {
        let lines = self.lines();
        let core = usize::try_from(spi.core).ok().and_then(|c| cores.get(c));
        let (true, Some(core)) = ((32..lines).contains(&spi.intid), core) else {
            return Err(GicError::Lines(spi.intid, lines));
        };
        let word = at(gicd::ICFGR, spi.intid >> 4, 4);
        let edge = 2u32 << ((spi.intid & 0xF) << 1);
        let others = self.read32(word) & !edge;
        self.write32(word, if spi.edge == 0 { others } else { others | edge });
        self.write64(at(gicd::IROUTER, spi.intid, 8), core.mpidr);
        Ok(())
    }
}

/// The redistributor of one core; its registers are those of the frame that it derefs to.
#[derive(Debug)]
pub struct Redistributor(Frame);

impl Deref for Redistributor {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.0
    }
}

impl Redistributor {
    /// Takes the redistributor whose RD_base is `base`.
    ///
    /// # Safety
    /// As [`Frame::new`], with `size` = [`gicr::SIZE`].
    pub const unsafe fn new(base: usize) -> Self {
        // SAFETY: the caller's claim.
        Self(unsafe { Frame::new(base, gicr::SIZE) })
    }

    /// Takes the registers of SGIs and PPIs of the calling core in the GICv2 distributor at `distributor`: what a
    /// redistributor has from [`gicr::SGI_BASE`] on, at the same offsets.
    ///
    /// # Safety
    /// 1. As [`crate::gicv2::Distributor::new`].
    /// 2. No register below [`gicr::SGI_BASE`] is used: neither [`Self::wait`] nor [`Self::init`] is called.
    pub const unsafe fn banked(distributor: usize) -> Self {
        // SAFETY: from `SGI_BASE` on, by promise 1; nothing below is accessed, by promise 2.
        Self(unsafe {
            Frame::new(
                distributor.saturating_sub(gicr::SGI_BASE),
                gicr::SGI_BASE.saturating_add(crate::gicv2::gicd2::SIZE),
            )
        })
    }

    /// Waits until the effects of the last write to `GICR_ICENABLER0` are visible.
    ///
    /// # Errors
    /// [`Timeout`] after `bound` tries.
    pub fn wait(&self, bound: u64) -> Result<(), Timeout> {
        poll("GICR_CTLR.RWP", bound, || self.read32(gicr::CTLR) & GICR_RWP == 0)
    }

    /// Affinity of the core it belongs to, in the layout of `MPIDR_EL1`.
    fn affinity(&self) -> u64 {
        let [aff0, aff1, aff2, aff3, ..] = (self.read64(gicr::TYPER) >> 32).to_le_bytes();
        u64::from_le_bytes([aff0, aff1, aff2, 0, aff3, 0, 0, 0])
    }

    /// Wakes the redistributor and brings its SGIs and PPIs into their start state: EL2's interrupts, if it has some
    /// there, enabled in their group, all others disabled, idle, in Group 1. To its two come those in the set of bits
    /// `more`.
    ///
    /// `mpidr` is the affinity of the core that must own it. Implements: BH-IRQ-002, BH-IRQ-006.
    ///
    /// # Errors
    /// What does not fit, or a poll that did not end within `bound` tries.
    pub fn init(&self, mpidr: u64, own: OwnInterrupts, more: u32, bound: u64) -> Result<(), GicError> {
        let bits = own.bits_with(more);
        let affinity = self.affinity();
        if affinity != mpidr {
            return Err(GicError::Affinity(affinity));
        }
        self.write32(gicr::WAKER, self.read32(gicr::WAKER) & !PROCESSOR_SLEEP);
        poll("GICR_WAKER.ChildrenAsleep", bound, || {
            self.read32(gicr::WAKER) & CHILDREN_ASLEEP == 0
        })?;
        self.write32(gicr::CTLR, self.read32(gicr::CTLR) & !GICR_ENABLE_LPIS);
        self.write32(gicr::ICENABLER0, u32::MAX);
        self.wait(bound)?;
        if self.read32(gicr::CTLR) & GICR_ENABLE_LPIS != 0 {
            return Err(GicError::LpisEnabled);
        }
        self.write32(gicr::ICPENDR0, u32::MAX);
        self.write32(gicr::ICACTIVER0, u32::MAX);
        let group0 = match own {
            OwnInterrupts::Group0 => bits,
            OwnInterrupts::Group1 | OwnInterrupts::None => 0,
        };
        self.write32(gicr::IGROUPR0, !group0);
        self.write32(gicr::ICFGR1, 0);
        for word in 0..8u32 {
            let byte = |lane: u32| {
                let intid = word.saturating_mul(4).saturating_add(lane);
                let el2 = bits & 1u32.checked_shl(intid).unwrap_or(0) != 0;
                if el2 { EL2_PRIORITY } else { PARTITION_PRIORITY }
            };
            let value = priorities([byte(0), byte(1), byte(2), byte(3)]);
            self.write32(at(gicr::IPRIORITYR, word, 4), value);
        }
        self.write32(gicr::ISENABLER0, bits);
        Ok(())
    }
}

mod own;

pub use own::{GROUP1_KICK_SGI, OwnInterrupts, SecurityStates};

#[cfg(test)]
mod tests;
