// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fuzz targets: what reads bytes that nobody vouches for, each with an oracle that knows more than a panic.
//!
//! Each target is a function of an input's bytes, which panics when it finds something. The programs in `bin` hand them
//! to libFuzzer; `tests/coverage.rs` builds those with coverage counters, and runs them; `tests/seeds.rs` replays the
//! seeds without any engine. An input is a whole program: the same bytes find the same thing again.
//!
//! - [`spec`]: spec and board files.
//! - [`trap`]: a sequence of traps and interrupts, into the policy code that EL2 executes.
//! - [`blob`]: an edited system, to EL2's verification and to the checker.
//! - [`dtb`]: the board's device tree, as boot reads it.
//! - [`payload`]: ELF files and Linux images.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is what a target answers with"
)]
#![forbid(unsafe_code)]

pub mod blob;
mod bytes;
pub mod dtb;
pub mod payload;
pub mod scene;
pub mod spec;
pub mod trap;
