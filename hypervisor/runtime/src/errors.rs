// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Asynchronous errors at the world switch: blamed on the vCPU that is loaded, or the core stops (design
//! decision D3).

use bulkhead_abi::health::Error;
use bulkhead_abi::stats::ENTRY_SERROR;
use bulkhead_arch::errors;

use crate::core_state::PerCore;
use crate::park::park;
use crate::vcpu_field;

/// Vector of an SError that EL2 takes while it runs, as a core's failure record names it.
const SERROR_VECTOR: u64 = 7;

/// What a synchronisation found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Errors {
    /// Nothing.
    None,
    /// An error; the partition of the loaded vCPU was told to stop.
    Blamed,
}

impl PerCore {
    /// Takes an error that is pending. It is that of the vCPU whose registers are loaded; without one it has no
    /// known owner, and the core parks. Implements: BH-CORE-006.
    pub fn settle_errors(&mut self) -> Errors {
        let Some(esr) = errors::synchronise() else {
            return Errors::None;
        };
        let index = usize::try_from(self.index()).unwrap_or(usize::MAX);
        let Some((vcpu, _)) = self.current() else {
            park(index, Some(Error::SError), SERROR_VECTOR, [esr.get(), 0, 0])
        };
        let counter = ENTRY_SERROR.wrapping_mul(size_of::<u64>());
        vcpu.stats.add64(vcpu_field!(entries).wrapping_add(counter), 1);
        self.fault(esr.get());
        Errors::Blamed
    }
}
