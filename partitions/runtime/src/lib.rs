// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runtime for bare-metal Rust partitions.
//!
//! The protocols and calculations are pure and run on the host too: [`ring`], [`metrics`], [`sampling`],
//! [`queuing`], [`shared`], [`e2e`], [`gauge`], [`settings`], [`periodic`], [`machine`], [`translation`]. What touches the processor is in `el1`, which exists
//! only on the target and with the feature of that name.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(all(target_os = "none", feature = "el1")), forbid(unsafe_code))]
#![deny(missing_docs)]

pub mod arguments;
pub mod e2e;
#[cfg(all(target_os = "none", feature = "el1"))]
pub mod el1;
pub mod gauge;
pub mod ledger;
pub mod machine;
pub mod metrics;
pub mod periodic;
pub mod queuing;
pub mod ring;
pub mod sampling;
pub mod settings;
pub mod shared;
pub mod translation;
