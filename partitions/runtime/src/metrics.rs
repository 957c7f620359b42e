// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Publishing of a partition's own counts.
//! Implements: BH-PART-006. The layout is [`bulkhead_abi::window::Metrics`].

use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_abi::window::{METRICS_MAGIC, METRICS_VERSION, Metrics};

/// 8-byte words of [`Metrics`]; the first holds magic and version.
pub const WORDS: usize = size_of::<Metrics>() / 8;
/// The metrics in shared memory.
pub type Memory = [AtomicU64; WORDS];

/// Writes all counts, each with one single-copy atomic store, and the magic last.
pub fn publish(memory: &Memory, metrics: &Metrics) {
    let metrics = Metrics {
        magic: METRICS_MAGIC,
        version: METRICS_VERSION,
        ..*metrics
    };
    let words: [u64; WORDS] = zerocopy::transmute!(metrics);
    for (cell, word) in memory.iter().zip(words).skip(1) {
        cell.store(word, Ordering::Relaxed);
    }
    if let (Some(cell), Some(word)) = (memory.first(), words.first()) {
        cell.store(*word, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    /// Verifies: BH-PART-006.
    #[test]
    fn every_count_arrives_at_its_offset() {
        let memory: Memory = core::array::from_fn(|_| AtomicU64::new(0));
        let metrics = Metrics {
            heartbeat: 1,
            can_tx: 3,
            port_errors: 13,
            ..Metrics::default()
        };
        publish(&memory, &metrics);
        let bytes: Vec<u8> = memory
            .iter()
            .flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes())
            .collect();
        let expected = Metrics {
            magic: METRICS_MAGIC,
            version: METRICS_VERSION,
            ..metrics
        };
        assert_eq!(bytes, expected.as_bytes());
    }
}
