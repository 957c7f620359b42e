// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The begin and the end of each path through EL2: where its time is charged, and its event is written.

use bulkhead_abi::trace::{Event, Kind};
use bulkhead_arch::context::VcpuContext;

use crate::core_state::{PerCore, Running};
use crate::park::halt;
use crate::stats::Account;
use crate::trace::{record, shown};

/// The path through EL2 that a core is on.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Counter value at its begin.
    pub begin: u64,
    /// Global index of the vCPU that it came from, or [`bulkhead_abi::trace::NO_VCPU`].
    pub from: u8,
    /// Why it began: `ESR_EL2.EC`, or a `CLASS_` of [`bulkhead_abi::trace`].
    pub class: u8,
}

impl Running {
    /// Records the path that ends now, at `end`: `next` goes on, or nobody.
    #[inline]
    pub fn path_ends(&self, end: u64, next: u8) {
        let Path { begin, from, class } = self.path;
        let length = u32::try_from(end.wrapping_sub(begin)).unwrap_or(u32::MAX);
        let detail = u16::from_le_bytes([class, next]);
        record(self.stats, Event::new(begin, Kind::Path, from, detail, length));
    }
}

impl PerCore {
    /// Accounts an entry from the guest, of exception class `class`: everything since the last return was its
    /// execution. Gives whether its vCPU has to leave the core, because its partition stops.
    /// Implements: BH-LIFE-005.
    pub fn entered(&mut self, class: u8) -> bool {
        let Some((vcpu, running)) = self.current() else {
            return false;
        };
        vcpu.context.repeat.intid = 0;
        running.path = Path {
            begin: running.ledger.charge(Account::Run(vcpu.stats)),
            from: shown(vcpu.global),
            class,
        };
        crate::lifecycle::life(vcpu.shared).must_stop(vcpu.entry.index)
    }

    /// Ends an EL2 entry: gives the context of vCPU `next`, which [`Self::unchanged`] or `pick` named.
    #[inline]
    pub fn leave(&mut self, next: usize) -> &VcpuContext {
        match (self.vcpus.get_mut(next), self.running.as_mut()) {
            (Some(Some(vcpu)), Some(running)) => {
                vcpu.used = true;
                let now = running.ledger.charge(Account::El2);
                running.path_ends(now, shown(vcpu.global));
                &vcpu.context
            }
            // Both give indices of present vCPUs only.
            _ => halt(),
        }
    }
}
