// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each store of each core, judged when it happens: a plugin of the emulator (`tests/benches/plugin/stores.c`) notes those
//! into what nobody writes, and into what has one writer by any other.
//!
//! Two controls show that it sees stores: before the attack it has counted those that loaded the neighbours' code and
//! constants and some of each writer, and while the attack lasts it counts the fuzzer's own into the number of its next
//! program.

use std::array;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bulkhead_benches::plugin;
use bulkhead_on_target::in_tree;
use tempfile::TempDir;

/// Words before the places, of a place, of a note, and for how many of each the file has room: the plugin's `struct shared`.
const HEAD: usize = 5;
const PLACE: usize = 5;
const NOTE: usize = 8;
const PLACES: usize = 64;
const NOTES: usize = 16;
/// Writers that are a core's EL2.
const MOST_CORES: u64 = 16;
const WORD: usize = size_of::<u64>();

/// A physical address, and so many bytes.
pub(crate) type Place = (u64, usize);

/// Who writes a place while an attack lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Writer {
    /// Whoever likes, and it is counted.
    Anybody,
    Nobody,
    /// EL2 on a core.
    Core(u64),
    /// The guest that wrote it last before the attack.
    Guest,
}

impl Writer {
    /// The rule and the writer as the plugin has them.
    fn words(self) -> [u64; 2] {
        match self {
            Self::Anybody => [0, 0],
            Self::Nobody => [1, 0],
            Self::Core(core) => [1, core + 1],
            Self::Guest => [2, 0],
        }
    }
}

/// The plugin's file as a run writes it.
pub(crate) struct Stores {
    folder: TempDir,
    library: PathBuf,
    /// The attacker's own is the last.
    places: Vec<(Place, Writer)>,
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

    /// A place's guest, by its `VTTBR_EL2`; a core of EL2 is a small number.
    fn guest(&self, place: usize) -> Option<u64> {
        Some(self.word(HEAD + place * PLACE + 4)).filter(|writer| *writer > MOST_CORES)
    }

    /// The first stores that were found, one in a line.
    fn notes(&self) -> String {
        let found = usize::try_from(self.found()).map_or(NOTES, |found| found.min(NOTES));
        let first = HEAD + PLACES * PLACE;
        let line = |n: usize| {
            let at = |word| self.word(first + n * NOTE + word);
            let [address, size, writer, instruction, level, cpu, entries, program] = array::from_fn(at);
            let who = if level == 2 {
                "EL2".to_owned()
            } else {
                format!("EL{level} of guest {writer:#x}")
            };
            format!(
                "{address:#x}: {size} bytes by {who}, CPU {cpu}, instruction {instruction:#x}, after {entries} entries to EL2 there, at program {program}\n"
            )
        };
        (0..found).map(line).collect()
    }
}

impl Stores {
    /// A file for a run in which each of `places` has its writer, and the attacker writes `own`.
    ///
    /// # Panics
    /// There is no C compiler.
    pub(crate) fn of(places: &[(Place, Writer)], own: Place) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let library = plugin::build(&in_tree("."), folder.path(), "stores")
            .expect("a C compiler, for what sees each store");
        let places = [places, &[(own, Writer::Anybody)]].concat();
        assert!(places.len() <= PLACES, "room for {} places", places.len());
        let mut words = vec![0, 0, 0, 0, places.len() as u64];
        words.extend(places.iter().flat_map(|((start, size), writer)| {
            let [rule, writer] = writer.words();
            [*start, start + *size as u64, rule, 0, writer]
        }));
        words.resize(HEAD + PLACES * PLACE + NOTES * NOTE, 0);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let stores = Self {
            folder,
            library,
            places,
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

    /// From now on nobody else may write. What has a writer, and what was `loaded`, was written before.
    pub(crate) fn begin(&mut self, loaded: &[Place]) {
        let seen = self.seen();
        let mut guests = Vec::new();
        for (n, (place, writer)) in self.places.iter().enumerate() {
            assert!(
                seen.stores(n) > 0 || *writer == Writer::Nobody && !loaded.contains(place),
                "no store before the attack was seen: {place:x?}"
            );
            if *writer == Writer::Guest {
                let guest = seen.guest(n).expect("a guest wrote last");
                assert!(!guests.contains(&guest), "{guest:#x} writes where two do");
                guests.push(guest);
            }
        }
        let file = File::options()
            .write(true)
            .open(self.file())
            .expect("the plugin's file");
        file.write_all_at(&1u64.to_ne_bytes(), 0)
            .expect("the plugin's file");
        self.own = seen.stores(self.places.len() - 1);
    }

    /// Nobody has written who may not.
    pub(crate) fn judge(&self) {
        let seen = self.seen();
        assert_eq!(
            seen.found(),
            0,
            "stores into what is not theirs:\n{}",
            seen.notes()
        );
        assert_eq!(seen.unknown(), 0, "stores that went nobody knows where");
    }

    /// How often the attacker has written what is its own since the attack began.
    pub(crate) fn own(&self) -> u64 {
        self.seen().stores(self.places.len() - 1) - self.own
    }
}
