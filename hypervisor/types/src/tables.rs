// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entries of the blob's tables.
//!
//! Control words that decide isolation (`VTCR_EL2`, `HCR_EL2`, …) are data here, so that the checker can
//! prove them and EL2 only has to load them. Times are ns; EL2 converts them to counter ticks once.

use bulkhead_abi::health::ERRORS;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Participants that a lock can have.
pub const MAX_PARTICIPANTS: usize = 8;
/// Entries of a slot's shares: four with a budget, and slack.
pub const MAX_SHARES: usize = 5;
/// Functions of the firmware that a partition can call.
pub const MAX_FIRMWARE_CALLS: usize = 8;
/// "None" in an index field.
pub const NONE: u32 = u32::MAX;
/// Words of a bit per SPI: INTID 32 + *n* is bit *n* mod 32 of word *n* / 32.
pub const SPI_WORDS: usize = 31;

/// How a core is used ([`Core::mode`]).
pub mod core_mode {
    /// One vCPU owns the core; its interrupts go to EL1 without EL2.
    pub const DIRECT: u32 = 0;
    /// One vCPU owns the core; interrupts direct, WFI trapped.
    pub const GUARDED: u32 = 1;
    /// A slot table shares the core.
    pub const SLICED: u32 = 2;
}

/// What keeps the predictions that one vCPU trained from steering the next one's speculation ([`Core::predictors`]).
pub mod predictors {
    /// Nothing: the core has no means, or its firmware has none.
    pub const NONE: u32 = 0;
    /// The core itself: it keeps branch predictions of different VMIDs apart (FEAT_CSV2).
    pub const ISOLATED: u32 = 1;
    /// EL2, by CFP, DVP and CPP RCTX at the switch (FEAT_SPECRES).
    pub const RESTRICTED: u32 = 2;
    /// EL2, by the firmware's `SMCCC_ARCH_WORKAROUND_1` at the switch.
    pub const FIRMWARE: u32 = 3;
}

/// A physical core.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Core {
    /// Affinity fields of `MPIDR_EL1` (bits 39:32 and 23:0), as PSCI CPU_ON takes them.
    pub mpidr: u64,
    /// `MIDR_EL1` that the board file names: boot takes this revision (bits 3:0) and later ones.
    pub midr: u64,
    /// `TTBR0_EL2` of this core's run-time root.
    pub el2_root: u64,
    /// Physical address of this core's redistributor (RD_base; SGI_base is 64 KiB above); 0 on a board with a GICv2.
    pub redistributor: u64,
    /// One of [`core_mode`].
    pub mode: u32,
    /// First entry in `core_vcpus`.
    pub vcpu_first: u32,
    /// Number of vCPUs.
    pub vcpu_count: u32,
    /// First entry in `slots` (sliced cores).
    pub slot_first: u32,
    /// Number of slots.
    pub slot_count: u32,
    /// One of [`predictors`].
    pub predictors: u32,
    /// Major frame in ns (sliced cores, else 0).
    pub major_frame_ns: u64,
    /// Memory traffic that the core may make in a period, in events of its last performance counter; 0 when it is
    /// not regulated, and then the next five are 0 too.
    pub budget: u32,
    /// The event that this counter counts (`PMEVTYPER<n>_EL0.evtCount`).
    pub budget_event: u16,
    /// Counters that EL2 keeps for it, the last ones (`PMCR_EL0.N` - `MDCR_EL2.HPMN`).
    pub budget_kept: u16,
    /// Event counters that the core must have (`PMCR_EL0.N`).
    pub budget_counters: u32,
    /// INTID of the interrupt that its performance counters raise, a PPI.
    pub budget_intid: u32,
    /// Length of a period in ns; the major frame is a whole number of them.
    pub budget_period_ns: u64,
}

impl Core {
    /// The bit of the interrupt that tells that the core's budget is spent, among SGIs and PPIs; none without budget.
    pub fn budget_interrupt(&self) -> u32 {
        if self.budget == 0 {
            0
        } else {
            1u32.checked_shl(self.budget_intid).unwrap_or(0)
        }
    }
}

/// What happens in a slot ([`Slot::kind`]).
pub mod slot_kind {
    /// A vCPU runs.
    pub const VCPU: u32 = 0;
    /// EL2's housekeeping (console drainer) runs, then the core sleeps.
    pub const SYSTEM: u32 = 1;
    /// The core sleeps.
    pub const IDLE: u32 = 2;
    /// EL2's housekeeping runs if EL2 has failed on the system core; else the core sleeps.
    pub const STANDBY: u32 = 3;
}

/// A window of a major frame. The slots of a core cover its frame without gap or overlap.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Slot {
    /// Begin, ns from the begin of the frame.
    pub offset_ns: u64,
    /// Length in ns.
    pub length_ns: u64,
    /// One of [`slot_kind`].
    pub kind: u32,
    /// Global vCPU index, or [`NONE`].
    pub vcpu: u32,
    /// Who may run in the slot, the most urgent first, `vcpu` among them; all unused where it is `vcpu` alone.
    pub shares: [Share; MAX_SHARES],
}

/// What a vCPU may do in a slot ([`Share::kind`]).
pub mod share_kind {
    /// The entry is unused, and so are those after it.
    pub const UNUSED: u32 = 0;
    /// It runs when it can, ahead of those after it, for its budget.
    pub const BUDGET: u32 = 1;
    /// It runs when nobody with budget left can; the last entry that is used.
    pub const SLACK: u32 = 2;
}

/// A vCPU's part of a slot.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How long it may run in the slot, ns, above 0 and at most the slot; 0 for slack.
    pub budget_ns: u64,
    /// Global vCPU index; 0 where unused.
    pub vcpu: u32,
    /// One of [`share_kind`].
    pub kind: u32,
}

impl Share {
    /// An entry that is not used.
    pub const UNUSED: Share = Share {
        budget_ns: 0,
        vcpu: 0,
        kind: share_kind::UNUSED,
    };
}

impl Slot {
    /// The entries of `shares` that are used.
    pub fn shares(&self) -> impl Iterator<Item = &Share> {
        self.shares.iter().take_while(|s| s.kind != share_kind::UNUSED)
    }
}

/// A global vCPU index in a core's list.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct CoreVcpu {
    /// Global vCPU index.
    pub vcpu: u32,
    /// Zero.
    pub reserved: u32,
}

/// Bits of [`Partition::flags`].
pub mod partition_flag {
    /// May call MARK_STEADY.
    pub const MAY_MARK: u32 = 1;
    /// EL2 emulates a PL011 whose console is the partition's window.
    pub const EMULATED_UART: u32 = 2;
    /// Started at boot; otherwise the partition stays off.
    pub const AUTOSTART: u32 = 4;
    /// The loader fills seeds from constants, not from the board's entropy (reported).
    pub const FIXED_SEED: u32 = 8;
    /// In its safe state its payload is loaded and told to give its safe output; otherwise it is silent.
    pub const SAFE_OUTPUT: u32 = 16;
    /// May call LEDGER_READ: it learns when the others execute.
    pub const MAY_READ_LEDGER: u32 = 32;
}

/// A partition.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Partition {
    /// UTF-8, zero-padded.
    pub name: [u8; 32],
    /// First entry in `vcpus`.
    pub vcpu_first: u32,
    /// Number of vCPUs.
    pub vcpu_count: u32,
    /// See [`partition_flag`].
    pub flags: u32,
    /// VMID, unique, not 0.
    pub vmid: u32,
    /// Physical address of its live stage-2 root page.
    pub live_root: u64,
    /// Offset in the blob of the pristine copy of that page.
    pub pristine_root: u64,
    /// Physical address of its window.
    pub window: u64,
    /// IPA of its GIC distributor (64 KiB).
    pub gicd_ipa: u64,
    /// IPA of its first redistributor frame (128 KiB per vCPU).
    pub gicr_ipa: u64,
    /// IPA of its emulated PL011 (4 KiB), 0 when none.
    pub uart_ipa: u64,
    /// First IPA of its RAM.
    pub ram_ipa: u64,
    /// Bytes of its RAM.
    pub ram_size: u64,
    /// INTID of the emulated PL011.
    pub uart_intid: u32,
    /// SPIs that its distributor shows, 32 × *n*, counted from INTID 32.
    pub spi_lines: u32,
    /// Times that an error may restart it before it goes to its safe state.
    pub restart_limit: u32,
    /// Physical interrupts in one slot above which it is told a storm (sliced partitions); 0: no limit.
    pub interrupt_limit: u32,
    /// Physical SPIs that it owns.
    pub spis: [u32; SPI_WORDS],
    /// Zero.
    pub reserved1: u32,
    /// Reaction to each error that it is to blame for: [`bulkhead_abi::health::Action`] codes by error code.
    pub health: [u8; ERRORS],
    /// Longest time between two signs of life in its window, ns; 0: none is expected.
    pub heartbeat_ns: u64,
    /// Time after a start in which none is expected, ns.
    pub heartbeat_grace_ns: u64,
    /// The functions of the firmware that it may call by SMC, those that are used first.
    pub calls: [FirmwareCall; MAX_FIRMWARE_CALLS],
}

/// A function of the firmware that a partition may call.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirmwareCall {
    /// Longest time that the firmware takes for it, ns, above 0; 0 where the entry is unused.
    pub within_ns: u64,
    /// Its identifier, of a fast call (Arm DEN0028, "Function Identifiers"): bit 31 is set; 0 where the entry is unused.
    pub function: u32,
    /// Zero.
    pub reserved: u32,
}

impl Partition {
    /// The entries of `calls` that are used.
    pub fn calls(&self) -> impl Iterator<Item = &FirmwareCall> {
        self.calls.iter().take_while(|call| call.within_ns > 0)
    }
}

/// A virtual processor.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Vcpu {
    /// Partition index.
    pub partition: u32,
    /// Index inside its partition.
    pub index: u32,
    /// Core that it runs on, always.
    pub core: u32,
    /// Zero.
    pub reserved: u32,
    /// `VMPIDR_EL2`.
    pub vmpidr: u64,
    /// `VPIDR_EL2`.
    pub vpidr: u64,
    /// `HCR_EL2`.
    pub hcr: u64,
    /// `VTCR_EL2`.
    pub vtcr: u64,
    /// `VTTBR_EL2`.
    pub vttbr: u64,
    /// `CNTHCTL_EL2`.
    pub cnthctl: u64,
    /// `MDCR_EL2`.
    pub mdcr: u64,
    /// `CPTR_EL2`.
    pub cptr: u64,
    /// `HSTR_EL2`.
    pub hstr: u64,
    /// `ICH_HCR_EL2`.
    pub ich_hcr: u64,
    /// `CNTVOFF_EL2`.
    pub cntvoff: u64,
    /// Physical address of its stolen time (`bulkhead_abi::steal`), in a page that its partition reads at
    /// [`crate::load::STOLEN_TIME_IPA`]; 0 when its core is its own.
    pub stolen_time: u64,
}

/// Doorbells that a system can have.
pub const MAX_DOORBELLS: usize = 16;

/// A physical SPI that a partition owns: of a device, or to which nothing is wired and which another partition rings.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Spi {
    /// INTID, 32 to 1019.
    pub intid: u32,
    /// Partition index.
    pub partition: u32,
    /// Core that it is routed to.
    pub core: u32,
    /// 1 = edge-triggered, 0 = level-sensitive.
    pub edge: u32,
    /// Partition that may ring it; [`NONE`] for a device's.
    pub ringer: u32,
    /// Which doorbell of the system it is, below [`MAX_DOORBELLS`]; 0 for a device's.
    pub doorbell: u32,
    /// Least time from one ring to the next, ns; 0 for a device's.
    pub interval_ns: u64,
}

/// A base address register of a PCI function as the compiler assigned it.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
pub struct PciBar {
    /// Address, 0 when the BAR does not exist.
    pub address: u64,
    /// Size in bytes that the function must report.
    pub size: u64,
}

/// A PCI function that EL2 programs at boot. Bus mastering stays off on every other function.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct PciFunction {
    /// Bus, device, function: bits 15:8, 7:3, 2:0.
    pub bdf: u32,
    /// Vendor ID in bits 15:0, device ID in bits 31:16, as the function must report.
    pub id: u32,
    /// Partition index; [`NONE`] for EL2's watchdog.
    pub partition: u32,
    /// 1 when the function may master the bus.
    pub bus_master: u32,
    /// Its BARs.
    pub bars: [PciBar; 6],
}

/// A StreamID of a bus master at fixed addresses, behind the SMMU. Those of PCI functions are their bus, device, function.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformStream {
    /// StreamID, below 2 to the power of [`BoardDevices::stream_bits`].
    pub stream: u32,
    /// Partition index.
    pub partition: u32,
}

/// RAM of the board.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct RamBank {
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

/// Devices that EL2 itself drives, and bounds of its polls.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct BoardDevices {
    /// GIC distributor.
    pub gicd: u64,
    /// UART that carries the multiplex.
    pub uart: u64,
    /// SMMUv3, 0 when the board has none.
    pub smmu: u64,
    /// PCIe configuration space (ECAM), 0 when there is none.
    pub ecam: u64,
    /// Buses of the ECAM that EL2 sweeps at boot.
    pub ecam_buses: u64,
    /// SMMU: offset of the linear stream table in the live image; its size is 64 << `stream_bits`.
    pub stream_table: u64,
    /// SMMU: log2 of the number of StreamIDs.
    pub stream_bits: u32,
    /// INTID of the interrupt that the UART raises, or [`NONE`].
    pub uart_intid: u32,
    /// SMMU: physical address of the command queue page and, one page above, the event queue page.
    pub smmu_queues: u64,
    /// Bound of every hardware poll, iterations.
    pub poll_bound: u64,
    /// Core that runs the system slot.
    pub system_core: u32,
    /// Time from the end of boot to the epoch, in µs.
    pub epoch_delay_us: u32,
    /// Reaction to each error of EL2 on a core, as in [`Partition::health`].
    pub health_core: [u8; ERRORS],
    /// Reaction to each error that is nobody's, as in [`Partition::health`].
    pub health_system: [u8; ERRORS],
    /// Partition that [`bulkhead_abi::health::Action::Notify`] tells, or [`NONE`].
    pub monitor: u32,
    /// What each of the two stages of the watchdog counts down from, in its own unit; 0 when the system uses none. The
    /// watchdog is then the PCI function of nobody.
    pub watchdog: u32,
}

/// Bits of [`Channel::flags`].
pub mod channel_flag {
    /// It is a lock with the record that it guards: all its participants, and EL2 on their cores, write it.
    pub const LOCK: u32 = 1;
    /// The lock's owner runs ahead of the slot table while somebody waits.
    pub const INHERITS: u32 = 2;
}

/// A partition that may take a lock.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Participant {
    /// Partition index.
    pub partition: u32,
    /// Its place among those who wait: 0 is the most urgent.
    pub priority: u32,
    /// Boosts of a whole hold that it may use in a major frame.
    pub acquisitions: u32,
    /// Zero.
    pub reserved: u32,
}

/// Memory that partitions share as a channel or a lock: Normal Non-cacheable wherever it is mapped.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Channel {
    /// First physical address, page-aligned.
    pub base: u64,
    /// Bytes, whole pages.
    pub size: u64,
    /// IPA at which its participants see a lock, its registers in the page after it; 0 for a channel.
    pub ipa: u64,
    /// Longest time in ns for which a lock is held while somebody waits; 0 for a channel.
    pub hold_ns: u64,
    /// See [`channel_flag`].
    pub flags: u32,
    /// Participants in use.
    pub participant_count: u32,
    /// Participants of a lock, in the order of their positions; the rest is zero.
    pub participants: [Participant; MAX_PARTICIPANTS],
}

/// Changes whenever an entry of this module changes its size.
pub const LAYOUT_HASH: u64 = {
    let sizes = [
        size_of::<crate::blob::BlobHeader>(),
        size_of::<Core>(),
        size_of::<Partition>(),
        size_of::<Vcpu>(),
        size_of::<CoreVcpu>(),
        size_of::<Slot>(),
        size_of::<Spi>(),
        size_of::<PciFunction>(),
        size_of::<RamBank>(),
        size_of::<BoardDevices>(),
        size_of::<Channel>(),
        size_of::<PlatformStream>(),
    ];
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < sizes.len() {
        hash = (hash ^ sizes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
};
