// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every register of the interrupt controller, and SGIs to everybody.

use bulkhead_partition::el1::Partition;

use crate::Tried;
use crate::edge::{Operation, attempt, mask, read, write};

/// `MSR ICC_SGI1R_EL1, X0` and its siblings `ICC_ASGI1R_EL1`, `ICC_SGI0R_EL1`.
const SGI: [u64; 3] = [0xd518_cba0, 0xd518_cbc0, 0xd518_cbe0];
/// Distributor: `GICD_IROUTER<32>`, and where the identification registers begin.
const IROUTER: u64 = 0x6100;
const IDENTIFICATION: u64 = 0xffd0;
/// Redistributor: SGI_base.
const SGI_BASE: u64 = 0x1_0000;

/// Writes ones and zeros to a register; reads count as attempts too.
fn hammer(tried: &mut Tried, address: u64) {
    for value in [u64::MAX, 0, 0x5555_5555_5555_5555] {
        write::<false>(address, value);
        let _ = read::<false>(address);
        tried.note(false);
    }
}

/// What is not its own is judged outside, in the physical distributor.
pub(crate) fn attack(partition: &Partition) -> Tried {
    mask();
    let mut tried = Tried::default();
    let distributor = partition.machine.distributor;
    let redistributors = partition.machine.redistributors;
    for offset in (0..IDENTIFICATION).step_by(4) {
        hammer(&mut tried, distributor.start + offset);
    }
    for route in (IROUTER..0x8000).step_by(8) {
        write::<true>(distributor.start + route, 3);
        let _ = read::<true>(distributor.start + route);
        tried.note(false);
    }
    for offset in (0..redistributors.size).step_by(4) {
        // WAKER may wait for its answer: it is read only.
        if offset % (2 * SGI_BASE) != 0x14 {
            hammer(&mut tried, redistributors.start + offset);
        }
    }
    for register in SGI {
        for intid in 0..16u64 {
            for target in [1, 0xffff, 1 << 16 | 1, 0xff << 32 | 1, 1 << 40] {
                let (_, _) = attempt(Operation::Execute, register, intid << 24 | target);
                tried.note(false);
            }
        }
    }
    tried
}
