// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's trace, taken out of the cores' rings while the system runs.
//!
//! The rings keep the newest events only: who reads too seldom loses the oldest, and is told how many.
//! Implements: BH-TRACE-002.

use core::mem::offset_of;
use std::time::Duration;

use bulkhead_abi::stats::{CORE_STATS_SIZE, CoreStats};
use bulkhead_abi::trace::{EVENTS, Event, RING_OFFSET};
use bulkhead_model::manifest::Manifest;
use zerocopy::FromBytes;

use crate::RunnerError;
use crate::counts::Counts;
use crate::session::Session;

/// What a core's ring gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An event.
    Event(Event),
    /// So many events that were overwritten before they were read.
    Lost(u64),
}

/// One core's part of the tape.
#[derive(Clone, Debug, Default)]
pub struct CoreTape {
    /// Counter frequency in Hz, 0 before the core has started.
    pub frequency: u64,
    /// In the order in which the core wrote them.
    pub entries: Vec<Entry>,
    /// Number of the next event to be read.
    next: u64,
}

/// The trace of a run.
#[derive(Clone, Debug)]
pub struct Tape {
    /// By core.
    pub cores: Vec<CoreTape>,
    /// The most events that a core wrote between the last two readings.
    pub burst: u64,
}

impl CoreTape {
    /// Takes what is new in a copy of the core's block; `after` is the count of events after the copy was made.
    fn take(&mut self, block: &[u8], after: u64) {
        let (Ok((stats, _)), Some(ring)) = (CoreStats::read_from_prefix(block), block.get(RING_OFFSET..))
        else {
            return;
        };
        self.frequency = stats.frequency;
        let size = EVENTS as u64;
        // The slot of event `after` may have been half overwritten meanwhile.
        let oldest = (after + 1).saturating_sub(size).max(self.next);
        let first = oldest.min(stats.traced);
        if first > self.next {
            self.entries.push(Entry::Lost(first - self.next));
        }
        for number in first..stats.traced {
            let slot = usize::try_from(number % size).unwrap_or(0) * size_of::<Event>();
            if let Some(Ok((event, _))) = ring.get(slot..).map(Event::read_from_prefix) {
                self.entries.push(Entry::Event(event));
            }
        }
        self.next = stats.traced.max(self.next);
    }
}

impl Tape {
    /// An empty one.
    pub(crate) fn new(manifest: &Manifest) -> Self {
        let cores = usize::try_from(manifest.cores).unwrap_or(0);
        Self {
            cores: vec![CoreTape::default(); cores],
            burst: 0,
        }
    }

    /// Events that were lost.
    pub fn lost(&self) -> u64 {
        let entries = self.cores.iter().flat_map(|core| &core.entries);
        entries
            .map(|entry| match entry {
                Entry::Lost(count) => *count,
                Entry::Event(_) => 0,
            })
            .sum()
    }

    /// Reads all rings.
    pub(crate) fn read(&mut self, counts: &mut Counts, manifest: &Manifest) -> Result<(), RunnerError> {
        let mut address = manifest.stats;
        self.burst = 0;
        for core in &mut self.cores {
            let block = counts.memory(address, CORE_STATS_SIZE)?;
            let count = address + offset_of!(CoreStats, traced) as u64;
            let after = counts.memory(count, size_of::<u64>())?;
            let after = <[u8; 8]>::try_from(after.as_slice()).map_or(u64::MAX, u64::from_le_bytes);
            let before = core.next;
            core.take(&block, after);
            self.burst = self.burst.max(core.next.saturating_sub(before));
            address += CORE_STATS_SIZE as u64;
        }
        Ok(())
    }
}

impl Session {
    /// An empty tape for [`Self::record`].
    pub fn tape(&self) -> Tape {
        Tape::new(&self.manifest)
    }

    /// [`Session::step`], then takes what is new in EL2's trace. Virtual time stands still while QEMU is asked: that takes
    /// longer than a busy core needs to fill its ring.
    ///
    /// # Errors
    /// As [`Session::step`].
    pub fn record(&mut self, host: Duration, tape: &mut Tape) -> Result<(), RunnerError> {
        self.receive(host);
        self.counts.stop()?;
        self.follow()?;
        tape.read(&mut self.counts, &self.manifest)?;
        self.counts.resume()
    }

    /// What was built.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulkhead_abi::trace::Kind;
    use zerocopy::IntoBytes;

    /// The block of a core that has written `count` events, event *n* at time *n*.
    fn block(count: u64) -> Vec<u8> {
        let mut block = vec![0; CORE_STATS_SIZE];
        let at = offset_of!(CoreStats, traced);
        block[at..at + 8].copy_from_slice(&count.to_le_bytes());
        for n in count.saturating_sub(EVENTS as u64)..count {
            let slot = RING_OFFSET + usize::try_from(n).expect("small") % EVENTS * size_of::<Event>();
            let event = Event::new(n, Kind::Inject, 1, 27, 0);
            block[slot..slot + size_of::<Event>()].copy_from_slice(event.as_bytes());
        }
        block
    }

    fn times(core: &CoreTape) -> Vec<u64> {
        let times = core.entries.iter().map(|entry| match entry {
            Entry::Event(event) => event.time,
            Entry::Lost(count) => 1_000_000 + count,
        });
        times.collect()
    }

    /// Verifies: BH-TRACE-002.
    #[test]
    fn each_event_is_read_once_and_losses_are_counted() {
        let mut core = CoreTape::default();
        core.take(&block(3), 3);
        core.take(&block(5), 5);
        assert_eq!(times(&core), [0, 1, 2, 3, 4]);
        core.entries.clear();
        let size = EVENTS as u64;
        core.take(&block(5 + size + 10), 5 + size + 10);
        assert_eq!(times(&core)[..2], [1_000_011, 16]);
        assert_eq!(core.entries.len() as u64, 1 + size - 1);
        // While this copy was made, 20 more were written over the oldest.
        core.entries.clear();
        let count = 15 + size + 300;
        core.take(&block(count), count + 20 + (size - 300));
        assert_eq!(times(&core)[..2], [1_000_021, 15 + size + 21]);
    }
}
