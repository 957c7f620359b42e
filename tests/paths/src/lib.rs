// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many instructions a linked AArch64 program can execute at most from an exception to its return or to sleep.
//!
//! [`Paths`] is EL2's run-time part with the bounds of its loops ([`Annotations`]); [`Analysis`] is what it rests on.
//!
//! Implements: BH-BENCH-010.
#![forbid(unsafe_code)]

mod annotations;
pub mod flow;
mod lengths;
mod longest;
mod places;

pub use annotations::{Annotations, Bound, Excluded, LoopBound, Rare, Seen};
pub use lengths::{Analysis, ByFunction, Lengths, Ways};
pub use longest::Paths;
pub use places::{Place, Places};

/// Why a program was not analysed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is no such program, or its debug information is damaged.
    #[error("{0}")]
    File(String),
    /// Instructions that are not understood.
    #[error(transparent)]
    Code(#[from] bulkhead_stack::Error),
    /// Loops without a bound.
    #[error("{0}")]
    Unbounded(String),
}
