// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing and reading back.

use std::fs;

use bulkhead_flash::target::{Sources, Target};
use bulkhead_flash::write::{WriteError, verify, write, write_by};

/// Verifies: BH-FLSH-006.
#[test]
fn what_is_written_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    let medium: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let target = Sources::default().look(&path).unwrap();
    write(&target, &medium).unwrap();
    assert!(fs::read(&path).unwrap() == medium);
    // A shorter one leaves nothing of the longer behind.
    write(&target, &medium[..1000]).unwrap();
    assert_eq!(fs::read(&path).unwrap().len(), 1000);
}

/// A device that keeps all but one byte. Verifies: BH-FLSH-006.
#[test]
fn a_medium_that_does_not_keep_what_is_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let target = Sources::default().look(&folder.path().join("broken")).unwrap();
    let forgets = |target: &Target, medium: &[u8]| {
        let mut kept = medium.to_vec();
        kept[2] = 0;
        fs::write(&target.path, kept)
    };
    let found = write_by(&target, &[5, 6, 7, 8], forgets);
    assert!(matches!(found, Err(WriteError::Differs(2))));
}

/// Verifies: BH-FLSH-006.
#[test]
fn the_first_difference_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    let target = Sources::default().look(&path).unwrap();
    let mut medium = vec![7; 2_500_000];
    fs::write(&path, &medium).unwrap();
    assert!(verify(&target, &medium).is_ok());
    for at in [0, 1 << 20, 2_499_999] {
        medium[at] ^= 1;
        let found = verify(&target, &medium);
        assert!(matches!(found, Err(WriteError::Differs(byte)) if byte == at as u64));
        medium[at] ^= 1;
    }
    medium.push(7);
    assert!(matches!(verify(&target, &medium), Err(WriteError::Io(_))));
}
