// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each single change of what isolates is refused, wherever it is made.
//!
//! A change is sealed with a right early digest, so that a property of its own has to find it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::encode::{BLOB_SIZE, Files, encode, u64_at};
use crate::model::good;

/// Applies each change to a copy of the good files on all cores; tells those that were not refused.
fn survivors<C: Sync>(changes: &[C], apply: impl Fn(&mut Files, &C) + Sync) -> Vec<&C> {
    let files = encode(&good(BLOB_SIZE));
    assert!(files.prove().is_ok());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut survivors = Vec::new();
        while let Some(change) = changes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut changed = files.clone();
            apply(&mut changed, change);
            let same = changed.blob == files.blob && changed.grants == files.grants;
            if !same && changed.prove().is_ok() {
                survivors.push(change);
            }
        }
        survivors
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap())
            .collect()
    })
}

/// A bit of the blob: byte and bit.
type Bit = (usize, u32);

fn flip(files: &mut Files, (byte, bit): &Bit) {
    files.blob[*byte] ^= 1 << bit;
    if !(16..48).contains(byte) {
        files.seal();
    }
}

/// Verifies: BH-CHK-001, BH-CHK-002, BH-CHK-003, BH-CHK-040.
#[test]
fn bits_of_each_byte_of_the_header() {
    let bits = two_of_each(0..256, 0xbead);
    assert_eq!(survivors(&bits, flip), Vec::<&Bit>::new());
}

/// Two different bits of each byte.
fn two_of_each(bytes: impl IntoIterator<Item = usize>, seed: u64) -> Vec<Bit> {
    let mut random = fastrand::Rng::with_seed(seed);
    let pair = |byte| {
        let first = random.u32(..8);
        [(byte, first), (byte, (first + random.u32(1..8)) % 8)]
    };
    bytes.into_iter().flat_map(pair).collect()
}

/// What decides nothing about isolation, as byte ranges of an entry: the INTIDs that a partition is shown without owning them, bounds of polls and
/// the time of the epoch, RAM that nobody reaches, and where the empty slot list of a dedicated core begins.
fn is_indifferent(table: &str, byte: usize) -> bool {
    match table {
        "partitions" => (112..120).contains(&(byte % 416)),
        "board" => (52..56).contains(&byte) || (64..72).contains(&byte) || (76..80).contains(&byte),
        "cores" => byte >= 88 && (44..48).contains(&(byte % 88)),
        "ram" => true,
        _ => false,
    }
}

/// Verifies: BH-BW-003, BH-CHK-041, BH-CHK-050, BH-CHK-051, BH-CHK-052, BH-CHK-053, BH-CHK-060.
#[test]
fn bits_of_each_byte_of_each_record() {
    let files = encode(&good(BLOB_SIZE));
    let bytes = files.sections.iter().flat_map(|(table, range)| {
        range
            .clone()
            .filter(|byte| !is_indifferent(table, byte - range.start))
    });
    let bits = two_of_each(bytes, 0x4ec);
    assert!(bits.len() > 4000);
    assert_eq!(survivors(&bits, flip), Vec::<&Bit>::new());
}

/// Verifies: BH-CHK-005, BH-CHK-006, BH-CHK-010, BH-CHK-033.
#[test]
fn bits_of_translation_tables() {
    let files = encode(&good(BLOB_SIZE));
    let used = |at: &usize| u64_at(&files.blob, *at) != 0;
    let entries: Vec<usize> = files
        .pages
        .iter()
        .flat_map(|p| (0..512).map(move |e| p + 8 * e))
        .collect();
    let (used, unused): (Vec<usize>, Vec<usize>) = entries.iter().partition(|at| used(at));
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let mut bits: Vec<Bit> = Vec::new();
    for _ in 0..800 {
        bits.push((
            used[random.usize(..used.len())] + random.usize(..8),
            random.u32(..8),
        ));
        bits.push((
            unused[random.usize(..unused.len())] + random.usize(..8),
            random.u32(..8),
        ));
    }
    assert_eq!(survivors(&bits, flip), Vec::<&Bit>::new());
}

/// Verifies: BH-CHK-005, BH-CHK-010, BH-CHK-033.
#[test]
fn moved_and_exchanged_descriptors() {
    let files = encode(&good(BLOB_SIZE));
    let mut random = fastrand::Rng::with_seed(0xde5c);
    let entries: Vec<usize> = files
        .pages
        .iter()
        .flat_map(|p| (0..512).map(move |e| p + 8 * e))
        .collect();
    let used: Vec<usize> = entries
        .iter()
        .copied()
        .filter(|at| u64_at(&files.blob, *at) != 0)
        .collect();
    let mut moves = Vec::new();
    for _ in 0..800 {
        let from = used[random.usize(..used.len())];
        let to = if random.bool() {
            used[random.usize(..used.len())]
        } else {
            entries[random.usize(..entries.len())]
        };
        moves.push((from, to, random.u8(..3)));
    }
    let apply = |files: &mut Files, (from, to, how): &(usize, usize, u8)| {
        let (a, b) = (u64_at(&files.blob, *from), u64_at(&files.blob, *to));
        files.blob[*to..to + 8].copy_from_slice(&a.to_le_bytes());
        let left = match how {
            0 => a,
            1 => b,
            _ => 0,
        };
        if from != to {
            files.blob[*from..from + 8].copy_from_slice(&left.to_le_bytes());
        }
        files.seal();
    };
    assert_eq!(survivors(&moves, apply), Vec::<&(usize, usize, u8)>::new());
}

/// Verifies: BH-CHK-004, BH-CHK-005.
#[test]
fn exchanged_table_pages() {
    let files = encode(&good(BLOB_SIZE));
    let pairs: Vec<(usize, usize)> = files
        .pages
        .iter()
        .enumerate()
        .flat_map(|(i, a)| files.pages[i + 1..].iter().map(move |b| (*a, *b)))
        .collect();
    let mut random = fastrand::Rng::with_seed(0x9a9e);
    let chosen: Vec<(usize, usize)> = (0..200).map(|_| pairs[random.usize(..pairs.len())]).collect();
    let apply = |files: &mut Files, (a, b): &(usize, usize)| {
        let (first, second) = files.blob.split_at_mut(*b);
        first[*a..a + 4096].swap_with_slice(&mut second[..4096]);
        files.seal();
    };
    assert_eq!(survivors(&chosen, apply), Vec::<&(usize, usize)>::new());
}

/// Verifies: BH-CHK-054.
#[test]
fn bits_of_the_stream_table() {
    let files = encode(&good(BLOB_SIZE));
    let mut random = fastrand::Rng::with_seed(0x57e);
    let granted = files.stream_table.start + 8 * 64;
    let mut bits: Vec<Bit> = (granted..granted + 64)
        .flat_map(|byte| (0..8).map(move |b| (byte, b)))
        .collect();
    bits.extend((0..300).map(|_| (random.usize(files.stream_table.clone()), random.u32(..8))));
    assert_eq!(survivors(&bits, flip), Vec::<&Bit>::new());
}

/// Verifies: BH-CHK-002.
#[test]
fn bits_of_the_hypervisor() {
    let files = encode(&good(BLOB_SIZE));
    let mut random = fastrand::Rng::with_seed(0xb17);
    for _ in 0..100 {
        let mut changed = files.clone();
        let byte = random.usize(..changed.hypervisor.len());
        changed.hypervisor[byte] ^= 1 << random.u32(..8);
        assert!(changed.prove().is_err(), "byte {byte}");
    }
}
