// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Taking time from others: the core, the console.

use bulkhead_partition::el1::{console, time};

use crate::Tried;
use crate::edge::{acknowledge, end, mask, set_timer, wait};

/// How long the core is held.
const HOLD_NS: u64 = 1_000_000_000;
/// Lines of the flood, and zeros in each.
const LINES: u64 = 20_000;
const WIDTH: usize = 100;

fn hold() {
    let end = time::now() + HOLD_NS;
    while time::now() < end {
        core::hint::spin_loop();
    }
}

/// Holds the core with everything masked for many major frames: one attempt.
pub(crate) fn hog() -> Tried {
    mask();
    hold();
    let (attempts, succeeded) = (1, 0);
    Tried { attempts, succeeded }
}

/// Writes lines as fast as it can. Each byte is an attempt: EL2 takes it, or it is dropped.
pub(crate) fn console_flood() -> Tried {
    let mut tried = Tried::default();
    for line in 0..LINES {
        console::line(format_args!("flood {line} {:0WIDTH$}", 0));
        let digits = u64::from(line.checked_ilog10().unwrap_or(0)) + 1;
        tried.attempts += "flood  \n".len() as u64 + digits + WIDTH as u64;
    }
    // Until the drainer has made room for the last line.
    hold();
    tried
}

/// INTID of the virtual timer.
const TIMER: u64 = 27;
/// Interrupts of the storm, of the timers, and settings after which it gives up.
const STORM: u64 = 20_000;
const FIRED: u64 = 4_000;
const SETTINGS: u64 = 100_000;
/// `CNTx_CTL_EL0`: ENABLE.
const ENABLE: u64 = 1;

/// Has its timer fire again as soon as it has been served.
pub(crate) fn storm() -> Tried {
    mask();
    let mut tried = Tried::default();
    set_timer::<true>(ENABLE, 0);
    while tried.attempts < STORM {
        let intid = acknowledge();
        if intid == TIMER {
            end(intid);
            tried.note(false);
        }
    }
    set_timer::<true>(0, 0);
    tried
}

/// Sets both timers to what a seed says: long ago, now, soon, never; enabled, masked, off. Each interrupt that comes of it
/// is an attempt.
pub(crate) fn timers() -> Tried {
    mask();
    let mut tried = Tried::default();
    let mut random = 0x0123_4567_89AB_CDEFu64;
    let mut settings = 0u64;
    while tried.attempts < FIRED && settings < SETTINGS {
        settings += 1;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let now = time::now();
        let compare = match random >> 8 & 7 {
            0 => 0,
            1 => u64::MAX,
            2 => random,
            3 => 1 << (random >> 16 & 63),
            _ => now + (random >> 16 & 0x3fff),
        };
        if random >> 4 & 1 == 0 {
            set_timer::<true>(random & 3, compare);
        } else {
            set_timer::<false>(random & 3, compare);
        }
        wait();
        let intid = acknowledge();
        if intid < 1020 {
            end(intid);
            tried.note(false);
        }
    }
    set_timer::<true>(0, 0);
    set_timer::<false>(0, 0);
    console::line(format_args!("timers: {settings} settings of both"));
    tried
}
