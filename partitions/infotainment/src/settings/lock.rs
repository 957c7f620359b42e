// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A lock that this partition shares, as a Linux process uses it: a process cannot call EL2, and Linux maps such memory
//! as Device, where compare-and-swap does not work. So the lock is taken and given back through its registers, which EL2
//! emulates (`bulkhead_abi::lock::registers`); the record is read and written directly. Implements: BH-LOCK-027.
use core::sync::atomic::{AtomicU64, Ordering, fence};

use bulkhead_abi::lock::{RECORD, Word, registers};

use crate::linux::{File, Memory};
use crate::port::{PortError, Range};

/// Words of a page.
const WORDS: usize = 512;

/// A lock: its page, and its registers in the next one.
pub(crate) struct Lock(&'static [AtomicU64]);

/// The lock while it is this process's.
pub(crate) struct Held<'a> {
    lock: &'a Lock,
    word: u64,
}

/// It was held for too long: another owns it, and what was written may be mixed with what that one writes.
pub(crate) struct Lost;

impl Lock {
    /// Maps the lock whose page and registers are this range.
    pub(crate) fn map((base, size): Range) -> Result<Self, PortError> {
        let memory = File::open_memory_to_write(c"/dev/mem").map_err(PortError::Open)?;
        let pages = Memory::map_to_write(&memory, base, size + 4096);
        let pages = pages.map_err(|errno| PortError::Map(base, errno))?;
        Ok(Self(pages.words()))
    }

    fn register(&self, offset: u64) -> Option<&AtomicU64> {
        self.0.get(WORDS + usize::try_from(offset / 8).ok()?)
    }

    fn read(&self, offset: u64) -> u64 {
        self.register(offset).map_or(0, |r| r.load(Ordering::Relaxed))
    }

    /// Takes the lock, waiting for its owner; `None` when EL2 gives it to nobody for `tries` readings, of which each
    /// lasts until the next interrupt at most.
    pub(crate) fn take(&self, tries: u32) -> Option<Held<'_>> {
        let waits = (0..tries).map(|_| self.read(registers::WAIT));
        let word = core::iter::once(self.read(registers::TRY))
            .chain(waits)
            .find(|w| *w != 0)?;
        fence(Ordering::Acquire);
        Some(Held { lock: self, word })
    }
}

impl Held<'_> {
    /// Whether the owner before died in the middle of a change.
    pub(crate) fn owner_died(&self) -> bool {
        Word::from_bits(self.word).owner_died()
    }

    /// The record.
    pub(crate) fn record(&self) -> &[AtomicU64] {
        self.lock.0.get(RECORD / 8..WORDS).unwrap_or(&[])
    }

    /// Gives the lock back.
    pub(crate) fn give(self) -> Result<(), Lost> {
        fence(Ordering::Release);
        if let Some(register) = self.lock.register(registers::RELEASE) {
            register.store(self.word, Ordering::Relaxed);
        }
        if self.lock.read(registers::STATUS) == 0 {
            Ok(())
        } else {
            Err(Lost)
        }
    }
}
