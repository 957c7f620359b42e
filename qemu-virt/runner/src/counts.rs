// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is read from the machine's memory: EL2's statistics, the partitions' metrics, heads of queues, ends of rings.

use std::ops::Range;

use bulkhead_abi::queuing::{QueueHeader, ReaderHeader};
use bulkhead_abi::stats::CORE_STATS_SIZE;
use bulkhead_abi::window::{METRICS, Metrics, WINDOW_SIZE};
use bulkhead_model::manifest::Manifest;

use crate::RunnerError;
use crate::qmp::Qmp;
use crate::report::QueueReport;
use crate::stats::{self, Snapshot};

/// The newest counts, and the way to read them again.
#[derive(Debug)]
pub(crate) struct Counts {
    /// EL2's statistics.
    pub(crate) snapshot: Snapshot,
    /// Metrics by partition index; `None` where the partition has published none.
    pub(crate) metrics: Vec<Option<Metrics>>,
    /// What the parties of queuing channels say of them.
    pub(crate) queues: Vec<QueueReport>,
    qmp: Qmp,
}

impl Counts {
    /// Nothing read yet.
    pub(crate) fn new(qmp: Qmp, manifest: &Manifest) -> Self {
        Self {
            snapshot: Snapshot::default(),
            metrics: vec![None; manifest.partitions.len()],
            queues: Vec::new(),
            qmp,
        }
    }

    /// Why the machine switched itself off, if it has been seen to.
    pub(crate) fn halted(&self) -> Option<&str> {
        self.qmp.halted()
    }

    /// Reads physical memory.
    pub(crate) fn memory(&mut self, address: u64, length: usize) -> Result<Vec<u8>, RunnerError> {
        Ok(self.qmp.read_memory(address, length)?)
    }

    /// Reads them; tells whether virtual time went on.
    pub(crate) fn read(&mut self, manifest: &Manifest) -> Result<bool, RunnerError> {
        let cores = manifest.cores;
        let length = usize::try_from(cores).unwrap_or(0) * CORE_STATS_SIZE;
        let snapshot = Snapshot::parse(&self.qmp.read_memory(manifest.stats, length)?, cores)?;
        snapshot.check(manifest)?;
        let progress = snapshot.now_ns() != self.snapshot.now_ns();
        self.snapshot = snapshot;
        for (metrics, partition) in self.metrics.iter_mut().zip(&manifest.partitions) {
            if partition.metrics {
                let address = partition.window + METRICS as u64;
                *metrics = stats::metrics(&self.qmp.read_memory(address, size_of::<Metrics>())?);
            }
        }
        self.queues = Vec::new();
        for queue in &manifest.queues {
            let writers = self.qmp.read_memory(queue.memory, size_of::<QueueHeader>())?;
            let readers = self.qmp.read_memory(queue.reader, size_of::<ReaderHeader>())?;
            self.queues.push(stats::queue(&queue.name, &writers, &readers));
        }
        Ok(progress)
    }

    /// Stops virtual time at a moment at which no core executes `code`; `false` after some tries.
    pub(crate) fn stop_outside(&mut self, code: &Range<u64>) -> Result<bool, RunnerError> {
        const TRIES: usize = 1000;
        for _ in 0..TRIES {
            self.qmp.stop()?;
            if !self
                .qmp
                .program_counters()?
                .iter()
                .any(|counter| code.contains(counter))
            {
                return Ok(true);
            }
            self.qmp.resume()?;
        }
        Ok(false)
    }

    /// Stops virtual time at a moment at which no core is in the middle of a charge, or after some tries at any, reads
    /// the counts a last time, takes what nobody has taken out of the consoles' rings
    /// (by partition index), and asks QEMU to end.
    pub(crate) fn collect(&mut self, manifest: &Manifest) -> Result<Vec<Vec<u8>>, RunnerError> {
        const TRIES: usize = 20;
        for _ in 0..TRIES {
            self.qmp.stop()?;
            self.read(manifest)?;
            if self.snapshot.is_between_charges() {
                break;
            }
            self.qmp.resume()?;
        }
        self.qmp.stop()?;
        let mut left = Vec::new();
        for partition in &manifest.partitions {
            left.push(stats::undrained(
                &self.qmp.read_memory(partition.window, WINDOW_SIZE)?,
            ));
        }
        self.qmp.quit()?;
        Ok(left)
    }
}
