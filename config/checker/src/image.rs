// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decodes the facts that `hypervisor.bin` states about itself (`hypervisor/types/src/image.rs`).

use sha2::{Digest, Sha256};

use crate::range::{Range, array, u32_at, u64_at};

/// Offset of the information in the file, after the 64-byte arm64 `Image` header.
const INFO: usize = 64;
/// Bytes of the information.
const INFO_SIZE: usize = 240;
/// Offset of the build ID in the file.
const BUILD_ID: usize = INFO + 16;
const MAGIC: &[u8; 8] = b"BULKHEAD";
const VERSION: u32 = 1;

/// Where everything of EL2 lies.
#[derive(Clone, Debug)]
pub(crate) struct ImageInfo {
    /// Board number.
    pub board_id: u32,
    /// Build ID as stated.
    pub build_id: [u8; 16],
    /// All memory of the image.
    pub extent: Range,
    /// Boot part: code.
    pub boot_text: Range,
    /// Boot part: constants.
    pub boot_rodata: Range,
    /// Boot part: data and stacks.
    pub boot_data: Range,
    /// Run-time code.
    pub text: Range,
    /// Run-time constants.
    pub rodata: Range,
    /// Run-time data of all cores.
    pub shared: Range,
    /// What boot hands over.
    pub handoff: Range,
    /// Statistics, a block per core.
    pub stats: Range,
    /// Per-core blocks.
    pub per_core: Range,
    /// Bytes from per-core block to per-core block.
    pub per_core_stride: u64,
    /// The EL1 loader.
    pub loader: Range,
    /// Cores for which there is room.
    pub max_cores: u64,
    /// Run-time entry.
    pub runtime_entry: u64,
    /// Where the blob must lie.
    pub blob_base: u64,
}

impl ImageInfo {
    /// Reads the information of `hypervisor.bin`.
    ///
    /// # Errors
    /// What is wrong, as text.
    pub(crate) fn decode(file: &[u8]) -> Result<Self, String> {
        let info = file
            .get(INFO..INFO + INFO_SIZE)
            .ok_or("hypervisor.bin ends before its information does")?;
        if !info.starts_with(MAGIC) {
            return Err("hypervisor.bin has no BULKHEAD magic at byte 64".to_owned());
        }
        match u32_at(info, 8) {
            Some(VERSION) => Self::fields(info).ok_or_else(|| "hypervisor.bin is truncated".to_owned()),
            other => Err(format!(
                "hypervisor.bin: version {other:?} of its information, this checker reads 1"
            )),
        }
    }

    fn fields(info: &[u8]) -> Option<Self> {
        let range = |at: usize| {
            Some(Range {
                start: u64_at(info, at)?,
                end: u64_at(info, at + 8)?,
            })
        };
        Some(Self {
            board_id: u32_at(info, 12)?,
            build_id: array(info, 16)?,
            extent: range(32)?,
            boot_text: range(48)?,
            boot_rodata: range(64)?,
            boot_data: range(80)?,
            text: range(96)?,
            rodata: range(112)?,
            shared: range(128)?,
            handoff: range(144)?,
            stats: range(160)?,
            per_core: range(176)?,
            per_core_stride: u64_at(info, 192)?,
            loader: range(200)?,
            max_cores: u64_at(info, 216)?,
            runtime_entry: u64_at(info, 224)?,
            blob_base: u64_at(info, 232)?,
        })
    }

    /// Its ranges by name, in no particular order.
    pub(crate) fn ranges(&self) -> [(&'static str, Range); 10] {
        [
            ("boot text", self.boot_text),
            ("boot constants", self.boot_rodata),
            ("boot data", self.boot_data),
            ("run-time text", self.text),
            ("run-time constants", self.rodata),
            ("shared data", self.shared),
            ("handoff", self.handoff),
            ("statistics", self.stats),
            ("per-core blocks", self.per_core),
            ("loader", self.loader),
        ]
    }
}

/// The build ID that `hypervisor.bin` should state: 16 bytes of the SHA-256 of the file with that field zero.
pub(crate) fn computed_build_id(file: &[u8]) -> Option<[u8; 16]> {
    let mut hash = Sha256::new();
    hash.update(file.get(..BUILD_ID)?);
    hash.update([0; 16]);
    hash.update(file.get(BUILD_ID + 16..)?);
    array(&hash.finalize(), 0)
}
