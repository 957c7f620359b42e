// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every place where nothing is granted, in one life: loads, stores, some fetches, pairs over the end of what there is.
//!
//! EL2 answers each memory fault by an abort and no more (`memory-fault: log`). What is granted comes from the
//! certificate, as `granted=START-END:RIGHTS,…` in hex and by address; `at=` names more places in the same way.

use bulkhead_partition::el1::{Partition, console};

use crate::Tried;
use crate::code::{form, run_at};
use crate::edge::{Operation, attempt};

const PAGE: u64 = 4096;
const BLOCK: u64 = 2 << 20;
/// What an entry of the root page of stage 2 maps, and how many there are.
const ENTRY: u64 = 1 << 30;
const ENTRIES: u64 = 512;
/// Blocks below 64 GiB.
const BLOCKS: u64 = (64 << 30) / BLOCK;
/// A fetch for so many places.
const FETCHED: u64 = 61;
/// `FORMS`: a pair is loaded, a pair is stored.
const LOADED: u64 = 0;
const STORED: u64 = 2;
/// What is stored: nothing that lies anywhere before.
const MARK: u64 = 0x5EED_0000_0BAD_5EED;
/// `DFSC` and `IFSC`: EL2's answer; the address is wider than the processor's own.
const EXTERNAL: u64 = 0x10;
const TOO_WIDE: core::ops::Range<u64> = 0..4;
/// Ranges that can be granted.
const MOST: usize = 24;

/// A range that is granted, and whether it may be read and written.
#[derive(Clone, Copy, Default)]
struct Granted {
    start: u64,
    end: u64,
    read: bool,
    written: bool,
}

impl Granted {
    fn parse(text: &str) -> Option<Self> {
        let (range, rights) = text.split_once(':')?;
        let (start, end) = range.split_once('-')?;
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            read: rights.contains('r'),
            written: rights.contains('w'),
        })
    }
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

/// The addresses that `at=` names.
pub(crate) fn named(partition: &Partition) -> impl Iterator<Item = u64> + use<> {
    let mut words = partition.machine.arguments.split(' ');
    let list = words.find_map(|word| word.strip_prefix("at="));
    list.unwrap_or_default().split(',').filter_map(hex)
}

/// What was tried, by kind.
#[derive(Default)]
struct Places {
    tried: Tried,
    granted: [Granted; MOST],
    loads: u64,
    stores: u64,
    fetches: u64,
    pairs: u64,
    /// Refused by the processor itself, which EL2 does not see.
    too_wide: u64,
}

impl Places {
    /// An attempt is what EL2 answers. Any other answer than an abort is a success.
    fn judge(&mut self, what: &str, address: u64, syndrome: Option<u64>) {
        let status = syndrome.map(|esr| esr & 0x3f);
        if status.is_some_and(|status| TOO_WIDE.contains(&status)) {
            self.too_wide += 1;
            return;
        }
        let succeeded = status != Some(EXTERNAL);
        self.tried.note(succeeded);
        if succeeded {
            console::line(format_args!("{what} {address:#x}: {syndrome:x?}"));
        }
    }

    fn load(&mut self, address: u64) {
        self.loads += 1;
        let (_, syndrome) = attempt(Operation::Load, address, 0);
        self.judge("LOADED", address, syndrome);
    }

    fn store(&mut self, address: u64) {
        self.stores += 1;
        let (_, syndrome) = attempt(Operation::Store, address, MARK);
        self.judge("STORED", address, syndrome);
    }

    fn fetch(&mut self, address: u64) {
        self.fetches += 1;
        let ran = run_at(address, 0, 0);
        self.judge("FETCHED", address, ran.exception.map(|(esr, _)| esr));
    }

    fn pair(&mut self, pair: u64, end: u64) {
        self.pairs += 1;
        let address = end.wrapping_sub(8);
        let ran = run_at(form(pair), address, 0);
        self.judge("PAIRED", address, ran.exception.map(|(esr, _)| esr));
    }

    /// Everything that is not granted there.
    fn place(&mut self, address: u64) {
        let mut granted = self.granted.iter();
        let found = granted.find(|range| address >= range.start && address < range.end);
        let found = found.copied().unwrap_or_default();
        if !found.read {
            self.load(address);
        }
        if !found.written {
            self.store(address);
        }
        if found.end == 0 && self.loads.is_multiple_of(FETCHED) {
            self.fetch(address);
        }
    }

    fn pages(&mut self, block: u64) {
        for page in 0..BLOCK / PAGE {
            self.place(block * BLOCK + page * PAGE);
        }
    }

    /// Whether something is granted in a block or beside it.
    fn is_near(&self, block: u64) -> bool {
        let mut granted = self.granted.iter().filter(|range| range.end != 0);
        granted.any(|range| block + 1 >= range.start / BLOCK && block <= (range.end - 1) / BLOCK + 1)
    }
}

pub(crate) fn attack(partition: &Partition) -> Tried {
    let mut places = Places::default();
    let mut words = partition.machine.arguments.split(' ');
    let list = words
        .find_map(|word| word.strip_prefix("granted="))
        .unwrap_or_default();
    let found = list.split(',').filter_map(Granted::parse);
    for (place, range) in places.granted.iter_mut().zip(found) {
        *place = range;
    }
    let (mut near, mut others) = (0, 0);
    for block in 0..BLOCKS {
        if places.is_near(block) {
            near += 1;
            places.pages(block);
        } else {
            others += 1;
            places.place(block * BLOCK);
            places.place((block + 1) * BLOCK - PAGE);
        }
    }
    // Above 64 GiB the granted blocks and their neighbours only.
    let mut next = BLOCKS;
    for range in places
        .granted
        .into_iter()
        .filter(|range| range.end > BLOCKS * BLOCK)
    {
        let end = (range.end - 1) / BLOCK + 2;
        for block in next.max(range.start / BLOCK - 1)..end {
            near += 1;
            places.pages(block);
        }
        next = next.max(end);
    }
    console::line(format_args!(
        "places: every page of {near} blocks, first and last page of {others} others"
    ));
    for entry in 0..ENTRIES {
        places.place(entry * ENTRY + 8);
    }
    let mut named_places = 0;
    for address in named(partition) {
        named_places += 1;
        places.place(address);
    }
    console::line(format_args!(
        "places: {ENTRIES} root entries, {named_places} named"
    ));
    // Beyond the tables, and as if the upper bits did not count.
    let ram = partition.machine.ram;
    for bit in 39..64 {
        places.place(1 << bit);
        places.place((1 << bit) + ram.start);
    }
    // The first half of this one is its own.
    places.pair(LOADED, ram.start + ram.size);
    for end in [ENTRIES * ENTRY, 1 << 40, 1 << 44, 1 << 48, 0] {
        places.pair(LOADED, end);
        places.pair(STORED, end);
    }
    let Places {
        tried,
        loads,
        stores,
        fetches,
        pairs,
        too_wide,
        ..
    } = places;
    console::line(format_args!(
        "places: {loads} loads, {stores} stores, {fetches} fetches, {pairs} pairs over an end, of them {too_wide} too wide"
    ));
    tried
}
