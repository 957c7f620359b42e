// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Static AArch64 ELF executables.
//!
//! # References
//! Arm IHI 0056 "ELF for the Arm 64-bit Architecture"; System V ABI, "Program Header".

use bulkhead_model::system::MemoryRights;
use object::LittleEndian;
use object::elf::{EM_AARCH64, ET_EXEC, PF_W, PF_X, PT_DYNAMIC, PT_INTERP, PT_LOAD};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};

use crate::access::Rights;

use super::{PayloadError, Piece, Program};

/// A load segment: its bytes, and where it lies.
#[derive(Clone, Debug)]
pub struct Segment<'a> {
    /// Physical (load) address.
    pub address: u64,
    /// Virtual address.
    pub virtual_address: u64,
    /// Bytes in memory.
    pub memory_size: u64,
    /// Bytes in the file.
    pub bytes: &'a [u8],
    /// Whether it may be executed.
    pub executable: bool,
    /// Whether it may be written.
    pub writable: bool,
}

/// A parsed executable.
#[derive(Clone, Debug)]
pub struct Executable<'a> {
    /// Virtual address of the first instruction.
    pub entry: u64,
    /// Load segments that occupy memory, in file order.
    pub segments: Vec<Segment<'a>>,
}

/// Reads a static AArch64 executable.
///
/// # Errors
/// [`PayloadError::NotElf`], [`PayloadError::WrongElf`].
pub fn parse(data: &[u8]) -> Result<Executable<'_>, PayloadError> {
    let file = ElfFile64::<LittleEndian>::parse(data).map_err(|e| PayloadError::NotElf(e.to_string()))?;
    let (header, endian) = (file.elf_header(), LittleEndian);
    if header.e_machine(endian) != EM_AARCH64 {
        return Err(PayloadError::WrongElf("it is not made for AArch64"));
    }
    if header.e_type(endian) != ET_EXEC {
        return Err(PayloadError::WrongElf(
            "it is not a statically linked, fixed-address executable",
        ));
    }
    let mut segments = Vec::new();
    for program in file.elf_program_headers() {
        let kind = program.p_type(endian);
        if kind == PT_INTERP || kind == PT_DYNAMIC {
            return Err(PayloadError::WrongElf("it needs a dynamic linker"));
        }
        if kind != PT_LOAD || program.p_memsz(endian) == 0 {
            continue;
        }
        let bytes = program.data(endian, data);
        let bytes = bytes.map_err(|()| PayloadError::WrongElf("a load segment lies outside the file"))?;
        if bytes.len() as u64 > program.p_memsz(endian) {
            return Err(PayloadError::WrongElf(
                "a load segment has more bytes in the file than in memory",
            ));
        }
        segments.push(Segment {
            address: program.p_paddr(endian),
            virtual_address: program.p_vaddr(endian),
            memory_size: program.p_memsz(endian),
            bytes,
            executable: program.p_flags(endian).contains(PF_X),
            writable: program.p_flags(endian).contains(PF_W),
        });
    }
    if segments.is_empty() {
        return Err(PayloadError::WrongElf("it has nothing to load"));
    }
    Ok(Executable {
        entry: header.e_entry(endian),
        segments,
    })
}

/// What a segment may be used for.
fn rights(segment: &Segment<'_>, memory: MemoryRights) -> Rights {
    match (memory, segment.writable, segment.executable) {
        (MemoryRights::Open, _, _) | (MemoryRights::Segments, true, true) => Rights::All,
        (MemoryRights::Segments, true, false) => Rights::ReadWrite,
        (MemoryRights::Segments, false, true) => Rights::ReadExecute,
        (MemoryRights::Segments, false, false) => Rights::Read,
    }
}

/// Prepares an ELF payload: each segment goes to its physical address; zeroed data is left to the loader's
/// scrubbing of all RAM that is written. Implements: BH-MEM-008.
///
/// # Errors
/// As [`parse`]; [`PayloadError::Entry`] when the entry point is not in an executable segment.
pub fn prepare(data: &[u8], memory: MemoryRights) -> Result<Program, PayloadError> {
    let executable = parse(data)?;
    let entry = executable.entry;
    let physical_entry = executable.segments.iter().find_map(|s| {
        let offset = entry.checked_sub(s.virtual_address)?;
        (s.executable && offset < s.memory_size).then_some(s.address.wrapping_add(offset))
    });
    let pieces = executable.segments.iter().map(|s| Piece {
        name: "load segment".to_owned(),
        target: s.address,
        memory_size: s.memory_size,
        bytes: s.bytes.to_vec(),
        rights: rights(s, memory),
    });
    Ok(Program {
        entry: physical_entry.ok_or(PayloadError::Entry { entry })?,
        pieces: pieces.collect(),
        initrd: None,
        device_tree_at: None,
        elsewhere: match memory {
            MemoryRights::Open => Rights::All,
            MemoryRights::Segments => Rights::ReadWrite,
        },
    })
}
