// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Queuing ports: against a model, against hostile peers, and in all interleavings.
//!
//! Verifies: BH-PORT-010, BH-PORT-011, BH-PORT-012, BH-PORT-020.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use core::sync::atomic::{AtomicU64, Ordering};
use std::cell::Cell;
use std::collections::VecDeque;

use bulkhead_abi::queuing::{MAGIC, QueueHeader, READER_MAGIC, ReaderHeader, VERSION, size};
use bulkhead_abi::sampling::READ_TRIES;
use bulkhead_partition::queuing::{Full, QueueError, QueueReader, QueueWriter, Received};
use bulkhead_partition::sampling::Words;
use bulkhead_partition::shared::{SharedReader, SharedWriter};
use proptest::prelude::*;
use zerocopy::FromBytes;

const DEPTH: u32 = 3;

/// Memory that counts accesses, and those past its end.
struct Memory {
    words: Vec<AtomicU64>,
    accesses: Cell<usize>,
    outside: Cell<usize>,
}

impl Memory {
    fn new(bytes: usize) -> Self {
        Self {
            words: (0..bytes.div_ceil(8)).map(|_| AtomicU64::new(0)).collect(),
            accesses: Cell::new(0),
            outside: Cell::new(0),
        }
    }

    fn queue(depth: u32) -> Self {
        Self::new(size(16, depth).unwrap())
    }

    fn note(&self, index: usize) {
        self.accesses.set(self.accesses.get() + 1);
        if index >= self.words.len() {
            self.outside.set(self.outside.get() + 1);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let words = self.words.iter();
        words
            .flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes())
            .collect()
    }
}

impl Words for &Memory {
    fn length(&self) -> usize {
        self.words.len()
    }

    fn load(&self, index: usize, order: Ordering) -> u64 {
        self.note(index);
        self.words.get(index).map_or(0, |w| w.load(order))
    }

    fn store(&self, index: usize, value: u64, order: Ordering) {
        self.note(index);
        if let Some(word) = self.words.get(index) {
            word.store(value, order);
        }
    }

    fn barrier(&self, _: Ordering) {}
}

/// The n-th message, of which no word is another's.
fn message(number: u64) -> [u64; 2] {
    [number * 3, !number]
}

#[test]
fn the_bytes_are_those_of_the_layout() {
    let (queue, own) = (Memory::queue(DEPTH), Memory::new(64));
    let mut writer = QueueWriter::<_, 2>::new(&queue, Some(&own), DEPTH).unwrap();
    let mut reader = QueueReader::<_, 2>::new(&queue, &own, DEPTH).unwrap();
    assert_eq!(reader.receive(), Ok(None));
    for number in 1..=3 {
        assert_eq!(writer.send(&message(number)), Ok(number));
    }
    assert_eq!(writer.send(&message(4)), Err(Full));
    let first = Received {
        number: 1,
        lost: 0,
        message: message(1),
    };
    assert_eq!(reader.receive(), Ok(Some(first)));
    let (header, _) = QueueHeader::read_from_bytes(&queue.bytes()[..64])
        .map(|h| (h, ()))
        .unwrap();
    assert_eq!(
        (header.magic, header.version, header.depth, header.stride),
        (MAGIC, VERSION, DEPTH, 64)
    );
    assert_eq!((header.sent, header.refused), (3, 1));
    // Message 3 lies in slot 3 mod 4.
    let slot = &queue.bytes()[64 + 3 * 64..][..32];
    let words: Vec<u64> = slot
        .chunks(8)
        .map(|w| u64::from_le_bytes(w.try_into().unwrap()))
        .collect();
    assert_eq!(words, [7, 7, 9, !3]);
    let header = ReaderHeader::read_from_bytes(&own.bytes()).unwrap();
    assert_eq!(
        (header.magic, header.version, header.taken, header.lost),
        (READER_MAGIC, VERSION, 1, 0)
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let (queue, own) = (Memory::queue(DEPTH), Memory::new(64));
    let error = QueueWriter::<_, 2>::new(&queue, None, DEPTH + 1).err();
    assert_eq!(error, Some(QueueError::TooSmall));
    let error = QueueReader::<_, 8>::new(&queue, &own, DEPTH).err();
    assert_eq!(error, Some(QueueError::TooSmall));
    for depth in [0, u32::MAX] {
        let error = QueueWriter::<_, 2>::new(&queue, None, depth).err();
        assert_eq!(error, Some(QueueError::TooSmall), "{depth}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Receive,
    RestartWriter,
    RestartReader,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Send),
        5 => Just(Step::Receive),
        1 => Just(Step::RestartWriter),
        1 => Just(Step::RestartReader),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Both policies are those of a plain list: nothing is lost, doubled or reordered, whoever restarts.
    #[test]
    fn a_queue_is_a_bounded_list(steps in steps(), refuses: bool, depth in 1u32..6) {
        let (queue, own) = (Memory::queue(depth), Memory::new(64));
        let writers = || QueueWriter::<_, 2>::new(&queue, refuses.then_some(&own), depth).unwrap();
        let readers = || QueueReader::<_, 2>::new(&queue, &own, depth).unwrap();
        let (mut writer, mut reader) = (writers(), readers());
        let (mut list, mut sent, mut refused, mut lost) = (VecDeque::new(), 0, 0, 0);
        for step in steps {
            match step {
                Step::Send => {
                    let full = list.len() == depth as usize;
                    if full && refuses {
                        refused += 1;
                        prop_assert_eq!(writer.send(&message(0)), Err(Full));
                        continue;
                    }
                    sent += 1;
                    if full {
                        list.pop_front();
                    }
                    list.push_back(sent);
                    prop_assert_eq!(writer.send(&message(sent)), Ok(sent));
                }
                Step::Receive => {
                    let received = reader.receive().unwrap();
                    let wanted = list.pop_front();
                    prop_assert_eq!(received.map(|r| (r.number, r.message)), wanted.map(|n| (n, message(n))));
                    lost += received.map_or(0, |r| r.lost);
                }
                Step::RestartWriter => writer = writers(),
                Step::RestartReader => reader = readers(),
            }
            prop_assert_eq!((writer.refused(), reader.lost()), (refused, lost));
        }
        prop_assert_eq!(queue.outside.get() + own.outside.get(), 0);
    }

    /// Whatever a writer writes anywhere in its memory: each call of the reader ends within its bound, touches none but
    /// the queue's memories, and gives a message only if its slot says that it is one.
    #[test]
    fn a_reader_survives_any_writer(
        lies in prop::collection::vec((0usize..40, prop_oneof![any::<u64>(), 0u64..12]), 0..200),
    ) {
        let (queue, own) = (Memory::queue(DEPTH), Memory::new(64));
        let mut reader = QueueReader::<_, 2>::new(&queue, &own, DEPTH).unwrap();
        let mut before = (0, 0);
        for (index, value) in lies {
            if let Some(word) = queue.words.get(index) {
                word.store(value, Ordering::Relaxed);
            }
            queue.accesses.set(0);
            match reader.receive() {
                Ok(Some(received)) => {
                    prop_assert!(received.number > before.0);
                    before = (received.number, reader.lost());
                }
                Err(QueueError::WentBack(to)) => {
                    prop_assert!(to < before.0 || before.0 == 0);
                    before = (to, reader.lost());
                }
                Ok(None) | Err(_) => prop_assert_eq!(before.1, reader.lost()),
            }
            prop_assert!(queue.accesses.get() <= READ_TRIES as usize * 5);
            prop_assert_eq!(queue.outside.get() + own.outside.get(), 0);
        }
    }

    /// Whatever a reader writes into its memory: each message is sent or refused in the same number of steps; one
    /// that a full queue would drop is never refused; nothing but the queue's own slots is written.
    #[test]
    fn a_writer_survives_any_reader(
        lies in prop::collection::vec((0usize..8, prop_oneof![any::<u64>(), 0u64..12]), 0..200),
        refuses: bool,
    ) {
        let (queue, own) = (Memory::queue(DEPTH), Memory::new(64));
        let mut writer = QueueWriter::<_, 2>::new(&queue, refuses.then_some(&own), DEPTH).unwrap();
        let mut sent = 0;
        for (index, value) in lies {
            own.words[index].store(value, Ordering::Relaxed);
            queue.accesses.set(0);
            own.accesses.set(0);
            let taken = own.words[1].load(Ordering::Relaxed);
            let room = !refuses || (taken <= sent && sent - taken < u64::from(DEPTH));
            let result = writer.send(&message(sent + 1));
            prop_assert_eq!(result.is_ok(), room, "taken {} of {}", taken, sent);
            sent += u64::from(room);
            prop_assert!(queue.accesses.get() <= 5);
            prop_assert_eq!(own.accesses.get(), usize::from(refuses));
            prop_assert_eq!(queue.outside.get() + own.outside.get(), 0);
        }
    }
}

#[test]
fn shared_words_are_claims() {
    let memory = Memory::new(64);
    let (writer, reader) = (SharedWriter::new(&memory), SharedReader::new(&memory));
    assert_eq!((writer.length(), reader.length()), (8, 8));
    writer.store(7, 40);
    writer.store(8, 1);
    let claim = reader.load(7).unwrap();
    assert_eq!((claim.within(0..=40), claim.within(41..=80)), (Some(40), None));
    assert_eq!((claim.index(41), claim.index(40)), (Some(40), None));
    assert_eq!(reader.load(8), None);
}

/// A memory under the model checker.
#[derive(Clone)]
struct Modelled(std::sync::Arc<Vec<loom::sync::atomic::AtomicU64>>);

impl Modelled {
    fn new(cells: usize) -> Self {
        let cells = (0..cells).map(|_| loom::sync::atomic::AtomicU64::new(0));
        Self(std::sync::Arc::new(cells.collect()))
    }
}

/// The checker allows few memory cells: of each slot of 8 words only the first four exist.
fn cell(index: usize) -> usize {
    match index {
        0..8 => index,
        _ => 8 + (index - 8) / 8 * 4 + index % 8,
    }
}

impl Words for Modelled {
    fn length(&self) -> usize {
        64
    }

    fn load(&self, index: usize, order: Ordering) -> u64 {
        self.0[cell(index)].load(order)
    }

    fn store(&self, index: usize, value: u64, order: Ordering) {
        self.0[cell(index)].store(value, order);
    }

    fn barrier(&self, order: Ordering) {
        loom::sync::atomic::fence(order);
    }
}

fn check(refuses: bool) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let (queue, own) = (Modelled::new(16), Modelled::new(8));
        let back = refuses.then(|| own.clone());
        let mut writer = QueueWriter::<_, 2>::new(queue.clone(), back, 1).unwrap();
        let mut reader = QueueReader::<_, 2>::new(queue, own, 1).unwrap();
        let thread = loom::thread::spawn(move || {
            let mut sent = 0;
            for _ in 0..3 {
                sent += u64::from(writer.send(&message(sent + 1)).is_ok());
            }
            sent
        });
        let mut last = 0;
        let mut take = |reader: &mut QueueReader<Modelled, 2>| {
            if let Ok(Some(received)) = reader.receive() {
                assert_eq!(received.message, message(received.number), "torn");
                assert_eq!(received.number, last + 1 + received.lost, "lost without a word");
                assert!(!refuses || received.lost == 0, "dropped");
                last = received.number;
            }
            last
        };
        take(&mut reader);
        take(&mut reader);
        let sent = thread.join().unwrap();
        take(&mut reader);
        assert_eq!(take(&mut reader), sent, "what was sent last can be taken");
    });
}

/// At most three preemptions: whole, in order, and what is lost is counted.
#[test]
fn no_interleaving_tears_what_a_full_queue_drops() {
    check(false);
}

/// At most three preemptions: nothing that was sent is lost.
#[test]
fn no_interleaving_loses_what_a_full_queue_refuses() {
    check(true);
}
