// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every system register encoding, read and then written.

use bulkhead_partition::el1::console;

use crate::Tried;
use crate::edge::{Operation, attempt};

/// `MRS X0, S2_0_C0_C0_0`; bit 19 is the low bit of op0.
const MRS: u64 = 0xd530_0000;
/// `MSR S2_0_C0_C0_0, X0`.
const MSR: u64 = 0xd510_0000;

/// Whether an encoding belongs to EL2 or EL3 (op1 4 to 6, DDI 0487, "System register access"), or to what is hidden
/// from partitions: the external debug interface's and the trace unit's registers (op0 = 2), performance monitors (C9).
fn is_forbidden(encoding: u64) -> bool {
    let (op1, crn) = (encoding >> 16 & 7, encoding >> 12 & 15);
    matches!(op1, 4..=6)
        || encoding >> 19 & 1 == 0 && op1 == 1
        || encoding >> 19 & 1 == 1 && crn == 9 && matches!(op1, 0 | 3)
}

/// A forbidden register that answers a read with something else than zero has succeeded.
pub(crate) fn attack() -> Tried {
    let mut tried = Tried::default();
    for encoding in (0..1u64 << 15).map(|n| n << 5) {
        let (value, syndrome) = attempt(Operation::Execute, MRS | encoding, 0);
        let succeeded = syndrome.is_none() && value != 0 && is_forbidden(encoding);
        tried.note(succeeded);
        if succeeded {
            console::line(format_args!("READ {encoding:#x}: {value:#x}"));
        }
        let back = if syndrome.is_none() { value } else { 0 };
        let (_, _) = attempt(Operation::Execute, MSR | encoding, back);
        let (now, syndrome) = attempt(Operation::Execute, MRS | encoding, 0);
        tried.note(syndrome.is_none() && now != 0 && is_forbidden(encoding));
    }
    tried
}
