// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The physical CPU interface (GICC) and the virtual interface control (GICH) of the calling core.
//!
//! Both are banked: each core finds its own at the same address.
//!
//! # References
//! Arm IHI 0048B, "CPU interface register descriptions", "Virtual interface control register descriptions".

use crate::gic::GicError;
use crate::mmio::Frame;

/// Byte offsets of CPU interface registers.
mod gicc {
    pub(super) const CTLR: usize = 0x00;
    pub(super) const PMR: usize = 0x04;
    pub(super) const BPR: usize = 0x08;
    pub(super) const IAR: usize = 0x0C;
    pub(super) const EOIR: usize = 0x10;
    pub(super) const APR0: usize = 0xD0;
    pub(super) const NSAPR0: usize = 0xE0;
    pub(super) const DIR: usize = 0x1000;
    pub(super) const SIZE: usize = 0x2000;
}

/// Byte offsets of virtual interface control registers.
mod gich {
    pub(super) const HCR: usize = 0x00;
    pub(super) const VTR: usize = 0x04;
    pub(super) const VMCR: usize = 0x08;
    pub(super) const ELRSR0: usize = 0x30;
    pub(super) const APR: usize = 0xF0;
    pub(super) const LR0: usize = 0x100;
    pub(super) const SIZE: usize = 0x200;
}

/// `GICC_CTLR`: signalling enabled. Bit 0 is EnableGrp1 with the Security Extensions, else EnableGrp0.
const ENABLE: u32 = 1;
/// `GICC_CTLR.FIQEn`: Group 0 as FIQ.
const FIQ_ENABLE: u32 = 1 << 3;
/// `GICC_CTLR`: the bits that keep signals of a legacy interrupt controller from the core (`FIQBypDisGrp0`,
/// `IRQBypDisGrp0`, `FIQBypDisGrp1`, `IRQBypDisGrp1`; EL2 sees the first two with the Security Extensions).
const BYPASS_DISABLED: u32 = 0xF << 5;
/// `GICC_CTLR.EOImode`: EOI drops the priority only.
const EOI_MODE: u32 = 1 << 9;
/// `GICC_IAR`: INTID.
const INTID: u32 = 0x3FF;
/// First INTID that means "nothing to acknowledge".
const SPECIAL: u32 = 1020;
/// `GICH_HCR`: the bits that exist.
const HCR_BITS: u32 = 0xF800_00FF;
/// List registers that EL2 uses.
const LIST_REGISTERS: u32 = 4;

/// Bytes of the CPU interface's frame.
pub const GICC_SIZE: usize = gicc::SIZE;
/// Bytes of the virtual interface control's frame.
pub const GICH_SIZE: usize = gich::SIZE;

/// Both interfaces of the calling core. Implements: BH-IRQ-005.
#[derive(Debug)]
pub struct Interface {
    gicc: Frame,
    gich: Frame,
}

/// State of a virtual CPU interface while its vCPU does not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VirtualState {
    /// `GICH_VMCR`.
    pub vmcr: u32,
    /// `GICH_APR`.
    pub apr: u32,
    /// `GICH_LR0` to `GICH_LR3`.
    pub lr: [u32; 4],
}

impl Interface {
    /// Takes the interfaces at these addresses.
    ///
    /// # Safety
    /// As [`Frame::new`] for each, with the sizes [`GICC_SIZE`] and [`GICH_SIZE`].
    pub const unsafe fn new(gicc: usize, gich: usize) -> Self {
        // SAFETY: the caller's claim.
        unsafe {
            Self {
                gicc: Frame::new(gicc, gicc::SIZE),
                gich: Frame::new(gich, gich::SIZE),
            }
        }
    }

    /// Whether there are list registers enough.
    ///
    /// # Errors
    /// [`GicError::ListRegisters`] with their number.
    pub fn check(&self) -> Result<(), GicError> {
        let found = (self.gich.read32(gich::VTR) & 0x3F).saturating_add(1);
        if found < LIST_REGISTERS {
            return Err(GicError::ListRegisters(found));
        }
        Ok(())
    }

    /// Sets up the interface of a sliced core: EL2 takes all interrupts, EOI drops the priority only.
    pub fn init_sliced(&self) {
        self.reset();
        self.gicc.write32(gicc::PMR, 0xFF);
        self.gicc.write32(gicc::CTLR, BYPASS_DISABLED | ENABLE | EOI_MODE);
    }

    /// The interface as it is at reset, nothing active in either group: what the guest of a dedicated core finds. Nothing
    /// bypasses it: with its groups off, what a legacy controller signals would reach the core.
    pub fn reset(&self) {
        self.gich.write32(gich::HCR, 0);
        self.gicc.write32(gicc::CTLR, BYPASS_DISABLED);
        self.gicc.write32(gicc::PMR, 0);
        self.gicc.write32(gicc::BPR, 0);
        for word in [0, 4, 8, 12] {
            self.gicc.write32(gicc::APR0.saturating_add(word), 0);
            // With the Security Extensions these are not EL2's, and ignore the write.
            self.gicc.write32(gicc::NSAPR0.saturating_add(word), 0);
        }
    }

    /// Interrupts are no FIQs, whatever the guest of a dedicated core chose: they are its IRQs from here on.
    pub fn refuse_fiq(&self) {
        let control = self.gicc.read32(gicc::CTLR);
        self.gicc.write32(gicc::CTLR, control & !FIQ_ENABLE);
    }

    /// Acknowledges the most urgent interrupt. An SGI is EL2's own and ended at once, with its source, so that
    /// [`Self::drop_priority`] and [`Self::deactivate`] are not called for it.
    pub fn acknowledge(&self) -> Option<u32> {
        let found = self.gicc.read32(gicc::IAR);
        let intid = found & INTID;
        if intid < 16 {
            self.gicc.write32(gicc::EOIR, found);
            self.gicc.write32(gicc::DIR, found);
        }
        (intid < SPECIAL).then_some(intid)
    }

    /// Drops the priority of an interrupt, which stays active until it is deactivated.
    pub fn drop_priority(&self, intid: u32) {
        self.gicc.write32(gicc::EOIR, intid);
    }

    /// Deactivates an interrupt.
    pub fn deactivate(&self, intid: u32) {
        self.gicc.write32(gicc::DIR, intid);
    }

    /// `GICH_HCR`, of a word of which other bits may be set.
    pub fn set_control(&self, word: u32) {
        self.gich.write32(gich::HCR, word & HCR_BITS);
    }

    /// `GICH_HCR.EOICount`.
    pub fn ended_unlisted(&self) -> u32 {
        self.gich.read32(gich::HCR) >> 27
    }

    /// Bits of the list registers that are free.
    pub fn free_list_registers(&self) -> u32 {
        self.gich.read32(gich::ELRSR0) & 0xF
    }

    /// The list registers.
    pub fn list_registers(&self) -> [u32; 4] {
        [0, 4, 8, 12].map(|at| self.gich.read32(gich::LR0.saturating_add(at)))
    }

    /// Writes one list register, 0 to 3.
    pub fn set_list_register(&self, index: usize, value: u32) {
        if index < 4 {
            let at = index.saturating_mul(4).saturating_add(gich::LR0);
            self.gich.write32(at, value);
        }
    }

    /// Takes the virtual interface off the core: nothing is signalled any more.
    pub fn save(&self) -> VirtualState {
        let state = VirtualState {
            vmcr: self.gich.read32(gich::VMCR),
            apr: self.gich.read32(gich::APR),
            lr: self.list_registers(),
        };
        self.gich.write32(gich::HCR, 0);
        for index in 0..4 {
            self.set_list_register(index, 0);
        }
        state
    }

    /// Puts a virtual interface onto the core.
    pub fn load(&self, state: &VirtualState, control: u32) {
        self.gich.write32(gich::VMCR, state.vmcr);
        self.gich.write32(gich::APR, state.apr);
        for (index, value) in state.lr.iter().enumerate() {
            self.set_list_register(index, *value);
        }
        self.set_control(control);
    }
}
