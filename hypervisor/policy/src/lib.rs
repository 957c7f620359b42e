// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Decisions of EL2 as pure code: facts in, actions out.
//!
//! - [`trap`], [`fault`]: what a trap is, from the syndrome registers. [`abort`]: what an access gets that nobody describes.
//! - [`sysreg`], [`registers`]: what a trapped system-register access gets. [`identity`]: the features that a guest sees.
//! - [`smccc`], [`psci`]: which call a guest makes, what it answers; power states of vCPUs. [`firmware`]: which SMCs reach the firmware.
//! - [`health`]: signs of life of partitions. [`watchdog`]: those of cores.
//! - [`lifecycle`]: a partition's life from load to restart or stop. [`root`]: its live root page meanwhile.
//! - [`schedule`]: the slot table of a core in counter ticks.
//! - [`sharing`]: partitions that share a slot: priorities, budgets, slack.
//! - [`bandwidth`]: how much memory traffic a core may make.
//! - [`ledger`]: what a partition is shown of a core's time.
//! - [`steal`]: how long a vCPU could have executed and did not.
//! - [`lock`]: locks with priority inheritance, and the jobs inside EL2 in which a waiter helps.
//! - [`uart`]: the emulated PL011.
//! - [`vgic`]: the GIC that a guest sees: virtual, or mediated.
//! - [`ring`], [`mux`], [`mod@line`]: byte rings with claimed indices; the serial multiplex; how far the drainer is with it.
//!
//! Nothing here holds a pointer, reads a register or knows a board; nothing allocates or can panic.
//! Implements: BH-FUZZ-003.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

pub mod abort;
pub mod bandwidth;
mod bits;
pub mod dma;
pub mod doorbell;
pub mod fault;
pub mod firmware;
pub mod health;
pub mod identity;
pub mod ledger;
pub mod lifecycle;
pub mod line;
pub mod lock;
pub mod mux;
pub mod psci;
pub mod registers;
pub mod ring;
pub mod root;
pub mod schedule;
pub mod sharing;
pub mod smccc;
pub mod steal;
pub mod sysreg;
pub mod trap;
pub mod uart;
pub mod vgic;
pub mod watchdog;
