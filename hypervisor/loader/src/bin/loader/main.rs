// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The EL1 loader: executes the load list of its partition and jumps.
//!
//! It owns no writable memory. Its stack is one page of the region that the list's first ZERO step scrubs, chosen
//! so that no COPY or RANDOM step touches it, left out by every ZERO step, and scrubbed last, when no stack is
//! needed any more. It maps all IPAs to themselves as Normal memory; stage 2 gives devices their own type. What
//! it cannot do it reports by a store to its own first byte, which stage 2 refuses: EL2 sees the partition fail
//! in its loader.
//!
//! Implements: BH-BOOT-020.
//!
//! # References
//! Arm DDI 0487 (Arm ARM), "The AArch64 Virtual Memory System Architecture", "Cache maintenance instructions",
//! "Combining stage 1 and stage 2 memory type attributes"; Linux, "Booting AArch64 Linux", "Call the kernel
//! image".
#![cfg_attr(target_arch = "aarch64", no_std, no_main)]
#![deny(clippy::as_conversions, clippy::indexing_slicing)]

#[cfg(target_arch = "aarch64")]
mod entry;
#[cfg(target_arch = "aarch64")]
mod steps;

#[cfg(not(target_arch = "aarch64"))]
fn main() {}
