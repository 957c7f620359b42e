// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that EL2 drives: GICv3, GICv2, SMMUv3, PCIe configuration, the watchdog.
//!
//! A driver is created from a base address once ([`mmio::Frame::new`] is the only claim about memory); all
//! its accesses are bounded to its frame and every poll is bounded by the caller's number of tries.
#![cfg_attr(not(test), no_std)]
#![deny(
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

pub mod gic;
pub mod gicv2;
pub mod i6300esb;
#[cfg(all(target_arch = "aarch64", target_os = "none"))]
mod memory;
pub mod mmio;
pub mod pci;
pub mod smmu;
