// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Predictors at the world switch of a sliced core.

use bulkhead_arch::predictors;
use bulkhead_types::tables::{Core, predictors as means};

use crate::core_state::LocalVcpu;

/// Keeps what a vCPU that leaves trained in this core's predictors from the next one, by the core's means (design
/// decision D5): for one core always the same instructions. Implements: BH-CORE-007.
pub fn sanitise(core: &Core, vcpu: &LocalVcpu) {
    match core.predictors {
        means::RESTRICTED => predictors::restrict(vcpu.entry.vttbr),
        means::FIRMWARE => predictors::discard_by_firmware(),
        // The core does it by itself, or nothing can: the numbers of other means do not pass boot.
        _ => {}
    }
}
