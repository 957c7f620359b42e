// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `settings`: shows and changes the record that this Linux shares with the instrument cluster under a lock.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
#[expect(dead_code, reason = "`vehicle-state` uses the rest")]
mod linux;
#[cfg(target_os = "none")]
#[path = "settings/lock.rs"]
mod lock;
#[cfg(target_os = "none")]
#[expect(dead_code, reason = "`vehicle-state` uses the rest")]
mod port;
#[cfg(target_os = "none")]
#[path = "settings/program.rs"]
mod program;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("settings runs inside the infotainment partition, not on the host");
    std::process::ExitCode::from(2)
}
