// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Systems that a board's own boot loader starts from a medium that `flash` wrote: Debian's U-Boot on QEMU.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod bench;
mod boards;
mod command;
mod device;
mod refusals;
mod signed;

use std::fs;

use bulkhead_on_target::REFERENCE;

use crate::bench::Bench;

/// The same system from memory and from a medium: the same blob, the same verdict. Verifies: BH-FLSH-004,
/// BH-FLSH-007.
#[test]
fn a_medium_boots_by_itself_with_the_same_verdict() {
    let bench = Bench::new(REFERENCE);
    let medium = bench.flash("disk.img", &[]);
    let command = bench
        .command(&medium, &["--print-command"])
        .output()
        .expect("the tool starts");
    let command = String::from_utf8_lossy(&command.stdout).into_owned();
    assert!(
        command.contains("-bios") && !command.contains("-kernel"),
        "{command}"
    );
    let run = bench.run(&medium, &[]);
    assert_eq!(run.status, 0, "{}", run.said);
    assert_eq!(run.report["verdict"], "pass");
    assert_eq!(
        run.report["blob_hash"],
        bench.manifest.blob_hash.as_str(),
        "{}",
        run.report
    );

    let change = ["--set", "partitions.adas.autostart=false"];
    let medium = bench.flash("without.img", &change);
    let run = bench.run(&medium, &change);
    assert_eq!(run.status, 1, "{}", run.said);
    assert_eq!(run.report["verdict"], "fail");
    assert!(
        run.said
            .contains("`CRASHED` on `vehicle` must not be seen, but was"),
        "{}",
        run.said
    );
}

/// A medium of one system is not taken for another's. Verifies: BH-FLSH-007.
#[test]
fn a_medium_of_another_system() {
    let bench = Bench::new(bench::SMALL);
    let change = ["--set", "partitions.cluster.memory=4MiB"];
    let medium = bench.flash("disk.img", &change);
    let run = bench.run(&medium, &[]);
    assert_eq!(run.status, 1, "{}", run.said);
    assert!(run.said.contains("EL2 runs blob"), "{}", run.said);
}

/// Verifies: BH-FLSH-002.
#[test]
fn a_plain_image_boots_by_booti() {
    let bench = Bench::new(bench::SMALL);
    let medium = bench.flash("disk.img", &["--as", "image"]);
    let run = bench.run(&medium, &[]);
    assert_eq!(run.status, 0, "{}", run.said);
}

/// Verifies: BH-FLSH-004.
#[test]
fn equal_systems_give_equal_media() {
    let bench = Bench::new(bench::SMALL);
    let read = |name| fs::read(bench.flash(name, &[])).expect("medium");
    assert!(read("one.img") == read("two.img"));
}
