// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The edge to the processor.
//!
//! Everything here turns values into system-register state or back; it decides nothing. Only this crate,
//! the drivers and the boot part contain `unsafe`.
#![no_std]
#![cfg(target_arch = "aarch64")]
#![deny(missing_docs)]

pub mod barrier;
pub mod budget;
pub mod context;
pub mod errors;
pub mod firmware;
pub mod gic_cpu;
pub mod guest;
pub mod identity;
pub mod lock;
pub mod predictors;
pub mod registers;
pub mod revocation;
pub mod switch;
pub mod vectors;
pub mod words;

pub use aarch64_cpu;
