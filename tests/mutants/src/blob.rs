// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The blob's header and tables, as `hypervisor/types/src/{blob,tables}.rs` document them.

use crate::bytes::{array, u16_at, u32_at, u64_at};

/// Bytes of the header.
pub const HEADER: u64 = 256;
/// "None" in an index field.
pub const NONE: u32 = u32::MAX;
/// Sizes of the structures of this version, in the order in which their hash covers them.
const SIZES: [u64; 11] = [HEADER, 88, 288, 112, 8, 24, 16, 112, 16, 120, 168];

/// Offset of each section record in the header, and the bytes of an entry.
pub const SECTIONS: [(&str, u64, u64); 10] = [
    ("cores", 176, 88),
    ("partitions", 184, 288),
    ("vcpus", 192, 112),
    ("core_vcpus", 200, 8),
    ("slots", 208, 24),
    ("spis", 216, 16),
    ("pci_functions", 224, 112),
    ("ram", 232, 16),
    ("board", 240, 120),
    ("channels", 248, 168),
];

/// Hash of the layout of this version: FNV-1a over the sizes as 64-bit units.
pub fn layout_hash() -> u64 {
    SIZES.iter().fold(0xcbf2_9ce4_8422_2325, |hash, size| {
        (hash ^ size).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A physical core.
#[derive(Clone, Debug)]
pub struct Core {
    /// Affinity.
    pub mpidr: u64,
    /// `MIDR_EL1`.
    pub midr: u64,
    /// `TTBR0_EL2`.
    pub root: u64,
    /// Redistributor.
    pub redistributor: u64,
    /// 0 direct, 1 guarded, 2 sliced.
    pub mode: u32,
    /// Entries in `core_vcpus`.
    pub vcpus: (u32, u32),
    /// Entries in `slots`.
    pub slots: (u32, u32),
    /// 0 none, 1 isolated, 2 restricted, 3 firmware.
    pub predictors: u32,
    /// Major frame in ns.
    pub frame: u64,
    /// Memory traffic: events in a period, number of the event (15:0) and counters kept (31:16), counters, INTID.
    pub traffic: [u32; 4],
    /// Period of its budget in ns.
    pub period: u64,
}

/// A slot.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Begin in ns.
    pub offset: u64,
    /// Length in ns.
    pub length: u64,
    /// 0 vCPU, 1 system, 2 idle.
    pub kind: u32,
    /// Global vCPU index.
    pub vcpu: u32,
}

/// A partition.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Its name; nothing when it is not what a partition may be called.
    pub name: Option<String>,
    /// Entries in `vcpus`.
    pub vcpus: (u32, u32),
    /// Flags.
    pub flags: u32,
    /// VMID.
    pub vmid: u32,
    /// Live root.
    pub live_root: u64,
    /// Offset of its pristine copy.
    pub pristine: u64,
    /// Its window.
    pub window: u64,
    /// IPA of GICD.
    pub gicd: u64,
    /// IPA of GICR.
    pub gicr: u64,
    /// IPA of the emulated PL011.
    pub uart: u64,
    /// RAM.
    pub ram_ipa: u64,
    /// Bytes.
    pub ram_size: u64,
    /// INTID of the emulated PL011.
    pub uart_intid: u32,
    /// SPIs that its distributor shows.
    pub spi_lines: u32,
    /// Reserved word.
    pub reserved: u32,
    /// Owned SPIs.
    pub spis: Vec<u32>,
    /// Interrupts that are no storm yet.
    pub interrupt_limit: u32,
    /// What is done about each error.
    pub health: [u8; 16],
    /// Heartbeat and its grace.
    pub heartbeat: (u64, u64),
}

/// A vCPU.
#[derive(Clone, Debug)]
pub struct Vcpu {
    /// Partition.
    pub partition: u32,
    /// Index in it.
    pub index: u32,
    /// Core.
    pub core: u32,
    /// Zero.
    pub reserved: u32,
    /// `VMPIDR`, `VPIDR`, `HCR`, `VTCR`, `VTTBR`, `CNTHCTL`, `MDCR`, `CPTR`, `HSTR`, `ICH_HCR`, `CNTVOFF`.
    pub words: [u64; 11],
    /// Physical address of its stolen time; 0 when there is none.
    pub stolen: u64,
}

/// An SPI.
#[derive(Clone, Debug)]
pub struct Spi {
    /// INTID.
    pub intid: u32,
    /// Partition.
    pub partition: u32,
    /// Core.
    pub core: u32,
    /// 1 = edge.
    pub edge: u32,
}

/// A PCI function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Bus, device, function.
    pub bdf: u32,
    /// Vendor and device.
    pub id: u32,
    /// Partition.
    pub partition: u32,
    /// 1 = may master the bus.
    pub master: u32,
    /// Address and size of each BAR.
    pub bars: [(u64, u64); 6],
}

/// Devices of EL2.
#[derive(Clone, Debug)]
pub struct Board {
    /// Distributor.
    pub gicd: u64,
    /// UART.
    pub uart: u64,
    /// SMMU.
    pub smmu: u64,
    /// Configuration space.
    pub ecam: u64,
    /// Its buses.
    pub ecam_buses: u64,
    /// Stream table in the live image.
    pub stream_table: u64,
    /// log2 of its entries.
    pub stream_bits: u32,
    /// INTID of the UART.
    pub uart_intid: u32,
    /// Queues.
    pub queues: u64,
    /// Core of the system slot.
    pub system_core: u32,
    /// What is done about each error of a core, of nobody.
    pub health: [[u8; 16]; 2],
    /// Who is told.
    pub monitor: u32,
    /// Reserved word.
    pub reserved: u32,
}

/// Everything but translation tables and streams.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Board number.
    pub board_id: u32,
    /// Cores.
    pub core_count: u32,
    /// Build ID.
    pub build: [u8; 16],
    /// Physical address.
    pub base: u64,
    /// End of the early part.
    pub early_end: u64,
    /// Offset of the certificate.
    pub certificate: u64,
    /// Offset of the live image.
    pub live_image: u64,
    /// Its bytes.
    pub live_size: u64,
    /// Where the live copy lies.
    pub live_base: u64,
    /// EL2's root of boot.
    pub boot_root: u64,
    /// `TCR_EL2`, `MAIR_EL2`, `SCTLR_EL2`.
    pub el2_words: [u64; 3],
    /// Offset and bytes of each table, in the order of [`SECTIONS`].
    pub places: Vec<(u64, u64)>,
    /// Cores.
    pub cores: Vec<Core>,
    /// Partitions.
    pub partitions: Vec<Partition>,
    /// vCPUs.
    pub vcpus: Vec<Vcpu>,
    /// vCPUs by core, with the reserved word.
    pub core_vcpus: Vec<(u32, u32)>,
    /// Slots.
    pub slots: Vec<Slot>,
    /// SPIs.
    pub spis: Vec<Spi>,
    /// PCI functions.
    pub functions: Vec<Function>,
    /// RAM banks: address, size.
    pub ram: Vec<(u64, u64)>,
    /// EL2's devices.
    pub board: Board,
    /// Channels: address, size.
    pub channels: Vec<(u64, u64)>,
    /// What the entries of channels say of locks.
    pub locks: Vec<Lock>,
}

/// A lock, or a channel, of which all but the range is zero.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Address and size.
    pub range: (u64, u64),
    /// IPA, hold in ns.
    pub words: [u64; 2],
    /// Flags, participants in use.
    pub flags: u32,
    /// Participants in use.
    pub count: u32,
    /// Partition, priority, acquisitions, reserved.
    pub places: [[u32; 4]; 8],
}

impl Lock {
    fn read(b: &[u8], e: u64) -> Option<Self> {
        let mut places = [[0; 4]; 8];
        for (at, field) in (e + 40..).step_by(4).zip(places.iter_mut().flatten()) {
            *field = u32_at(b, at)?;
        }
        Some(Self {
            range: (u64_at(b, e)?, u64_at(b, e + 8)?),
            words: [u64_at(b, e + 16)?, u64_at(b, e + 24)?],
            flags: u32_at(b, e + 32)?,
            count: u32_at(b, e + 36)?,
            places,
        })
    }

    /// Whether it says nothing of a lock.
    pub fn is_channel(&self) -> bool {
        self.words == [0; 2] && self.flags == 0 && self.count == 0 && self.places == [[0; 4]; 8]
    }

    /// Participants: partition, priority, acquisitions.
    pub fn participants(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let used = self.places.iter().take(crate::bytes::index(self.count.into()));
        used.map(|[partition, priority, acquisitions, _]| (*partition, *priority, *acquisitions))
    }

    /// Whether a partition takes it.
    pub fn has(&self, partition: usize) -> bool {
        self.participants()
            .any(|(p, _, _)| usize::try_from(p) == Ok(partition))
    }

    /// Whether the entry makes sense among `partitions` partitions.
    pub fn is_sound(&self, partitions: usize) -> bool {
        let count = crate::bytes::index(self.count.into());
        let mut used: Vec<u32> = self.participants().map(|p| p.0).collect();
        used.sort_unstable();
        let once = used.windows(2).all(|w| w[0] != w[1]);
        let [ipa, hold] = self.words;
        let (base, size) = self.range;
        matches!(self.flags, 1 | 3)
            && size == 4096
            && base % 4096 == 0
            && ipa != 0
            && ipa % 4096 == 0
            && hold != 0
            && (2..=8).contains(&count)
            && once
            && used
                .iter()
                .all(|p| usize::try_from(*p).is_ok_and(|p| p < partitions))
            && self.places.iter().skip(count).all(|p| *p == [0; 4])
            && self
                .places
                .iter()
                .take(count)
                .all(|p| p[1] <= 255 && p[2] != 0 && p[3] == 0)
    }
}

fn name(raw: [u8; 32]) -> Option<String> {
    let length = raw.iter().position(|b| *b == 0)?;
    let (name, rest) = raw.split_at(length);
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let good = !name.is_empty() && name.iter().all(plain) && rest.iter().all(|b| *b == 0);
    good.then(|| String::from_utf8_lossy(name).into_owned())
}

impl Blob {
    /// Reads the header and every table.
    ///
    /// # Errors
    /// What has not the form of this version.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let fixed = array(bytes, 0) == Some(*b"BLKHSYS1")
            && u16_at(bytes, 8) == Some(1)
            && u16_at(bytes, 10) == Some(0)
            && u32_at(bytes, 12) == u32::try_from(HEADER).ok()
            && array(bytes, 48) == Some([0u8; 16])
            && u64_at(bytes, 88) == Some(layout_hash());
        if !fixed {
            return Err("header: not of this version".to_owned());
        }
        Self::tables(bytes).ok_or_else(|| "header: a table is outside the blob".to_owned())
    }

    fn tables(b: &[u8]) -> Option<Self> {
        let mut places = Vec::new();
        let mut entries: Vec<Vec<u64>> = Vec::new();
        for (_, at, size) in SECTIONS {
            let (offset, count) = (u64::from(u32_at(b, at)?), u64::from(u32_at(b, at + 4)?));
            let length = count.checked_mul(size)?;
            let end = offset.checked_add(length)?;
            if end > u64::try_from(b.len()).ok()? || offset % 8 != 0 {
                return None;
            }
            places.push((offset, length));
            entries.push((0..count).map(|i| offset + i * size).collect());
        }
        let [
            cores,
            partitions,
            vcpus,
            core_vcpus,
            slots,
            spis,
            functions,
            ram,
            board,
            channels,
        ] = entries.as_slice()
        else {
            return None;
        };
        let [board] = board.as_slice() else { return None };
        let word = |at: u64| u64_at(b, at);
        Some(Self {
            board_id: u32_at(b, 64)?,
            core_count: u32_at(b, 68)?,
            build: array(b, 72)?,
            base: word(96)?,
            early_end: word(104)?,
            certificate: word(112)?,
            live_image: word(120)?,
            live_size: word(128)?,
            live_base: word(136)?,
            boot_root: word(144)?,
            el2_words: [word(152)?, word(160)?, word(168)?],
            places,
            cores: cores.iter().map(|e| core(b, *e)).collect::<Option<_>>()?,
            partitions: partitions
                .iter()
                .map(|e| partition(b, *e))
                .collect::<Option<_>>()?,
            vcpus: vcpus.iter().map(|e| vcpu(b, *e)).collect::<Option<_>>()?,
            core_vcpus: core_vcpus
                .iter()
                .map(|e| Some((u32_at(b, *e)?, u32_at(b, e + 4)?)))
                .collect::<Option<_>>()?,
            slots: slots.iter().map(|e| slot(b, *e)).collect::<Option<_>>()?,
            spis: spis.iter().map(|e| spi(b, *e)).collect::<Option<_>>()?,
            functions: functions.iter().map(|e| function(b, *e)).collect::<Option<_>>()?,
            ram: ram
                .iter()
                .map(|e| Some((word(*e)?, word(e + 8)?)))
                .collect::<Option<_>>()?,
            board: devices(b, *board)?,
            channels: channels
                .iter()
                .map(|e| Some((word(*e)?, word(e + 8)?)))
                .collect::<Option<_>>()?,
            locks: channels
                .iter()
                .map(|e| Lock::read(b, *e))
                .filter(|lock| !lock.as_ref().is_some_and(Lock::is_channel))
                .collect::<Option<_>>()?,
        })
    }
}

fn core(b: &[u8], e: u64) -> Option<Core> {
    Some(Core {
        mpidr: u64_at(b, e)?,
        midr: u64_at(b, e + 8)?,
        root: u64_at(b, e + 16)?,
        redistributor: u64_at(b, e + 24)?,
        mode: u32_at(b, e + 32)?,
        vcpus: (u32_at(b, e + 36)?, u32_at(b, e + 40)?),
        slots: (u32_at(b, e + 44)?, u32_at(b, e + 48)?),
        predictors: u32_at(b, e + 52)?,
        frame: u64_at(b, e + 56)?,
        traffic: [
            u32_at(b, e + 64)?,
            u32_at(b, e + 68)?,
            u32_at(b, e + 72)?,
            u32_at(b, e + 76)?,
        ],
        period: u64_at(b, e + 80)?,
    })
}

fn slot(b: &[u8], e: u64) -> Option<Slot> {
    Some(Slot {
        offset: u64_at(b, e)?,
        length: u64_at(b, e + 8)?,
        kind: u32_at(b, e + 16)?,
        vcpu: u32_at(b, e + 20)?,
    })
}

fn partition(b: &[u8], e: u64) -> Option<Partition> {
    Some(Partition {
        name: name(array(b, e)?),
        vcpus: (u32_at(b, e + 32)?, u32_at(b, e + 36)?),
        flags: u32_at(b, e + 40)?,
        vmid: u32_at(b, e + 44)?,
        live_root: u64_at(b, e + 48)?,
        pristine: u64_at(b, e + 56)?,
        window: u64_at(b, e + 64)?,
        gicd: u64_at(b, e + 72)?,
        gicr: u64_at(b, e + 80)?,
        uart: u64_at(b, e + 88)?,
        ram_ipa: u64_at(b, e + 96)?,
        ram_size: u64_at(b, e + 104)?,
        uart_intid: u32_at(b, e + 112)?,
        spi_lines: u32_at(b, e + 116)?,
        reserved: u32_at(b, e + 252)?,
        interrupt_limit: u32_at(b, e + 124)?,
        health: array(b, e + 256)?,
        heartbeat: (u64_at(b, e + 272)?, u64_at(b, e + 280)?),
        spis: (0..31)
            .map(|w| u32_at(b, e + 128 + 4 * w))
            .collect::<Option<_>>()?,
    })
}

fn vcpu(b: &[u8], e: u64) -> Option<Vcpu> {
    let mut words = [0; 11];
    for (word, at) in words.iter_mut().zip((16u64..).step_by(8)) {
        *word = u64_at(b, e + at)?;
    }
    Some(Vcpu {
        partition: u32_at(b, e)?,
        index: u32_at(b, e + 4)?,
        core: u32_at(b, e + 8)?,
        reserved: u32_at(b, e + 12)?,
        words,
        stolen: u64_at(b, e + 104)?,
    })
}

fn spi(b: &[u8], e: u64) -> Option<Spi> {
    Some(Spi {
        intid: u32_at(b, e)?,
        partition: u32_at(b, e + 4)?,
        core: u32_at(b, e + 8)?,
        edge: u32_at(b, e + 12)?,
    })
}

fn function(b: &[u8], e: u64) -> Option<Function> {
    let mut bars = [(0, 0); 6];
    for (bar, at) in bars.iter_mut().zip((16u64..).step_by(16)) {
        *bar = (u64_at(b, e + at)?, u64_at(b, e + at + 8)?);
    }
    Some(Function {
        bdf: u32_at(b, e)?,
        id: u32_at(b, e + 4)?,
        partition: u32_at(b, e + 8)?,
        master: u32_at(b, e + 12)?,
        bars,
    })
}

fn devices(b: &[u8], e: u64) -> Option<Board> {
    Some(Board {
        gicd: u64_at(b, e)?,
        uart: u64_at(b, e + 8)?,
        smmu: u64_at(b, e + 16)?,
        ecam: u64_at(b, e + 24)?,
        ecam_buses: u64_at(b, e + 32)?,
        stream_table: u64_at(b, e + 40)?,
        stream_bits: u32_at(b, e + 48)?,
        uart_intid: u32_at(b, e + 52)?,
        queues: u64_at(b, e + 56)?,
        system_core: u32_at(b, e + 72)?,
        health: [array(b, e + 80)?, array(b, e + 96)?],
        monitor: u32_at(b, e + 112)?,
        reserved: u32_at(b, e + 116)?,
    })
}
