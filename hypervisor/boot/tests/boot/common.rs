// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small system and its blob, for the tests of what boot refuses.

use bulkhead_abi::health::{Action, ERRORS, Error, Level};
use bulkhead_types::blob::{
    BlobHeader, CERTIFICATE_MAGIC, CERTIFICATE_VERSION, Certificate, MAGIC, PAGE, Section,
};
use bulkhead_types::blob::{MAJOR, MINOR};
use bulkhead_types::image::{self, ImageInfo};
use bulkhead_types::tables::{
    BoardDevices, Channel, Core, CoreVcpu, LAYOUT_HASH, MAX_PARTICIPANTS, NONE, Participant, Partition,
    PciFunction, PlatformStream, RamBank, Slot, Spi, Vcpu,
};
use sha2::{Digest, Sha256};
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// Where the blob of these tests lies.
pub(crate) const BASE: u64 = 0x4030_0000;
/// Where its live area lies.
pub(crate) const LIVE: u64 = 0x4100_0000;
/// Bytes of its live area.
pub(crate) const LIVE_SIZE: u64 = 0x8000;

/// Where the partition's window lies.
pub(crate) const WINDOW: u64 = 0x4300_0000;
/// Where its channel lies.
pub(crate) const CHANNEL: u64 = 0x4301_0000;

/// What a test may change before the blob is sealed.
pub(crate) struct Parts {
    pub(crate) header: BlobHeader,
    pub(crate) cores: Vec<Core>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) ram: Vec<RamBank>,
    pub(crate) board: BoardDevices,
    pub(crate) channels: Vec<Channel>,
}

/// A reaction to each error of a level.
fn reactions(level: Level) -> [u8; ERRORS] {
    let mut table = [0; ERRORS];
    for error in Error::ALL.iter().filter(|error| error.occurs_on(level)) {
        table[usize::from(error.code())] = Action::GlobalSafeState.code();
    }
    table
}

/// Two cores, one partition, one channel, 1 GiB.
pub(crate) fn parts() -> Parts {
    let mut header = BlobHeader::new_zeroed();
    header.magic = MAGIC;
    (header.major, header.minor) = (MAJOR, MINOR);
    header.layout_hash = LAYOUT_HASH;
    header.board_id = 1;
    header.hypervisor_id = [7; 16];
    header.base = BASE;
    header.early_end = 2 * PAGE;
    header.live_base = LIVE;
    header.live_size = LIVE_SIZE;
    let cores = (0..2)
        .map(|index| {
            let mut core = Core::new_zeroed();
            core.mpidr = index;
            core.redistributor = 0x080A_0000 + index * 0x2_0000;
            core
        })
        .collect();
    let mut partition = Partition::new_zeroed();
    partition.vcpu_count = 1;
    partition.live_root = LIVE;
    partition.window = WINDOW;
    partition.health = reactions(Level::Partition);
    let mut board = BoardDevices::new_zeroed();
    board.gicd = 0x0800_0000;
    board.uart = 0x0900_0000;
    board.smmu = 0x0905_0000;
    board.stream_bits = 8;
    board.stream_table = 0x4000;
    board.smmu_queues = 0x4200_0000;
    board.uart_intid = NONE;
    board.health_core = reactions(Level::Core);
    board.health_system = reactions(Level::System);
    board.monitor = NONE;
    let ram = vec![RamBank {
        base: 0x4000_0000,
        size: 0x4000_0000,
    }];
    Parts {
        header,
        cores,
        partitions: vec![partition],
        ram,
        board,
        channels: vec![Channel {
            base: CHANNEL,
            size: 0x1_0000,
            ipa: 0,
            hold_ns: 0,
            flags: 0,
            participant_count: 0,
            participants: [Participant {
                partition: 0,
                priority: 0,
                acquisitions: 0,
                reserved: 0,
            }; MAX_PARTICIPANTS],
        }],
    }
}

fn put<T: IntoBytes + Immutable>(bytes: &mut Vec<u8>, entries: &[T]) -> Section {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let offset = u32::try_from(bytes.len()).expect("small");
    bytes.extend_from_slice(entries.as_bytes());
    Section {
        offset,
        count: u32::try_from(entries.len()).expect("small"),
    }
}

/// The blob with digest and certificate; 8-byte aligned.
pub(crate) fn seal(parts: &Parts) -> Vec<u64> {
    let mut header = parts.header;
    let mut bytes = vec![0u8; usize::try_from(header.early_end).expect("small")];
    header.cores = put(&mut bytes, &parts.cores);
    header.partitions = put(&mut bytes, &parts.partitions);
    header.vcpus = put(&mut bytes, &[Vcpu::new_zeroed()]);
    header.core_vcpus = put::<CoreVcpu>(&mut bytes, &[]);
    header.slots = put::<Slot>(&mut bytes, &[]);
    header.spis = put::<Spi>(&mut bytes, &[]);
    header.pci_functions = put::<PciFunction>(&mut bytes, &[]);
    header.ram = put(&mut bytes, &parts.ram);
    header.board = put(&mut bytes, &[parts.board]);
    header.channels = put(&mut bytes, &parts.channels);
    header.streams = put::<PlatformStream>(&mut bytes, &[]);
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    header.live_image = u64::try_from(bytes.len()).expect("small");
    bytes.resize(bytes.len() + usize::try_from(LIVE_SIZE).expect("small"), 0);
    header.certificate = u64::try_from(bytes.len()).expect("small");
    let head = size_of::<BlobHeader>();
    bytes[..head].copy_from_slice(header.as_bytes());
    let early = usize::try_from(header.early_end).expect("small");
    header.early_digest = Sha256::digest(&bytes[64..early]).into();
    bytes[..head].copy_from_slice(header.as_bytes());
    let mut certificate = Certificate::new_zeroed();
    certificate.magic = CERTIFICATE_MAGIC;
    certificate.version = CERTIFICATE_VERSION;
    certificate.blob_hash = Sha256::digest(&bytes).into();
    bytes.extend_from_slice(certificate.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    let words = bytes.as_chunks::<8>().0;
    words.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// The image that the blob was made for.
pub(crate) fn image() -> ImageInfo {
    let mut info = ImageInfo::new_zeroed();
    info.magic = image::MAGIC;
    info.version = image::VERSION;
    info.board_id = 1;
    info.build_id = [7; 16];
    info.base = 0x4020_0000;
    info.max_cores = 8;
    info.blob_base = BASE;
    info
}
