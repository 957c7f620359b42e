// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The boot part of EL2 on the ZCU102.
#![cfg_attr(target_arch = "aarch64", no_std, no_main)]

#[cfg(target_arch = "aarch64")]
bulkhead_boot::boot_binary!(bulkhead_xlnx_zcu102::XlnxZcu102);

#[cfg(not(target_arch = "aarch64"))]
fn main() {}
