// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `vehicle-state`: prints what `adas` publishes, once a second, on a Linux that knows nothing of Bulkhead.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
#[expect(dead_code, reason = "`settings` uses the rest")]
mod linux;
#[cfg(target_os = "none")]
mod port;
#[cfg(target_os = "none")]
mod program;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("vehicle-state runs inside the infotainment partition, not on the host");
    std::process::ExitCode::from(2)
}
