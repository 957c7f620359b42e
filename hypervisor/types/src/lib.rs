// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the system compiler emits and EL2 reads.
//!
//! - [`image`]: the header of `hypervisor.bin`, which fixes EL2's memory map for a board.
//! - [`blob`]: the header and section table of a system blob.
//! - [`tables`]: the entries of its tables.
//! - [`system`]: a checked view of a blob; every index in it is in range.
//! - [`load`]: the list of steps that the EL1 loader of a partition executes.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod blob;
pub mod image;
pub mod load;
pub mod system;
pub mod tables;

#[cfg(not(target_endian = "little"))]
compile_error!("all formats are little-endian and are read in place");
