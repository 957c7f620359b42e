// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The conformance suite natively and in every kind of partition: the same lines. Its cases name the requirements.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::process::{Command, Stdio};

use bulkhead_on_target::{System, images, lines, says, succeeded, whole_lines};
use bulkhead_runner::qemu;

/// The suite's lines, up to its sum.
fn suite(lines: Vec<String>, whose: &str) -> Vec<String> {
    let is_of_suite = |line: &String| {
        ["ok ", "FAIL ", "conformance: "]
            .iter()
            .any(|head| line.starts_with(head))
    };
    let lines: Vec<String> = lines.into_iter().filter(is_of_suite).collect();
    let failed: Vec<_> = lines.iter().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.is_empty(), "{whose}: {failed:#?}");
    let passed = lines.len().saturating_sub(1);
    assert_eq!(
        lines.last(),
        Some(&format!("conformance: {passed} passed, 0 failed")),
        "{whose}"
    );
    lines
}

/// The suite on the bare machine.
fn native(cpus: &str) -> Vec<String> {
    suite(bare(cpus, ""), "native")
}

/// Lines of the program on the bare machine; it bounds its own waiting by the counter and switches the machine off.
fn bare(cpus: &str, arguments: &str) -> Vec<String> {
    let mut command = Command::new("timeout");
    command.arg("300").arg(qemu::program().expect("emulator"));
    command.args([
        "-M",
        "virt,gic-version=3",
        "-cpu",
        "cortex-a72",
        "-smp",
        cpus,
        "-m",
        "128M",
    ]);
    command.args([
        "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio", "-append",
    ]);
    command.args([arguments, "-kernel"]);
    let output = command
        .arg(images().join("conformance.elf"))
        .stdin(Stdio::null())
        .output()
        .expect("emulator");
    succeeded(&output);
    whole_lines(&String::from_utf8_lossy(&output.stdout))
}

/// WFI of the partition traps.
const GUARDED: &str = "partitions.guest.cores.interrupts=guarded";

/// The suite in the partitions of a system with values of its spec replaced.
fn partitions(spec: &str, overrides: &[&str], names: &[&str], expected: &[String]) {
    let system = System::build(&format!("tests/systems/conformance-{spec}.yaml"), overrides);
    let mut session = system.start(|_| {});
    for name in names {
        says(&mut session, name, "conformance: ", 120);
        says(&mut session, name, "\n", 10);
        let said = suite(lines(&session, name), spec);
        for (said, expected) in said.iter().zip(expected) {
            assert_eq!(said, expected, "{spec}, {name}");
        }
        assert_eq!(said.len(), expected.len(), "{spec}, {name}");
    }
}

/// Eight alignments of either end with 150 lengths, and as many settings. Verifies: BH-MEM-012.
#[test]
fn copies_of_el2_are_exact() {
    let said = bare("1", "copies");
    let expected = format!("copies: {} exact, 0 wrong", 8 * 150 * (8 + 1));
    assert!(said.contains(&expected), "{said:#?}");
}

#[test]
fn one_cpu() {
    let expected = native("1");
    assert!(expected.len() > 100);
    partitions("sliced", &[], &["guest"], &expected);
    partitions("shared", &[], &["one", "other"], &expected);
    partitions("direct", &[], &["guest"], &expected);
    partitions("direct", &[GUARDED], &["guest"], &expected);
}

#[test]
fn two_cpus() {
    let expected = native("2");
    assert!(expected.len() > 100);
    partitions("sliced-two", &[], &["guest"], &expected);
    partitions("direct-two", &[], &["guest"], &expected);
    partitions("direct-two", &[GUARDED], &["guest"], &expected);
}
