// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sampling port: what a reader accepts, and all interleavings of a writer and a reader.
//!
//! Verifies: BH-PORT-001.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_abi::sampling::{MAGIC, PortHeader, SlotHeader, VERSION, VehicleState};
use bulkhead_partition::sampling::{PortError, Reader, Words, Writer};
use zerocopy::{FromBytes, IntoBytes};

fn memory(words: usize) -> Vec<AtomicU64> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

fn bytes(memory: &[AtomicU64]) -> Vec<u8> {
    memory
        .iter()
        .flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes())
        .collect()
}

#[test]
fn the_bytes_are_those_of_the_layout() {
    let memory = memory(512);
    let mut writer = Writer::<_, 5>::new(memory.as_slice()).unwrap();
    let state = VehicleState {
        sequence: 7,
        speed_mm_s: 15_000,
        sequence_again: 7,
        ..VehicleState::default()
    };
    for number in 1..=6 {
        assert_eq!(writer.write(&zerocopy::transmute!(state)), number);
    }
    let all = bytes(&memory);
    let (header, _) = PortHeader::read_from_prefix(&all).unwrap();
    assert_eq!(
        (header.magic, header.version, header.slot_count, header.latest),
        (MAGIC, VERSION, 4, 6)
    );
    assert_eq!(header.slot_stride, 128);
    // Message 6 lies in slot 6 mod 4 = 2.
    let slot = &all[64 + 2 * 128..];
    let (slot_header, _) = SlotHeader::read_from_prefix(slot).unwrap();
    assert_eq!(
        (slot_header.begin, slot_header.end, slot_header.length),
        (13, 13, 40)
    );
    assert_eq!(&slot[32..72], state.as_bytes());
}

#[test]
fn a_reader_waits_for_nobody_and_believes_nothing() {
    let memory = memory(80);
    assert_eq!(
        Reader::<_, 5>::new(memory.as_slice()).err(),
        Some(PortError::NotReady)
    );
    assert_eq!(
        Writer::<_, 5>::new(&memory[..60]).err(),
        Some(PortError::TooSmall)
    );
    let mut writer = Writer::<_, 5>::new(memory.as_slice()).unwrap();
    let reader = Reader::<_, 5>::new(memory.as_slice()).unwrap();
    assert_eq!(reader.read(), Ok(None));
    writer.write(&[1, 2, 3, 4, 5]);
    assert_eq!(reader.read(), Ok(Some((1, [1, 2, 3, 4, 5]))));
    assert_eq!(
        Reader::<_, 4>::new(memory.as_slice()).unwrap().read(),
        Err(PortError::Length(40))
    );
    // Claims that reach beyond the memory, or make no sense.
    for (count, stride) in [
        (5_u64, 128_u64),
        (4, 192),
        (4, 100),
        (4, 64),
        (1, 128),
        (u32::MAX.into(), 1 << 31),
    ] {
        memory[1].store(count | (stride << 32), Ordering::Relaxed);
        assert_eq!(
            Reader::<_, 5>::new(memory.as_slice()).err(),
            Some(PortError::Shape),
            "{count} {stride}"
        );
    }
    memory[0].store(u64::from(MAGIC) | (2 << 32), Ordering::Relaxed);
    assert_eq!(
        Reader::<_, 5>::new(memory.as_slice()).err(),
        Some(PortError::Version(2))
    );
}

#[test]
fn a_message_in_the_making_is_not_read() {
    let memory = memory(80);
    let mut writer = Writer::<_, 5>::new(memory.as_slice()).unwrap();
    writer.write(&[1; 5]);
    let reader = Reader::<_, 5>::new(memory.as_slice()).unwrap();
    // The writer died inside message 5, which shares the slot of message 1, the last complete one.
    memory[8 + 16].store(11, Ordering::Relaxed);
    assert_eq!(reader.read(), Err(PortError::Unstable));
}

#[test]
fn a_restarted_writer_goes_on_with_its_numbers() {
    let memory = memory(80);
    Writer::<_, 5>::new(memory.as_slice()).unwrap().write(&[1; 5]);
    let reader = Reader::<_, 5>::new(memory.as_slice()).unwrap();
    assert_eq!(Writer::<_, 5>::new(memory.as_slice()).unwrap().write(&[2; 5]), 2);
    assert_eq!(reader.read(), Ok(Some((2, [2; 5]))));
}

/// A port's memory under the model checker.
#[derive(Clone)]
struct Modelled(std::sync::Arc<Vec<loom::sync::atomic::AtomicU64>>);

impl Words for Modelled {
    fn length(&self) -> usize {
        80
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

/// The checker allows few memory cells: only those that a message of two words touches exist.
fn cell(index: usize) -> usize {
    match index {
        0..3 => index,
        _ => {
            let (slot, word) = ((index - 8) / 8, (index - 8) % 8);
            3 + slot * 5 + if word < 3 { word } else { word - 1 }
        }
    }
}

/// Every interleaving of a writer that laps the reader's slot with a reader that reads twice, with at most
/// three preemptions: what is read is whole, and numbers never go backwards.
#[test]
fn no_interleaving_tears_a_message() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let cells = (0..23).map(|_| loom::sync::atomic::AtomicU64::new(0)).collect();
        let memory = Modelled(std::sync::Arc::new(cells));
        let mut writer = Writer::<_, 2>::new(memory.clone()).unwrap();
        writer.write(&[1, 1]);
        let reader = Reader::<_, 2>::new(memory).unwrap();
        let thread = loom::thread::spawn(move || {
            for value in 2..=5 {
                writer.write(&[value, value]);
            }
        });
        let mut last = 0;
        for _ in 0..2 {
            if let Some((number, message)) = reader.read().unwrap_or(None) {
                assert_eq!(message, [number, number], "torn");
                assert!(number >= last, "went backwards");
                last = number;
            }
        }
        thread.join().unwrap();
        assert_eq!(reader.read(), Ok(Some((5, [5, 5]))));
    });
}
