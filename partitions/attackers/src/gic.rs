// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every register of the interrupt controller, SGIs to everybody, every SPI enabled.

use bulkhead_partition::el1::Partition;
use bulkhead_partition::machine::{Gic, Range};

use crate::Tried;
use crate::edge::{Operation, attempt, mask, read, write};

/// `MSR ICC_SGI1R_EL1, X0` and its siblings `ICC_ASGI1R_EL1`, `ICC_SGI0R_EL1`.
const SGI: [u64; 3] = [0xd518_cba0, 0xd518_cbc0, 0xd518_cbe0];
/// Distributor: `GICD_CTLR` and its EnableGrp bits, `GICD_IGROUPR<0>`, `GICD_ISENABLER<0>`; words of SPIs.
const CTLR: u64 = 0;
const BOTH_GROUPS: u64 = 3;
const GROUP: u64 = 0x80;
const ENABLE: u64 = 0x100;
const SPI_WORDS: core::ops::Range<u64> = 1..32;
/// Distributor: `GICD_IROUTER<32>`, and where the identification registers begin.
const IROUTER: u64 = 0x6100;
const IDENTIFICATION: u64 = 0xffd0;
/// Distributor of a GICv2: `GICD_SGIR`, and where the identification registers begin.
const SGIR: u64 = 0xf00;
const PERIPHERAL_ID: u64 = 0xfd0;
/// Redistributor: SGI_base.
const SGI_BASE: u64 = 0x1_0000;

/// Writes ones and zeros to a register; reads count as attempts too.
fn hammer(tried: &mut Tried, address: u64) {
    for value in [u64::MAX, 0, 0x5555_5555_5555_5555] {
        write::<4>(address, value);
        let _ = read::<4>(address);
        tried.note(false);
    }
}

/// What is not its own is judged outside, in the physical distributor.
pub(crate) fn attack(partition: &Partition) -> Tried {
    mask();
    let mut tried = Tried::default();
    let distributor = partition.machine.distributor;
    match partition.machine.gic {
        Gic::V2 { .. } => older(&mut tried, distributor),
        Gic::V3 { redistributors } => newer(&mut tried, distributor, redistributors),
    }
    // All of them on: which ones the physical distributor then lets through is seen from outside.
    write::<4>(distributor.start + CTLR, BOTH_GROUPS);
    for word in SPI_WORDS {
        for register in [GROUP, ENABLE] {
            write::<4>(distributor.start + register + 4 * word, u64::MAX);
            tried.note(false);
        }
    }
    tried
}

/// GICv2: every register of the distributor, and `GICD_SGIR` with every filter. The CPU interface is its own.
fn older(tried: &mut Tried, distributor: Range) {
    for offset in (0..PERIPHERAL_ID).step_by(4) {
        hammer(tried, distributor.start + offset);
    }
    for intid in 0..16u64 {
        for filter in 0..4u64 {
            for targets in [1, 0x02, 0x0e, 0xf0, 0xff] {
                write::<4>(distributor.start + SGIR, filter << 24 | targets << 16 | intid);
                tried.note(false);
            }
        }
    }
}

/// GICv3: every register of distributor and redistributors, and the system registers that send SGIs.
fn newer(tried: &mut Tried, distributor: Range, redistributors: Range) {
    for offset in (0..IDENTIFICATION).step_by(4) {
        hammer(tried, distributor.start + offset);
    }
    for route in (IROUTER..0x8000).step_by(8) {
        write::<8>(distributor.start + route, 3);
        let _ = read::<8>(distributor.start + route);
        tried.note(false);
    }
    for offset in (0..redistributors.size).step_by(4) {
        // WAKER may wait for its answer: it is read only.
        if offset % (2 * SGI_BASE) != 0x14 {
            hammer(tried, redistributors.start + offset);
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
}
