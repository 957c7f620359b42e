// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cases, a file an area.

mod cpu_interface;
mod distributor;
mod exceptions;
mod many;
mod pending;
mod power;
mod preemption;
mod private;
mod psci;
mod sgi;
mod shared;
mod timer;
mod timer_interrupt;

use crate::check::Case;

/// All cases in the order in which they run.
pub(crate) const ALL: [&[Case]; 13] = [
    distributor::CASES,
    private::CASES,
    pending::CASES,
    cpu_interface::CASES,
    preemption::CASES,
    many::CASES,
    exceptions::CASES,
    timer::CASES,
    timer_interrupt::CASES,
    psci::CASES,
    power::CASES,
    sgi::CASES,
    shared::CASES,
];
