// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Identification registers; reads and writes of the registers that hold a word, bytes or bit pairs of a
//! [`Bank`].
//!
//! # References
//! Arm IHI 0069, "Distributor register descriptions": `GICD_IGROUPR<n>` to `GICD_ICFGR<n>`.

use super::bank::Bank;
use super::decode::BitRegister;
use super::state::ENABLE_GROUP1;
use super::types::{AccessSize, PRIORITY_MASK, PhysicalOperation};

/// `GICD_CTLR`: DS, ARE.
pub(super) const CONTROL_FIXED: u32 = 1 << 6 | 1 << 4;
/// `GICD_CTLR`: EnableGrp1, EnableGrp0.
pub(super) const CONTROL_GROUPS: u32 = ENABLE_GROUP1 | 1;
/// `PIDR2`: architecture GICv3.
pub(super) const PERIPHERAL_2: u64 = 3 << 4;
/// `GICD_TYPER`: ITLinesNumber, 10 bits of INTID, No1N.
pub(super) fn distributor_type(spi_words: usize) -> u64 {
    u64::try_from(spi_words).unwrap_or(0) & 0x1f | 9 << 19 | 1 << 25
}

/// `GICR_TYPER`: affinity, processor number, Last.
pub(super) fn redistributor_type(vcpu: usize, vcpu_count: usize) -> u64 {
    let last = vcpu.saturating_add(1) == vcpu_count;
    let vcpu = u64::try_from(vcpu).unwrap_or(0);
    vcpu << 32 | vcpu << 8 | u64::from(last) << 4
}

/// The low 32 bits.
#[inline]
pub(super) fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

/// Two bits an interrupt, of which the upper says edge, for 16 interrupts.
#[inline]
pub(super) fn spread(edges: u32) -> u32 {
    let x = edges & 0xffff;
    let x = (x | x << 8) & 0x00ff_00ff;
    let x = (x | x << 4) & 0x0f0f_0f0f;
    let x = (x | x << 2) & 0x3333_3333;
    ((x | x << 1) & 0x5555_5555) << 1
}

/// Inverse of [`spread`].
#[inline]
fn gather(fields: u32) -> u32 {
    let x = fields >> 1 & 0x5555_5555;
    let x = (x | x >> 1) & 0x3333_3333;
    let x = (x | x >> 2) & 0x0f0f_0f0f;
    let x = (x | x >> 4) & 0x00ff_00ff;
    (x | x >> 8) & 0xffff
}

/// What a write to a bit register concerns.
pub(super) struct BitChange {
    /// Interrupts whose vCPUs are to be refreshed.
    pub(super) concerns: u32,
    /// What the physical register shall do, with these bits.
    pub(super) operation: PhysicalOperation,
    /// The bits.
    pub(super) bits: u32,
}

impl Bank {
    /// Reads a bit register. `physical`: interrupts whose physical pending state is read as well.
    pub(super) fn read_bits(&self, kind: BitRegister, physical: u32) -> u32 {
        match kind {
            BitRegister::Group => self.group1,
            BitRegister::SetEnable | BitRegister::ClearEnable => self.enabled,
            BitRegister::SetPending | BitRegister::ClearPending => self.pending_seen(physical),
            BitRegister::SetActive | BitRegister::ClearActive => self.active_seen(),
        }
    }

    /// Writes a bit register.
    pub(super) fn write_bits(&mut self, kind: BitRegister, bits: u32, gate: u32) -> BitChange {
        let mut change = BitChange {
            concerns: 0,
            operation: PhysicalOperation::None,
            bits: 0,
        };
        match kind {
            BitRegister::Group => {
                let changed = self.group1 ^ bits;
                self.group1 = bits;
                change.concerns = changed & (self.resident | self.pending());
                change.operation = PhysicalOperation::ReloadEnables;
                change.bits = changed & self.enabled;
            }
            BitRegister::SetEnable => {
                let new = bits & !self.enabled;
                self.enabled |= bits;
                change.concerns = new & self.deliverable() & gate;
                change.operation = PhysicalOperation::SetEnable;
                change.bits = new & self.group1 & gate;
            }
            BitRegister::ClearEnable => {
                let gone = bits & self.enabled;
                self.enabled &= !bits;
                change.concerns = gone & self.resident;
                change.operation = PhysicalOperation::ClearEnable;
                change.bits = gone;
            }
            BitRegister::SetPending => {
                self.latch |= bits;
                change.concerns = bits & self.deliverable() & gate;
            }
            BitRegister::ClearPending => {
                self.clear_pending(bits);
                change.concerns = bits & self.resident;
                change.operation = PhysicalOperation::ClearPending;
                change.bits = bits;
            }
            BitRegister::SetActive => {
                self.active |= bits & !self.active_seen();
                change.concerns = bits;
            }
            BitRegister::ClearActive => {
                change.concerns = bits & (self.resident | self.active);
                self.clear_active(bits);
            }
        }
        self.give_back(self.open() & gate);
        change
    }

    /// Reads one priority, or four when `word`.
    pub(super) fn read_priority(&self, first: u32, size: AccessSize) -> u64 {
        let bytes = self
            .priority
            .iter()
            .skip(usize::try_from(first & 31).unwrap_or(0));
        let count = if size == AccessSize::Word { 4 } else { 1 };
        bytes
            .take(count)
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// Writes one priority or four; returns the interrupts that it concerns.
    pub(super) fn write_priority(&mut self, first: u32, size: AccessSize, value: u64) -> u32 {
        let bytes = self
            .priority
            .iter_mut()
            .skip(usize::try_from(first & 31).unwrap_or(0));
        let count = if size == AccessSize::Word { 4 } else { 1 };
        for (byte, new) in bytes.zip(value.to_le_bytes()).take(count) {
            *byte = new & PRIORITY_MASK;
        }
        let written = if size == AccessSize::Word { 0xf } else { 1 };
        let place = first & 31;
        for (plane, bit) in self.planes.iter_mut().zip((0..8).rev()) {
            // Bit `bit` of each byte, side by side: the product brings them into the topmost byte.
            let bits = (low(value) >> bit & 0x0101_0101).wrapping_mul(0x0102_0408) >> 24;
            *plane = *plane & !(written << place) | (bits & written) << place;
        }
        // One that waits for a list register may now be more urgent than what is in one.
        (written << place) & (self.resident | self.deliverable() & !self.active)
    }

    /// Writes 16 trigger modes; returns the interrupts that it concerns.
    pub(super) fn write_configuration(&mut self, first: u32, value: u64) -> u32 {
        let shift = first & 16;
        let edge = self.edge & !(0xffff << shift) | gather(low(value)) << shift;
        let changed = self.edge ^ edge;
        self.edge = edge;
        changed & (self.resident | self.line)
    }
}
