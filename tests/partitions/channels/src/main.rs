// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parties of channels, one of them hostile.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod bells;
#[cfg(target_os = "none")]
mod hostile;
#[cfg(target_os = "none")]
mod partition;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("channels runs inside a partition, not on the host");
    std::process::ExitCode::from(2)
}
