// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `measure`: what a Linux costs that runs alone on a core, by its own counter; the same program runs natively.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
#[expect(dead_code, reason = "`vehicle-state` and `settings` use the rest")]
mod linux;
#[cfg(target_os = "none")]
#[path = "measure/program.rs"]
mod program;
#[cfg(target_os = "none")]
#[path = "measure/time.rs"]
mod time;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("measure runs inside a Linux partition, not on the host");
    std::process::ExitCode::from(2)
}
