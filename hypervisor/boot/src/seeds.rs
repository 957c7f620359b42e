// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A secret for each partition, derived from the board's entropy.

use bulkhead_types::image::MAX_PARTITIONS;
use bulkhead_types::tables::{Partition, partition_flag};
use sha2::{Digest, Sha256};

use crate::refusal::{Fact, Refusal};

/// Bytes of entropy below which a board's seed is no seed.
const LEAST_ENTROPY: usize = 16;

/// SHA-256(`seed` || `index` || "bulkhead") as four little-endian words.
fn secret(seed: &[&[u8]], index: u32) -> [u64; 4] {
    let mut hash = Sha256::new();
    seed.iter().for_each(|part| hash.update(part));
    hash.update(index.to_le_bytes());
    hash.update(b"bulkhead");
    let digest: [u8; 32] = hash.finalize().into();
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// Derives the secrets of all partitions from the board's seeds.
///
/// A partition with a fixed seed gets one derived from a constant and its index. Implements: BH-BOOT-012.
///
/// # Errors
/// A partition wants entropy and the board gives less than 16 bytes.
pub fn derive(partitions: &[Partition], entropy: &[&[u8]]) -> Result<[[u64; 4]; MAX_PARTITIONS], Refusal> {
    let available: usize = entropy.iter().map(|part| part.len()).sum();
    let mut seeds = [[0; 4]; MAX_PARTITIONS];
    for (index, (seed, partition)) in (0u32..).zip(seeds.iter_mut().zip(partitions)) {
        if partition.flags & partition_flag::FIXED_SEED != 0 {
            *seed = secret(&[b"fixed seed"], index);
            continue;
        }
        let found = Fact::Text("no /chosen/rng-seed");
        Refusal::of(
            "entropy for partition",
            usize::try_from(index).unwrap_or(0),
            Fact::Text("wanted"),
            found,
        )
        .unless(available >= LEAST_ENTROPY)?;
        *seed = secret(entropy, index);
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    /// Verifies: BH-BOOT-012.
    #[test]
    fn secrets_differ_by_partition_and_by_entropy() {
        let partitions = [Partition::new_zeroed(); 2];
        let one = derive(&partitions, &[&[1; 32], &[2; 8]]).expect("enough");
        let two = derive(&partitions, &[&[3; 32], &[2; 8]]).expect("enough");
        assert_ne!(one[0], one[1]);
        assert_ne!(one[0], two[0]);
        assert_eq!(one[2], [0; 4]);
    }

    /// Verifies: BH-BOOT-012.
    #[test]
    fn a_board_without_entropy_serves_fixed_seeds_only() {
        let mut partitions = [Partition::new_zeroed(); 2];
        partitions[0].flags = partition_flag::FIXED_SEED;
        let refusal = derive(&partitions, &[&[9; 8]]).expect_err("partition 1 wants entropy");
        assert_eq!((refusal.what, refusal.index), ("entropy for partition", Some(1)));
        let fixed = derive(&partitions[..1], &[]).expect("fixed");
        assert_eq!(fixed[0], derive(&partitions[..1], &[&[1; 32]]).expect("fixed")[0]);
    }
}
