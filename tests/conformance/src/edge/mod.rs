// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything of the suite that is not safe Rust: entries, registers, memory outside the image.

pub(crate) mod call;
pub(crate) mod console;
mod entry;
mod memory;
pub(crate) mod mmio;
pub(crate) mod registers;
pub(crate) mod span;

pub(crate) use entry::{second_entry, stop};
