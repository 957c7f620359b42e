// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statistics and the time ledger of a core.
//!
//! Every tick of a core is charged to exactly one of: a vCPU's execution, sleep, EL2. The sum of the three is
//! the time since the ledger was opened, by construction. Implements: BH-SCHED-006.

use core::mem::offset_of;

use bulkhead_abi::stats::{CoreStats, VcpuStats};
use bulkhead_arch::barrier::counter;
use bulkhead_arch::words::SharedBlock;

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
                self.core.write64(offset_of!(CoreStats, now), shown);
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
