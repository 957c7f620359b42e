// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The entries of the blob's tables, as `hypervisor/types/src/{blob,tables}.rs` document them.

use crate::bytes::{array, u32_at, u64_at};

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
    /// Who shares it: kind (1 budget, 2 slack), vCPU, budget in ns; all zero where unused.
    pub shares: [(u32, u32, u64); 5],
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
    /// Times that an error restarts it.
    pub restart_limit: u32,
    /// Interrupts that are no storm yet.
    pub interrupt_limit: u32,
    /// What is done about each error.
    pub health: [u8; 16],
    /// Heartbeat and its grace.
    pub heartbeat: (u64, u64),
    /// Functions of the firmware that it may call: identifier, longest time, reserved word.
    pub calls: Vec<(u32, u64, u32)>,
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
    /// Who rings it, or all ones.
    pub ringer: u32,
    /// Which doorbell it is.
    pub doorbell: u32,
    /// Least ns between rings.
    pub interval: u64,
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
    /// Count of the watchdog's stages.
    pub watchdog: u32,
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
    pub(crate) fn read(b: &[u8], e: u64) -> Option<Self> {
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

pub(crate) fn core(b: &[u8], e: u64) -> Option<Core> {
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

pub(crate) fn slot(b: &[u8], e: u64) -> Option<Slot> {
    Some(Slot {
        offset: u64_at(b, e)?,
        length: u64_at(b, e + 8)?,
        kind: u32_at(b, e + 16)?,
        vcpu: u32_at(b, e + 20)?,
        shares: {
            let mut shares = [(0, 0, 0); 5];
            for (place, share) in (0u64..).zip(&mut shares) {
                let at = e + 24 + 16 * place;
                *share = (u32_at(b, at + 12)?, u32_at(b, at + 8)?, u64_at(b, at)?);
            }
            shares
        },
    })
}

pub(crate) fn partition(b: &[u8], e: u64) -> Option<Partition> {
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
        restart_limit: u32_at(b, e + 120)?,
        interrupt_limit: u32_at(b, e + 124)?,
        health: array(b, e + 256)?,
        heartbeat: (u64_at(b, e + 272)?, u64_at(b, e + 280)?),
        calls: (0..8)
            .map(|k| e + 288 + 16 * k)
            .map(|at| Some((u32_at(b, at + 8)?, u64_at(b, at)?, u32_at(b, at + 12)?)))
            .collect::<Option<_>>()?,
        spis: (0..31)
            .map(|w| u32_at(b, e + 128 + 4 * w))
            .collect::<Option<_>>()?,
    })
}

pub(crate) fn vcpu(b: &[u8], e: u64) -> Option<Vcpu> {
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

pub(crate) fn spi(b: &[u8], e: u64) -> Option<Spi> {
    Some(Spi {
        intid: u32_at(b, e)?,
        partition: u32_at(b, e + 4)?,
        core: u32_at(b, e + 8)?,
        edge: u32_at(b, e + 12)?,
        ringer: u32_at(b, e + 16)?,
        doorbell: u32_at(b, e + 20)?,
        interval: u64_at(b, e + 24)?,
    })
}

pub(crate) fn function(b: &[u8], e: u64) -> Option<Function> {
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

pub(crate) fn devices(b: &[u8], e: u64) -> Option<Board> {
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
        watchdog: u32_at(b, e + 116)?,
    })
}
