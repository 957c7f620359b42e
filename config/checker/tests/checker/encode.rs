// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Encodes a model as `hypervisor.bin`, `system.blob` and `grants.txt`.

use std::collections::BTreeMap;
use std::ops::Range;

use bulkhead_checker::{Failure, Inputs, Proof, prove};
use sha2::{Digest, Sha256};

use crate::model::*;
use crate::tables::Tables;
use crate::text;

/// Bytes of the blob without its certificate, the unused middle of it zero.
pub(crate) const BLOB_SIZE: u64 = 0x7_0000;
const LIVE_IMAGE: u64 = BLOB_SIZE - 0x5000;
/// Sizes of the header and of the entries of each table, as `tables.rs` hashes them.
const SIZES: [u64; 12] = [264, 88, 416, 112, 8, 104, 32, 112, 16, 120, 168, 8];
pub(crate) const SECTIONS: [&str; 11] = [
    "cores",
    "partitions",
    "vcpus",
    "core_vcpus",
    "slots",
    "spis",
    "pci",
    "ram",
    "board",
    "channels",
    "streams",
];

/// The three files, and where things lie in the blob.
#[derive(Clone)]
pub(crate) struct Files {
    pub hypervisor: Vec<u8>,
    pub blob: Vec<u8>,
    pub grants: String,
    /// Byte ranges of the tables of records.
    pub sections: BTreeMap<&'static str, Range<usize>>,
    /// Offsets of all table pages.
    pub pages: Vec<usize>,
    pub stream_table: Range<usize>,
}

impl Files {
    pub(crate) fn prove(&self) -> Result<Proof, Vec<Failure>> {
        prove(&Inputs {
            hypervisor: &self.hypervisor,
            blob: &self.blob,
            grants: &self.grants,
        })
    }

    /// Makes the digest of the early part right again, so that it is not what refuses a change.
    pub(crate) fn seal(&mut self) {
        let end = usize::try_from(u64_at(&self.blob, 104)).unwrap_or(usize::MAX);
        if let Some(early) = self.blob.get(64..end) {
            let digest = Sha256::digest(early);
            self.blob[16..48].copy_from_slice(&digest);
        }
    }
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn w32(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|v| out.extend(v.to_le_bytes()));
}

fn w64(out: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|v| out.extend(v.to_le_bytes()));
}

fn hypervisor() -> Vec<u8> {
    let mut out = vec![0x5a; 64];
    out.extend(b"BULKHEAD");
    w32(&mut out, &[1, 1]);
    out.extend([0; 16]);
    w64(&mut out, &[BASE, IMAGE_END]);
    let range = |(_, first, pages): (&str, u64, u64)| [BASE + first * PAGE, BASE + (first + pages) * PAGE];
    let (sections, loader) = (&IMAGE[..9], range(IMAGE[9]));
    sections.iter().for_each(|s| w64(&mut out, &range(*s)));
    w64(
        &mut out,
        &[0x3000, loader[0], loader[1], 3, BASE + 4 * PAGE, BLOB],
    );
    out.resize(8192, 0xa5);
    let id = Sha256::digest(&out);
    out[80..96].copy_from_slice(&id[..16]);
    out
}

/// Offset of a root page in the blob, made for EL2's roots.
fn root_page(tables: &mut Tables, root: &Root, model: &Model) -> u64 {
    let named = |name: &str| {
        model
            .partitions
            .iter()
            .position(|p| format!("partition:{}", p.name) == name)
    };
    match named(&root.name) {
        None => tables.table(),
        Some(i) => {
            let offset = LIVE_IMAGE + u64::try_from(i).unwrap() * PAGE;
            tables.pages.insert(offset, [0; 512]);
            offset
        }
    }
}

/// A stream table entry that translates through the stage-2 root at `root` (IHI 0070, "Stream Table Entry").
fn ste(root: u64, vmid: u32) -> [u64; 8] {
    [
        0b1101,
        1 << 44,
        u64::from(vmid) + translation_fields(),
        root,
        0,
        0,
        0,
        0,
    ]
}

/// S2T0SZ 25, S2SL0 1, S2IR0 1, S2OR0 1, S2SH0 3, S2TG 0, S2PS 2, S2AA64, S2PTW, S2R in doubleword 2.
fn translation_fields() -> u64 {
    (25 << 32) + (1 << 38) + (1 << 40) + (1 << 42) + (3 << 44) + (2 << 48) + (1 << 51) + (1 << 54) + (1 << 58)
}

pub(crate) fn encode(model: &Model) -> Files {
    let mut tables = Tables {
        next: PAGE,
        ..Tables::default()
    };
    let mut roots = Vec::new();
    let (el2, guests): (Vec<&Root>, Vec<&Root>) = model.roots.iter().partition(|r| r.name.starts_with("el2"));
    for root in el2 {
        let page = root_page(&mut tables, root, model);
        root.maps.iter().for_each(|m| tables.map(page, false, m));
        roots.push(page);
    }
    let early_end = tables.next;
    tables.next += 2 * PAGE;
    for root in guests {
        let page = root_page(&mut tables, root, model);
        root.maps.iter().for_each(|m| tables.map(page, true, m));
        roots.push(page);
    }
    let mut blob = vec![0; usize::try_from(BLOB_SIZE).unwrap()];
    let stream_offset = usize::try_from(LIVE_IMAGE + (STREAMS - LIVE)).unwrap();
    for (id, partition, maps) in &model.streams {
        let page = tables.table();
        maps.iter().for_each(|m| tables.map(page, true, m));
        let vmid = model.partitions[usize::try_from(*partition).unwrap()].vmid;
        let mut entry = Vec::new();
        w64(&mut entry, &ste(BLOB + page, vmid));
        let at = stream_offset + usize::try_from(*id).unwrap() * 64;
        blob[at..at + 64].copy_from_slice(&entry);
    }
    assert!(tables.next <= LIVE_IMAGE, "the blob is too small");
    for (offset, page) in &tables.pages {
        let mut bytes = Vec::new();
        w64(&mut bytes, page);
        let at = usize::try_from(*offset).unwrap();
        blob[at..at + 4096].copy_from_slice(&bytes);
    }
    let hypervisor = hypervisor();
    let mut sections = BTreeMap::new();
    let mut header = header(model, &hypervisor, early_end, roots[0]);
    let mut at = usize::try_from(early_end).unwrap();
    for ((name, bytes), size) in SECTIONS.iter().zip(records(model, &roots)).zip(&SIZES[1..]) {
        let count = bytes.len() / usize::try_from(*size).unwrap();
        w32(
            &mut header,
            &[u32::try_from(at).unwrap(), u32::try_from(count).unwrap()],
        );
        blob[at..at + bytes.len()].copy_from_slice(&bytes);
        sections.insert(*name, at..at + bytes.len());
        at += bytes.len();
    }
    blob[..header.len()].copy_from_slice(&header);
    let grants = text::grants(model, &hypervisor, &roots);
    let pages = tables
        .pages
        .keys()
        .map(|p| usize::try_from(*p).unwrap())
        .collect();
    let stream_table = stream_offset..stream_offset + 64 * 64;
    let mut files = Files {
        hypervisor,
        blob,
        grants,
        sections,
        pages,
        stream_table,
    };
    files.seal();
    files
}

fn header(model: &Model, hypervisor: &[u8], early_end: u64, boot_root: u64) -> Vec<u8> {
    let mut out = b"BLKHSYS1".to_vec();
    w32(&mut out, &[1, 264]);
    out.extend([0; 48]);
    w32(&mut out, &[1, 3]);
    out.extend(&hypervisor[80..96]);
    let hash = SIZES.iter().fold(0xcbf2_9ce4_8422_2325, |h: u64, s| {
        (h ^ s).wrapping_mul(0x100_0000_01b3)
    });
    w64(
        &mut out,
        &[
            hash,
            BLOB,
            early_end,
            BLOB_SIZE,
            LIVE_IMAGE,
            0x5000,
            LIVE,
            BLOB + boot_root,
        ],
    );
    w64(&mut out, &model.el2_words);
    out
}

/// Bytes of the tables, in the order of the header.
fn records(model: &Model, roots: &[u64]) -> [Vec<u8>; 11] {
    let mut all: [Vec<u8>; 11] = Default::default();
    let [
        cores,
        partitions,
        vcpus,
        core_vcpus,
        slots,
        spis,
        pci,
        ram,
        board,
        channels,
        streams,
    ] = &mut all;
    let mut first = 0;
    for (k, (mode, list)) in (0u64..).zip(&model.core_vcpus) {
        let count = u32::try_from(list.len()).unwrap();
        let slot_count = if k == 0 {
            u32::try_from(model.slots.len()).unwrap()
        } else {
            0
        };
        let root = BLOB + roots[usize::try_from(k).unwrap() + 1];
        w64(
            cores,
            &[
                k,
                0x410f_d083,
                root,
                if model.gicv2 { 0 } else { GICR + k * 0x2_0000 },
            ],
        );
        w32(cores, &[*mode, first, count, 0, slot_count, 0]);
        w64(cores, &[if k == 0 { 10_000 } else { 0 }]);
        // Core 0 has a budget: 7 events of number 8 in 2 us; EL2 keeps 2 of 6 counters; PPI 23.
        w32(cores, &if k == 0 { [7, 2 << 16 | 8, 6, 23] } else { [0; 4] });
        w64(cores, &[if k == 0 { 2000 } else { 0 }]);
        list.iter().for_each(|v| w32(core_vcpus, &[*v, 0]));
        first += count;
    }
    for (i, p) in (0u64..).zip(&model.partitions) {
        let mut name = p.name.as_bytes().to_vec();
        name.resize(32, 0);
        partitions.extend(name);
        w32(partitions, &[p.vcpus.0, p.vcpus.1, p.flags, p.vmid]);
        w64(
            partitions,
            &[
                LIVE + i * PAGE,
                LIVE_IMAGE + i * PAGE,
                p.window,
                0x0800_0000,
                if model.gicv2 { 1 << 63 } else { 0x080a_0000 },
                p.uart,
            ],
        );
        w64(partitions, &[0x4000_0000, p.ram]);
        w32(partitions, &[33, 64, 3, 3]);
        let mut words = [0; 32];
        for spi in &p.spis {
            words[usize::try_from(spi / 32 - 1).unwrap()] |= 1 << (spi % 32);
        }
        w32(partitions, &words);
        partitions.extend(p.health);
        w64(partitions, &[50, 20]);
        for k in 0..8 {
            let (function, within, _) = p.calls.get(k).copied().unwrap_or_default();
            w64(partitions, &[within]);
            w32(partitions, &[function, 0]);
        }
    }
    for v in &model.vcpus {
        w32(vcpus, &[v.partition, v.index, v.core, 0]);
        let [hcr, vtcr, vttbr, vmpidr, vpidr, rest @ ..] = v.words;
        let vttbr = vttbr ^ text::vttbr(model, v);
        w64(vcpus, &[vmpidr, vpidr, hcr, vtcr, vttbr]);
        w64(vcpus, &rest);
        w64(vcpus, &[v.stolen_time]);
    }
    for (offset, length, kind, vcpu) in &model.slots {
        w64(slots, &[*offset, *length]);
        w32(slots, &[*kind, *vcpu]);
        let shares = model.shares.iter().filter(|s| s.0 == *offset);
        let mut room = 5;
        for (_, kind, vcpu, budget) in shares {
            w64(slots, &[*budget]);
            w32(slots, &[*vcpu, *kind]);
            room -= 1;
        }
        w64(slots, &vec![0; 2 * room]);
    }
    for spi in &model.spis {
        let (ringer, doorbell, interval) = spi.bell.unwrap_or((u32::MAX, 0, 0));
        w32(
            spis,
            &[spi.intid, spi.partition, spi.core, spi.edge, ringer, doorbell],
        );
        w64(spis, &[interval]);
    }
    for f in &model.functions {
        w32(pci, &[f.bdf, 0xff00_1760, f.partition, u32::from(f.master)]);
        w64(
            pci,
            &[
                f.bars[0].0,
                f.bars[0].1,
                f.bars[1].0,
                f.bars[1].1,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ],
        );
    }
    w64(ram, &[RAM.0, RAM.1]);
    w64(board, &[GICD, UART, SMMU, ECAM, 1, STREAMS - LIVE]);
    w32(board, &[6, 33]);
    w64(board, &[QUEUES, 100_000]);
    w32(board, &[0, 1000]);
    board.extend(model.health[0]);
    board.extend(model.health[1]);
    w32(board, &[model.monitor, 0]);
    model.channels.iter().for_each(|(at, size)| {
        w64(channels, &[*at, *size]);
        w64(channels, &[0; 19]);
    });
    let platform = model.platform.iter();
    platform.for_each(|(id, partition, _)| w32(streams, &[*id, *partition]));
    all
}
