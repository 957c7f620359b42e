// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statistics and the time ledger of a core.
//!
//! Every tick of a core is charged to exactly one of: a vCPU's execution, sleep, EL2. The sum of the three is
//! the time since the ledger was opened, by construction. Implements: BH-SCHED-006.

use core::mem::offset_of;

use bulkhead_abi::hypercall::{INVALID_PARAMETERS, NOT_SUPPORTED};
use bulkhead_abi::stats::{CoreStats, JobStats, VCPU_STATS_OFFSET, VCPU_STATS_SIZE, VcpuStats};
use bulkhead_arch::barrier::counter;
use bulkhead_arch::words::SharedBlock;
use bulkhead_policy::ledger::Reading;
use bulkhead_types::tables::partition_flag;

use crate::core_state::{LocalVcpu, Running};
use crate::view;

/// Byte offset of a field of [`CoreStats`].
#[macro_export]
macro_rules! core_field {
    ($field:ident) => {
        core::mem::offset_of!(bulkhead_abi::stats::CoreStats, $field)
    };
}

/// Byte offset of a field of [`VcpuStats`].
#[macro_export]
macro_rules! vcpu_field {
    ($field:ident) => {
        core::mem::offset_of!(bulkhead_abi::stats::VcpuStats, $field)
    };
}

/// Adds one to a count, at offset `field`, of a job of EL2 in the calling core's block.
pub fn count_job(running: &Running, job: usize, field: usize) {
    let entry = job.wrapping_mul(size_of::<JobStats>());
    let at = core_field!(jobs).wrapping_add(entry).wrapping_add(field);
    let count = running.stats.read32_acquire(at);
    running.stats.write32(at, count.wrapping_add(1));
}

/// Who is charged for the time since the last call.
#[derive(Clone, Copy)]
pub enum Account {
    /// A vCPU that executed.
    Run(SharedBlock),
    /// EL2.
    El2,
    /// Sleep, in the slot of this vCPU or in nobody's.
    Idle(Option<SharedBlock>),
}

/// The ledger of one core.
pub struct Ledger {
    core: SharedBlock,
    mark: u64,
    epoch: u64,
}

impl Ledger {
    /// Opens the ledger at the epoch: what a dedicated core does before is charged to nobody.
    pub const fn open(core: SharedBlock, epoch: u64) -> Self {
        Self {
            core,
            mark: epoch,
            epoch,
        }
    }

    /// Charges the time since the last charge; gives the counter. What EL2 is charged with ends its work on the
    /// ledger: how far that has come is published (0 before the epoch).
    #[inline]
    pub fn charge(&mut self, account: Account) -> u64 {
        let now = counter();
        // Before the epoch nobody is charged.
        let ticks = now.saturating_sub(self.mark);
        self.mark = self.mark.wrapping_add(ticks);
        match account {
            Account::Run(vcpu) => vcpu.add64(offset_of!(VcpuStats, run_ticks), ticks),
            Account::El2 => {
                self.core.add64(offset_of!(CoreStats, el2_ticks), ticks);
                let shown = self.mark.wrapping_sub(self.epoch);
                // Who reads this first and then the accounts finds at least what it covers.
                self.core.write64_release(offset_of!(CoreStats, now), shown);
            }
            Account::Idle(vcpu) => {
                self.core.add64(offset_of!(CoreStats, idle_ticks), ticks);
                if let Some(vcpu) = vcpu {
                    vcpu.add64(offset_of!(VcpuStats, idle_ticks), ticks);
                }
            }
        }
        now
    }
}

/// Shows the ledger of a core to a partition that the spec entitles. Implements: BH-STAT-002, BH-STAT-003.
pub fn on_ledger_read(vcpu: &mut LocalVcpu, running: &mut Running, core: u32) -> i64 {
    if vcpu.partition.flags & partition_flag::MAY_READ_LEDGER == 0 {
        return NOT_SUPPORTED;
    }
    let entry = usize::try_from(core)
        .ok()
        .and_then(|k| running.system.cores.get(k));
    let Some(entry) = entry else {
        return INVALID_PARAMETERS;
    };
    // The caller's own core is in the middle of EL2's work: charged now, its ledger adds up.
    running.ledger.charge(Account::El2);
    let block = view::core_stats(core);
    let mut reading = Reading {
        elapsed: block.read64_acquire(core_field!(now)),
        el2: block.read64(core_field!(el2_ticks)),
        idle: block.read64(core_field!(idle_ticks)),
        run: Default::default(),
        whose: Default::default(),
    };
    let listed = running.system.vcpus_of(entry).iter().enumerate();
    for ((local, listed), (run, whose)) in listed.zip(reading.run.iter_mut().zip(&mut reading.whose)) {
        let base = VCPU_STATS_OFFSET.wrapping_add(local.wrapping_mul(VCPU_STATS_SIZE));
        *run = block.read64(base.wrapping_add(vcpu_field!(run_ticks)));
        let found = usize::try_from(listed.vcpu).ok();
        let found = found.and_then(|global| running.system.vcpus.get(global));
        *whose = found.map(|vcpu| (vcpu.partition, vcpu.index));
    }
    let (result, values) = reading.answer();
    let [_, registers @ ..] = &mut vcpu.context.x;
    for (register, value) in registers.iter_mut().zip(values) {
        *register = value;
    }
    result
}
