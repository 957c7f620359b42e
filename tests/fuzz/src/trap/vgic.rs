// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Machine and model of the tests of `hypervisor/policy`: list registers, a physical GIC, and a GIC without either.

#[path = "../../../../hypervisor/policy/tests/vgic/cpu.rs"]
pub(super) mod cpu;
#[path = "../../../../hypervisor/policy/tests/vgic/machine.rs"]
pub(super) mod machine;
#[path = "../../../../hypervisor/policy/tests/vgic/reference.rs"]
pub(super) mod reference;
#[path = "../../../../hypervisor/policy/tests/vgic/run.rs"]
pub(super) mod run;
#[path = "../../../../hypervisor/policy/tests/vgic/steps.rs"]
pub(super) mod steps;
