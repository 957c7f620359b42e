// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a bare-metal partition finds at its first instruction: at EL1, its MMU off, all interrupts masked, in X0 the
//! address of its device tree, in X1 how it is to live; zero in all other general registers.

/// In X1: an ordinary life.
pub const ORDINARY: u64 = 0;
/// In X1: the last life, in which it gives its safe output and no other (`safe_state: output` in the spec).
pub const SAFE_OUTPUT: u64 = 1;
