// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts what a proof looks at, so that a test can hold its work for each page constant.
//!
//! Counted are table entries, ranges that are made, cut or compared, and what is sorted or searched: nothing that is
//! mapped can be looked at again without one of them.

use std::cell::Cell;

thread_local! {
    /// Of this thread: a proof has one.
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Counts one step.
pub(crate) fn step() {
    STEPS.with(|steps| steps.set(steps.get().wrapping_add(1)));
}

/// Steps of this thread so far.
pub(crate) fn steps() -> u64 {
    STEPS.with(Cell::get)
}
