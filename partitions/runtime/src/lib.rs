// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runtime for bare-metal Rust partitions.
#![no_std]
