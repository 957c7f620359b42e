// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GICv3 for guests: a virtual one for sliced partitions ([`Vgic`]) and mediated accesses to the physical
//! one for partitions on dedicated cores ([`direct`]); [`v2`] makes a GICv2 of both. The README beside this file says in which order EL2 calls it.
//!
//! # References
//! Arm IHI 0069, Arm Generic Interrupt Controller Architecture Specification, GICv3 and GICv4.

mod bank;
mod decode;
pub mod direct;
mod events;
mod fast;
mod lists;
mod registers;
mod state;
mod types;
pub mod v2;
mod words;

pub use decode::{BitRegister, Register, decode, observes_state};
pub use lists::Fill;
pub use state::{PHYSICAL_PPIS, Vgic, VgicConfig};
pub use types::{
    Access, AccessSize, Frame, LIST_REGISTERS, MAX_VCPUS, Outcome, PRIORITY_MASK, PhysicalChange,
    PhysicalOperation, SPI_WORDS, VcpuSet,
};
