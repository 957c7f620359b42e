// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is right is proved, and the numbers of the proof are those of the model.

use sha2::{Digest, Sha256};

use crate::encode::{BLOB_SIZE, encode};
use crate::model::{PAGE, good};

/// Verifies: BH-CHK-070.
#[test]
fn a_good_system_is_proved() {
    let model = good(BLOB_SIZE);
    let files = encode(&model);
    let proof = files.prove().unwrap_or_else(|failures| {
        let text: Vec<String> = failures.iter().map(ToString::to_string).collect();
        panic!("{}", text.join("\n"))
    });
    let mapped: u64 = model
        .roots
        .iter()
        .flat_map(|r| &r.maps)
        .map(|m| m.size.div_ceil(PAGE))
        .sum();
    let dma: u64 = model
        .streams
        .iter()
        .flat_map(|(_, _, maps)| maps)
        .map(|m| m.size / PAGE)
        .sum();
    assert_eq!(proof.pages, mapped + dma);
    assert_eq!(proof.roots, 8 + 3);
    assert_eq!(proof.blob_hash.as_slice(), Sha256::digest(&files.blob).as_slice());
}

/// One mapping may cover two channels that lie beside each other.
///
/// Verifies: BH-CHK-021.
#[test]
fn neighbouring_channels_are_reached_through_one_mapping() {
    let mut model = good(BLOB_SIZE);
    let (start, size) = model.channels[0];
    model.channels = vec![(start, size / 2), (start + size / 2, size / 2)];
    // The text form still has one channel, which is another property's concern.
    let failures = encode(&model).prove().expect_err("the text form has one channel");
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(
        failures.iter().all(|f| f.starts_with("BH-CHK-024")),
        "{failures:?}"
    );
}
