// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seeds that are numbers: programs of traps, lists of edits.

/// Numbers from a linear congruence (Knuth's MMIX), the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0.to_be_bytes()[0]
    }
}

/// `count` inputs of at most `most` bytes each, of different lengths.
pub(super) fn programs(count: u64, most: usize) -> Vec<Vec<u8>> {
    let program = |seed: u64| {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let length = usize::from(numbers.next()) * most / 255;
        (0..length).map(|_| numbers.next()).collect()
    };
    (1..=count).map(program).collect()
}
