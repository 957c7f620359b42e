// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Crash records of partitions, read from EL2's memory. Implements: BH-HEALTH-034.

use bulkhead_abi::crash::{
    CRASH_OFFSET, CRASH_SIZE, CrashRecord, DUMP_HEAD, DUMP_MAGIC, DumpHead, EL2_CRASH_OFFSET, El2Crash,
};
use bulkhead_abi::stats::{CORE_STATS_SIZE, core_state, partition_state};
use bulkhead_model::manifest::Ram;
use zerocopy::FromBytes;

use crate::{RunnerError, Session};

/// A vCPU that an error took off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crashed {
    /// Its index in the partition.
    pub vcpu: u32,
    /// What EL2 recorded.
    pub record: CrashRecord,
}

/// What is left of a partition's newest crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// The vCPUs that were taken off at the end of that life, by index.
    pub vcpus: Vec<Crashed>,
    /// First address and content of its RAM, if it was kept, or no later life has begun and its
    /// RAM is one piece.
    pub ram: Option<(u64, Vec<u8>)>,
}

/// A core on which EL2 failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct El2Failure {
    /// The core.
    pub core: u32,
    /// Vector number, `ESR_EL2`, `ELR_EL2`, `FAR_EL2`.
    pub failure: [u64; 4],
    /// The registers.
    pub registers: El2Crash,
}

impl Session {
    /// The first core on which an exception of EL2's own ended it. Implements: BH-HEALTH-044.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn el2_failure(&mut self) -> Result<Option<El2Failure>, RunnerError> {
        let cores = self.stats()?.cores.iter().flatten();
        let mut failed =
            cores.filter(|c| c.stats.state == core_state::FAILED && c.stats.failure[0] != u64::MAX);
        let Some((core, failure)) = failed.next().map(|c| (c.stats.core, c.stats.failure)) else {
            return Ok(None);
        };
        let block = self.manifest.stats + u64::from(core) * CORE_STATS_SIZE as u64;
        let bytes = self.memory(block + EL2_CRASH_OFFSET as u64, size_of::<El2Crash>())?;
        let found = El2Crash::read_from_prefix(&bytes).ok();
        Ok(found.map(|(registers, _)| El2Failure {
            core,
            failure,
            registers,
        }))
    }

    /// The newest crash of partition `index`; `None` while there is none, or while its vCPUs are being stopped.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn crash(&mut self, index: usize) -> Result<Option<Crash>, RunnerError> {
        let mut found = Vec::new();
        let own = |v: &&bulkhead_model::manifest::Vcpu| v.partition as usize == index;
        let members: Vec<_> = self.manifest.vcpus.iter().filter(own).cloned().collect();
        for member in &members {
            let core = self.manifest.stats + u64::from(member.core) * CORE_STATS_SIZE as u64;
            let place = CRASH_OFFSET as u64 + u64::from(member.slot) * CRASH_SIZE as u64;
            let bytes = self.memory(core + place, size_of::<CrashRecord>())?;
            if let Ok((record, _)) = CrashRecord::read_from_prefix(&bytes)
                && record.number > 0
            {
                found.push(Crashed {
                    vcpu: member.index,
                    record,
                });
            }
        }
        // A vCPU may have a record of an older life only.
        let Some(newest) = found.iter().map(|c| c.record.start).max() else {
            return Ok(None);
        };
        found.retain(|c| c.record.start == newest);
        let (state, restarts) = self.state_of(index);
        let stopped = state == partition_state::FAILED;
        // As it was when the statistics were read, which may be before the record.
        if restarts < newest || restarts == newest && !stopped {
            return Ok(None);
        }
        let partition = self.manifest.partitions.get(index);
        let (ram, kept) = partition.map_or((None, None), |p| (p.ram, p.dump));
        if let Some(kept) = kept.filter(|_| restarts > newest) {
            let bytes = self.kept(&kept, newest)?;
            // The next life's loader keeps it before anything else.
            if bytes.is_none() && restarts == newest + 1 {
                return Ok(None);
            }
            let ram = bytes.map(|bytes| (kept.ipa, bytes));
            return Ok(Some(Crash { vcpus: found, ram }));
        }
        let ram = match ram.filter(|_| restarts == newest && stopped) {
            Some(ram) => {
                let size = usize::try_from(ram.size).unwrap_or(usize::MAX);
                Some((ram.ipa, self.memory(ram.address, size)?))
            }
            None => None,
        };
        Ok(Some(Crash { vcpus: found, ram }))
    }

    /// The RAM that a partition's start `start` held at its end, if it is that which is kept. Implements: BH-HEALTH-063.
    fn kept(&mut self, kept: &Ram, start: u64) -> Result<Option<Vec<u8>>, RunnerError> {
        let bytes = self.memory(kept.address, size_of::<DumpHead>())?;
        let wanted = DumpHead {
            magic: DUMP_MAGIC,
            start,
            size: kept.size,
        };
        if DumpHead::read_from_prefix(&bytes).ok().map(|(head, _)| head) != Some(wanted) {
            return Ok(None);
        }
        let size = usize::try_from(kept.size).unwrap_or(usize::MAX);
        self.memory(kept.address + DUMP_HEAD, size).map(Some)
    }

    /// State and restarts of a partition, as its vCPU 0's core keeps them.
    fn state_of(&self, index: usize) -> (u64, u64) {
        let vcpus = self.manifest.vcpus.iter();
        let first = vcpus
            .enumerate()
            .find(|(_, v)| v.partition as usize == index && v.index == 0);
        let counts = first.and_then(|(global, _)| self.counts.snapshot.vcpu(&self.manifest, global));
        counts.map_or((0, 0), |(_, v)| (v.partition_state, v.restarts))
    }
}
