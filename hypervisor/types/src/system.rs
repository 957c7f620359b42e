// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A checked view of a blob.
//!
//! [`System::parse`] accepts bytes only if every table lies inside them and every index in every table is
//! in range; what remains to be checked (hashes, addresses) is said there. Implements: BH-CFG-010.

use bulkhead_abi::health::{Action, ERRORS, Error, Level};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::blob::{BlobHeader, Certificate, MAGIC, MAJOR, MINOR, Section};
use crate::tables::{
    BoardDevices, Channel, Core, CoreVcpu, LAYOUT_HASH, MAX_DOORBELLS, NONE, Partition, PciFunction,
    PlatformStream, RamBank, Share, Slot, Spi, Vcpu, core_mode, predictors, share_kind, slot_kind,
};

/// Why a blob is refused. The display text is what the console shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobError {
    /// Shorter than its header, or a table lies outside.
    Truncated,
    /// Not a blob.
    Magic,
    /// Made for another version of the format.
    Version,
    /// Made by a compiler with other table layouts.
    Layout,
    /// An index in the named table is out of range.
    Index(&'static str),
    /// The slots of a core do not cover its major frame.
    Slots,
}

/// All tables of a blob.
#[derive(Clone, Copy)]
pub struct System<'a> {
    /// First page.
    pub header: &'a BlobHeader,
    /// Physical cores.
    pub cores: &'a [Core],
    /// Partitions.
    pub partitions: &'a [Partition],
    /// vCPUs of all partitions.
    pub vcpus: &'a [Vcpu],
    /// vCPUs by core.
    pub core_vcpus: &'a [CoreVcpu],
    /// Slots by core.
    pub slots: &'a [Slot],
    /// Owned SPIs.
    pub spis: &'a [Spi],
    /// Assigned PCI functions.
    pub pci_functions: &'a [PciFunction],
    /// RAM banks.
    pub ram: &'a [RamBank],
    /// EL2's devices.
    pub board: &'a BoardDevices,
    /// Channels.
    pub channels: &'a [Channel],
    /// StreamIDs of bus masters at fixed addresses.
    pub streams: &'a [PlatformStream],
}

fn table<T: FromBytes + Immutable + KnownLayout>(bytes: &[u8], section: Section) -> Result<&[T], BlobError> {
    let offset = usize::try_from(section.offset).map_err(|_| BlobError::Truncated)?;
    let count = usize::try_from(section.count).map_err(|_| BlobError::Truncated)?;
    let rest = bytes.get(offset..).ok_or(BlobError::Truncated)?;
    <[T]>::ref_from_prefix_with_elems(rest, count)
        .map(|(t, _)| t)
        .map_err(|_| BlobError::Truncated)
}

fn check(condition: bool, error: BlobError) -> Result<(), BlobError> {
    if condition { Ok(()) } else { Err(error) }
}

/// Whether a table of reactions has an answer to each error of its level, and nothing else.
fn complete(table: &[u8; ERRORS], level: Level) -> bool {
    (0u8..).zip(table).all(|(code, entry)| {
        match Error::from_code(code).filter(|error| error.occurs_on(level)) {
            Some(error) => Action::from_code(*entry).is_some_and(|action| action.answers(error, level)),
            None => *entry == 0,
        }
    })
}

/// Entries `first .. first + count` of `all`, or nothing.
fn span<T>(all: &[T], first: u32, count: u32) -> Option<&[T]> {
    let first = usize::try_from(first).ok()?;
    let count = usize::try_from(count).ok()?;
    all.get(first..first.checked_add(count)?)
}

fn below(index: u32, length: usize) -> bool {
    usize::try_from(index).is_ok_and(|i| i < length)
}

impl<'a> System<'a> {
    /// Reads the tables of a blob; `bytes` starts at its header and ends before its certificate.
    ///
    /// # Errors
    /// The first thing that is wrong. Hashes and physical addresses are not checked here.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let (header, _) = BlobHeader::ref_from_prefix(bytes).map_err(|_| BlobError::Truncated)?;
        check(header.magic == MAGIC, BlobError::Magic)?;
        check((header.major, header.minor) == (MAJOR, MINOR), BlobError::Version)?;
        check(header.layout_hash == LAYOUT_HASH, BlobError::Layout)?;
        let system = Self {
            header,
            cores: table(bytes, header.cores)?,
            partitions: table(bytes, header.partitions)?,
            vcpus: table(bytes, header.vcpus)?,
            core_vcpus: table(bytes, header.core_vcpus)?,
            slots: table(bytes, header.slots)?,
            spis: table(bytes, header.spis)?,
            pci_functions: table(bytes, header.pci_functions)?,
            ram: table(bytes, header.ram)?,
            board: table(bytes, header.board)?
                .first()
                .ok_or(BlobError::Index("board"))?,
            channels: table(bytes, header.channels)?,
            streams: table(bytes, header.streams)?,
        };
        system.check_indices()?;
        system.check_slots()?;
        Ok(system)
    }

    fn check_indices(&self) -> Result<(), BlobError> {
        check(
            below(self.board.system_core, self.cores.len()),
            BlobError::Index("board"),
        )?;
        let (core, system) = (&self.board.health_core, &self.board.health_system);
        check(
            complete(core, Level::Core) && complete(system, Level::System),
            BlobError::Index("health"),
        )?;
        let monitor = self.board.monitor;
        check(
            monitor == NONE || below(monitor, self.partitions.len()),
            BlobError::Index("health"),
        )?;
        for core in self.cores {
            let vcpus =
                span(self.core_vcpus, core.vcpu_first, core.vcpu_count).ok_or(BlobError::Index("cores"))?;
            check(
                vcpus.iter().all(|v| below(v.vcpu, self.vcpus.len())),
                BlobError::Index("core_vcpus"),
            )?;
            check(
                matches!(
                    core.mode,
                    core_mode::DIRECT | core_mode::GUARDED | core_mode::SLICED
                ),
                BlobError::Index("cores"),
            )?;
            check(core.predictors <= predictors::FIRMWARE, BlobError::Index("cores"))?;
        }
        for partition in self.partitions {
            let vcpus = span(self.vcpus, partition.vcpu_first, partition.vcpu_count);
            check(
                vcpus.is_some_and(|v| !v.is_empty()),
                BlobError::Index("partitions"),
            )?;
            check(
                complete(&partition.health, Level::Partition),
                BlobError::Index("health"),
            )?;
        }
        for vcpu in self.vcpus {
            let partition = usize::try_from(vcpu.partition)
                .ok()
                .and_then(|p| self.partitions.get(p));
            let partition = partition.ok_or(BlobError::Index("vcpus"))?;
            check(vcpu.index < partition.vcpu_count, BlobError::Index("vcpus"))?;
            check(below(vcpu.core, self.cores.len()), BlobError::Index("vcpus"))?;
        }
        for spi in self.spis {
            check((32..1020).contains(&spi.intid), BlobError::Index("spis"))?;
            check(
                below(spi.partition, self.partitions.len()) && below(spi.core, self.cores.len()),
                BlobError::Index("spis"),
            )?;
            let rung = below(spi.ringer, self.partitions.len()) && below(spi.doorbell, MAX_DOORBELLS);
            check(spi.ringer == NONE || rung, BlobError::Index("spis"))?;
        }
        for function in self.pci_functions {
            let owned = function.partition == NONE || below(function.partition, self.partitions.len());
            check(
                owned && function.bdf < 0x1_0000,
                BlobError::Index("pci_functions"),
            )?;
        }
        let nobodys = self.pci_functions.iter().filter(|f| f.partition == NONE).count();
        let wanted = usize::from(self.board.watchdog != 0);
        check(nobodys == wanted, BlobError::Index("pci_functions"))?;
        // Implements: BH-DMA-030.
        let fits = |stream: u32| stream.checked_shr(self.board.stream_bits).unwrap_or(0) == 0;
        let known = |s: &PlatformStream| fits(s.stream) && below(s.partition, self.partitions.len());
        let all = self.board.smmu != 0 || self.streams.is_empty();
        check(all && self.streams.iter().all(known), BlobError::Index("streams"))
    }

    /// Slots of a sliced core cover its frame from 0 to its end; each vCPU slot names a vCPU of that core. At most one
    /// core has standby slots, and it is not the system core. Implements: BH-SCHED-026.
    fn check_slots(&self) -> Result<(), BlobError> {
        for core in self.cores {
            let slots = self.slots_of(core);
            check(
                slots.len() == usize::try_from(core.slot_count).unwrap_or(usize::MAX),
                BlobError::Index("cores"),
            )?;
            if core.mode != core_mode::SLICED {
                check(slots.is_empty() && core.vcpu_count <= 1, BlobError::Slots)?;
                continue;
            }
            let mut end: u64 = 0;
            for slot in slots {
                check(slot.offset_ns == end && slot.length_ns > 0, BlobError::Slots)?;
                end = end.checked_add(slot.length_ns).ok_or(BlobError::Slots)?;
                let vcpu_ok = match slot.kind {
                    slot_kind::VCPU => self.vcpus_of(core).iter().any(|v| v.vcpu == slot.vcpu),
                    slot_kind::SYSTEM | slot_kind::IDLE | slot_kind::STANDBY => slot.vcpu == NONE,
                    _ => false,
                };
                check(vcpu_ok && self.shares_fit(core, slot), BlobError::Index("slots"))?;
            }
            check(end == core.major_frame_ns && end > 0, BlobError::Slots)?;
        }
        let mut successors = self.standby_cores();
        let successor = successors.next();
        check(
            successor != Some(self.board.system_core) && successors.next().is_none(),
            BlobError::Slots,
        )
    }

    /// Whether a core has standby slots.
    fn is_standby(&self, core: &Core) -> bool {
        self.slots_of(core).iter().any(|s| s.kind == slot_kind::STANDBY)
    }

    /// Cores with standby slots.
    fn standby_cores(&self) -> impl Iterator<Item = u32> {
        let cores = (0u32..).zip(self.cores);
        cores
            .filter(|(_, core)| self.is_standby(core))
            .map(|(index, _)| index)
    }

    /// The core that does EL2's housekeeping when EL2 has failed on the system core, or [`NONE`].
    pub fn standby_core(&self) -> u32 {
        self.standby_cores().next().unwrap_or(NONE)
    }

    /// The shares of a slot name different vCPUs of the core, its own among them, with budgets that fit; slack comes
    /// last. Implements: BH-SCHED-020.
    fn shares_fit(&self, core: &Core, slot: &Slot) -> bool {
        let used = slot.shares().count();
        let listed = |vcpu| self.vcpus_of(core).iter().any(|v| v.vcpu == vcpu);
        let own = slot.kind == slot_kind::VCPU
            && slot
                .shares()
                .any(|s| s.kind == share_kind::BUDGET && s.vcpu == slot.vcpu);
        let each = slot.shares.iter().enumerate().all(|(i, share)| match share.kind {
            share_kind::UNUSED => i >= used && *share == Share::UNUSED,
            share_kind::BUDGET => {
                let again = slot.shares().skip(i.saturating_add(1));
                let twice = again
                    .filter(|s| s.kind == share_kind::BUDGET)
                    .any(|s| s.vcpu == share.vcpu);
                listed(share.vcpu) && share.budget_ns > 0 && share.budget_ns <= slot.length_ns && !twice
            }
            share_kind::SLACK => i.saturating_add(1) == used && listed(share.vcpu) && share.budget_ns == 0,
            _ => false,
        });
        each && (used == 0 || own)
    }

    /// Slots of a core, in time order.
    pub fn slots_of(&self, core: &Core) -> &'a [Slot] {
        span(self.slots, core.slot_first, core.slot_count).unwrap_or(&[])
    }

    /// vCPUs of a core.
    pub fn vcpus_of(&self, core: &Core) -> &'a [CoreVcpu] {
        span(self.core_vcpus, core.vcpu_first, core.vcpu_count).unwrap_or(&[])
    }

    /// EL2's watchdog, when the system uses one.
    pub fn watchdog(&self) -> Option<&'a PciFunction> {
        self.pci_functions.iter().find(|f| f.partition == NONE)
    }

    /// Whether the watchdog wants slots of core `index` to go on: a sliced core that a partition or EL2 uses.
    pub fn is_watched(&self, index: u32, core: &Core) -> bool {
        let is_used = core.vcpu_count > 0 || index == self.board.system_core || self.is_standby(core);
        core.mode == core_mode::SLICED && is_used
    }

    /// vCPUs of a partition, in order.
    pub fn vcpus_of_partition(&self, partition: &Partition) -> &'a [Vcpu] {
        span(self.vcpus, partition.vcpu_first, partition.vcpu_count).unwrap_or(&[])
    }
}

/// Reads the certificate that follows a blob.
///
/// # Errors
/// [`BlobError::Truncated`] or [`BlobError::Magic`].
pub fn certificate(bytes: &[u8]) -> Result<&Certificate, BlobError> {
    let (certificate, _) = Certificate::ref_from_prefix(bytes).map_err(|_| BlobError::Truncated)?;
    let good = certificate.magic == crate::blob::CERTIFICATE_MAGIC
        && certificate.version == crate::blob::CERTIFICATE_VERSION;
    check(good, BlobError::Magic)?;
    Ok(certificate)
}
