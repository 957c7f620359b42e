// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The `cluster` partition.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod partition;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("cluster runs inside a partition, not on the host");
    std::process::ExitCode::from(2)
}
