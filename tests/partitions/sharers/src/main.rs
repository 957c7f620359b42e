// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Those who share a slot.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod edge;
#[cfg(target_os = "none")]
mod partition;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("sharers runs inside a partition, not on the host");
    std::process::ExitCode::from(2)
}
