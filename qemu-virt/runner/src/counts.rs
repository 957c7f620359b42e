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

    /// Stops virtual time.
    pub(crate) fn stop(&mut self) -> Result<(), RunnerError> {
        Ok(self.qmp.stop()?)
    }

    /// Lets virtual time go on, unless the machine has switched itself off.
    pub(crate) fn resume(&mut self) -> Result<(), RunnerError> {
        match self.halted() {
            Some(_) => Ok(()),
            None => Ok(self.qmp.resume()?),
        }
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
            // A machine that has ended does not go on: a charge that was half done stays so.
            if self.snapshot.is_between_charges() || self.halted().is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::manifest;
    use crate::stats::tests::{area, core};
    use bulkhead_abi::stats::VcpuStats;
    use serde_json::{Value, json};
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::{fs, thread};
    use zerocopy::FromZeros;

    /// A machine that its watchdog ends as it is stopped, in the middle of a charge; QEMU lets none such go on.
    fn ended(far: UnixStream, memory: Vec<u8>) {
        let mut writer = far.try_clone().expect("clone");
        let mut say = |line: Value| writeln!(writer, "{line}").expect("said");
        say(json!({ "QMP": { "version": {}, "capabilities": [] } }));
        for line in BufReader::new(far).lines() {
            let request: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            let answer = match request["execute"].as_str().expect("a command") {
                "query-status" => json!({ "return": { "status": "running" } }),
                "cont" => json!({ "error": { "desc": "Resetting the Virtual Machine is required" } }),
                "pmemsave" => {
                    let size = usize::try_from(request["arguments"]["size"].as_u64().expect("a size"));
                    let mut bytes = memory.clone();
                    bytes.resize(size.expect("small"), 0);
                    let file = request["arguments"]["filename"].as_str().expect("a name");
                    fs::write(file, bytes).expect("written");
                    json!({ "return": {} })
                }
                "stop" => {
                    say(json!({ "event": "WATCHDOG", "data": { "action": "reset" } }));
                    json!({ "return": {} })
                }
                _ => json!({ "return": {} }),
            };
            say(answer);
        }
    }

    /// Verifies: BH-REP-002.
    #[test]
    fn a_machine_that_ended_in_the_middle_of_a_charge_is_read_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let mut vcpu = VcpuStats::new_zeroed();
        vcpu.run_ticks = 11;
        let other = VcpuStats {
            vcpu: 1,
            ..VcpuStats::new_zeroed()
        };
        let memory = area(&[(core(0, 1, 10), vec![vcpu]), (core(1, 1, 10), vec![other])]);
        let (near, far) = UnixStream::pair().expect("pair");
        let peer = thread::spawn(move || ended(far, memory));
        let qmp = Qmp::new(near, &folder.path().join("memory")).expect("greeted");
        let manifest = manifest();
        let mut counts = Counts::new(qmp, &manifest);
        let left = counts.collect(&manifest).expect("read");
        assert_eq!(left.len(), manifest.partitions.len());
        assert!(!counts.snapshot.is_between_charges());
        assert_eq!(counts.halted(), Some(crate::qmp::WATCHDOG));
        drop(counts);
        peer.join().expect("the peer");
    }
}
