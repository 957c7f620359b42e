// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMCs of partitions, of which the firmware gets those that the spec lists.

use bulkhead_abi::health::Error;
use bulkhead_arch::firmware::call;
use bulkhead_policy::firmware::Forward;

use crate::core_state::PerCore;
use crate::psci::set;
use crate::stats::Account;
use crate::view;

impl PerCore {
    /// Answers `SMC #immediate` of the current vCPU, which is past it: by the firmware, whose time is the vCPU's
    /// execution, or as a call that no partition may make. `x4` and above stay the guest's.
    /// Implements: BH-SMC-001, BH-SMC-003.
    pub fn on_smc(&mut self, immediate: u16, esr: u64) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let [x0, x1, x2, x3, x4, x5, x6, x7, ..] = vcpu.context.x;
        let (partition, registers) = (vcpu.partition, [x0, x1, x2, x3, x4, x5, x6, x7]);
        let Some(forward) = Forward::decide(&partition.calls, partition.vmid, immediate, &registers) else {
            return self.refuse_call(esr);
        };
        let begin = running.ledger.charge(Account::El2);
        let results = call(&forward);
        let end = running.ledger.charge(Account::Run(vcpu.stats));
        set(vcpu, results);
        let taken = end.wrapping_sub(begin);
        if forward.is_late(taken, view::handoff().frequency) {
            self.blame(Error::DeadlineOverrun, [taken, 0, x0]);
        }
    }
}
