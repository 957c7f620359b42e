// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The time ledger of a core as a partition that may read it is shown it.
//!
//! A core adds the ticks of a charge to an account first, and then says how far its ledger has come. So whoever reads the
//! latter first and finds it to be the sum of the accounts has read the ledger as it was at one time.

use bulkhead_abi::hypercall::{LEDGER_AGAIN, LEDGER_NOBODY, SUCCESS};
use bulkhead_abi::stats::MAX_VCPUS_PER_CORE;

/// One core's ledger, read word by word while the core may write it; ticks since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How far the ledger has come; read before all others.
    pub elapsed: u64,
    /// EL2's.
    pub el2: u64,
    /// Sleep.
    pub idle: u64,
    /// What the core's vCPUs executed, in blob order, 0 where there is none.
    pub run: [u64; MAX_VCPUS_PER_CORE],
    /// Partition index and index inside the partition of each; `None` where there is none.
    pub whose: [Option<(u32, u32)>; MAX_VCPUS_PER_CORE],
}

impl Reading {
    /// `x0` and the values from `x1` on, zeros unless the accounts are those of one time.
    /// Implements: BH-STAT-002.
    pub fn answer(&self) -> (i64, [u64; 17]) {
        let accounts = [self.el2, self.idle].into_iter().chain(self.run);
        let mut values = [0; 17];
        if accounts.clone().fold(0, u64::wrapping_add) != self.elapsed {
            return (LEDGER_AGAIN, values);
        }
        let whose = self.whose.iter().map(|whose| {
            whose.map_or(LEDGER_NOBODY, |(partition, vcpu)| {
                u64::from(partition) << 32 | u64::from(vcpu)
            })
        });
        let shown = [self.elapsed].into_iter().chain(accounts).chain(whose);
        for (value, shown) in values.iter_mut().zip(shown) {
            *value = shown;
        }
        (SUCCESS, values)
    }
}
