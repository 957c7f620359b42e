// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes its own code and constants, and executes its own data.

use core::sync::atomic::Ordering;

use bulkhead_partition::el1::{Partition, console};

use crate::Tried;
use crate::edge::{Operation, attempt, kept};

/// The instruction NOP, which [`Operation::Execute`] puts into data.
const NOP: u64 = 0xd503_201f;

/// A constant, in a segment that is only read.
static CONSTANT: u64 = 0xC057_A271_C057_A271;

/// Each attempt that is answered as it should be is the partition's end; the count is kept over restarts.
pub(crate) fn attack(partition: &Partition) -> Tried {
    let Some((window, _)) = partition.machine.window else {
        return Tried::default();
    };
    let [next, attempts, succeeded, _] = kept(window);
    // The image is mapped at its own address; the routine is aligned for 64 bits.
    let code = (attack as *const ()).addr() as u64 & !7;
    let constant = core::ptr::from_ref(&CONSTANT).addr() as u64;
    let tries = [
        ("own code is written", Operation::Store, code),
        ("a constant is written", Operation::Store, constant),
        ("data is executed", Operation::Execute, NOP),
    ];
    loop {
        let number = usize::try_from(next.fetch_add(1, Ordering::SeqCst)).ok();
        let Some((what, operation, address)) = number.and_then(|n| tries.get(n)) else {
            break;
        };
        // What is stored is what lies there.
        let (value, _) = match operation {
            Operation::Store => attempt(Operation::Load, *address, 0),
            Operation::Load | Operation::Execute | Operation::StoreWord => (0, None),
        };
        attempts.fetch_add(1, Ordering::SeqCst);
        if attempt(*operation, *address, value).1.is_none() {
            succeeded.fetch_add(1, Ordering::SeqCst);
            console::line(format_args!("{what}"));
        }
    }
    Tried {
        attempts: attempts.load(Ordering::SeqCst),
        succeeded: succeeded.load(Ordering::SeqCst),
    }
}
