// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 refuses to start.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::time::Duration;

use bulkhead_on_target::{System, says};
use bulkhead_runner::SessionOptions;
use bulkhead_runner::report::Verdict;

/// Small, and on core 1 so that a board with one core is too small for it.
const SPEC: &str = "tests/systems/conformance-sliced-two.yaml";

/// Starts the system, which must not get as far as its epoch, and gives what EL2 says.
fn refused(system: &System, change: impl FnOnce(&mut SessionOptions)) -> String {
    let mut session = system.start(change);
    // The boot part ends the machine; its refusal is bounded in host time by the session's stall limit.
    while session.over().is_none() {
        session.step(Duration::from_millis(50)).expect("the machine ends");
        assert_eq!(session.now_ns(), 0, "the system has started");
    }
    let report = session.finish("EL2 refused").expect("report");
    assert_eq!(report.verdict, Verdict::Fail);
    let said = report
        .hypervisor_tail
        .lines()
        .find(|line| line.starts_with("refused: "));
    let said = said.unwrap_or_else(|| panic!("no refusal: {}", report.hypervisor_tail));
    assert!(
        report.reasons.contains(&format!("EL2 {}", said.trim_end())),
        "{:?}",
        report.reasons
    );
    println!("{said}");
    said.to_owned()
}

/// Verifies: BH-BOOT-004, BH-BOOT-005.
#[test]
fn a_flipped_bit_in_the_blob() {
    let system = System::build(SPEC, &[]);
    let blob = fs::read(system.folder().join("system.blob")).expect("blob");
    let path = system.folder().join("image.bin");
    let image = fs::read(&path).expect("image");
    let at = image
        .windows(64)
        .position(|bytes| bytes == &blob[..64])
        .expect("the image holds the blob");
    // In the header, in the middle, in the last page before the certificate.
    for offset in [65, blob.len() / 2, blob.len() - 4097] {
        let mut damaged = image.clone();
        damaged[at + offset] ^= 0x10;
        fs::write(&path, damaged).expect("image");
        refused(&system, |_| {});
    }
}

/// Verifies: BH-BOOT-010.
#[test]
fn a_board_with_less_than_the_blob_needs() {
    let system = System::build("config/systems/adas-infotainment.yaml", &[]);
    assert!(
        system
            .manifest()
            .qemu
            .is_some_and(|qemu| qemu.cores > 2 && qemu.memory > 512 << 20)
    );
    for (change, what) in [(["-smp", "2"], "core"), (["-m", "512M"], "RAM")] {
        let said = refused(&system, |options| {
            options.launch.extra = change.map(str::to_owned).to_vec()
        });
        assert!(said.contains(what), "{change:?}: {said}");
    }
}

/// Verifies: BH-BOOT-011.
#[test]
fn a_core_of_another_type() {
    const MIDR: &str = "midr: 0x410f_d083";
    const OF_A53: &str =
        "cortex-a53-835769, cortex-a53-843419, cortex-a53-845719, cortex-a53-855873, cortex-a53-1530924";
    let none = ("cortex-a72-859971, ", "");
    let a53 = [
        none,
        (
            "cortex-a72-1319367, cortex-a72-cve-2018-3639, cortex-a72-cve-2022-23960",
            OF_A53,
        ),
    ];
    // A Cortex-A53; a Cortex-A72 of another variant; and one of a later revision than the board has.
    for (other, errata) in [
        ("0x410f_d034", &a53[..]),
        ("0x411f_d083", &[none]),
        ("0x410f_d084", &[none]),
    ] {
        let midr = format!("midr: {other}");
        let changes = [&[(MIDR, midr.as_str())], errata].concat();
        let system = System::build_on_changed_board(SPEC, &changes);
        let said = refused(&system, |_| {});
        assert!(said.contains("MIDR of core 0"), "{other}: {said}");
    }
    // One of an older revision than the board has.
    let system = System::build_on_changed_board(SPEC, &[(MIDR, "midr: 0x410f_d082")]);
    let mut session = system.start(|_| {});
    says(&mut session, "guest", "conformance", 30);
}

/// Verifies: BH-BOOT-022.
#[test]
fn a_core_without_the_means_for_predictors() {
    for means in ["isolated", "restricted", "firmware"] {
        let means = format!("predictors: {means}");
        let system = System::build_on_changed_board(SPEC, &[("predictors: none", &means)]);
        let said = refused(&system, |_| {});
        assert!(said.contains("predictors of core 0"), "{said}");
    }
}
