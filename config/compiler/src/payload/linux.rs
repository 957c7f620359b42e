// SPDX-License-Identifier: Apache-2.0 OR MIT
//! arm64 Linux: the `Image` header and the placement of kernel, initial RAM disk and device tree.
//!
//! # References
//! Linux, `Documentation/arch/arm64/booting.rst`, "Call the kernel image".

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{PayloadError, Piece, Program};
use crate::access::Rights;
use crate::machine::RAM;

/// Bytes that the device tree gets, at the end of RAM: more than any tree may have.
const DEVICE_TREE_SPACE: u64 = 2 << 20;
/// Alignment of the initial RAM disk: the largest page size of a kernel.
const INITRD_ALIGN: u64 = 0x1_0000;
/// Value of [`ImageHeader::magic`], `ARM\x64`.
const MAGIC: [u8; 4] = *b"ARM\x64";

/// First 64 bytes of an arm64 `Image`.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct ImageHeader {
    /// Executable code.
    pub code: [u32; 2],
    /// Offset of the image from a 2 MiB boundary, bytes.
    pub text_offset: u64,
    /// Bytes of memory that the image needs from its first byte.
    pub image_size: u64,
    /// Bit 0: big-endian.
    pub flags: u64,
    /// Reserved.
    pub reserved: [u64; 3],
    /// `ARM\x64`.
    pub magic: [u8; 4],
    /// Reserved; offset of the PE header in kernels that are EFI programs too.
    pub pe_offset: u32,
}
const _: () = assert!(size_of::<ImageHeader>() == 64);

impl ImageHeader {
    /// Reads the header of an `Image`, nothing when it has none.
    pub fn read(image: &[u8]) -> Option<Self> {
        let (header, _) = ImageHeader::read_from_prefix(image).ok()?;
        (header.magic == MAGIC).then_some(header)
    }
}

/// Names what a kernel file is when it is not an `Image`.
fn recognise(kernel: &[u8]) -> &'static str {
    match kernel {
        [0x1f, 0x8b, ..] => "it is compressed with gzip; unpack it first",
        [b'M', b'Z', _, _, b'z', b'i', b'm', b'g', ..] => {
            "it is a compressed EFI program; take the uncompressed Image"
        }
        [0x7f, b'E', b'L', b'F', ..] => "it is an ELF file; take arch/arm64/boot/Image",
        _ => "its bytes 56 to 59 are not `ARM\\x64`",
    }
}

/// Prepares a kernel and its initial RAM disk.
///
/// The kernel lies at its offset from the begin of RAM (which is 2 MiB aligned), the RAM disk behind it, the
/// device tree at the begin of the last 2 MiB.
///
/// # Errors
/// [`PayloadError::NotImage`], [`PayloadError::TooSmall`].
pub fn prepare(kernel: Vec<u8>, initrd: Option<Vec<u8>>, memory: u64) -> Result<Program, PayloadError> {
    let header = ImageHeader::read(&kernel).ok_or_else(|| PayloadError::NotImage(recognise(&kernel)))?;
    if header.flags & 1 != 0 {
        return Err(PayloadError::NotImage("it is a big-endian kernel"));
    }
    let file_size = kernel.len() as u64;
    let memory_size = header.image_size.max(file_size);
    let initrd_at = RAM
        .checked_add(header.text_offset)
        .and_then(|a| a.checked_add(memory_size)?.checked_next_multiple_of(INITRD_ALIGN));
    let initrd_at = initrd_at.ok_or(PayloadError::NotImage("the sizes in its header are absurd"))?;
    let entry = RAM + header.text_offset;
    let initrd_size = initrd.as_ref().map_or(0, |i| i.len() as u64);
    let needed = initrd_at.saturating_add(initrd_size) - RAM + DEVICE_TREE_SPACE;
    if needed > memory {
        return Err(PayloadError::TooSmall { needed, memory });
    }
    let mut pieces = vec![Piece {
        name: "kernel".to_owned(),
        target: entry,
        memory_size,
        bytes: kernel,
        rights: Rights::All,
    }];
    let initrd_range = initrd.as_ref().map(|_| (initrd_at, initrd_at + initrd_size));
    pieces.extend(initrd.map(|bytes| Piece {
        name: "initial RAM disk".to_owned(),
        target: initrd_at,
        memory_size: initrd_size,
        bytes,
        rights: Rights::All,
    }));
    Ok(Program {
        entry,
        pieces,
        initrd: initrd_range,
        device_tree_at: Some(RAM + memory - DEVICE_TREE_SPACE),
        elsewhere: Rights::All,
    })
}
