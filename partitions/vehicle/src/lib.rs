// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The car on the other end of the CAN bus: plant model, scenarios, supervision of brake requests.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bus;
pub mod car;
pub mod plant;
pub mod scenario;
pub mod stamps;
