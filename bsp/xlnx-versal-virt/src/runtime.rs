// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The run-time part of EL2 on QEMU's Xilinx Versal.
#![cfg_attr(target_arch = "aarch64", no_std, no_main)]

#[cfg(target_arch = "aarch64")]
bulkhead_runtime::runtime_binary!(bulkhead_xlnx_versal_virt::XlnxVersalVirt);

#[cfg(not(target_arch = "aarch64"))]
fn main() {}
