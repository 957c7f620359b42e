// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Digests, versions and addresses of image and blob.

use bulkhead_abi::window::WINDOW_SIZE;
use bulkhead_types::blob::{BlobHeader, Certificate, EARLY_START, MAGIC, MAJOR, MINOR, PAGE};
use bulkhead_types::image::{self, ImageInfo, Range};
use bulkhead_types::system::{self, BlobError, System};
use bulkhead_types::tables::LAYOUT_HASH;
use sha2::{Digest, Sha256};
use zerocopy::FromBytes;

use crate::refusal::{Fact, Refusal};
use crate::size;

/// Cores for which the boot part has words, on every board; a board's linker script limits them to those for which
/// it has stacks ([`ImageInfo::max_cores`]).
pub const MAX_CORES: usize = 32;

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Checks that the image was packed, for this board. Implements: BH-BOOT-003.
///
/// # Errors
/// What differs.
pub fn image(info: &ImageInfo, board_id: u32) -> Result<(), Refusal> {
    let packed = info.magic == image::MAGIC && info.version == image::VERSION;
    Refusal::new("image header", Fact::Hex(info.magic), Fact::Hex(image::MAGIC)).unless(packed)?;
    let found = Fact::Count(info.board_id.into());
    Refusal::new("image's board", found, Fact::Count(board_id.into())).unless(info.board_id == board_id)
}

/// Verifies the header and EL2's tables, with the MMU off, by the checksum of their own.
///
/// `bytes` is everything from the blob's first byte to the end of the image. Implements: BH-BOOT-004.
///
/// # Errors
/// What differs.
pub fn early(bytes: &[u8]) -> Result<&BlobHeader, Refusal> {
    let (header, _) = BlobHeader::ref_from_prefix(bytes).map_err(|_| BlobError::Truncated)?;
    Refusal::new("magic", Fact::Hex(header.magic), Fact::Hex(MAGIC)).unless(header.magic == MAGIC)?;
    let version = |major: u16, minor: u16| Fact::Hex((u64::from(major) << 16) | u64::from(minor));
    Refusal::new(
        "format version",
        version(header.major, header.minor),
        version(MAJOR, MINOR),
    )
    .unless((header.major, header.minor) == (MAJOR, MINOR))?;
    Refusal::new(
        "table layout",
        Fact::Hex(header.layout_hash),
        Fact::Hex(LAYOUT_HASH),
    )
    .unless(header.layout_hash == LAYOUT_HASH)?;
    let end = size(header.early_end);
    let early = bytes
        .get(EARLY_START..end)
        .filter(|_| end >= size(PAGE))
        .ok_or(BlobError::Truncated)?;
    let digest = sha256(early);
    Refusal::new(
        "early digest",
        Fact::digest(&header.early_digest),
        Fact::digest(&digest),
    )
    .unless(header.early_digest == digest)?;
    Ok(header)
}

/// A blob that may run.
pub struct Verified<'a> {
    /// Its tables.
    pub system: System<'a>,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// The checker's statement.
    pub certificate: &'a Certificate,
}

/// Verifies the whole blob against its certificate, and that it was made for this image and board.
///
/// `bytes` is as for [`early`]. Implements: BH-BOOT-005, BH-FUZZ-004.
///
/// # Errors
/// What differs.
pub fn whole<'a>(bytes: &'a [u8], info: &ImageInfo) -> Result<Verified<'a>, Refusal> {
    let (header, _) = BlobHeader::ref_from_prefix(bytes).map_err(|_| BlobError::Truncated)?;
    let end = size(header.certificate);
    let page = end.saturating_add(size(PAGE));
    let (blob, page) = bytes
        .get(..end)
        .zip(bytes.get(end..page))
        .ok_or(BlobError::Truncated)?;
    let certificate = system::certificate(page)?;
    let hash = sha256(blob);
    Refusal::new(
        "blob hash",
        Fact::digest(&certificate.blob_hash),
        Fact::digest(&hash),
    )
    .unless(certificate.blob_hash == hash)?;
    let system = System::parse(blob)?;
    Refusal::new(
        "hypervisor build",
        Fact::digest(&header.hypervisor_id),
        Fact::digest(&info.build_id),
    )
    .unless(header.hypervisor_id == info.build_id)?;
    Refusal::new(
        "board",
        Fact::Count(header.board_id.into()),
        Fact::Count(info.board_id.into()),
    )
    .unless(header.board_id == info.board_id)?;
    Ok(Verified {
        system,
        hash,
        certificate,
    })
}

/// Addresses at which the board crate already used devices, before the blob was verified.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// UART.
    pub uart: u64,
    /// SMMU, 0 when there is none.
    pub smmu: u64,
}

fn inside(inner: Range, outer: Range) -> bool {
    outer.start <= inner.start && inner.start <= inner.end && inner.end <= outer.end
}

fn apart(one: Range, other: Range) -> bool {
    one.end <= other.start || other.end <= one.start
}

/// A range from its first address and size; empty and refused by [`inside`] when it wraps.
fn range(start: u64, size: u64) -> Range {
    Range {
        start,
        end: start.checked_add(size).unwrap_or(0),
    }
}

/// Memory that boot writes for the blob: the live area and the SMMU's queues.
pub fn written(system: &System<'_>) -> [Range; 2] {
    let queues = if system.board.smmu == 0 { 0 } else { 2 * PAGE };
    [
        range(system.header.live_base, system.header.live_size),
        range(system.board.smmu_queues, queues),
    ]
}

/// Memory through which partitions speak to EL2 and to each other: every window, every page of stolen time and every
/// channel, each with what it is called and its index in its table.
pub fn shared<'a>(system: &System<'a>) -> impl Iterator<Item = (&'static str, usize, Range)> + use<'a> {
    let window = u64::try_from(WINDOW_SIZE).unwrap_or(u64::MAX);
    let partitions = system.partitions.iter().enumerate();
    let windows = partitions.filter(|(_, partition)| partition.window != 0);
    let windows = windows
        .map(move |(index, partition)| ("window of partition", index, range(partition.window, window)));
    // The structures of a partition lie in one page, that of its vCPU 0 first.
    let vcpus = system.vcpus.iter().enumerate();
    let stolen = vcpus.filter(|(_, vcpu)| vcpu.stolen_time != 0 && vcpu.index == 0);
    let stolen = stolen.map(|(index, vcpu)| ("stolen time of vCPU", index, range(vcpu.stolen_time, PAGE)));
    let channels = system.channels.iter().enumerate();
    windows
        .chain(stolen)
        .chain(channels.map(|(index, channel)| ("channel", index, range(channel.base, channel.size))))
}

/// Checks the blob's own addresses before anything is written. Implements: BH-BOOT-006.
///
/// # Errors
/// What does not fit.
pub fn addresses(system: &System<'_>, info: &ImageInfo, used: Used) -> Result<(), Refusal> {
    let header = system.header;
    Refusal::new(
        "blob's address",
        Fact::Hex(header.base),
        Fact::Hex(info.blob_base),
    )
    .unless(header.base == info.blob_base)?;
    let count = system.cores.len();
    Refusal::new(
        "cores",
        Fact::Count(u64::try_from(count).unwrap_or(u64::MAX)),
        Fact::Count(info.max_cores),
    )
    .unless(count <= MAX_CORES && u64::try_from(count).is_ok_and(|c| c <= info.max_cores))?;
    Refusal::new("UART", Fact::Hex(system.board.uart), Fact::Hex(used.uart))
        .unless(system.board.uart == used.uart)?;
    Refusal::new("SMMU", Fact::Hex(system.board.smmu), Fact::Hex(used.smmu))
        .unless(system.board.smmu == used.smmu)?;

    let occupied = Range {
        start: info.base,
        end: header
            .base
            .saturating_add(header.certificate)
            .saturating_add(PAGE),
    };
    let ram = |wanted: Range| {
        system
            .ram
            .iter()
            .any(|bank| inside(wanted, range(bank.base, bank.size)))
    };
    let [live, queues] = written(system);
    for (what, wanted) in [("live area", live), ("SMMU queues", queues)] {
        let fits = wanted.start == wanted.end
            || (ram(wanted) && apart(wanted, occupied) && wanted.start.is_multiple_of(PAGE));
        let span = Fact::Span(wanted.start, wanted.end.saturating_sub(wanted.start));
        Refusal::new(what, span, Fact::Text("not in free RAM")).unless(fits)?;
    }
    Refusal::new(
        "SMMU queues",
        Fact::Hex(queues.start),
        Fact::Text("in the live area"),
    )
    .unless(queues.start == queues.end || apart(live, queues))?;
    for (what, index, wanted) in shared(system) {
        let pages = [wanted.start, wanted.end]
            .iter()
            .all(|end| end.is_multiple_of(PAGE));
        let free = [occupied, live, queues].iter().all(|taken| apart(wanted, *taken));
        let span = Fact::Span(wanted.start, wanted.end.saturating_sub(wanted.start));
        Refusal::of(what, index, span, Fact::Text("not pages of free RAM"))
            .unless(pages && ram(wanted) && free)?;
    }

    let image = range(header.live_image, header.live_size);
    let blob = Range {
        start: 0,
        end: header.certificate,
    };
    Refusal::new(
        "live image",
        Fact::Span(image.start, header.live_size),
        Fact::Text("outside the blob"),
    )
    .unless(inside(image, blob))?;
    let streams = range(
        header.live_base.saturating_add(system.board.stream_table),
        64u64.checked_shl(system.board.stream_bits).unwrap_or(u64::MAX),
    );
    Refusal::new(
        "stream table",
        Fact::Hex(streams.start),
        Fact::Text("outside the live area"),
    )
    .unless(system.board.smmu == 0 || inside(streams, live))?;
    for (index, partition) in system.partitions.iter().enumerate() {
        let root = range(partition.live_root, PAGE);
        let good = inside(root, live) && root.start.is_multiple_of(PAGE);
        let board = Fact::Text("outside the live area");
        Refusal::of("stage-2 root of partition", index, Fact::Hex(root.start), board).unless(good)?;
    }
    Ok(())
}
