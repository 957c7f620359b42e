// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PSCI with hostile arguments: other partitions' CPUs, entry points that are none, resets of the whole board.
//!
//! # References
//! Arm DEN0022, "PSCI functions".

use core::sync::atomic::Ordering;

use bulkhead_partition::el1::{Partition, console};

use crate::Tried;
use crate::code::Code;
use crate::edge::{call, kept};

const CPU_ON: [u64; 2] = [0x8400_0003, 0xC400_0003];
const AFFINITY_INFO: [u64; 2] = [0x8400_0004, 0xC400_0004];
/// CPU_SUSPEND, CPU_DEFAULT_SUSPEND, CPU_FREEZE, MIGRATE, NODE_HW_STATE, SYSTEM_SUSPEND, SET_SUSPEND_MODE, STAT_*.
const OTHERS: [u64; 9] = [
    0xC400_0001,
    0xC400_000C,
    0x8400_000B,
    0xC400_0005,
    0xC400_000D,
    0xC400_000E,
    0x8400_000F,
    0xC400_0010,
    0xC400_0011,
];
/// MPIDRs: of itself, of the cores of the others, of nobody.
const TARGETS: [u64; 9] = [
    0,
    1,
    2,
    3,
    0x100,
    0x8000_0000,
    1 << 32,
    0x00ff_00ff_ffff,
    u64::MAX,
];
/// Entry points: nothing, odd, EL2, firmware, a device, the end of the world.
const ENTRIES: [u64; 7] = [
    0,
    0x4008_0001,
    0x4020_0000,
    0x4050_0000,
    0x0900_0000,
    0x7f_ffff_fffc,
    u64::MAX,
];
/// What would reset the board: SYSTEM_RESET; SYSTEM_RESET2 of both widths and kinds.
const RESETS: [[u64; 4]; 6] = [
    [0x8400_0009, 0, 0, 0],
    [0x8400_0009, u64::MAX, u64::MAX, u64::MAX],
    [0x8400_0012, 0, 0, 0],
    [0xC400_0012, 0, u64::MAX, 0],
    [0xC400_0012, 0x8000_0000, 1, 2],
    [0xC400_0012, u64::MAX, 1, 2],
];

/// `B .`: what a CPU that is granted after all executes.
const PARK: u32 = 0x1400_0000;
static CODE: Code = Code::new();

/// Who gets a CPU that it has not, or learns of one, has succeeded; what a reset did to others is judged outside.
pub(crate) fn attack(partition: &Partition) -> Tried {
    let Some((window, _)) = partition.machine.window else {
        return Tried::default();
    };
    let [next, attempts, succeeded, _] = kept(window);
    let note = |granted: bool, arguments: [u64; 4]| {
        attempts.fetch_add(1, Ordering::SeqCst);
        if granted {
            succeeded.fetch_add(1, Ordering::SeqCst);
            console::line(format_args!("GRANTED {arguments:x?}"));
        }
    };
    let is_error = |result: u64| i64::from_le_bytes(result.to_le_bytes()) < 0;
    if next.fetch_add(1, Ordering::SeqCst) == 0 {
        CODE.put([PARK].into_iter());
        console::line(format_args!(
            "psci: CPU_ON and AFFINITY_INFO of {TARGETS:x?}, other functions {OTHERS:x?}, then {} resets",
            RESETS.len()
        ));
        for target in TARGETS {
            for entry in ENTRIES.into_iter().chain([CODE.address()]) {
                for function in CPU_ON {
                    let arguments = [function, target, entry, 0];
                    note(!is_error(call(false, arguments)), arguments);
                }
            }
            for level in [0, 1, 2, 3, u64::MAX] {
                for function in AFFINITY_INFO {
                    let arguments = [function, target, level, 0];
                    let known = !is_error(call(false, arguments));
                    // The 32-bit function sees the low half; above level 0 it is among those that it asks for.
                    let seen = if function == AFFINITY_INFO[0] {
                        target & 0xffff_ffff
                    } else {
                        target
                    };
                    let own = seen & 0xff_00ff_ffff & if level == 0 { u64::MAX } else { !0xff } == 0;
                    note(known && !own, arguments);
                }
            }
        }
        for function in OTHERS {
            // Reserved bits of a power state, addresses that are not its own.
            for argument in [0x0fff_ffff, 0x8000_0000, u64::MAX] {
                let arguments = [function, argument, argument, argument];
                note(call(false, arguments) == 0, arguments);
            }
        }
    }
    // Each may end this partition, whose next start goes on with the next.
    loop {
        let n = next.fetch_add(1, Ordering::SeqCst) - 1;
        let Some(arguments) = usize::try_from(n).ok().and_then(|n| RESETS.get(n)) else {
            break;
        };
        attempts.fetch_add(1, Ordering::SeqCst);
        let _ = call(false, *arguments);
    }
    Tried {
        attempts: attempts.load(Ordering::SeqCst),
        succeeded: succeeded.load(Ordering::SeqCst),
    }
}
