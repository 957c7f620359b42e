// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls out of the partition. Implements: BH-PART-004.

use bulkhead_abi::hypercall::{MARK_STEADY, SUCCESS};
use smccc::Hvc;

/// See [`MARK_STEADY`].
pub(super) fn mark_steady() -> Result<(), i64> {
    let [result, ..] = smccc::hvc64(MARK_STEADY, [0; 17]);
    match result.cast_signed() {
        SUCCESS => Ok(()),
        error => Err(error),
    }
}

/// PSCI `SYSTEM_OFF`; returns only when the machine has no PSCI.
pub(super) fn system_off() {
    // An error leaves nothing to do but what the caller does when this returns.
    let _ = smccc::psci::system_off::<Hvc>();
}
