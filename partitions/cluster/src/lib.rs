// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instrument cluster: what it shows, and what it makes of what it reads.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod gauge;
