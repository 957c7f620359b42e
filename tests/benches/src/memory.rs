// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's memory as its own first instruction finds it, to run the same software without a hypervisor.
//!
//! The load list is carried out as the loader does, with the secret that boot derives: kernel, initial RAM disk, device
//! tree and seeds are those of the partition, byte for byte.

use std::fs;
use std::path::Path;

use bulkhead_boot::seeds;
use bulkhead_loader::Random;
use bulkhead_runner::manifest_of;
use bulkhead_types::load::{LIST_IPA, MAX_STEPS, Step, step};
use bulkhead_types::system::System;
use object::Endianness;
use object::elf::{ELFOSABI_NONE, EM_AARCH64, ET_EXEC, FileFlags, PF_R, PF_W, PF_X, PT_LOAD};
use object::write::elf::{FileHeader, ProgramHeader, Writer};
use sha2::{Digest, Sha256};
use zerocopy::FromBytes;

const PAGE: u64 = 0x1000;

/// Memory and how it is entered.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Bytes by address, none overlapping; all else is zero.
    pieces: Vec<(u64, Vec<u8>)>,
    /// First instruction.
    entry: u64,
    /// What `x0` holds there.
    argument: u64,
    /// RAM: its first address and its bytes.
    ram: (u64, u64),
}

/// What a partition reads, by its own addresses.
struct Readable<'a> {
    image: &'a [u8],
    /// IPA, offset into the image, bytes.
    extents: Vec<(u64, u64, u64)>,
}

impl Readable<'_> {
    fn read(&self, from: u64, size: u64) -> Option<&[u8]> {
        let (ipa, offset, _) = self.extents.iter().find(|(ipa, _, extent)| {
            from.checked_sub(*ipa)
                .and_then(|into| into.checked_add(size))
                .is_some_and(|end| end <= *extent)
        })?;
        let start = usize::try_from(offset + (from - ipa)).ok()?;
        self.image.get(start..)?.get(..usize::try_from(size).ok()?)
    }
}

/// The extents of the image that `grants.txt` gives a partition to read while it loads itself:
/// `grant partition:NAME load-list|payload START-END RIGHTS TYPE IPA`.
fn extents(grants: &str, partition: &str, base: u64) -> Option<Vec<(u64, u64, u64)>> {
    let root = format!("partition:{partition}");
    let number = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let lines = grants
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter_map(|words| match words.as_slice() {
            ["grant", owner, "load-list" | "payload", range, _, _, ipa] if *owner == root => {
                Some((range.split_once('-'), *ipa))
            }
            _ => None,
        })
        .map(|(range, ipa)| {
            let (start, end) = range?;
            let (start, end) = (number(start)?, number(end)?);
            Some((number(ipa)?, start.checked_sub(base)?, end.checked_sub(start)?))
        })
        .collect()
}

/// Carries out the load list of a built system's partition.
///
/// # Errors
/// The build is incomplete, the partition's seed is not fixed, or its load list does more than fill memory.
pub(crate) fn of(built: &Path, partition: &str) -> Result<Memory, String> {
    let read = |name: &str| fs::read(built.join(name)).map_err(|e| format!("{name}: {e}"));
    let manifest = manifest_of(built).map_err(|e| e.to_string())?;
    let index = manifest
        .partitions
        .iter()
        .position(|p| p.name == partition)
        .ok_or("no such partition")?;
    let found = manifest.partitions.get(index).and_then(|p| p.ram.as_ref());
    let ram = found
        .map(|ram| (ram.ipa, ram.size))
        .ok_or("no RAM in one piece")?;
    let base = manifest.parts.first().ok_or("no parts")?.address;
    let (image, grants, blob) = (read("image.bin")?, read("grants.txt")?, read("system.blob")?);
    let readable = Readable {
        image: &image,
        extents: extents(&String::from_utf8_lossy(&grants), partition, base).ok_or("grants.txt")?,
    };
    let system = System::parse(&blob).map_err(|e| format!("{e:?}"))?;
    let secrets = seeds::derive(system.partitions, &[]).map_err(|_| "the seed is not fixed")?;
    let mut random = Random::new(*secrets.get(index).ok_or("no secret")?, 0);
    let mut pieces: Vec<(u64, Vec<u8>)> = Vec::new();
    for number in 0..MAX_STEPS as u64 {
        let at = LIST_IPA + number * size_of::<Step>() as u64;
        let step = readable
            .read(at, size_of::<Step>() as u64)
            .and_then(|bytes| Step::read_from_bytes(bytes).ok())
            .ok_or("the load list has no end")?;
        match step.kind {
            // Memory that nothing was put into is zero.
            step::ZERO => {}
            step::COPY => {
                let bytes = readable.read(step.source, step.size).ok_or("a copy of nothing")?;
                pieces.push((step.target, bytes.to_vec()));
            }
            step::RANDOM => {
                let (start, bytes) = pieces
                    .iter_mut()
                    .rfind(|(start, bytes)| (*start..*start + bytes.len() as u64).contains(&step.target))
                    .ok_or("a seed outside the device tree")?;
                let first = usize::try_from(step.target - *start).map_err(|e| e.to_string())?;
                let length = usize::try_from(step.size).map_err(|e| e.to_string())?;
                let slot = bytes.get_mut(first..first + length).ok_or("a seed outside")?;
                for part in slot.chunks_mut(32) {
                    let block = random.block();
                    part.copy_from_slice(block.get(..part.len()).unwrap_or(&block));
                }
            }
            step::JUMP => {
                return Ok(Memory {
                    pieces,
                    entry: step.target,
                    argument: step.source,
                    ram,
                });
            }
            other => return Err(format!("step {other} is of a device")),
        }
    }
    Err("the load list has no end".to_owned())
}

impl Memory {
    /// Bytes of RAM.
    pub(crate) fn size(&self) -> u64 {
        self.ram.1
    }

    /// The plugin's argument for the mark `entry`, the first instruction.
    pub(crate) fn mark(&self) -> String {
        format!("mark=entry:1:{:#x}", self.entry)
    }

    /// SHA-256 of all pieces with their addresses.
    pub(crate) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (address, bytes) in &self.pieces {
            hash.update(address.to_le_bytes());
            hash.update(bytes);
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The last page of RAM that holds nothing.
    fn free_page(&self) -> u64 {
        let end = self.ram.0 + self.ram.1;
        let mut pages = (1..=self.ram.1 / PAGE).map(|number| end - number * PAGE);
        let is_free = |page: &u64| {
            let ends_before = |(at, bytes): &(u64, Vec<u8>)| at + bytes.len() as u64 <= *page;
            let begins_behind = |(at, _): &(u64, Vec<u8>)| *at >= page + PAGE;
            self.pieces
                .iter()
                .all(|piece| ends_before(piece) || begins_behind(piece))
        };
        pages.find(is_free).unwrap_or(self.ram.0)
    }

    /// The memory as an ELF program. Its first three instructions, in the last free page of RAM, load `x0` and jump.
    ///
    /// # Errors
    /// It would be larger than a file can be.
    ///
    /// # References
    /// Arm DDI 0487, "LDR (literal)", "BR".
    pub(crate) fn elf(&self) -> Result<Vec<u8>, object::write::Error> {
        /// `ldr x0, .+16`; `ldr x16, .+20`; `br x16`; `nop`; then the two values.
        const STUB: [u32; 4] = [0x5800_0080, 0x5800_00b0, 0xd61f_0200, 0xd503_201f];
        let stub: Vec<u8> = STUB
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .chain(self.argument.to_le_bytes())
            .chain(self.entry.to_le_bytes())
            .collect();
        let start = self.free_page();
        let mut pieces: Vec<(u64, &[u8])> = self.pieces.iter().map(|(at, b)| (*at, b.as_slice())).collect();
        pieces.push((start, &stub));
        let mut bytes = Vec::new();
        let mut writer = Writer::new(Endianness::Little, true, &mut bytes);
        writer.reserve_file_header();
        writer.reserve_program_headers(u32::try_from(pieces.len()).unwrap_or(u32::MAX));
        let offsets: Vec<u64> = pieces
            .iter()
            .map(|(_, piece)| writer.reserve(piece.len() as u64, 8))
            .collect();
        writer.write_file_header(&FileHeader {
            os_abi: ELFOSABI_NONE,
            abi_version: 0,
            e_type: ET_EXEC,
            e_machine: EM_AARCH64,
            e_entry: start,
            e_flags: FileFlags(0),
        })?;
        writer.write_align_program_headers();
        for ((address, piece), offset) in pieces.iter().zip(offsets) {
            writer.write_program_header(&ProgramHeader {
                p_type: PT_LOAD,
                p_flags: PF_R | PF_W | PF_X,
                p_offset: offset,
                p_vaddr: *address,
                p_paddr: *address,
                p_filesz: piece.len() as u64,
                p_memsz: piece.len() as u64,
                p_align: 1,
            });
        }
        for (_, piece) in pieces {
            writer.write_align(8);
            writer.write(piece);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_enters_a_guest_overwrites_nothing_of_it() {
        let (start, byte) = (0x4000_0000, vec![1]);
        let memory = Memory {
            pieces: vec![
                (start + 0x3fff, byte.clone()),
                (start + 0x1fff, vec![1, 1]),
                (start, byte),
            ],
            entry: start,
            argument: 0,
            ram: (start, 0x5000),
        };
        assert_eq!(memory.free_page(), start + 0x4000);
        let full = Memory {
            ram: (start, 0x4000),
            ..memory
        };
        assert_eq!(full.free_page(), start, "no page is free");
    }

    #[test]
    fn only_what_a_partition_loads_itself_from_is_read() {
        let grants = "grant partition:a payload 0x2000-0x4000 r-- normal-wb 0x7f40000000\n\
                      grant partition:ab load-list 0x9000-0xa000 r-- normal-wb 0x7f00100000\n\
                      grant partition:a ram 0x8000-0x9000 rwx normal-wb 0x40000000\n";
        assert_eq!(
            extents(grants, "a", 0x1000),
            Some(vec![(0x7f_4000_0000, 0x1000, 0x2000)])
        );
        let readable = Readable {
            image: &[0; 0x3000],
            extents: vec![(0x7f_4000_0000, 0x1000, 0x2000)],
        };
        assert!(readable.read(0x7f_4000_1fff, 1).is_some());
        assert!(readable.read(0x7f_4000_1fff, 2).is_none());
        assert!(readable.read(0x7f_3fff_ffff, 2).is_none());
    }
}
