// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Taking time from others: the core, the console.

use bulkhead_partition::el1::{console, time};

use crate::Tried;
use crate::edge::mask;

/// How long the core is held.
const HOLD_NS: u64 = 1_000_000_000;
/// Lines of the flood.
const LINES: u64 = 20_000;

/// Holds the core with everything masked for many major frames: one attempt.
pub(crate) fn hog() -> Tried {
    mask();
    let end = time::now() + HOLD_NS;
    while time::now() < end {
        core::hint::spin_loop();
    }
    let (attempts, succeeded) = (1, 0);
    Tried { attempts, succeeded }
}

/// Writes lines as fast as it can.
pub(crate) fn console_flood() -> Tried {
    let mut tried = Tried::default();
    for line in 0..LINES {
        console::line(format_args!("flood {line} {:0100}", 0));
        tried.note(false);
    }
    // Until the drainer has made room for the last line.
    time::sleep_until(time::now() + HOLD_NS);
    tried
}
