// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Emergency braking.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod arguments;
pub mod braking;
