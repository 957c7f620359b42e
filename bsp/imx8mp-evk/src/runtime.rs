// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The run-time part of EL2 on the NXP i.MX8MP EVK.
#![cfg_attr(target_arch = "aarch64", no_std, no_main)]

#[cfg(target_arch = "aarch64")]
bulkhead_runtime::runtime_binary!(bulkhead_imx8mp_evk::Imx8mpEvk);

#[cfg(not(target_arch = "aarch64"))]
fn main() {}
