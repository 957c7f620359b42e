// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Numbers that a seed decides.

/// xorshift64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    pub(crate) fn of<const N: usize>(&mut self, all: [u32; N]) -> u32 {
        let at = usize::try_from(self.below(N as u64)).unwrap_or(0);
        all.get(at).copied().unwrap_or(0)
    }

    /// A value that is often near a border.
    pub(crate) fn value(&mut self) -> u64 {
        let value = self.next();
        match self.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << (value % 64),
            3 => value & 0xffff,
            _ => value,
        }
    }
}
