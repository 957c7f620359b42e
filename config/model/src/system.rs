// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The typed model of a system: what a spec says, with every name resolved and every unit converted.
//!
//! A [`System`] exists only if it broke no rule ([`crate::load()`]), so its readers need not check again:
//! indices are in range, slots fill their frame, every core has one use. Addresses and sizes are in bytes,
//! times in ns. Implements: BH-CFG-001.

use crate::board::{Board, Device, Region};
use crate::channel::{Channel, ChannelKind, ChannelMemory, Doorbell};
use crate::colours::ColourSet;
use crate::health::{Health, Heartbeat, Reactions, SafeState, Tolerance};
use crate::lock::Lock;
use crate::pin::{HypervisorPins, PartitionPins};
use crate::smc::FirmwareCall;
use crate::span::{Sources, Span, Spanned};
use crate::task::Task;
use crate::values::Value;

pub use crate::payload::{FileRef, Initrd, Linux, Origin, Payload};
pub use crate::schedule::{Bandwidth, CoreSchedule, Run, Schedule, Share, Slot};

/// A system.
#[derive(Clone, Debug)]
pub struct System {
    /// Its name.
    pub name: Spanned<String>,
    /// The board that it runs on.
    pub board: Board,
    /// Partitions in the order of the spec.
    pub partitions: Vec<Partition>,
    /// Channels in the order of the spec.
    pub channels: Vec<Channel>,
    /// Locks in the order of the spec.
    pub locks: Vec<Lock>,
    /// The slot tables.
    pub schedule: Schedule,
    /// Which bus each CAN controller is wired to.
    pub wiring: Vec<Wire>,
    /// Names of the buses in `wiring`, each once.
    pub buses: Vec<String>,
    /// Lines that must be seen in a run.
    pub expect: Vec<Expectation>,
    /// Lines that must not be seen in a run.
    pub never: Vec<Expectation>,
    /// What is done about errors that are no partition's.
    pub health: Health,
    /// Where the spec pins the hypervisor's memory.
    pub hypervisor: HypervisorPins,
    /// The board's watchdog, when it is used.
    pub watchdog: Option<Watchdog>,
    /// Where each value of the spec comes from.
    pub origins: Vec<crate::origin::Origin>,
    /// Every value that was written in the spec and in the board file.
    pub values: Vec<Value>,
    /// The texts that all spans point into.
    pub sources: Sources,
}

/// The board's watchdog in use.
#[derive(Clone, Copy, Debug)]
pub struct Watchdog {
    /// Index into [`Board::devices`].
    pub device: usize,
    /// Time in ns without a pet after which it resets the board.
    pub timeout: u64,
}

impl Watchdog {
    /// Unit of its count in ns: 2^15 clocks of 33 MHz, rounded up.
    pub const UNIT: u64 = 992_970;
    /// Largest count.
    pub const MOST: u64 = (1 << 20) - 1;

    /// What each of its two stages counts down from: it does not fire after the timeout.
    pub fn count(&self) -> u32 {
        u32::try_from(self.timeout / (2 * Self::UNIT)).unwrap_or(u32::MAX)
    }
}

impl System {
    /// The doorbells, in the order of the channels: each has the next interrupt of the board's that is wired to nothing.
    pub fn doorbells(&self) -> impl Iterator<Item = Doorbell<'_>> {
        let bells = self.channels.iter().filter_map(|channel| match channel.kind {
            ChannelKind::Doorbell { interval } => Some((channel, interval.value)),
            ChannelKind::Sampling { .. } | ChannelKind::Queuing { .. } | ChannelKind::Shared { .. } => None,
        });
        // The rules `channels/one-reader` and `channels/doorbells` hold.
        let wired = bells.zip(&self.board.gic.unwired).enumerate();
        wired.filter_map(|(number, ((channel, interval), intid))| {
            Some(Doorbell {
                number,
                channel,
                ringer: channel.writer.value,
                rung: channel.readers.first()?.value,
                intid: intid.value,
                interval,
            })
        })
    }

    /// The memories of all channels, in the order of the channels.
    pub fn channel_memories(&self) -> Vec<ChannelMemory> {
        let channels = self.channels.iter().enumerate();
        channels
            .flat_map(|(index, channel)| channel.memories(index))
            .collect()
    }
}

/// A partition.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Its name: 1 to 31 lower-case letters, digits and hyphens, first a letter.
    pub name: Spanned<String>,
    /// How much depends on it.
    pub criticality: Spanned<Criticality>,
    /// The cores that it runs on.
    pub cores: Cores,
    /// Its RAM.
    pub memory: Memory,
    /// What it executes.
    pub payload: Payload,
    /// Where the spec pins what belongs to it, its RAM apart.
    pub pins: PartitionPins,
    /// `bootargs` of a bare-metal payload; Linux has its own [`Linux::command_line`].
    pub args: Option<Spanned<String>>,
    /// Its console.
    pub console: Spanned<Console>,
    /// Devices that it owns, indices into [`Board::devices`].
    pub devices: Vec<Spanned<usize>>,
    /// Those of them that master the bus without an SMMU, each with the reason why that is accepted.
    pub unguarded: Vec<(Spanned<usize>, Spanned<String>)>,
    /// Those of them that reach ranges of its RAM only: offsets and sizes, ascending, apart.
    pub dma: Vec<(Spanned<usize>, Vec<Region>)>,
    /// Its own device tree, when it is not given the generated one.
    pub device_tree: Option<FileRef>,
    /// Times that an error may restart it before it stays stopped.
    pub restart_limit: u32,
    /// The reserved range in which its RAM is kept when an error ends it, by its index in [`Board::reserved`].
    pub dump: Option<usize>,
    /// Whether it may mark the begin of the steady state; at most one partition.
    pub marks_steady: bool,
    /// Whether it may read the time ledger of every core.
    pub reads_ledger: bool,
    /// Where its random seeds come from.
    pub seed: Seed,
    /// Whether it is started at boot.
    pub autostart: bool,
    /// Its tasks in the order of the spec.
    pub tasks: Vec<Task>,
    /// What is done about its errors.
    pub health: Reactions,
    /// The sign of life that it gives.
    pub heartbeat: Option<Heartbeat>,
    /// What becomes of it when it may not restart any more.
    pub safe_state: SafeState,
    /// How long a fault of it may go unanswered.
    pub fault_tolerant_time: Option<Tolerance>,
    /// Interrupts of its devices in one slot above which it is told a storm.
    pub interrupt_limit: Option<u32>,
    /// Functions of the firmware that it may call.
    pub smc: Vec<FirmwareCall>,
}

impl System {
    /// The range in which the RAM of a partition is kept when an error ends it.
    pub fn dump(&self, partition: &Partition) -> Option<Region> {
        let reserved = self.board.reserved.get(partition.dump?)?;
        Some(reserved.region.value)
    }

    /// Longest time in ns that the firmware may take on a core for a call of a partition that runs there.
    pub fn firmware(&self, core: usize) -> u64 {
        let there = self.partitions.iter().filter(|p| p.vcpu_on(core).is_some());
        let calls = there.flat_map(|p| &p.smc);
        calls.map(|call| call.within.value).max().unwrap_or(0)
    }

    /// Index of the partition that owns a device of the board.
    pub fn owner(&self, device: &Device) -> Option<usize> {
        let owns = |p: &Partition| {
            let mut own = p.devices.iter().filter_map(|d| self.board.devices.get(d.value));
            own.any(|own| own.name.value == device.name.value)
        };
        self.partitions.iter().position(owns)
    }

    /// The bus that a CAN controller is wired to, an index into [`System::buses`].
    pub fn bus_of(&self, device: usize) -> Option<usize> {
        self.wiring
            .iter()
            .find(|w| w.device.value == device)
            .map(|w| w.bus.value)
    }
}

impl Partition {
    /// Physical cores; vCPU *k* runs on the *k*-th, always.
    pub fn core_list(&self) -> &[Spanned<usize>] {
        match &self.cores {
            Cores::Dedicated { cores, .. } | Cores::Sliced { cores } => cores,
        }
    }

    /// Why one of its devices may master the bus without an SMMU, if it may.
    pub fn unguarded_reason(&self, device: usize) -> Option<&str> {
        let mut accepted = self.unguarded.iter();
        let found = accepted.find(|(named, _)| named.value == device);
        found.map(|(_, reason)| reason.value.as_str())
    }

    /// The ranges of its RAM that one of its bus masters reaches, as offsets; all of it when there are none.
    pub fn dma_ranges(&self, device: usize) -> Option<&[Region]> {
        let found = self.dma.iter().find(|(named, _)| named.value == device);
        found.map(|(_, ranges)| ranges.as_slice())
    }

    /// The vCPU that runs on a physical core.
    pub fn vcpu_on(&self, core: usize) -> Option<usize> {
        self.core_list().iter().position(|c| c.value == core)
    }
}

/// Automotive safety integrity level (ISO 26262-1, "ASIL").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Criticality {
    /// Quality management only.
    Qm,
    /// ASIL A.
    AsilA,
    /// ASIL B.
    AsilB,
    /// ASIL C.
    AsilC,
    /// ASIL D.
    AsilD,
}

impl Criticality {
    /// As a spec says it.
    pub fn word(self) -> &'static str {
        match self {
            Criticality::Qm => "qm",
            Criticality::AsilA => "asil-a",
            Criticality::AsilB => "asil-b",
            Criticality::AsilC => "asil-c",
            Criticality::AsilD => "asil-d",
        }
    }

    /// Whether more depends on it than on another.
    pub fn is_more_critical_than(self, other: Self) -> bool {
        let rank = |c: Self| match c {
            Criticality::Qm => 0,
            Criticality::AsilA => 1,
            Criticality::AsilB => 2,
            Criticality::AsilC => 3,
            Criticality::AsilD => 4,
        };
        rank(self) > rank(other)
    }
}

/// How a partition uses its cores. Each list is non-empty and names each core once.
#[derive(Clone, Debug)]
pub enum Cores {
    /// Each core runs one vCPU of this partition and nothing else.
    Dedicated {
        /// Indices into [`Board::cores`].
        cores: Vec<Spanned<usize>>,
        /// Who takes its interrupts, and whether WFI is trapped.
        interrupts: Spanned<Interrupts>,
    },
    /// Cores shared by a slot table.
    Sliced {
        /// Indices into [`Board::cores`].
        cores: Vec<Spanned<usize>>,
    },
}

/// How interrupts reach a dedicated partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// Straight to EL1, WFI not trapped: no EL2 entry in steady state.
    Direct,
    /// Straight to EL1, WFI trapped: always recoverable.
    Guarded,
}

/// What stage 2 lets a partition do with its RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryRights {
    /// Everything: the guest's stage 1 decides.
    Open,
    /// What the segments of its ELF payload say, read and write elsewhere.
    Segments,
}

/// RAM of a partition.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Bytes, a multiple of 2 MiB.
    pub size: Spanned<u64>,
    /// Physical address when the spec pins it, a multiple of 2 MiB.
    pub at: Option<Spanned<u64>>,
    /// What stage 2 lets the partition do with it.
    pub rights: MemoryRights,
    /// Colours of its pages; then never pinned, and of no other partition.
    pub colours: Option<ColourSet>,
}

/// Console of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// Text in the window's ring.
    Text,
    /// defmt frames in the window's ring.
    Defmt,
    /// Text through an emulated PL011 (sliced partitions only).
    Uart,
    /// None; a bare-metal partition still has its window for metrics.
    None,
}

/// Where the seeds of a partition's random numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// The board's entropy, different at each start.
    Board,
    /// Constants: every run is the same. Reported.
    Fixed,
}

/// The bus that a CAN controller is wired to.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Index into [`Board::devices`].
    pub device: Spanned<usize>,
    /// Index into [`System::buses`].
    pub bus: Spanned<usize>,
}

/// A text that a console line contains.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Partition index.
    pub partition: Spanned<usize>,
    /// The text.
    pub text: Spanned<String>,
    /// The whole entry.
    pub span: Span,
}
