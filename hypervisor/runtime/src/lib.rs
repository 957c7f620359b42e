// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The run-time part of EL2: what happens at a trap and at a slot's begin.
//!
//! - [`entry`]: the functions that the vectors call; the only `unsafe` of this crate beside [`view`].
//! - [`core`](mod@core_state): one core's state and what dedicated and sliced cores share.
//!   `next`: what runs next.
//! - [`sliced`]: the slot table at work. [`sharing`]: slots that several vCPUs share. [`budget`]: memory traffic. [`trap`]: one trap's life. [`gic`]: the vGIC between model and hardware;
//!   [`interrupts`]: physical ones of a sliced core; [`direct`]: the same for dedicated cores; [`gic_cpu`]: what differs between GIC versions. [`predictors`]: what the switch does about them.
//! - [`streams`]: a partition's bus masters, open and closed. [`dma`]: their faults.
//! - [`lifecycle`], [`reload`]: start, restart and stop of partitions. [`locks`]: locks between partitions.
//!   [`errors`]: SErrors. [`psci`]: guests' calls.
//! - [`health`]: the health monitor; [`supervise`]: signs of life and notices; [`watchdog`]: the board's.
//! - [`stats`]: counts and the time ledger. [`path`]: each path's begin and end. [`trace`]: what each core did last.
//! - [`housekeeping`]: what EL2 does in slots of its own. [`console`]: the drainer. [`log`]: EL2's own log. [`shared`]: what several cores may touch.
#![no_std]
#![cfg(target_arch = "aarch64")]
#![deny(missing_docs)]
#![deny(unsafe_code)]

pub mod budget;
pub mod console;
pub mod core_state;
pub mod crash;
pub mod direct;
mod direct_v2;
pub mod dma;
mod doorbell;
pub mod entry;
pub mod errors;
mod firmware;
pub mod gic;
pub mod gic_cpu;
pub mod health;
pub mod housekeeping;
pub mod interrupts;
pub mod lifecycle;
pub mod locks;
pub mod log;
mod next;
mod park;
pub mod path;
pub mod physical;
pub mod predictors;
pub mod psci;
pub mod reload;
pub mod shared;
pub mod sharing;
pub mod sliced;
pub mod stats;
mod steal;
pub mod streams;
pub mod supervise;
pub mod trace;
pub mod trap;
pub mod view;
pub mod watchdog;
