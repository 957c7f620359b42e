// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls out of the partition. Implements: BH-PART-004.

use bulkhead_abi::hypercall::{DOORBELL_RING, LEDGER_READ, LOCK_RELEASE, LOCK_WAIT, MARK_STEADY, SUCCESS};
use smccc::Hvc;

/// See [`MARK_STEADY`].
pub(super) fn mark_steady() -> Result<(), i64> {
    let [result, ..] = smccc::hvc64(MARK_STEADY, [0; 17]);
    match result.cast_signed() {
        SUCCESS => Ok(()),
        error => Err(error),
    }
}

fn call(function: u32, arguments: [u64; 2]) -> (i64, u64) {
    let mut all = [0; 17];
    let [first, second, ..] = &mut all;
    [*first, *second] = arguments;
    let [result, value, ..] = smccc::hvc64(function, all);
    (result.cast_signed(), value)
}

/// See [`LEDGER_READ`]: the result and what follows it.
pub(super) fn ledger(core: u32) -> (i64, [u64; 17]) {
    let mut arguments = [0; 17];
    let [first, ..] = &mut arguments;
    *first = core.into();
    let [result, values @ ..] = smccc::hvc64(LEDGER_READ, arguments);
    (result.cast_signed(), values)
}

/// See [`DOORBELL_RING`].
pub(super) fn ring(doorbell: u32) -> i64 {
    call(DOORBELL_RING, [doorbell.into(), 0]).0
}

/// See [`LOCK_WAIT`]: the result and the word.
pub(super) fn lock_wait(lock: u32) -> (i64, u64) {
    call(LOCK_WAIT, [lock.into(), 0])
}

/// See [`LOCK_RELEASE`].
pub(super) fn lock_release(lock: u32, word: u64) -> i64 {
    call(LOCK_RELEASE, [lock.into(), word]).0
}

/// PSCI `SYSTEM_OFF`; returns only when the machine has no PSCI.
pub(super) fn system_off() {
    // An error leaves nothing to do but what the caller does when this returns.
    let _ = smccc::psci::system_off::<Hvc>();
}
