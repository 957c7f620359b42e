// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Steps of guests, devices and EL2, compared with a GIC that has no list registers.

use super::vgic::machine::VCPUS;
use super::vgic::run::Run;
use super::vgic::steps::{INTIDS, PHYSICAL, Step};
use crate::bytes::Bytes;

/// A machine and its model.
pub(super) struct Delivery(Run);

impl Delivery {
    /// The guest touches active states, splits its ends of interrupts, or neither.
    pub(super) fn new(mode: u8) -> Self {
        let mut run = Run::new(mode % 3 == 1, mode % 3 == 2);
        run.enable_all();
        Self(run)
    }

    pub(super) fn step(&mut self, kind: u8, bytes: &mut Bytes<'_>) {
        self.0.step(&step(kind, bytes));
    }

    /// The guest handles everything; nothing may be left.
    pub(super) fn finish(mut self) {
        self.0.finish();
    }
}

/// A step; the bytes behind its kind are its fields, in order.
fn step(kind: u8, bytes: &mut Bytes<'_>) -> Step {
    let (by, of) = (bytes.below(VCPUS), bytes.below(VCPUS));
    let which = bytes.below(INTIDS.len());
    match kind % 20 {
        0 | 1 => Step::Enable {
            by,
            of,
            which,
            on: bytes.flag(),
        },
        2 | 3 => Step::Pend {
            by,
            of,
            which,
            on: bytes.u8() & 3 != 0,
        },
        4 => Step::Activate {
            by,
            of,
            which,
            on: bytes.flag(),
        },
        5 => Step::Group {
            by,
            of,
            which,
            on: bytes.flag(),
        },
        6 => Step::Priority {
            by,
            of,
            which,
            level: (bytes.u8() % 31) << 3,
        },
        7 => Step::Route { by, which, to: of },
        8 => Step::Control {
            by,
            on: bytes.u8() & 3 != 0,
        },
        9 | 10 => Step::Sgi {
            from: by,
            intid: u32::try_from(which % 6).unwrap(),
            list: bytes.u8(),
            others: bytes.flag(),
        },
        11 => Step::Line { high: bytes.flag() },
        12 => Step::Pulse,
        13 => Step::Device {
            of,
            which: which % PHYSICAL.len(),
            high: bytes.flag(),
        },
        14 | 15 => Step::Acknowledge { at: by },
        16 => Step::End {
            at: by,
            later: bytes.flag(),
        },
        17 => Step::EndLater { at: by, which },
        18 => match bytes.u8() {
            level @ 0..=127 => Step::Mask {
                at: by,
                level: (level % 32 + 1).saturating_mul(8),
            },
            active => Step::Read {
                by,
                of,
                which,
                active: active & 1 != 0,
            },
        },
        _ if bytes.flag() => Step::Switch { at: by },
        _ => Step::Arrive { at: by },
    }
}
