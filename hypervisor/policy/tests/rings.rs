// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Byte rings with honest and hostile indices; the serial multiplex there and back.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_abi::mux::ESCAPE;
use bulkhead_policy::line::Line;
use bulkhead_policy::mux::{Channel, Decoder, Encoder};
use bulkhead_policy::ring::Ring;
use proptest::prelude::*;

const SIZE: u32 = 64;
type R = Ring<SIZE>;

fn at(index: u32) -> usize {
    usize::try_from(R::offset(index)).unwrap()
}

proptest! {
    /// Verifies: BH-CON-001.
    #[test]
    fn hostile_indices_stay_in_the_ring(
        tail: u32,
        distance in prop_oneof![any::<u32>(), SIZE - 2..SIZE + 3],
        index: u32,
        length in prop_oneof![any::<u32>(), SIZE - 2..SIZE + 3],
    ) {
        let head = tail.wrapping_add(distance);
        let used = R::used(head, tail);
        prop_assert!(used <= SIZE);
        prop_assert_eq!(used + R::free(head, tail), SIZE);
        let [first, second] = R::chunks(index, length);
        prop_assert_eq!(first.length + second.length, length.min(SIZE));
        for chunk in [first, second] {
            prop_assert!(chunk.offset < SIZE && chunk.offset + chunk.length <= SIZE);
        }
        prop_assert!(second.length == 0 || first.offset + first.length == SIZE);
    }

    /// A producer and a consumer that move whole chunks behave like a queue, across the wrap of the indices.
    #[test]
    fn behaves_like_a_queue(start: u32, operations in prop::collection::vec((any::<bool>(), 0..100u32), 1..200)) {
        let mut data = [0u8; 64];
        let mut queue = std::collections::VecDeque::new();
        let (mut head, mut tail) = (start, start);
        let mut next = 0u8;
        for (produce, wanted) in operations {
            if produce {
                let n = wanted.min(R::free(head, tail));
                prop_assert_eq!(n, wanted.min(SIZE - u32::try_from(queue.len()).unwrap()));
                for chunk in R::chunks(head, n) {
                    for i in 0..chunk.length {
                        data[usize::try_from(chunk.offset + i).unwrap()] = next;
                        queue.push_back(next);
                        next = next.wrapping_add(1);
                    }
                }
                head = head.wrapping_add(n);
            } else {
                let n = wanted.min(R::used(head, tail));
                for i in 0..n {
                    prop_assert_eq!(Some(data[at(tail.wrapping_add(i))]), queue.pop_front());
                }
                tail = tail.wrapping_add(n);
            }
        }
    }

    /// Verifies: BH-CON-002.
    #[test]
    fn multiplex_round_trip(bytes in prop::collection::vec((any::<u8>(), prop_oneof![any::<u8>(), Just(ESCAPE)]), 0..200)) {
        let sent: Vec<(Channel, u8)> =
            bytes.iter().filter_map(|(channel, byte)| Some((Channel::new(*channel)?, *byte))).collect();
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new();
        let mut received = Vec::new();
        for (channel, byte) in &sent {
            let encoded = encoder.push(*channel, *byte);
            prop_assert!((1..=4).contains(&encoded.as_slice().len()));
            received.extend(encoded.as_slice().iter().filter_map(|b| decoder.push(*b)));
        }
        prop_assert_eq!(received, sent);
    }

    /// Whatever the line carried before, a resumed encoder is understood from its first byte on, unless the line
    /// broke off inside an escape: then from the next selection.
    #[test]
    fn resumed_encoder_selects(noise: Vec<u8>, byte in 0..0xfeu8) {
        let mut decoder = Decoder::new();
        let mut escaped = false;
        for b in &noise {
            decoder.push(*b);
            escaped = !escaped && *b == ESCAPE;
        }
        let channel = Channel::partition(3).unwrap();
        let mut encoder = Encoder::resumed();
        let got: Vec<_> = encoder.push(channel, byte).as_slice().iter().filter_map(|b| decoder.push(*b)).collect();
        if !escaped {
            prop_assert_eq!(got, vec![(channel, byte)]);
        }
    }
}

#[test]
fn plain_text_until_the_first_selection() {
    let mut encoder = Encoder::new();
    assert_eq!(encoder.push(Channel::TEXT, b'x').as_slice(), b"x");
    assert_eq!(
        encoder.push(Channel::DEFMT, ESCAPE).as_slice(),
        [0xfe, 0xf1, 0xfe, 0xfe]
    );
    assert_eq!(encoder.push(Channel::DEFMT, 0).as_slice(), [0]);
    assert_eq!(Decoder::new().push(b'x'), Some((Channel::TEXT, b'x')));
}

#[test]
fn channels() {
    assert_eq!(Channel::new(ESCAPE), None);
    assert_eq!(Channel::partition(0xef).map(Channel::number), Some(0xef));
    assert_eq!(Channel::partition(0xf0), None);
    assert_eq!(Channel::partition(0x100), None);
}

/// Bytes for channels, escapes among both.
fn sends() -> impl Strategy<Value = Vec<(Channel, u8)>> {
    let byte = || prop_oneof![any::<u8>(), Just(ESCAPE), Just(0u8)];
    let channel = (0..4u8).prop_map(|number| Channel::new(number).unwrap());
    prop::collection::vec((channel, byte()), 0..6)
}

/// A step of the drainer: of `bytes` it sends what there is `room` for on the wire; how many it took.
fn step(word: &mut u64, bytes: &[(Channel, u8)], mut room: usize, wire: &mut Vec<u8>) -> usize {
    let mut line = Line::from_bits(*word);
    let mut flush = |line: &mut Line| {
        while let Some(byte) = line.front().filter(|_| room > 0) {
            wire.push(byte);
            line.sent();
            room -= 1;
        }
        line.front().is_none()
    };
    let mut taken = 0;
    for (channel, byte) in bytes {
        if !flush(&mut line) {
            break;
        }
        line.push(*channel, *byte);
        taken += 1;
    }
    flush(&mut line);
    *word = line.bits();
    taken
}

fn decoded(wire: &[u8]) -> Vec<(Channel, u8)> {
    let mut decoder = Decoder::new();
    wire.iter().filter_map(|byte| decoder.push(*byte)).collect()
}

proptest! {
    /// Whoever takes the next step, and however little room the UART had in those before: each channel gets its bytes.
    /// Verifies: BH-CON-002, BH-CON-006.
    #[test]
    fn the_line_goes_on_where_the_last_step_ended(steps in prop::collection::vec((sends(), 0..12usize), 0..12)) {
        let (mut word, mut wire, mut sent) = (Line::new().bits(), Vec::new(), Vec::new());
        for (bytes, room) in &steps {
            let taken = step(&mut word, bytes, *room, &mut wire);
            sent.extend_from_slice(&bytes[..taken]);
        }
        step(&mut word, &[], usize::MAX, &mut wire);
        prop_assert_eq!(decoded(&wire), sent);
    }

    /// A step breaks off after any byte on the wire: what follows belongs to its channel; of what was before nothing is
    /// changed, and EL2 adds at most a zero. Verifies: BH-CON-006.
    #[test]
    fn a_step_that_broke_off_gives_no_byte_to_another_channel(
        steps in prop::collection::vec((sends(), 0..12usize), 0..6),
        broken in sends(),
        reached in 0..24usize,
        after in sends(),
    ) {
        let (mut word, mut wire) = (Line::new().bits(), Vec::new());
        for (bytes, room) in &steps {
            step(&mut word, bytes, *room, &mut wire);
        }
        let mut whole = wire.clone();
        step(&mut word.clone(), &broken, usize::MAX, &mut whole);
        let cut = (wire.len() + reached).min(whole.len());
        let before = decoded(&whole[..cut]);
        wire = whole[..cut].to_vec();
        word = Line::broken_off().bits();
        step(&mut word, &after, usize::MAX, &mut wire);
        let seen = decoded(&wire);
        prop_assert_eq!(&seen[..before.len()], &before[..]);
        let rest = &seen[before.len()..];
        let rest = if rest.len() > after.len() { prop_assert_eq!(rest[0].1, 0); &rest[1..] } else { rest };
        prop_assert_eq!(rest, &after[..]);
    }

    /// Of input that a failed core read in part, whole texts reach their channel, or nothing. Verifies: BH-CON-006.
    #[test]
    fn input_after_a_step_that_broke_off_waits_for_a_selection(
        texts in prop::collection::vec((0..4u8, prop::collection::vec(0..ESCAPE, 1..5)), 1..5),
        cut in 0..32usize,
    ) {
        let mut wire = Vec::new();
        for (channel, text) in &texts {
            let mut encoder = Encoder::resumed();
            for byte in text {
                wire.extend_from_slice(encoder.push(Channel::new(*channel).unwrap(), *byte).as_slice());
            }
        }
        let all = decoded(&wire);
        let mut line = Line::broken_off();
        let read: Vec<_> = wire.iter().skip(cut).filter_map(|byte| line.receive(*byte)).collect();
        let read: Vec<_> = read.into_iter().filter(|(channel, _)| *channel != Channel::TEXT).collect();
        prop_assert!(all.ends_with(&read));
        prop_assert!(cut > 0 || read == all);
    }
}
