// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Index arithmetic of byte rings with one producer and one consumer.
//!
//! `head` and `tail` count bytes modulo 2^32, as in [`bulkhead_abi::window`]. Either may come from a guest and
//! be anything: no result ever asks for more than `SIZE` bytes of work or for an offset beyond the ring.

/// A contiguous part of a ring's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Offset in the data, below the ring's size.
    pub offset: u32,
    /// Bytes; `offset + length` is at most the ring's size.
    pub length: u32,
}

/// A ring of `SIZE` bytes, a power of two.
pub struct Ring<const SIZE: u32>;

impl<const SIZE: u32> Ring<SIZE> {
    const MASK: u32 = {
        assert!(SIZE.is_power_of_two(), "the size of a ring is a power of two");
        SIZE - 1
    };

    /// Bytes that can be consumed. Indices that are further apart than the ring is long are a lie of one side;
    /// they count as a full ring.
    ///
    /// Implements: BH-CON-001.
    #[inline]
    pub const fn used(head: u32, tail: u32) -> u32 {
        let distance = head.wrapping_sub(tail);
        if distance > SIZE { SIZE } else { distance }
    }

    /// Bytes that can be produced.
    #[inline]
    pub const fn free(head: u32, tail: u32) -> u32 {
        SIZE - Self::used(head, tail)
    }

    /// Where byte number `index` lies.
    #[inline]
    pub const fn offset(index: u32) -> u32 {
        index & Self::MASK
    }

    /// Where `length` bytes from number `index` lie, in order; the second part is empty unless they wrap.
    /// A `length` above `SIZE` is cut.
    #[inline]
    pub const fn chunks(index: u32, length: u32) -> [Chunk; 2] {
        let length = if length > SIZE { SIZE } else { length };
        let offset = Self::offset(index);
        let to_end = SIZE - offset;
        let first = if length < to_end { length } else { to_end };
        [
            Chunk {
                offset,
                length: first,
            },
            Chunk {
                offset: 0,
                length: length - first,
            },
        ]
    }
}
