// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Byte rings with honest and hostile indices; the serial multiplex there and back.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_abi::mux::ESCAPE;
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
