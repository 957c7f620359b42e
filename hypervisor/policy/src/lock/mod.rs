// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks: the order of ticket locks, and locks with priority inheritance (design decision D7, kinds (a) and (b)).
//!
//! - [`ticket`]: inside EL2, for sections of a few dozen instructions.
//! - [`arbiter`]: between partitions. The owner is guest code; EL2 boosts its vCPU while somebody waits.
//! - [`helped`]: inside EL2. The owner's job is cut into steps; a core that waits executes what is left of them.

pub mod arbiter;
pub mod helped;
pub mod ticket;
