// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMCs that reach the firmware, against Arm DEN0028, "Register use in AArch64 SMC and HVC calls" and "Client ID".

use bulkhead_policy::firmware::Forward;
use bulkhead_types::tables::FirmwareCall;
use proptest::prelude::*;

fn listed(function: u32, within_ns: u64) -> FirmwareCall {
    FirmwareCall {
        within_ns,
        function,
        reserved: 0,
    }
}

/// A 32-bit and a 64-bit function, and two entries of no use.
fn calls() -> [FirmwareCall; 4] {
    let unused = FirmwareCall::default();
    [
        listed(0x8200_0010, 20_000),
        listed(0xc200_0010, 1),
        unused,
        unused,
    ]
}

const GUEST: [u64; 8] = [
    0,
    0x1111_1111_1111_1111,
    0x2222_2222_2222_2222,
    0x3333_3333_3333_3333,
    0x4444_4444_4444_4444,
    0x5555_5555_5555_5555,
    0x6666_6666_6666_6666,
    0x7777_7777_7777_7777,
];

fn decide(x0: u64, immediate: u16) -> Option<Forward> {
    let [_, rest @ ..] = GUEST;
    let [x1, x2, x3, x4, x5, x6, x7] = rest;
    Forward::decide(&calls(), 5, immediate, &[x0, x1, x2, x3, x4, x5, x6, x7])
}

/// Verifies: BH-SMC-002.
#[test]
fn arguments_are_the_guests_and_the_client_is_not() {
    let wide = decide(0xc200_0010, 0).map(|f| f.registers());
    let [_, x1, x2, x3, x4, x5, x6, _] = GUEST;
    assert_eq!(wide, Some([0xc200_0010, x1, x2, x3, x4, x5, x6, 0x7777_0005]));
    // The upper half of x0 is none of the identifier, and that of a 32-bit function's arguments is nothing.
    let narrow = decide(0xffff_ffff_8200_0010, 0).map(|f| f.registers());
    let low = |x: u64| x & 0xffff_ffff;
    let expected = [
        0x8200_0010,
        low(x1),
        low(x2),
        low(x3),
        low(x4),
        low(x5),
        low(x6),
        0x7777_0005,
    ];
    assert_eq!(narrow, Some(expected));
}

/// Verifies: BH-SMC-001.
#[test]
fn nothing_else_is_passed_on() {
    for function in [0x8200_0011, 0x8200_000f, 0x0200_0010, 0xc200_0011, 0x8400_0003, 0] {
        assert_eq!(decide(function, 0), None, "{function:#x}");
    }
    for immediate in [1, 0x8000, u16::MAX] {
        assert_eq!(decide(0x8200_0010, immediate), None);
    }
    assert_eq!(Forward::decide(&[], 5, 0, &[0x8200_0010; 8]), None);
}

proptest! {
    /// Verifies: BH-SMC-001.
    #[test]
    fn exactly_the_listed_functions_pass(function in any::<u32>(), near in 0u32..3, upper in any::<u32>()) {
        for function in [function, 0x8200_000f + near, 0xc200_000f + near] {
            let found = decide(u64::from(upper) << 32 | u64::from(function), 0).is_some();
            prop_assert_eq!(found, [0x8200_0010, 0xc200_0010].contains(&function));
        }
    }
}

/// Verifies: BH-SMC-003.
#[test]
fn a_late_answer_is_seen_to_the_tick() {
    const HZ: u64 = 62_500_000;
    let is_late = |ticks| decide(0x8200_0010, 0).is_some_and(|f| f.is_late(ticks, HZ));
    // 20 us are 1250 ticks; the first and the last that were counted may not have been whole.
    assert!(!is_late(0) && !is_late(1252));
    assert!(is_late(1253) && is_late(u64::MAX));
}
