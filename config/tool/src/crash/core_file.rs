// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An ELF core: a note with the registers of each vCPU, or of EL2 on a core, as a thread, and the memory.
//!
//! # References
//! ELF-64 Object File Format, "Program header table"; Linux `elfcore.h`, `struct elf_prstatus` of AArch64.

use bulkhead_runner::crash::{Crashed, El2Failure};
use object::Endianness;
use object::elf::{
    ELFOSABI_NONE, EM_AARCH64, ET_CORE, FileFlags, NT_PRFPREG, NT_PRSTATUS, PF_R, PF_W, PT_LOAD, PT_NOTE,
};
use object::write::elf::{FileHeader, ProgramHeader, Writer};

/// Bytes of `struct elf_prstatus`, and offsets of what a debugger reads there.
const STATUS: usize = 392;
const SIGNAL: usize = 12;
const THREAD: usize = 32;
const REGISTERS: usize = 112;
/// `SIGSEGV`.
const SEGV: u16 = 11;
const PAGE: u64 = 4096;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// A thread: its number from 1, then `X0` to `X30`, `SP`, `PC`, `PSTATE`.
pub(super) struct Thread {
    number: u32,
    registers: [u64; 34],
    /// `Q0` to `Q31` in halves, `FPCR`, `FPSR`, where they are known.
    fp: Option<[u64; 66]>,
}

impl Thread {
    fn new(number: u32, x: [u64; 31], rest: [u64; 3]) -> Self {
        let mut registers = [0; 34];
        let all = x.into_iter().chain(rest);
        registers.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        Self {
            number,
            registers,
            fp: None,
        }
    }

    /// A vCPU.
    pub(super) fn of_vcpu(crashed: &Crashed) -> Self {
        let record = &crashed.record;
        let rest = [record.sp(), record.pc, record.pstate];
        Self {
            fp: Some(record.fp),
            ..Self::new(crashed.vcpu + 1, record.x, rest)
        }
    }

    /// EL2 on a core.
    pub(super) fn of_el2(failure: &El2Failure) -> Self {
        let held = &failure.registers;
        Self::new(failure.core + 1, held.x, [held.sp, held.pc, held.pstate])
    }
}

/// The notes of a thread.
fn note(thread: &Thread) -> Vec<u8> {
    let mut status = vec![0; STATUS];
    put(&mut status, SIGNAL, &SEGV.to_le_bytes());
    put(&mut status, THREAD, &thread.number.to_le_bytes());
    for (at, register) in (REGISTERS..).step_by(8).zip(&thread.registers) {
        put(&mut status, at, &register.to_le_bytes());
    }
    let mut notes = described(NT_PRSTATUS.0, &status);
    if let Some(words) = &thread.fp {
        let ([halves @ .., control, state], mut fp) = (words, Vec::new());
        fp.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        // `struct user_fpsimd_state`: FPSR, FPCR, 32 bits each, and padding to 16 bytes.
        for word in [state, control] {
            fp.extend(word.to_le_bytes().into_iter().take(4));
        }
        fp.extend([0; 8]);
        notes.extend(described(NT_PRFPREG.0, &fp));
    }
    notes
}

/// A note of a kind that debuggers know.
fn described(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    note.extend(5_u32.to_le_bytes());
    note.extend(u32::try_from(content.len()).unwrap_or(0).to_le_bytes());
    note.extend(kind.to_le_bytes());
    note.extend(*b"CORE\0\0\0\0");
    note.extend(content);
    note
}

/// The file.
///
/// # Errors
/// It would be larger than a file can be.
pub(super) fn encode(
    threads: &[Thread],
    memory: Option<&(u64, Vec<u8>)>,
) -> Result<Vec<u8>, object::write::Error> {
    let notes: Vec<u8> = threads.iter().flat_map(note).collect();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(Endianness::Little, true, &mut bytes);
    writer.reserve_file_header();
    writer.reserve_program_headers(1 + u32::from(memory.is_some()));
    let notes_at = writer.reserve(notes.len() as u64, 4);
    let ram_at = memory.map(|(_, ram)| writer.reserve(ram.len() as u64, PAGE));
    writer.write_file_header(&FileHeader {
        os_abi: ELFOSABI_NONE,
        abi_version: 0,
        e_type: ET_CORE,
        e_machine: EM_AARCH64,
        e_entry: 0,
        e_flags: FileFlags(0),
    })?;
    writer.write_align_program_headers();
    let mut header = |p_type, p_flags, p_offset, address, size: usize, p_align| {
        writer.write_program_header(&ProgramHeader {
            p_type,
            p_flags,
            p_offset,
            p_vaddr: address,
            p_paddr: address,
            p_filesz: size as u64,
            p_memsz: size as u64,
            p_align,
        });
    };
    header(PT_NOTE, PF_R, notes_at, 0, notes.len(), 4);
    if let (Some(at), Some((address, ram))) = (ram_at, memory) {
        header(PT_LOAD, PF_R | PF_W, at, *address, ram.len(), PAGE);
    }
    writer.write_align(4);
    writer.write(&notes);
    if let Some((_, ram)) = memory {
        writer.write_align(PAGE);
        writer.write(ram);
    }
    Ok(bytes)
}
