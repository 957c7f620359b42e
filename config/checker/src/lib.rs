// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Proves that a built system isolates its partitions.
//!
//! Independent of what built it: no crate of the workspace is used, every format is decoded here from its
//! documentation (Implements: BH-CHK-072). [`prove`] reads `hypervisor.bin`, `system.blob` and `grants.txt`, walks every translation
//! root and every stream completely and decides each of [`PROPERTIES`]. [`finished::check`] compares a finished build,
//! its image and certificates, with that proof.
#![forbid(unsafe_code)]

mod blob;
pub mod certificate;
mod colours;
pub mod contents;
mod contest;
pub mod finished;
mod grants;
mod image;
mod locks;
mod places;
mod proof;
mod properties;
mod range;
mod reach;
mod ste;
mod system;
mod tables;
mod walk;
mod work;

pub use proof::{Failure, Inputs, Proof, prove};
pub use properties::{PROPERTIES, Property};
