// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The protocol of sampling ports, for the writer and for readers: wait-free, never torn.
//!
//! The layout and the order of accesses are [`bulkhead_abi::sampling`]. Everything is done with loads and
//! stores of 8 aligned bytes, which any mapping of the memory allows. What a header says is a claim of the
//! writer's partition and is checked against the size of the memory. Implements: BH-PORT-001.

use core::sync::atomic::{AtomicU64, Ordering, fence};

use bulkhead_abi::sampling::{MAGIC, MESSAGE, READ_TRIES, SLOT_COUNT, SLOTS, VERSION};

/// Index of the word with magic (low half) and version.
const IDENTITY: usize = 0;
/// Index of the word with slot count (low half) and stride.
const SHAPE: usize = 1;
/// Index of the word with the number of the last complete message.
const LATEST: usize = 2;
/// Offsets of words in a slot.
const BEGIN: usize = 0;
const END: usize = 1;
const LENGTH: usize = 2;
const BODY: usize = MESSAGE / 8;

/// The memory of a port as 64-bit words.
pub trait Words {
    /// Words of the memory.
    fn length(&self) -> usize;
    /// Loads a word; one that does not exist reads as zero.
    fn load(&self, index: usize, order: Ordering) -> u64;
    /// Stores a word, if it exists.
    fn store(&self, index: usize, value: u64, order: Ordering);
    /// A memory barrier of the given order.
    fn barrier(&self, order: Ordering);
}

impl Words for &[AtomicU64] {
    fn length(&self) -> usize {
        self.len()
    }

    fn load(&self, index: usize, order: Ordering) -> u64 {
        self.get(index).map_or(0, |word| word.load(order))
    }

    fn store(&self, index: usize, value: u64, order: Ordering) {
        if let Some(word) = self.get(index) {
            word.store(value, order);
        }
    }

    fn barrier(&self, order: Ordering) {
        fence(order);
    }
}

/// Why a port cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortError {
    /// The memory does not hold the port with its messages.
    TooSmall,
    /// The writer has not initialised it yet.
    NotReady,
    /// Another version of the layout.
    Version(u32),
    /// Slots that do not fit into the memory, or of a size that cannot be.
    Shape,
    /// The message has another length, in bytes.
    Length(u64),
    /// No copy was stable: the writer lapped the reader in every try.
    Unstable,
}

/// Where the slots are.
#[derive(Clone, Copy, Debug)]
struct Shape {
    count: u64,
    /// In words.
    stride: usize,
}

impl Shape {
    /// Slots of `stride` bytes for messages of `message` words in memory of `words` words.
    fn checked(count: u32, stride: u32, message: usize, words: usize) -> Option<Self> {
        let bytes = usize::try_from(stride).ok()?;
        let slots = usize::try_from(count).ok()?;
        let end = SLOTS.checked_add(slots.checked_mul(bytes)?)?;
        let good =
            slots >= 2 && bytes.is_multiple_of(64) && bytes >= MESSAGE + message * 8 && end <= words * 8;
        good.then_some(Self {
            count: count.into(),
            stride: bytes / 8,
        })
    }

    /// First word of the slot of message `number`.
    fn slot(self, number: u64) -> usize {
        SLOTS / 8 + usize::try_from(number % self.count).unwrap_or(0) * self.stride
    }
}

fn halves(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

fn split(word: u64) -> (u32, u32) {
    // Both halves fit by construction.
    (
        u32::try_from(word & 0xffff_ffff).unwrap_or(0),
        u32::try_from(word >> 32).unwrap_or(0),
    )
}

/// The one writer of a port whose messages are `N` words.
pub struct Writer<W, const N: usize> {
    words: W,
    shape: Shape,
    number: u64,
}

impl<W: Words, const N: usize> Writer<W, N> {
    /// Initialises the port, or goes on with the numbers of a writer before a restart.
    ///
    /// # Errors
    /// [`PortError::TooSmall`].
    pub fn new(words: W) -> Result<Self, PortError> {
        let bytes = u32::try_from((MESSAGE + N * 8).next_multiple_of(64)).map_err(|_| PortError::TooSmall)?;
        let shape = Shape::checked(SLOT_COUNT, bytes, N, words.length()).ok_or(PortError::TooSmall)?;
        let (identity, form) = (halves(MAGIC, VERSION), halves(SLOT_COUNT, bytes));
        let known = words.load(IDENTITY, Ordering::Acquire) == identity
            && words.load(SHAPE, Ordering::Relaxed) == form;
        let number = if known {
            words.load(LATEST, Ordering::Relaxed)
        } else {
            0
        };
        if !known {
            words.store(SHAPE, form, Ordering::Relaxed);
            words.store(LATEST, 0, Ordering::Relaxed);
            words.store(IDENTITY, identity, Ordering::Release);
        }
        Ok(Self { words, shape, number })
    }

    /// The number of the last message, that of a life before a restart included; 0 before the first.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Leaves out `count` numbers before the next message.
    pub const fn leave_out(&mut self, count: u64) {
        self.number = self.number.wrapping_add(count);
    }

    /// Publishes a message and returns its number.
    ///
    /// # Timing
    /// `N` + 4 stores; nothing is awaited.
    pub fn write(&mut self, message: &[u64; N]) -> u64 {
        self.number = self.number.wrapping_add(1);
        let slot = self.shape.slot(self.number);
        let stamp = stamp_of(self.number);
        self.words.store(slot + BEGIN, stamp, Ordering::Relaxed);
        self.words.barrier(Ordering::Release);
        for (index, &word) in message.iter().enumerate() {
            self.words.store(slot + BODY + index, word, Ordering::Relaxed);
        }
        self.words.store(
            slot + LENGTH,
            u64::try_from(N * 8).unwrap_or(0),
            Ordering::Relaxed,
        );
        self.words.store(slot + END, stamp, Ordering::Release);
        self.words.store(LATEST, self.number, Ordering::Release);
        self.number
    }
}

fn stamp_of(number: u64) -> u64 {
    number.wrapping_mul(2).wrapping_add(1)
}

/// A reader of a port whose messages are `N` words.
pub struct Reader<W, const N: usize> {
    words: W,
    shape: Shape,
}

impl<W: Words, const N: usize> Reader<W, N> {
    /// Finds the port in memory that its writer has initialised.
    ///
    /// # Errors
    /// [`PortError::NotReady`] before that, [`PortError::Version`] or [`PortError::Shape`] for a header that
    /// is not to be trusted, [`PortError::TooSmall`].
    pub fn new(words: W) -> Result<Self, PortError> {
        if words.length() < SLOTS / 8 {
            return Err(PortError::TooSmall);
        }
        let (magic, version) = split(words.load(IDENTITY, Ordering::Acquire));
        if magic != MAGIC {
            return Err(PortError::NotReady);
        }
        if version != VERSION {
            return Err(PortError::Version(version));
        }
        let (count, stride) = split(words.load(SHAPE, Ordering::Relaxed));
        let shape = Shape::checked(count, stride, N, words.length()).ok_or(PortError::Shape)?;
        Ok(Self { words, shape })
    }

    /// The last complete message and its number; `None` before the first.
    ///
    /// # Errors
    /// [`PortError::Unstable`] or [`PortError::Length`].
    ///
    /// # Timing
    /// At most [`READ_TRIES`] × (`N` + 4) loads.
    pub fn read(&self) -> Result<Option<(u64, [u64; N])>, PortError> {
        for _ in 0..READ_TRIES {
            let number = self.words.load(LATEST, Ordering::Acquire);
            if number == 0 {
                return Ok(None);
            }
            let slot = self.shape.slot(number);
            let end = self.words.load(slot + END, Ordering::Acquire);
            let message = core::array::from_fn(|i| self.words.load(slot + BODY + i, Ordering::Relaxed));
            let length = self.words.load(slot + LENGTH, Ordering::Relaxed);
            self.words.barrier(Ordering::Acquire);
            let begin = self.words.load(slot + BEGIN, Ordering::Relaxed);
            if begin == stamp_of(number) && end == begin {
                let (bytes, _) = split(length);
                return if usize::try_from(bytes) == Ok(N * 8) {
                    Ok(Some((number, message)))
                } else {
                    Err(PortError::Length(bytes.into()))
                };
            }
        }
        Err(PortError::Unstable)
    }
}
