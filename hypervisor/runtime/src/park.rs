// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a core on which EL2 failed.

use core::sync::atomic::Ordering;

use bulkhead_abi::health::Error;
use bulkhead_abi::stats::core_state;
use bulkhead_arch::barrier::{send_event, wait_for_interrupt};
use bulkhead_arch::lock::FAILED_CORES;

use crate::health::{self, Blame, Event};
use crate::shared;
use crate::{core_field, view};

/// Stops this core for ever.
///
/// Interrupts stay masked; WFI returns only to sleep again.
pub(crate) fn halt() -> ! {
    loop {
        wait_for_interrupt();
    }
}

/// Stops core `index`: EL2 failed there, with an `error` that is reported here unless it was before; `vector` and
/// `ESR_EL2`, `ELR_EL2`, `FAR_EL2` say where.
///
/// A core that fails while it says so stops without a further word. Implements: BH-CORE-008.
pub(crate) fn park(index: usize, error: Option<Error>, vector: u64, [esr, elr, far]: [u64; 3]) -> ! {
    let core = u32::try_from(index).unwrap_or(u32::MAX);
    let bit = 1u32.checked_shl(core).unwrap_or(0);
    if FAILED_CORES.fetch_or(bit, Ordering::SeqCst) & bit != 0 {
        halt();
    }
    // For those that wait for a lock which this core holds.
    send_event();
    shared::set_running(core, shared::NOBODY);
    let block = view::core_stats(core);
    block.write64(core_field!(state), core_state::FAILED);
    block.write64(core_field!(failure), vector);
    block.write64(core_field!(failure) + 8, esr);
    block.write64(core_field!(failure) + 16, elr);
    block.write64(core_field!(failure) + 24, far);
    if let Some(error) = error {
        let detail = [vector, esr, elr];
        let blame = Blame::Core;
        health::last_report(core, &Event { error, blame, detail });
    }
    halt()
}
