// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each target takes its seeds, without an engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod stage;

use bulkhead_fuzz::{blob, dtb, payload, scene, spec, trap};
use stage::Stage;

/// Verifies: BH-FUZZ-001, BH-FUZZ-002, BH-FUZZ-003, BH-FUZZ-004, BH-FUZZ-005, BH-FUZZ-006.
#[test]
fn targets_find_nothing_in_their_seeds() {
    type Check = fn(&[u8]);
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(folder.path());
    scene::enter(folder.path());
    let targets: [(&str, Check); 5] = [
        ("spec", spec::check),
        ("trap", trap::check),
        ("blob", blob::check),
        ("dtb", dtb::check),
        ("payload", payload::check),
    ];
    for (name, check) in targets {
        let seeds = stage::of(name, &stage);
        assert!(seeds.len() > 9, "{name}: {} seeds", seeds.len());
        seeds.iter().for_each(|seed| check(seed));
    }
    assert!(stage::dictionary().lines().any(|word| word == "\"criticality:\""));
}
