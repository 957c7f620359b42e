// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random sequences of steps.

use proptest::prelude::*;

use super::machine::VCPUS;
use super::steps::{INTIDS, PHYSICAL, Step};

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let v = || 0..VCPUS;
    let i = || 0..INTIDS.len();
    prop_oneof![
        4 => (v(), v(), i(), any::<bool>()).prop_map(|(by, of, which, on)| Step::Enable { by, of, which, on }),
        6 => (v(), v(), i(), prop::bool::weighted(0.7))
            .prop_map(|(by, of, which, on)| Step::Pend { by, of, which, on }),
        2 => (v(), v(), i(), prop::bool::weighted(0.3))
            .prop_map(|(by, of, which, on)| Step::Activate { by, of, which, on }),
        1 => (v(), v(), i(), any::<bool>()).prop_map(|(by, of, which, on)| Step::Group { by, of, which, on }),
        3 => (v(), v(), i(), 0..31_u8)
            .prop_map(|(by, of, which, l)| Step::Priority { by, of, which, level: l << 3 }),
        2 => (v(), i(), v()).prop_map(|(by, which, to)| Step::Route { by, which, to }),
        1 => (v(), prop::bool::weighted(0.8)).prop_map(|(by, on)| Step::Control { by, on }),
        6 => (v(), 0..6_u32, any::<u8>(), any::<bool>())
            .prop_map(|(from, intid, list, others)| Step::Sgi { from, intid, list, others }),
        3 => any::<bool>().prop_map(|high| Step::Line { high }),
        2 => Just(Step::Pulse),
        6 => (v(), 0..PHYSICAL.len(), any::<bool>())
            .prop_map(|(of, which, high)| Step::Device { of, which, high }),
        12 => v().prop_map(|at| Step::Acknowledge { at }),
        8 => (v(), any::<bool>()).prop_map(|(at, later)| Step::End { at, later }),
        4 => (v(), any::<usize>()).prop_map(|(at, which)| Step::EndLater { at, which }),
        2 => (v(), 1..33_u8).prop_map(|(at, l)| Step::Mask { at, level: (u16::from(l) * 8).min(0xff) as u8 }),
        3 => (v(), v(), i(), any::<bool>())
            .prop_map(|(by, of, which, active)| Step::Read { by, of, which, active }),
        2 => v().prop_map(|at| Step::Switch { at }),
        3 => v().prop_map(|at| Step::Arrive { at }),
    ]
}
