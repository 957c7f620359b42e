// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The run-time part of EL2 on template.
#![cfg_attr(target_arch = "aarch64", no_std, no_main)]

#[cfg(target_arch = "aarch64")]
bulkhead_runtime::runtime_binary!(bulkhead_template::ThisBoard);

#[cfg(not(target_arch = "aarch64"))]
fn main() {}
