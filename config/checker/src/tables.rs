// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decodes the entries of the blob's tables (`hypervisor/types/src/tables.rs`).

mod devices;

use crate::range::{Range, array, u16_at, u32_at, u64_at};

pub(crate) use devices::{BoardDevices, PciFunction, Spi};

/// "None" in an index field.
pub(crate) const NONE: u32 = u32::MAX;

/// Entries `first .. first + count` of `all`.
pub(crate) fn span<T>(all: &[T], (first, count): (u32, u32)) -> Option<&[T]> {
    let end = first.checked_add(count)?;
    all.get(usize::try_from(first).ok()?..usize::try_from(end).ok()?)
}

/// How a core is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One vCPU, interrupts direct.
    Direct,
    /// One vCPU, interrupts direct, WFI trapped.
    Guarded,
    /// Shared by a slot table.
    Sliced,
}

impl Mode {
    /// Its name in the text form.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Guarded => "guarded",
            Self::Sliced => "sliced",
        }
    }
}

/// A core.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    /// Affinity fields.
    pub mpidr: u64,
    /// `MIDR_EL1`.
    pub midr: u64,
    /// `TTBR0_EL2` at run time.
    pub el2_root: u64,
    /// Its redistributor.
    pub redistributor: u64,
    /// Mode, `None` when the number is unknown.
    pub mode: Option<Mode>,
    /// First entry in `core_vcpus` and their number.
    pub vcpus: (u32, u32),
    /// First entry in `slots` and their number.
    pub slots: (u32, u32),
    /// What keeps predictions apart; `None` when the number is unknown.
    pub predictors: Option<&'static str>,
    /// Major frame in ns.
    pub major_frame: u64,
    /// Budget of memory traffic.
    pub budget: Budget,
}

/// A core's budget of memory traffic; all zero when it has none.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Budget {
    /// Events in a period.
    pub events: u32,
    /// Number of the event.
    pub event: u16,
    /// Event counters of EL2.
    pub kept: u16,
    /// Event counters of the core.
    pub counters: u32,
    /// INTID of the overflow interrupt.
    pub intid: u32,
    /// Period in ns.
    pub period: u64,
}

impl Core {
    /// Reads an entry.
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        Some(Self {
            mpidr: u64_at(e, 0)?,
            midr: u64_at(e, 8)?,
            el2_root: u64_at(e, 16)?,
            redistributor: u64_at(e, 24)?,
            mode: match u32_at(e, 32)? {
                0 => Some(Mode::Direct),
                1 => Some(Mode::Guarded),
                2 => Some(Mode::Sliced),
                _ => None,
            },
            vcpus: (u32_at(e, 36)?, u32_at(e, 40)?),
            slots: (u32_at(e, 44)?, u32_at(e, 48)?),
            predictors: match u32_at(e, 52)? {
                0 => Some("none"),
                1 => Some("isolated"),
                2 => Some("restricted"),
                3 => Some("firmware"),
                _ => None,
            },
            major_frame: u64_at(e, 56)?,
            budget: Budget {
                events: u32_at(e, 64)?,
                event: u16_at(e, 68)?,
                kept: u16_at(e, 70)?,
                counters: u32_at(e, 72)?,
                intid: u32_at(e, 76)?,
                period: u64_at(e, 80)?,
            },
        })
    }
}

/// [`Slot::kind`] of a slot in which EL2's housekeeping is done if EL2 has failed on the system core.
pub(crate) const STANDBY: u32 = 3;

/// A window of a major frame.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Begin in ns.
    pub offset: u64,
    /// Length in ns.
    pub length: u64,
    /// 0 vCPU, 1 system, 2 idle, [`STANDBY`].
    pub kind: u32,
    /// Global vCPU index or [`NONE`].
    pub vcpu: u32,
    /// Who shares it.
    pub shares: [Share; 5],
}

/// A part of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Time in ns.
    pub budget: u64,
    /// Global vCPU index.
    pub vcpu: u32,
    /// 0 unused, 1 budget, 2 slack.
    pub kind: u32,
}

impl Slot {
    /// Reads an entry.
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        Some(Self {
            offset: u64_at(e, 0)?,
            length: u64_at(e, 8)?,
            kind: u32_at(e, 16)?,
            vcpu: u32_at(e, 20)?,
            shares: shares(e)?,
        })
    }
}

fn shares(e: &[u8]) -> Option<[Share; 5]> {
    let mut all = [Share::default(); 5];
    for (share, at) in all.iter_mut().zip((24..).step_by(16)) {
        *share = Share {
            budget: u64_at(e, at)?,
            vcpu: u32_at(e, at + 8)?,
            kind: u32_at(e, at + 12)?,
        };
    }
    Some(all)
}

/// A partition.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// Name; `None` when it is not a name of the text form.
    pub name: Option<String>,
    /// First entry in `vcpus` and their number.
    pub vcpus: (u32, u32),
    /// Flags.
    pub flags: u32,
    /// VMID.
    pub vmid: u32,
    /// Live stage-2 root.
    pub live_root: u64,
    /// Offset of its pristine copy.
    pub pristine_root: u64,
    /// Window.
    pub window: u64,
    /// Distributor.
    pub gicd_ipa: u64,
    /// Redistributors.
    pub gicr_ipa: u64,
    /// Emulated PL011 or 0.
    pub uart_ipa: u64,
    /// RAM, as the guest sees it.
    pub ram: Range,
    /// INTID of the PL011.
    pub uart_intid: u32,
    /// SPIs shown.
    pub spi_lines: u32,
    /// A word that must be zero.
    pub reserved: u32,
    /// Owned SPIs, one bit each.
    pub spis: Vec<u32>,
    /// Times that an error restarts it.
    pub restart_limit: u32,
    /// Interrupts in a slot above which it is a storm.
    pub interrupt_limit: u32,
    /// Action on each error.
    pub health: [u8; 16],
    /// Longest time between two signs of life, and the grace after a start, in ns.
    pub heartbeat: (u64, u64),
    /// Functions of the firmware that it may call.
    pub calls: [FirmwareCall; 8],
}

/// A function of the firmware that a partition may call; all zero when it is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FirmwareCall {
    /// Longest time in ns.
    pub within: u64,
    /// Identifier.
    pub function: u32,
    /// A word that must be zero.
    pub reserved: u32,
}

fn calls(e: &[u8]) -> Option<[FirmwareCall; 8]> {
    let mut all = [FirmwareCall::default(); 8];
    for (call, at) in all.iter_mut().zip((288..).step_by(16)) {
        *call = FirmwareCall {
            within: u64_at(e, at)?,
            function: u32_at(e, at + 8)?,
            reserved: u32_at(e, at + 12)?,
        };
    }
    Some(all)
}

/// Marks the begin of the steady state.
pub(crate) const FLAG_STEADY: u32 = 1;
/// Emulated PL011.
pub(crate) const FLAG_UART: u32 = 2;
/// Started at boot.
pub(crate) const FLAG_BOOT: u32 = 4;
/// Seeds that are constants.
pub(crate) const FLAG_FIXED: u32 = 8;
/// All flags.
pub(crate) const FLAGS: u32 = 63;
/// A payload that gives a safe output.
pub(crate) const FLAG_OUTPUT: u32 = 16;
/// Reads the time ledger.
pub(crate) const FLAG_LEDGER: u32 = 32;

impl Partition {
    /// Reads an entry.
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        Some(Self {
            name: name(&array::<32>(e, 0)?),
            vcpus: (u32_at(e, 32)?, u32_at(e, 36)?),
            flags: u32_at(e, 40)?,
            vmid: u32_at(e, 44)?,
            live_root: u64_at(e, 48)?,
            pristine_root: u64_at(e, 56)?,
            window: u64_at(e, 64)?,
            gicd_ipa: u64_at(e, 72)?,
            gicr_ipa: u64_at(e, 80)?,
            uart_ipa: u64_at(e, 88)?,
            ram: Range::sized(u64_at(e, 96)?, u64_at(e, 104)?),
            uart_intid: u32_at(e, 112)?,
            spi_lines: u32_at(e, 116)?,
            reserved: u32_at(e, 252)?,
            restart_limit: u32_at(e, 120)?,
            interrupt_limit: u32_at(e, 124)?,
            health: array(e, 256)?,
            heartbeat: (u64_at(e, 272)?, u64_at(e, 280)?),
            calls: calls(e)?,
            spis: (0..31)
                .map(|word| u32_at(e, 128 + 4 * word))
                .collect::<Option<_>>()?,
        })
    }
}

/// The zero-padded name of a partition: `a`-`z`, `0`-`9`, `-`, at most 31 bytes.
fn name(bytes: &[u8]) -> Option<String> {
    let length = bytes.iter().position(|b| *b == 0)?;
    let (name, padding) = bytes.split_at(length);
    let good = !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && padding.iter().all(|b| *b == 0);
    good.then(|| String::from_utf8_lossy(name).into_owned())
}

/// Registers of a vCPU, in the order of the blob and of the text form's names.
pub(crate) const WORDS: [&str; 11] = [
    "vmpidr_el2",
    "vpidr_el2",
    "hcr_el2",
    "vtcr_el2",
    "vttbr_el2",
    "cnthctl_el2",
    "mdcr_el2",
    "cptr_el2",
    "hstr_el2",
    "ich_hcr_el2",
    "cntvoff_el2",
];

/// A virtual processor.
#[derive(Clone, Debug)]
pub(crate) struct Vcpu {
    /// Partition index.
    pub partition: u32,
    /// Index in its partition.
    pub index: u32,
    /// Core.
    pub core: u32,
    /// Must be zero.
    pub reserved: u32,
    /// Control words, in the order of [`WORDS`].
    pub words: [u64; 11],
    /// Physical address of its stolen time, 0 when it has none.
    pub stolen_time: u64,
}

impl Vcpu {
    /// Reads an entry.
    pub(crate) fn decode(e: &[u8]) -> Option<Self> {
        let mut words = [0; 11];
        for (i, word) in words.iter_mut().enumerate() {
            *word = u64_at(e, 16 + 8 * i)?;
        }
        Some(Self {
            partition: u32_at(e, 0)?,
            index: u32_at(e, 4)?,
            core: u32_at(e, 8)?,
            reserved: u32_at(e, 12)?,
            words,
            stolen_time: u64_at(e, 104)?,
        })
    }
}
