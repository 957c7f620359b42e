// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counts what placement and tables look at, so that a test can hold the work for each page constant.
//!
//! Counted are areas that a search passes, granules of colours, blocks whose tables are counted, table pages that are
//! looked into and entries that are written out.

use std::cell::Cell;

thread_local! {
    /// Of this thread: a system is compiled by one.
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Counts some steps.
pub(crate) fn add(count: u64) {
    STEPS.with(|steps| steps.set(steps.get().wrapping_add(count)));
}

/// Steps of this thread so far.
pub(crate) fn steps() -> u64 {
    STEPS.with(Cell::get)
}
