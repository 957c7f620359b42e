// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The protocol of queuing ports, for the writer and for the reader: in order, never torn, without a wait.
//!
//! The layout and the order of accesses are [`bulkhead_abi::queuing`]. Depth and message size are the spec's; what the
//! other side wrote is a claim: it selects none but this queue's slots, and no loop depends on it.
//! Implements: BH-PORT-010, BH-PORT-011, BH-PORT-012.

use core::sync::atomic::Ordering;

use bulkhead_abi::queuing::{MAGIC, MESSAGE, READER_MAGIC, SLOTS, VERSION, size, stride};
use bulkhead_abi::sampling::READ_TRIES;

use crate::sampling::Words;

/// Words of both headers: magic and version; depth and stride, or the last message taken.
const IDENTITY: usize = 0;
const SHAPE: usize = 1;
const TAKEN: usize = 1;
/// Words of the writer's header: last complete message, messages refused.
const SENT: usize = 2;
const REFUSED: usize = 3;
/// Word of the reader's header: messages lost.
const LOST: usize = 2;
/// Words of a slot.
const BEGIN: usize = 0;
const END: usize = 1;
const BODY: usize = MESSAGE / 8;

/// Why a queue cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The spec gives this partition no such queue, or none for messages of this size.
    Unknown,
    /// The memory does not hold the queue.
    TooSmall,
    /// The writer's number went back to this one: the reader goes on from there.
    WentBack(u64),
    /// No copy was stable: the writer overtook the reader in every try, or says what is not so.
    Unstable,
}

/// The queue is full, and full queues refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A message that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<const N: usize> {
    /// Its number.
    pub number: u64,
    /// Messages that were dropped between the one taken before and this one.
    pub lost: u64,
    /// Its words.
    pub message: [u64; N],
}

/// Where the slots are.
#[derive(Clone, Copy, Debug)]
struct Shape {
    depth: u32,
    /// In words.
    stride: usize,
}

impl Shape {
    /// Slots for `depth` messages of `message` words in memory of `words` words.
    fn new(depth: u32, message: usize, words: usize) -> Result<Self, QueueError> {
        let bytes = message.checked_mul(8).ok_or(QueueError::TooSmall)?;
        let needed = size(bytes, depth).ok_or(QueueError::TooSmall)?;
        let stride = stride(bytes).ok_or(QueueError::TooSmall)?;
        if depth == 0 || needed.div_ceil(8) > words {
            return Err(QueueError::TooSmall);
        }
        Ok(Self {
            depth,
            stride: stride / 8,
        })
    }

    /// First word of the slot of message `number`, whatever that is.
    fn slot(self, number: u64) -> usize {
        let position = number % (u64::from(self.depth) + 1);
        SLOTS / 8 + usize::try_from(position).unwrap_or(0) * self.stride
    }
}

fn halves(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

fn stamp_of(number: u64) -> u64 {
    number.wrapping_mul(2).wrapping_add(1)
}

/// The one writer of a queue whose messages are `N` words.
pub struct QueueWriter<W, const N: usize> {
    words: W,
    /// The reader's memory, where a full queue refuses.
    reader: Option<W>,
    shape: Shape,
    number: u64,
    refused: u64,
}

impl<W: Words, const N: usize> QueueWriter<W, N> {
    /// Initialises the queue, or goes on with the numbers of a writer before a restart. A full queue refuses messages
    /// when there is memory of its `reader`, and drops the oldest one otherwise.
    ///
    /// # Errors
    /// [`QueueError::TooSmall`].
    pub fn new(words: W, reader: Option<W>, depth: u32) -> Result<Self, QueueError> {
        let shape = Shape::new(depth, N, words.length())?;
        let stride = u32::try_from(shape.stride * 8).map_err(|_| QueueError::TooSmall)?;
        let (identity, form) = (halves(MAGIC, VERSION), halves(depth, stride));
        let known = words.load(IDENTITY, Ordering::Acquire) == identity
            && words.load(SHAPE, Ordering::Relaxed) == form;
        let kept = |index| {
            if known {
                words.load(index, Ordering::Relaxed)
            } else {
                0
            }
        };
        let (number, refused) = (kept(SENT), kept(REFUSED));
        if !known {
            words.store(SHAPE, form, Ordering::Relaxed);
            words.store(SENT, 0, Ordering::Relaxed);
            words.store(REFUSED, 0, Ordering::Relaxed);
            words.store(IDENTITY, identity, Ordering::Release);
        }
        Ok(Self {
            words,
            reader,
            shape,
            number,
            refused,
        })
    }

    /// Puts a message at the end of the queue and returns its number.
    ///
    /// # Errors
    /// [`Full`] where a full queue refuses; the refusal is counted.
    ///
    /// # Timing
    /// `N` + 3 stores and at most one load; nothing is awaited.
    pub fn send(&mut self, message: &[u64; N]) -> Result<u64, Full> {
        if let Some(reader) = &self.reader {
            let waiting = self.number.wrapping_sub(reader.load(TAKEN, Ordering::Acquire));
            if waiting >= u64::from(self.shape.depth) {
                self.refused = self.refused.wrapping_add(1);
                self.words.store(REFUSED, self.refused, Ordering::Relaxed);
                return Err(Full);
            }
        }
        self.number = self.number.wrapping_add(1);
        let slot = self.shape.slot(self.number);
        let stamp = stamp_of(self.number);
        self.words.store(slot + BEGIN, stamp, Ordering::Relaxed);
        self.words.barrier(Ordering::Release);
        for (index, &word) in message.iter().enumerate() {
            self.words.store(slot + BODY + index, word, Ordering::Relaxed);
        }
        self.words.store(slot + END, stamp, Ordering::Release);
        self.words.store(SENT, self.number, Ordering::Release);
        Ok(self.number)
    }

    /// Messages that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// The one reader of a queue whose messages are `N` words.
pub struct QueueReader<W, const N: usize> {
    words: W,
    own: W,
    shape: Shape,
    taken: u64,
    lost: u64,
}

impl<W: Words, const N: usize> QueueReader<W, N> {
    /// Begins with the oldest message, or after the last one that the reader took before a restart; `own` is the
    /// reader's memory.
    ///
    /// # Errors
    /// [`QueueError::TooSmall`].
    pub fn new(words: W, own: W, depth: u32) -> Result<Self, QueueError> {
        let shape = Shape::new(depth, N, words.length())?;
        if own.length() <= LOST {
            return Err(QueueError::TooSmall);
        }
        let identity = halves(READER_MAGIC, VERSION);
        let known = own.load(IDENTITY, Ordering::Relaxed) == identity;
        let kept = |index| {
            if known {
                own.load(index, Ordering::Relaxed)
            } else {
                0
            }
        };
        let (taken, lost) = (kept(TAKEN), kept(LOST));
        own.store(TAKEN, taken, Ordering::Relaxed);
        own.store(LOST, lost, Ordering::Relaxed);
        own.store(IDENTITY, identity, Ordering::Relaxed);
        Ok(Self {
            words,
            own,
            shape,
            taken,
            lost,
        })
    }

    /// Takes the next message; `None` when there is none.
    ///
    /// # Errors
    /// [`QueueError::WentBack`] once, when the writer says that it sent less than was taken; [`QueueError::Unstable`].
    ///
    /// # Timing
    /// At most [`READ_TRIES`] × (`N` + 3) loads and 2 stores.
    pub fn receive(&mut self) -> Result<Option<Received<N>>, QueueError> {
        for _ in 0..READ_TRIES {
            let sent = self.words.load(SENT, Ordering::Acquire);
            let Some(waiting) = sent.checked_sub(self.taken) else {
                self.commit(sent, 0);
                return Err(QueueError::WentBack(sent));
            };
            if waiting == 0 {
                return Ok(None);
            }
            let lost = waiting.saturating_sub(self.shape.depth.into());
            let number = self.taken.wrapping_add(lost).wrapping_add(1);
            let slot = self.shape.slot(number);
            let end = self.words.load(slot + END, Ordering::Acquire);
            let message = core::array::from_fn(|i| self.words.load(slot + BODY + i, Ordering::Relaxed));
            self.words.barrier(Ordering::Acquire);
            let begin = self.words.load(slot + BEGIN, Ordering::Relaxed);
            if begin == stamp_of(number) && end == begin {
                self.commit(number, lost);
                return Ok(Some(Received {
                    number,
                    lost,
                    message,
                }));
            }
        }
        Err(QueueError::Unstable)
    }

    /// Messages that were dropped before they were taken.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn commit(&mut self, taken: u64, lost: u64) {
        self.taken = taken;
        self.lost = self.lost.saturating_add(lost);
        self.own.store(LOST, self.lost, Ordering::Relaxed);
        self.own.store(TAKEN, taken, Ordering::Release);
    }
}
