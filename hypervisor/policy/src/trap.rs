// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a trap from a lower exception level is.
//!
//! [`decode`] turns the syndrome registers into a [`Trap`]; it is total: every value of the three registers
//! has a meaning. It decides nothing; [`crate::sysreg`], [`crate::smccc`], the vGIC and the emulated UART do.

use crate::bits::{bit, low8, low16, low32};
use crate::fault::{AccessKind, Fault};
use crate::sysreg::{Direction, SysRegAccess, SysRegId};

/// An intermediate physical address, the output of a partition's stage 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipa(pub u64);

impl Ipa {
    /// Bytes from `base` when the address lies in the `size` bytes from there.
    #[inline]
    pub const fn offset_in(self, base: Ipa, size: u64) -> Option<u64> {
        let offset = self.0.wrapping_sub(base.0);
        if offset < size { Some(offset) } else { None }
    }
}

/// A general-purpose register as an instruction encodes it: `x0` to `x30`, or the zero register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(u8);

impl Register {
    /// The register that the low five bits name.
    #[inline]
    pub const fn new(encoding: u64) -> Self {
        Self(low8(encoding & 0x1f))
    }

    /// 0 to 30, or `None` for the zero register (reads as zero, ignores writes).
    #[inline]
    pub fn index(self) -> Option<usize> {
        if self.0 < 31 {
            Some(usize::from(self.0))
        } else {
            None
        }
    }
}

/// Size of a memory access (`SAS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Halfword,
    /// 32 bits.
    Word,
    /// 64 bits.
    Doubleword,
}

impl Size {
    /// Bytes: 1, 2, 4 or 8.
    #[inline]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Halfword => 2,
            Self::Word => 4,
            Self::Doubleword => 8,
        }
    }

    /// Ones in the bits that an access of this size transfers.
    #[inline]
    pub const fn mask(self) -> u64 {
        match self {
            Self::Byte => 0xff,
            Self::Halfword => 0xffff,
            Self::Word => 0xffff_ffff,
            Self::Doubleword => u64::MAX,
        }
    }
}

/// Whether a load extends the sign (`SSE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extend {
    /// Upper bits become zero.
    Zero,
    /// Upper bits repeat the sign.
    Sign,
}

/// Width of the general-purpose register (`SF`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// `w` register: bits 63:32 become zero.
    W32,
    /// `x` register.
    X64,
}

/// A load or store of one general-purpose register that the hardware has described (`ISV` = 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataAccess {
    /// Address.
    pub ipa: Ipa,
    /// Load or store.
    pub direction: Direction,
    /// Bytes that are transferred.
    pub size: Size,
    /// How a load fills the upper bits.
    pub extend: Extend,
    /// Width of the register that a load fills.
    pub width: Width,
    /// Register that is loaded or stored.
    pub register: Register,
    /// Whether it is a load-acquire or store-release.
    pub acquire_release: bool,
}

impl DataAccess {
    /// The value that a load puts into its register, from the value that the device gave.
    ///
    /// # References
    /// Arm ARM, "ISS encoding for an exception from a Data Abort": SAS, SSE, SF.
    #[inline]
    pub const fn loaded(&self, value: u64) -> u64 {
        let mask = self.size.mask();
        let zero_extended = value & mask;
        let sign = mask & !(mask >> 1);
        let extended = match self.extend {
            Extend::Zero => zero_extended,
            Extend::Sign => (zero_extended ^ sign).wrapping_sub(sign),
        };
        match self.width {
            Width::W32 => extended & 0xffff_ffff,
            Width::X64 => extended,
        }
    }

    /// The value that a store gives to the device, from the value of its register.
    #[inline]
    pub const fn stored(&self, register: u64) -> u64 {
        register & self.size.mask()
    }
}

/// Which wait instruction trapped (`TI`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `WFI`.
    Interrupt,
    /// `WFE`.
    Event,
    /// `WFIT`: may return at the counter value in its register.
    InterruptOrTime,
    /// `WFET`: may return at the counter value in its register.
    EventOrTime,
}

/// A decoded synchronous trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// `HVC`; the SMC calling convention uses immediate 0 only. `ELR_EL2` is already past it.
    Hypercall {
        /// Immediate of the instruction.
        immediate: u16,
    },
    /// `SMC`, trapped before it executed.
    Smc {
        /// Immediate of the instruction.
        immediate: u16,
    },
    /// A trapped wait instruction.
    Wait(Wait),
    /// A trapped `MSR`, `MRS` or system instruction.
    SystemRegister(SysRegAccess),
    /// Access to an address that stage 2 does not map, described by the hardware: the only kind that can be emulated.
    DataAbort(DataAccess),
    /// Any other data abort.
    DataAbortNoSyndrome {
        /// Address; meaningful when [`Fault::has_ipa`] says so.
        ipa: Ipa,
        /// What the access was.
        access: AccessKind,
        /// What went wrong.
        fault: Fault,
    },
    /// An instruction fetch failed.
    InstructionAbort {
        /// Address; meaningful when [`Fault::has_ipa`] says so.
        ipa: Ipa,
        /// What went wrong.
        fault: Fault,
    },
    /// Stage 2 refused an access of the stage-1 table walk (`S1PTW`).
    WalkAbort {
        /// Address of the table entry.
        ipa: Ipa,
        /// What went wrong.
        fault: Fault,
    },
    /// FP, Advanced SIMD, SVE or SME access while it is trapped.
    FloatingPoint,
    /// An instruction of a feature that partitions do not have: pointer authentication, 64-byte loads and stores,
    /// 128-bit system registers.
    Hidden,
    /// `PSTATE.IL` was set.
    IllegalState,
    /// A trapped access from AArch32 state (a 32-bit process of the guest).
    Aarch32,
    /// Any other exception class.
    Other {
        /// `ESR_EL2.EC`.
        class: u8,
    },
}

/// Exception classes of `ESR_EL2.EC`.
mod class {
    pub(super) const WFX: u64 = 0x01;
    pub(super) const CP15_32: u64 = 0x03;
    pub(super) const CP15_64: u64 = 0x04;
    pub(super) const CP14_32: u64 = 0x05;
    pub(super) const CP14_LDC: u64 = 0x06;
    pub(super) const FP: u64 = 0x07;
    pub(super) const CP10_ID: u64 = 0x08;
    pub(super) const POINTER_AUTHENTICATION: u64 = 0x09;
    pub(super) const LOAD_STORE_64_BYTES: u64 = 0x0a;
    pub(super) const CP14_64: u64 = 0x0c;
    pub(super) const SYSTEM_128: u64 = 0x14;
    pub(super) const ILLEGAL_STATE: u64 = 0x0e;
    pub(super) const SVC32: u64 = 0x11;
    pub(super) const HVC32: u64 = 0x12;
    pub(super) const SMC32: u64 = 0x13;
    pub(super) const HVC64: u64 = 0x16;
    pub(super) const SMC64: u64 = 0x17;
    pub(super) const SYSTEM: u64 = 0x18;
    pub(super) const SVE: u64 = 0x19;
    pub(super) const SME: u64 = 0x1d;
    pub(super) const INSTRUCTION_ABORT: u64 = 0x20;
    pub(super) const DATA_ABORT: u64 = 0x24;
}

/// Bits of the instruction-specific syndrome of aborts.
mod iss {
    pub(super) const ISV: u32 = 24;
    pub(super) const SSE: u32 = 21;
    pub(super) const SF: u32 = 15;
    pub(super) const AR: u32 = 14;
    pub(super) const CM: u32 = 8;
    pub(super) const S1PTW: u32 = 7;
    pub(super) const WNR: u32 = 6;
}

/// `HPFAR_EL2.FIPA`, bits 43:4: bits 51:12 of the address.
const FIPA: u64 = 0x0000_0fff_ffff_fff0;

/// Decodes a synchronous exception that was taken from EL1 or EL0 to EL2.
///
/// `esr`, `far` and `hpfar` are `ESR_EL2`, `FAR_EL2` and `HPFAR_EL2` as read on entry.
///
/// Implements: BH-TRAP-001.
///
/// # References
/// Arm ARM, "ESR_EL2, Exception Syndrome Register (EL2)", "HPFAR_EL2, Hypervisor IPA Fault Address Register".
#[inline]
pub const fn decode(esr: u64, far: u64, hpfar: u64) -> Trap {
    match (esr >> 26) & 0x3f {
        class::HVC64 => Trap::Hypercall {
            immediate: low16(esr),
        },
        class::SMC64 => Trap::Smc {
            immediate: low16(esr),
        },
        class::WFX => Trap::Wait(match esr & 3 {
            0 => Wait::Interrupt,
            1 => Wait::Event,
            2 => Wait::InterruptOrTime,
            _ => Wait::EventOrTime,
        }),
        class::SYSTEM => Trap::SystemRegister(SysRegAccess {
            register: SysRegId::from_syndrome(low32(esr)),
            rt: Register::new(esr >> 5),
            direction: if bit(esr, 0) {
                Direction::Read
            } else {
                Direction::Write
            },
        }),
        class::DATA_ABORT => data_abort(esr, ipa(far, hpfar)),
        class::INSTRUCTION_ABORT => {
            let fault = Fault::from_status(esr);
            let ipa = ipa(far, hpfar);
            if bit(esr, iss::S1PTW) {
                Trap::WalkAbort { ipa, fault }
            } else {
                Trap::InstructionAbort { ipa, fault }
            }
        }
        class::FP | class::SVE | class::SME => Trap::FloatingPoint,
        class::POINTER_AUTHENTICATION | class::LOAD_STORE_64_BYTES | class::SYSTEM_128 => Trap::Hidden,
        class::ILLEGAL_STATE => Trap::IllegalState,
        class::CP15_32
        | class::CP15_64
        | class::CP14_32
        | class::CP14_LDC
        | class::CP10_ID
        | class::CP14_64
        | class::SVC32
        | class::HVC32
        | class::SMC32 => Trap::Aarch32,
        other => Trap::Other { class: low8(other) },
    }
}

impl Trap {
    /// Bytes to add to `ELR_EL2` once EL2 has done what the instruction asked for.
    ///
    /// # Units
    /// Bytes: 0 after a hypercall, else the length of the instruction (`ESR_EL2.IL`).
    #[inline]
    pub const fn instruction_length(&self, esr: u64) -> u64 {
        match self {
            Self::Hypercall { .. } => 0,
            Self::Smc { .. }
            | Self::Wait(_)
            | Self::SystemRegister(_)
            | Self::DataAbort(_)
            | Self::DataAbortNoSyndrome { .. }
            | Self::InstructionAbort { .. }
            | Self::WalkAbort { .. }
            | Self::FloatingPoint
            | Self::Hidden
            | Self::IllegalState
            | Self::Aarch32
            | Self::Other { .. } => {
                if bit(esr, 25) {
                    4
                } else {
                    2
                }
            }
        }
    }
}

const fn ipa(far: u64, hpfar: u64) -> Ipa {
    Ipa(((hpfar & FIPA) << 8) | (far & 0xfff))
}

const fn data_abort(esr: u64, ipa: Ipa) -> Trap {
    let fault = Fault::from_status(esr);
    if bit(esr, iss::S1PTW) {
        return Trap::WalkAbort { ipa, fault };
    }
    let maintenance = bit(esr, iss::CM);
    let write = bit(esr, iss::WNR);
    if bit(esr, iss::ISV) && !maintenance && fault.is_translation() {
        return Trap::DataAbort(DataAccess {
            ipa,
            direction: if write { Direction::Write } else { Direction::Read },
            size: match (esr >> 22) & 3 {
                0 => Size::Byte,
                1 => Size::Halfword,
                2 => Size::Word,
                _ => Size::Doubleword,
            },
            extend: if bit(esr, iss::SSE) {
                Extend::Sign
            } else {
                Extend::Zero
            },
            width: if bit(esr, iss::SF) { Width::X64 } else { Width::W32 },
            register: Register::new(esr >> 16),
            acquire_release: bit(esr, iss::AR),
        });
    }
    let access = if maintenance {
        AccessKind::CacheMaintenance
    } else if write {
        AccessKind::Write
    } else {
        AccessKind::Read
    };
    Trap::DataAbortNoSyndrome { ipa, access, fault }
}
