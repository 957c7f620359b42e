// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMMUv3: closing it, bringing it up from a finished linear stream table, and its command queue.
//!
//! The stream table and the two queues lie in Normal Write-Back memory; the SMMU must be coherent with it
//! (`SMMU_IDR0.COHACC`), so that barriers alone publish what EL2 writes. The driver keeps no state of its
//! own: the position in the command queue is read from `SMMU_CMDQ_PROD`.
//!
//! # References
//! Arm IHI 0070 (SMMUv3 architecture specification), "Memory map and registers", "Commands",
//! "Initialization".

use crate::mmio::{Frame, Timeout, poll};

pub mod events;

/// Bytes of the two register pages.
pub const SIZE: usize = 0x2_0000;
/// log2 of the entries of the command queue: one page of 16-byte commands.
pub const COMMAND_BITS: u32 = 8;
/// log2 of the entries of the event queue: one page of 32-byte records.
pub const EVENT_BITS: u32 = 7;
/// Bytes from the command queue to the event queue.
pub const QUEUE_PAGE: u64 = 4096;

/// Byte offsets of registers.
mod offset {
    pub(super) const IDR0: usize = 0x00;
    pub(super) const IDR1: usize = 0x04;
    pub(super) const CR0: usize = 0x20;
    pub(super) const CR0ACK: usize = 0x24;
    pub(super) const CR1: usize = 0x28;
    pub(super) const CR2: usize = 0x2C;
    pub(super) const GBPA: usize = 0x44;
    pub(super) const IRQ_CTRL: usize = 0x50;
    pub(super) const IRQ_CTRLACK: usize = 0x54;
    pub(super) const GERROR: usize = 0x60;
    pub(super) const GERRORN: usize = 0x64;
    pub(super) const STRTAB_BASE: usize = 0x80;
    pub(super) const STRTAB_BASE_CFG: usize = 0x88;
    pub(super) const CMDQ_BASE: usize = 0x90;
    pub(super) const CMDQ_PROD: usize = 0x98;
    pub(super) const CMDQ_CONS: usize = 0x9C;
    pub(super) const EVENTQ_BASE: usize = 0xA0;
    pub(super) const EVENTQ_PROD: usize = 0x1_00A8;
    pub(super) const EVENTQ_CONS: usize = 0x1_00AC;
}

const CR0_SMMUEN: u32 = 1 << 0;
const CR0_EVENTQEN: u32 = 1 << 2;
const CR0_CMDQEN: u32 = 1 << 3;
/// Tables and queues: Inner Shareable, Write-Back Cacheable.
const CR1_WRITE_BACK: u32 = 0xD75;
/// Records an event for a StreamID outside the table.
const CR2_RECINVSID: u32 = 1 << 1;
/// Takes no part in the cores' broadcast TLB maintenance: DMA roots are maintained by command.
const CR2_PTM: u32 = 1 << 2;
const GBPA_UPDATE: u32 = 1 << 31;
const GBPA_ABORT: u32 = 1 << 20;
/// Read- or write-allocate hint of the base registers.
const ALLOCATE: u64 = 1 << 62;
/// Index of the command queue with its wrap bit.
const QUEUE_MASK: u32 = (2 << COMMAND_BITS) - 1;
/// `SMMU_CMDQ_CONS.ERR`.
const COMMAND_ERROR: u32 = 0x7F << 24;

/// Why the SMMU is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmmuError {
    /// A poll did not end.
    Timeout(Timeout),
    /// It lacks the named feature.
    Lacks(&'static str),
    /// The stream table is not aligned to its size; holds its address.
    Alignment(u64),
    /// It reported a command error; holds `SMMU_CMDQ_CONS`.
    Command(u32),
}

impl From<Timeout> for SmmuError {
    fn from(timeout: Timeout) -> Self {
        Self::Timeout(timeout)
    }
}

/// A command of two 64-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Forgets every cached configuration (CMD_CFGI_STE_RANGE with the largest range).
    ForgetAllStreams,
    /// Forgets the cached configuration of one StreamID (CMD_CFGI_STE, Leaf).
    ForgetStream(u32),
    /// Invalidates all EL2 translations (CMD_TLBI_EL2_ALL).
    InvalidateEl2,
    /// Invalidates all Non-secure EL1 translations (CMD_TLBI_NSNH_ALL).
    InvalidateAll,
    /// Invalidates the translations of one VMID, both stages (CMD_TLBI_S12_VMALL).
    InvalidateVmid(u16),
    /// Completes when all earlier commands have (CMD_SYNC, no signal).
    Sync,
}

impl Command {
    /// Encodes it as "Commands" lays it out.
    pub const fn words(self) -> [u64; 2] {
        // Widening; `From` is not const.
        #[allow(clippy::as_conversions)]
        match self {
            Self::ForgetAllStreams => [0x04, 31],
            Self::ForgetStream(stream) => [0x03 | (stream as u64) << 32, 1],
            Self::InvalidateEl2 => [0x20, 0],
            Self::InvalidateAll => [0x30, 0],
            Self::InvalidateVmid(vmid) => [0x28 | (vmid as u64) << 32, 0],
            Self::Sync => [0x46, 0],
        }
    }
}

/// Where the tables of an SMMU lie.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// Physical address of the linear stream table.
    pub stream_table: u64,
    /// log2 of its entries.
    pub stream_bits: u32,
}

/// An SMMUv3 and the memory of its queues.
#[derive(Debug)]
pub struct Smmu {
    registers: Frame,
    commands: Frame,
    events: Frame,
    queues: u64,
}

/// A place in the command queue, see [`Smmu::consumed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u32);

impl Smmu {
    /// Takes the SMMU at `base`, with the command queue page at `queues` and the event queue page after it.
    ///
    /// # Safety
    /// 1. As [`Frame::new`] for `base`, with `size` = [`SIZE`].
    /// 2. `queues` is the page-aligned address, physical and virtual, of two pages of RAM, writable wherever
    ///    this driver is used and used by nothing else; or 0, when only [`Smmu::close`] is called.
    pub const unsafe fn new(base: usize, queues: u64) -> Self {
        // An address of this machine fits its pointers.
        #[allow(clippy::as_conversions)]
        let (page, size) = (queues as usize, if queues == 0 { 0 } else { 4096 });
        #[allow(clippy::as_conversions)]
        let second = queues.saturating_add(QUEUE_PAGE) as usize;
        Self {
            // SAFETY: claim 1.
            registers: unsafe { Frame::new(base, SIZE) },
            // SAFETY: claim 2: the page is memory that nothing else uses.
            commands: unsafe { Frame::new(page, size) },
            // SAFETY: claim 2, for the second page.
            events: unsafe { Frame::new(second, size) },
            queues,
        }
    }

    /// Closes the SMMU: first every transaction that bypasses it aborts, then translation goes off. No DMA
    /// reaches memory from then on. Implements: BH-DMA-001.
    ///
    /// # Errors
    /// [`Timeout`] after `bound` tries of one poll.
    pub fn close(&self, bound: u64) -> Result<(), Timeout> {
        let registers = &self.registers;
        let updated = || registers.read32(offset::GBPA) & GBPA_UPDATE == 0;
        poll("SMMU_GBPA.Update", bound, updated)?;
        let attributes = registers.read32(offset::GBPA);
        registers.write32(offset::GBPA, attributes | GBPA_ABORT | GBPA_UPDATE);
        poll("SMMU_GBPA.Update", bound, updated)?;
        self.control(0, bound)
    }

    /// Whether transactions abort while translation is off, and translation is off.
    pub fn is_closed(&self) -> bool {
        self.registers.read32(offset::GBPA) & GBPA_ABORT != 0
            && self.registers.read32(offset::CR0ACK) & CR0_SMMUEN == 0
    }

    fn control(&self, value: u32, bound: u64) -> Result<(), Timeout> {
        self.registers.write32(offset::CR0, value);
        poll("SMMU_CR0ACK", bound, || {
            self.registers.read32(offset::CR0ACK) == value
        })
    }

    /// Refuses an SMMU that cannot enforce the blob's tables. Implements: BH-DMA-002.
    fn check(&self, tables: &Tables) -> Result<(), SmmuError> {
        let idr0 = self.registers.read32(offset::IDR0);
        let idr1 = self.registers.read32(offset::IDR1);
        let field = |value: u32, low: u32, mask: u32| (value >> low) & mask;
        let needs = [
            (field(idr0, 0, 1) == 1, "stage 2 (IDR0.S2P)"),
            (field(idr0, 3, 1) == 1, "AArch64 tables (IDR0.TTF)"),
            (field(idr0, 4, 1) == 1, "coherent access (IDR0.COHACC)"),
            (
                field(idr1, 29, 3) == 0,
                "free placement of its tables (IDR1.PRESET)",
            ),
            (
                field(idr1, 0, 0x3F) >= tables.stream_bits,
                "StreamIDs (IDR1.SIDSIZE)",
            ),
            (
                field(idr1, 21, 0x1F) >= COMMAND_BITS,
                "command queue size (IDR1.CMDQS)",
            ),
            (
                field(idr1, 16, 0x1F) >= EVENT_BITS,
                "event queue size (IDR1.EVENTQS)",
            ),
        ];
        match needs.iter().find(|(there, _)| !there) {
            Some((_, name)) => Err(SmmuError::Lacks(name)),
            None => Ok(()),
        }
    }

    /// Brings a closed SMMU up: queues, stream table, everything cached forgotten, translation on. Its
    /// interrupts stay off; events are read by EL2's housekeeping. Implements: BH-DMA-003.
    ///
    /// `publish` makes EL2's earlier writes to the tables visible to the SMMU (a DSB).
    ///
    /// # Errors
    /// What it lacks, a poll that did not end within `bound` tries, or a command error.
    pub fn init(&self, tables: &Tables, bound: u64, publish: impl Fn()) -> Result<(), SmmuError> {
        self.check(tables)?;
        let size = 64u64.checked_shl(tables.stream_bits).unwrap_or(0);
        if size == 0 || !tables.stream_table.is_multiple_of(size) {
            return Err(SmmuError::Alignment(tables.stream_table));
        }
        let registers = &self.registers;
        self.control(0, bound)?;
        registers.write32(offset::IRQ_CTRL, 0);
        poll("SMMU_IRQ_CTRLACK", bound, || {
            registers.read32(offset::IRQ_CTRLACK) == 0
        })?;
        registers.write32(offset::GERRORN, registers.read32(offset::GERROR));
        registers.write32(offset::CR1, CR1_WRITE_BACK);
        registers.write32(offset::CR2, CR2_RECINVSID | CR2_PTM);
        registers.write64(offset::STRTAB_BASE, tables.stream_table | ALLOCATE);
        registers.write32(offset::STRTAB_BASE_CFG, tables.stream_bits);
        let events = self.queues.saturating_add(QUEUE_PAGE);
        registers.write64(
            offset::CMDQ_BASE,
            self.queues | ALLOCATE | u64::from(COMMAND_BITS),
        );
        registers.write32(offset::CMDQ_PROD, 0);
        registers.write32(offset::CMDQ_CONS, 0);
        registers.write64(offset::EVENTQ_BASE, events | ALLOCATE | u64::from(EVENT_BITS));
        registers.write32(offset::EVENTQ_PROD, 0);
        registers.write32(offset::EVENTQ_CONS, 0);
        self.control(CR0_CMDQEN, bound)?;
        self.command(Command::ForgetAllStreams, &publish);
        if registers.read32(offset::IDR0) & (1 << 9) != 0 {
            self.command(Command::InvalidateEl2, &publish);
        }
        self.command(Command::InvalidateAll, &publish);
        self.sync(bound, &publish)?;
        self.control(CR0_CMDQEN | CR0_EVENTQEN, bound)?;
        self.control(CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN, bound)?;
        Ok(())
    }

    /// Puts one command into the queue. At most 200 may be in it at a time, so that the queue of 256 never
    /// fills: whoever puts some waits for them ([`Smmu::consumed`]) before more.
    ///
    /// # Timing
    /// Two register accesses, two stores, one `publish`.
    pub fn command(&self, command: Command, publish: &impl Fn()) {
        let position = self.registers.read32(offset::CMDQ_PROD) & QUEUE_MASK;
        self.put(position, command);
        publish();
        self.registers
            .write32(offset::CMDQ_PROD, position.wrapping_add(1) & QUEUE_MASK);
    }

    fn put(&self, position: u32, command: Command) {
        let index = position & (QUEUE_MASK >> 1);
        let slot = usize::try_from(index).unwrap_or(usize::MAX).saturating_mul(16);
        let [low, high] = command.words();
        self.commands.write64(slot, low);
        self.commands.write64(slot.saturating_add(8), high);
    }

    /// Puts a CMD_SYNC into the queue; the place after it is what [`Smmu::consumed`] waits for.
    pub fn put_sync(&self, publish: &impl Fn()) -> Position {
        self.command(Command::Sync, publish);
        Position(self.registers.read32(offset::CMDQ_PROD) & QUEUE_MASK)
    }

    /// Waits until the SMMU has consumed every command before `end`; after a CMD_SYNC they have taken effect.
    /// Other cores may put commands meanwhile.
    ///
    /// # Errors
    /// [`Timeout`] after `bound` tries, or the error that the SMMU reported.
    pub fn consumed(&self, end: Position, bound: u64) -> Result<(), SmmuError> {
        // At most a queue's length lies between the two, so the wrap bit tells before from after.
        let passed = || {
            let at = self.registers.read32(offset::CMDQ_CONS) & QUEUE_MASK;
            at.wrapping_sub(end.0) & QUEUE_MASK <= QUEUE_MASK >> 1
        };
        match poll("SMMU_CMDQ_CONS (CMD_SYNC)", bound, passed) {
            Ok(()) => Ok(()),
            Err(timeout) => match self.registers.read32(offset::CMDQ_CONS) {
                state if state & COMMAND_ERROR != 0 => Err(SmmuError::Command(state)),
                _ => Err(timeout.into()),
            },
        }
    }

    /// Waits until every earlier command has taken effect.
    ///
    /// # Errors
    /// As [`Smmu::consumed`].
    pub fn sync(&self, bound: u64, publish: &impl Fn()) -> Result<(), SmmuError> {
        let end = self.put_sync(publish);
        self.consumed(end, bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_encoded_as_the_architecture_says() {
        assert_eq!(Command::ForgetStream(0x10).words(), [0x10_0000_0003, 1]);
        assert_eq!(Command::InvalidateVmid(7).words(), [0x7_0000_0028, 0]);
        assert_eq!(Command::Sync.words(), [0x46, 0]);
    }

    #[test]
    fn the_producer_index_wraps_with_its_wrap_bit() {
        let mut registers = vec![0u64; SIZE / 8];
        let mut queue = vec![0u64; 512 * 2];
        let base = registers.as_mut_ptr().expose_provenance();
        let page = u64::try_from(queue.as_mut_ptr().expose_provenance()).expect("fits");
        // SAFETY: both vectors outlive the driver and are used only through it; a vector of u64 is aligned.
        let smmu = unsafe { Smmu::new(base, page) };
        for _ in 0..511 {
            smmu.command(Command::Sync, &|| ());
        }
        assert_eq!(smmu.registers.read32(offset::CMDQ_PROD), 511);
        smmu.command(Command::InvalidateAll, &|| ());
        assert_eq!(smmu.registers.read32(offset::CMDQ_PROD), 0);
        assert_eq!(queue.get(510), Some(&0x30));
        assert!(queue.iter().skip(512).all(|word| *word == 0));
    }

    #[test]
    fn what_other_cores_put_meanwhile_delays_nobody() {
        let mut registers = vec![0u64; SIZE / 8];
        let mut queue = vec![0u64; 512 * 2];
        let base = registers.as_mut_ptr().expose_provenance();
        let page = u64::try_from(queue.as_mut_ptr().expose_provenance()).expect("fits");
        // SAFETY: as above.
        let smmu = unsafe { Smmu::new(base, page) };
        let consumed = |at: u32, end: u32| {
            smmu.registers.write32(offset::CMDQ_CONS, at);
            smmu.consumed(Position(end), 2)
        };
        assert_eq!((consumed(5, 5), consumed(9, 5)), (Ok(()), Ok(())));
        assert_eq!((consumed(2, 510), consumed(255, 0)), (Ok(()), Ok(())));
        let register = "SMMU_CMDQ_CONS (CMD_SYNC)";
        let late = Err(SmmuError::Timeout(Timeout { register }));
        assert_eq!((consumed(4, 5), consumed(510, 2)), (late, late));
        let error = COMMAND_ERROR & 0x0100_0000 | 4;
        assert_eq!(consumed(error, 5), Err(SmmuError::Command(error)));
    }
}
