// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a guest and the host tool can see of Bulkhead.
//!
//! Every layout here is little-endian, versioned, and shared between three parties that may be built
//! apart: EL2, the software inside a partition, and the host tool. Nothing here is trusted by EL2: a value
//! that a guest wrote is a claim until it was checked.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod crash;
pub mod health;
pub mod hypercall;
pub mod lock;
pub mod mux;
pub mod queuing;
pub mod sampling;
pub mod start;
pub mod stats;
pub mod steal;
pub mod trace;
pub mod window;
