// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GIC, PSCI and timers against the standards' text: one line a case, the same natively and in a partition.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod bench;
#[cfg(target_os = "none")]
mod board;
#[cfg(target_os = "none")]
mod cases;
#[cfg(target_os = "none")]
mod check;
#[cfg(target_os = "none")]
mod copies;
#[cfg(target_os = "none")]
mod device;
#[cfg(target_os = "none")]
mod edge;
#[cfg(target_os = "none")]
mod firmware;
#[cfg(target_os = "none")]
mod gic;
#[cfg(target_os = "none")]
mod interrupt;
#[cfg(target_os = "none")]
#[path = "../../../hypervisor/drivers/src/memory.rs"]
mod memory_of_el2;
#[cfg(target_os = "none")]
mod psci;
#[cfg(target_os = "none")]
mod second;
#[cfg(target_os = "none")]
mod suite;
#[cfg(target_os = "none")]
mod timer;

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("conformance runs at EL1, not on the host");
    std::process::ExitCode::from(2)
}
