// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Console rings: a producer of whole records or nothing, a consumer of bytes, and never a wait.
//!
//! A record is staged behind the published head and becomes visible as a whole; one that does not fit is
//! dropped as a whole and counted, so that the consumer never sees half a log frame.
//!
//! Implements: BH-PART-007. The layout is [`bulkhead_abi::window`].

use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use bulkhead_abi::window::RingControl;

/// Indices of a ring in shared memory.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Control {
    head: AtomicU32,
    dropped: AtomicU32,
    reserved0: [u32; 14],
    tail: AtomicU32,
    reserved1: [u32; 15],
}
const _: () = assert!(size_of::<Control>() == size_of::<RingControl>());
const _: () = assert!(offset_of!(Control, head) == offset_of!(RingControl, head));
const _: () = assert!(offset_of!(Control, dropped) == offset_of!(RingControl, dropped));
const _: () = assert!(offset_of!(Control, tail) == offset_of!(RingControl, tail));

/// The one producer of a ring.
pub struct Producer<'a> {
    control: &'a Control,
    data: &'a [AtomicU8],
    /// Bytes published.
    head: u32,
    /// Bytes of the record begun, written behind `head` as long as they fit.
    staged: u32,
    fits: Fit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    Lost,
}

impl<'a> Producer<'a> {
    /// Goes on where the ring's head stands, so that a restarted producer loses nothing.
    ///
    /// The length of `data` is a power of two of at most 2^31; of another length nothing is ever written.
    #[must_use]
    pub fn new(control: &'a Control, data: &'a [AtomicU8]) -> Self {
        let data = if data.len().is_power_of_two() { data } else { &[] };
        Self {
            control,
            data,
            head: control.head.load(Ordering::Relaxed),
            staged: 0,
            fits: Fit::Whole,
        }
    }

    /// Bytes that can be written behind the staged ones; 0 when the consumer's index makes no sense.
    fn room(&self) -> u32 {
        let size = u32::try_from(self.data.len()).unwrap_or(0);
        let used = self.head.wrapping_sub(self.control.tail.load(Ordering::Acquire));
        size.saturating_sub(used).saturating_sub(self.staged)
    }

    /// Adds bytes to the record.
    ///
    /// # Timing
    /// Linear in `bytes`; nothing is awaited.
    pub fn stage(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if length > self.room() {
            self.fits = Fit::Lost;
        }
        if self.fits == Fit::Whole {
            let from = self.head.wrapping_add(self.staged);
            for (number, &byte) in (0_u32..).zip(bytes) {
                self.put(from.wrapping_add(number), byte);
            }
        }
        self.staged = self.staged.saturating_add(length);
    }

    /// Stores the byte with number `number`.
    fn put(&self, number: u32, byte: u8) {
        let mask = self.data.len().wrapping_sub(1);
        let index = usize::try_from(number).unwrap_or(0) & mask;
        if let Some(cell) = self.data.get(index) {
            cell.store(byte, Ordering::Relaxed);
        }
    }

    /// Ends the record: publishes it, or counts its bytes as dropped.
    pub fn commit(&mut self) {
        match self.fits {
            Fit::Whole => {
                self.head = self.head.wrapping_add(self.staged);
                self.control.head.store(self.head, Ordering::Release);
            }
            Fit::Lost => {
                let dropped = self
                    .control
                    .dropped
                    .load(Ordering::Relaxed)
                    .wrapping_add(self.staged);
                self.control.dropped.store(dropped, Ordering::Relaxed);
            }
        }
        self.abandon();
    }

    /// Forgets the record begun.
    pub fn abandon(&mut self) {
        self.staged = 0;
        self.fits = Fit::Whole;
    }
}

/// Stages text; a formatting call followed by [`Producer::commit`] is one record.
impl core::fmt::Write for Producer<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.stage(text.as_bytes());
        Ok(())
    }
}

/// The one consumer of a ring: the bytes that were published and not yet read, in order.
pub struct Consumer<'a> {
    control: &'a Control,
    data: &'a [AtomicU8],
}

impl<'a> Consumer<'a> {
    /// Goes on where the ring's tail stands. The length of `data` is that of [`Producer::new`]; of another length nothing is
    /// ever read.
    #[must_use]
    pub const fn new(control: &'a Control, data: &'a [AtomicU8]) -> Self {
        Self { control, data }
    }
}

impl Iterator for Consumer<'_> {
    type Item = u8;

    /// The next byte that was published; none now says nothing of later.
    fn next(&mut self) -> Option<u8> {
        let tail = self.control.tail.load(Ordering::Relaxed);
        if self.control.head.load(Ordering::Acquire) == tail || !self.data.len().is_power_of_two() {
            return None;
        }
        let index = usize::try_from(tail).ok()? & (self.data.len() - 1);
        let byte = self.data.get(index)?.load(Ordering::Relaxed);
        self.control.tail.store(tail.wrapping_add(1), Ordering::Release);
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(control: &Control, data: &[AtomicU8], most: usize) -> Vec<u8> {
        Consumer::new(control, data).take(most).collect()
    }

    proptest! {
        /// Verifies: BH-PART-007. Whatever is read is a sequence of whole records; the rest is counted.
        #[test]
        fn records_are_whole_or_counted(
            start in prop_oneof![Just(0_u32), Just(u32::MAX - 40)],
            steps in prop::collection::vec((prop::collection::vec(1_u8.., 0..24), 0_usize..40), 1..200),
        ) {
            let control = Control::default();
            control.head.store(start, Ordering::Relaxed);
            control.tail.store(start, Ordering::Relaxed);
            let data: Vec<AtomicU8> = (0..64).map(|_| AtomicU8::new(0xff)).collect();
            let mut producer = Producer::new(&control, &data);
            let (mut sent, mut seen, mut dropped) = (Vec::new(), Vec::new(), 0);
            for (record, read) in steps {
                let before = control.head.load(Ordering::Relaxed);
                for part in record.chunks(5) {
                    producer.stage(part);
                    prop_assert_eq!(control.head.load(Ordering::Relaxed), before, "visible too early");
                }
                producer.stage(&[0]);
                producer.commit();
                if control.head.load(Ordering::Relaxed) == before {
                    dropped += record.len() as u32 + 1;
                } else {
                    sent.extend(&record);
                    sent.push(0);
                }
                seen.extend(drain(&control, &data, read));
            }
            seen.extend(drain(&control, &data, usize::MAX));
            prop_assert_eq!(seen, sent);
            prop_assert_eq!(control.dropped.load(Ordering::Relaxed), dropped);
        }
    }

    #[test]
    fn a_record_as_large_as_the_ring_fits_and_one_byte_more_does_not() {
        let control = Control::default();
        let data: Vec<AtomicU8> = (0..16).map(|_| AtomicU8::new(0)).collect();
        let mut producer = Producer::new(&control, &data);
        producer.stage(&[7; 17]);
        producer.commit();
        assert_eq!(
            (
                drain(&control, &data, 99).len(),
                control.dropped.load(Ordering::Relaxed)
            ),
            (0, 17)
        );
        producer.stage(&[7; 16]);
        producer.commit();
        assert_eq!(drain(&control, &data, 99), [7; 16]);
    }

    #[test]
    fn a_senseless_tail_means_full() {
        let control = Control::default();
        control.tail.store(5, Ordering::Relaxed);
        let data: Vec<AtomicU8> = (0..16).map(|_| AtomicU8::new(0)).collect();
        let mut producer = Producer::new(&control, &data);
        producer.stage(&[1]);
        producer.commit();
        assert_eq!(control.head.load(Ordering::Relaxed), 0);
        assert_eq!(control.dropped.load(Ordering::Relaxed), 1);
    }
}
