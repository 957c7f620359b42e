// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Records of the SMMU's event queue: what happened, and whose device it was.
//!
//! # References
//! Arm IHI 0070, "Event records".

use bulkhead_types::tables::{PciFunction, PlatformStream};

use crate::bits::{low8, low32};

/// Why a transaction was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing is mapped there (F_TRANSLATION, F_ADDR_SIZE).
    Unmapped,
    /// What is mapped there does not allow it (F_PERMISSION, F_ACCESS).
    Forbidden,
    /// The StreamID is nobody's, or its partition is stopped (C_BAD_STREAMID, C_BAD_STE, F_STREAM_DISABLED).
    Closed,
    /// Another record; holds its type.
    Other(u8),
}

impl Cause {
    /// A number for logs: the event type for [`Cause::Other`], else the first type of its kind.
    pub const fn code(self) -> u8 {
        match self {
            Self::Closed => 0x02,
            Self::Unmapped => 0x10,
            Self::Forbidden => 0x13,
            Self::Other(code) => code,
        }
    }
}

/// A record, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// StreamID; of a PCI function its bus, device, function.
    pub stream: u32,
    /// Why.
    pub cause: Cause,
    /// Input address, 0 where the record has none.
    pub address: u64,
}

/// Decodes a record; total, since the SMMU writes the queue and other devices cannot.
/// Implements: BH-DMA-022.
pub const fn decode(record: [u64; 4]) -> Fault {
    let [first, _, address, _] = record;
    let (cause, has_address) = match low8(first) {
        0x10 | 0x11 => (Cause::Unmapped, true),
        0x12 | 0x13 => (Cause::Forbidden, true),
        0x02 | 0x04 | 0x06 => (Cause::Closed, false),
        other => (Cause::Other(other), false),
    };
    Fault {
        stream: low32(first >> 32),
        cause,
        address: if has_address { address } else { 0 },
    }
}

/// Place of a StreamID among the functions and then the streams of bus masters at fixed addresses, and its partition;
/// `None` when no partition has it. Implements: BH-DMA-022.
///
/// # Timing
/// One comparison for each function and each such stream of the system.
pub fn owner(functions: &[PciFunction], streams: &[PlatformStream], stream: u32) -> Option<(usize, u32)> {
    let functions = functions
        .iter()
        .map(|function| (function.bdf, function.partition));
    let streams = streams.iter().map(|own| (own.stream, own.partition));
    let mut all = functions.chain(streams).enumerate();
    let (index, (_, partition)) = all.find(|(_, (id, _))| *id == stream)?;
    Some((index, partition))
}
