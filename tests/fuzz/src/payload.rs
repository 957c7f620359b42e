// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Payloads: ELF files and Linux images, as the compiler reads them.
//!
//! An input is a file behind a byte that chooses how it is read. The oracle: what is accepted has its entry point in a
//! piece, no piece with more bytes than memory; kernel, RAM disk and device tree lie in RAM, in this order and apart.

use bulkhead_compiler::machine::RAM;
use bulkhead_compiler::payload::{Program, elf, linux};
use bulkhead_model::system::MemoryRights;

use crate::bytes::Bytes;

/// Reads an input. Verifies: BH-FUZZ-006.
pub fn check(input: &[u8]) {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    match kind % 4 {
        0 => executable(rest, MemoryRights::Open),
        1 => executable(rest, MemoryRights::Segments),
        with_disk => kernel(rest, with_disk == 3),
    }
}

fn pieces(program: &Program) {
    for piece in &program.pieces {
        let bytes = u64::try_from(piece.bytes.len()).unwrap();
        assert!(
            bytes <= piece.memory_size,
            "{}: more bytes than memory",
            piece.name
        );
    }
}

fn executable(file: &[u8], memory: MemoryRights) {
    let parsed = elf::parse(file);
    let Ok(program) = elf::prepare(file, memory) else {
        return;
    };
    let parsed = parsed.expect("what is prepared is an executable");
    assert_eq!(parsed.segments.len(), program.pieces.len());
    pieces(&program);
    let entry = program.entry;
    let inside = |(start, size): (u64, u64)| entry.wrapping_sub(start) < size;
    let mut executable = parsed.segments.iter().filter(|segment| segment.executable);
    assert!(
        executable.any(|segment| inside((segment.address, segment.memory_size))),
        "the entry point {entry:#x} lies in no segment that is executed"
    );
}

fn kernel(input: &[u8], with_disk: bool) {
    let mut bytes = Bytes::new(input);
    let memory = u64::from(bytes.u32()) << 12;
    let disk = with_disk.then(|| vec![0; usize::from(bytes.u16())]);
    let file = input.get(6..).unwrap_or_default().to_vec();
    let Ok(program) = linux::prepare(file, disk, memory) else {
        return;
    };
    pieces(&program);
    let end = RAM.checked_add(memory).expect("RAM that ends");
    let tree = program.device_tree_at.expect("a kernel gets a device tree");
    assert!(RAM <= tree && tree < end);
    let mut free_from = RAM;
    for piece in &program.pieces {
        let after = piece.target.checked_add(piece.memory_size);
        assert!(
            free_from <= piece.target && after.is_some_and(|after| after <= tree),
            "{} at {:#x}, {:#x} bytes, in RAM of {memory:#x}",
            piece.name,
            piece.target,
            piece.memory_size
        );
        free_from = after.unwrap();
    }
    assert_eq!(program.entry, program.pieces[0].target);
}
