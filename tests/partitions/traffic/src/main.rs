// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Two ends of a CAN bus that count every frame.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod partition;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("traffic runs inside a partition, not on the host");
    std::process::ExitCode::from(2)
}
