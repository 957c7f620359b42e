// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each store of each core, judged when it happens: a plugin of the emulator (`tests/benches/plugin/stores.c`) notes those
//! into places that nobody may write.
//!
//! Two controls show that it sees stores: before the attack it has counted those that loaded the neighbours' code and
//! constants, and while the attack lasts it counts the fuzzer's own into the number of its next program.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bulkhead_benches::plugin;
use bulkhead_on_target::in_tree;
use tempfile::TempDir;

/// Words before the places, of a place, of a note, and for how many of each the file has room: the plugin's `struct shared`.
const HEAD: usize = 5;
const PLACE: usize = 4;
const NOTE: usize = 7;
const PLACES: usize = 64;
const NOTES: usize = 16;
const WORD: usize = size_of::<u64>();

/// A physical address, and so many bytes.
pub(crate) type Place = (u64, usize);

/// The plugin's file as a run writes it.
pub(crate) struct Stores {
    folder: TempDir,
    library: PathBuf,
    places: usize,
    /// Stores into what is the attacker's own when the attack began.
    own: u64,
}

/// What the plugin has seen so far.
struct Seen(Vec<u64>);

impl Seen {
    fn word(&self, at: usize) -> u64 {
        *self.0.get(at).expect("a word of the plugin's file")
    }

    fn found(&self) -> u64 {
        self.word(1)
    }

    /// Stores of which the emulator did not say where they went.
    fn unknown(&self) -> u64 {
        self.word(2)
    }

    /// Stores into a place.
    fn stores(&self, place: usize) -> u64 {
        self.word(HEAD + place * PLACE + 3)
    }

    /// The first stores that were found, one in a line.
    fn notes(&self) -> String {
        let found = usize::try_from(self.found()).map_or(NOTES, |found| found.min(NOTES));
        let first = HEAD + PLACES * PLACE;
        let line = |n: usize| {
            let at = |word| self.word(first + n * NOTE + word);
            format!(
                "{:#x}: {} bytes by the instruction at {:#x}, EL{}, CPU {}, after {} entries to EL2 there, at program {}\n",
                at(0),
                at(1),
                at(2),
                at(3),
                at(4),
                at(5),
                at(6)
            )
        };
        (0..found).map(line).collect()
    }
}

impl Stores {
    /// A file for a run in which nobody may write `places`, and the attacker writes `own`.
    ///
    /// # Panics
    /// There is no C compiler.
    pub(crate) fn of(places: &[Place], own: Place) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let library = plugin::build(&in_tree("."), folder.path(), "stores")
            .expect("a C compiler, for what sees each store");
        let all: Vec<(&Place, u64)> = places.iter().map(|place| (place, 1)).collect();
        let all = [all, vec![(&own, 0)]].concat();
        assert!(all.len() <= PLACES, "room for {} places", all.len());
        let mut words = vec![0, 0, 0, 0, all.len() as u64];
        words.extend(
            all.iter()
                .flat_map(|((start, size), forbidden)| [*start, start + *size as u64, *forbidden, 0]),
        );
        words.resize(HEAD + PLACES * PLACE + NOTES * NOTE, 0);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let stores = Self {
            folder,
            library,
            places: places.len(),
            own: 0,
        };
        let mut file = File::create(stores.file()).expect("the plugin's file");
        file.write_all(&bytes).expect("the plugin's file");
        stores
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("stores")
    }

    /// What the emulator is told.
    pub(crate) fn arguments(&self) -> [String; 2] {
        let (library, file) = (self.library.display(), self.file());
        [
            "-plugin".to_owned(),
            format!("file={library},shared={}", file.display()),
        ]
    }

    fn seen(&self) -> Seen {
        let bytes = fs::read(self.file()).expect("the plugin's file");
        let words = bytes.chunks_exact(WORD);
        Seen(
            words
                .map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")))
                .collect(),
        )
    }

    /// From now on nobody may write; those places that are among `loaded` were written before.
    pub(crate) fn begin(&mut self, places: &[Place], loaded: &[Place]) {
        let seen = self.seen();
        for (n, place) in places
            .iter()
            .enumerate()
            .filter(|(_, place)| loaded.contains(place))
        {
            assert!(seen.stores(n) > 0, "no store that loads {place:x?} was seen");
        }
        let file = File::options()
            .write(true)
            .open(self.file())
            .expect("the plugin's file");
        file.write_all_at(&1u64.to_ne_bytes(), 0)
            .expect("the plugin's file");
        self.own = seen.stores(self.places);
    }

    /// Nobody has written.
    pub(crate) fn judge(&self) {
        let seen = self.seen();
        assert_eq!(
            seen.found(),
            0,
            "stores into what nobody writes:\n{}",
            seen.notes()
        );
        assert_eq!(seen.unknown(), 0, "stores that went nobody knows where");
    }

    /// How often the attacker has written what is its own since the attack began.
    pub(crate) fn own(&self) -> u64 {
        self.seen().stores(self.places) - self.own
    }
}
