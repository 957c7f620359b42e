// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes small static AArch64 executables.

use object::Endianness;
use object::elf::{
    ELFOSABI_NONE, EM_AARCH64, ET_EXEC, FileFlags, PF_R, PF_W, PF_X, PT_LOAD, ProgramFlags, SHN_ABS,
    STB_GLOBAL, STT_NOTYPE, SymbolInfo, SymbolOther,
};
use object::write::elf::{FileHeader, ProgramHeader, Sym, Writer};

/// Flags of code.
pub(crate) const TEXT: ProgramFlags = ProgramFlags(PF_R.0 | PF_X.0);
/// Flags of constants.
pub(crate) const RODATA: ProgramFlags = PF_R;
/// Flags of data.
pub(crate) const DATA: ProgramFlags = ProgramFlags(PF_R.0 | PF_W.0);

/// A load segment.
pub(crate) struct Segment<'a> {
    /// Virtual and physical address.
    pub(crate) address: u64,
    /// Access.
    pub(crate) flags: ProgramFlags,
    /// Bytes in the file.
    pub(crate) bytes: &'a [u8],
    /// Bytes in memory.
    pub(crate) memory_size: u64,
}

impl<'a> Segment<'a> {
    /// All fields.
    pub(crate) fn new(address: u64, flags: ProgramFlags, bytes: &'a [u8], memory_size: u64) -> Self {
        Segment {
            address,
            flags,
            bytes,
            memory_size,
        }
    }
}

/// Writes an executable with absolute symbols.
pub(crate) fn executable(entry: u64, segments: &[Segment<'_>], symbols: &[(&str, u64)]) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut writer = Writer::new(Endianness::Little, true, &mut buffer);
    writer.reserve_file_header();
    writer.reserve_program_headers(u32::try_from(segments.len()).expect("few segments"));
    let offsets: Vec<u64> = segments
        .iter()
        .map(|s| writer.reserve(s.bytes.len() as u64, 16))
        .collect();
    writer.reserve_null_section_index();
    writer.reserve_null_symbol_index();
    let names: Vec<_> = symbols
        .iter()
        .map(|(name, _)| writer.add_string(name.as_bytes()))
        .collect();
    for _ in symbols {
        writer.reserve_symbol_index(None);
    }
    writer.reserve_symtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab_section_index();
    writer.reserve_strtab().expect("few strings");
    writer.reserve_shstrtab_section_index();
    writer.reserve_shstrtab().expect("few strings");
    writer.reserve_section_headers();

    let header = FileHeader {
        os_abi: ELFOSABI_NONE,
        abi_version: 0,
        e_type: ET_EXEC,
        e_machine: EM_AARCH64,
        e_entry: entry,
        e_flags: FileFlags(0),
    };
    writer.write_file_header(&header).expect("a header");
    writer.write_align_program_headers();
    for (segment, offset) in segments.iter().zip(&offsets) {
        writer.write_program_header(&ProgramHeader {
            p_type: PT_LOAD,
            p_flags: segment.flags,
            p_offset: *offset,
            p_vaddr: segment.address,
            p_paddr: segment.address,
            p_filesz: segment.bytes.len() as u64,
            p_memsz: segment.memory_size,
            p_align: 16,
        });
    }
    for (segment, offset) in segments.iter().zip(&offsets) {
        writer.pad_until(*offset);
        writer.write(segment.bytes);
    }
    writer.write_null_symbol();
    for ((_, value), name) in symbols.iter().zip(names) {
        let st_name = writer.string_offset(Some(name));
        writer.write_symbol(&Sym {
            section: None,
            st_name,
            st_info: SymbolInfo::new(STB_GLOBAL, STT_NOTYPE),
            st_other: SymbolOther(0),
            st_shndx: SHN_ABS,
            st_value: *value,
            st_size: 0,
        });
    }
    writer.write_strtab();
    writer.write_shstrtab();
    writer.write_null_section_header();
    writer.write_symtab_section_header(1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    buffer
}
