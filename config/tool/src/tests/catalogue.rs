// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All tests, by suite.

use super::emulated;
use super::kinds::{Action, FUZZ, LOOM, Lane, Test, cargo, script};

/// All tests, in the order in which they run: what fails fast comes first.
pub(super) fn all() -> impl Iterator<Item = &'static Test> {
    TESTS.iter().chain(emulated::TESTS)
}

/// Those that need no emulated machine, but for the first start.
const TESTS: &[Test] = &[
    cargo(
        "format",
        "style",
        "all sources are formatted",
        &["fmt", "--all", "--check"],
    ),
    cargo(
        "lint-host",
        "style",
        "no warning on the host",
        &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ),
    Test {
        id: "lint-target",
        suite: "style",
        lane: Lane::Usual,
        beside: false,
        text: "no warning on the target",
        action: Action::LintTarget,
    },
    Test {
        id: "docs",
        suite: "style",
        lane: Lane::Usual,
        beside: false,
        text: "the documentation builds without a warning",
        action: Action::Cargo {
            arguments: &["doc", "--locked", "--no-deps", "--document-private-items"],
            environment: &[("RUSTDOCFLAGS", "-D warnings")],
        },
    },
    script(
        "schema-second-judge",
        "host",
        "a second validator accepts every valid document and rejects every structural error",
        "tests/schema/validate.sh",
    ),
    script(
        "lint-shell",
        "style",
        "no warning in a shell script",
        "tests/bootstrap/lint.sh",
    ),
    cargo(
        "host",
        "host",
        "unit, property and rule tests on the host",
        &[
            "test",
            "--locked",
            "--no-fail-fast",
            "--workspace",
            "--exclude",
            "bulkhead-on-target",
            "--exclude",
            "bulkhead-mutants",
        ],
    ),
    Test {
        id: "locks-explored",
        suite: "host",
        lane: Lane::Usual,
        beside: false,
        text: "the shipped locks in every order of two or three threads with at most three preemptions",
        action: Action::Cargo {
            arguments: LOOM,
            environment: &[("RUSTFLAGS", "--cfg loom")],
        },
    },
    Test {
        id: "locks-explored-long",
        suite: "host",
        lane: Lane::Long,
        beside: false,
        text: "the same with one preemption more",
        action: Action::Cargo {
            arguments: LOOM,
            environment: &[("RUSTFLAGS", "--cfg loom"), ("MORE_PREEMPTIONS", "1")],
        },
    },
    cargo(
        "mutations",
        "host",
        "10 000 mutated systems: a second opinion finds none that the checker missed or falsely accused; on a GICv2 it refuses each changed bit of the control words",
        &[
            "test",
            "--locked",
            "--package=bulkhead-mutants",
            "--",
            "--nocapture",
        ],
    ),
    cargo(
        "fuzz-host",
        "host",
        "coverage-guided inputs to specs, traps, blobs, device trees and payloads: a fixed number finds nothing and reaches the committed coverage",
        FUZZ,
    ),
    Test {
        id: "fuzz-host-long",
        suite: "host",
        lane: Lane::Long,
        beside: false,
        text: "the same with fifty times as many inputs, from another seed",
        action: Action::Cargo {
            arguments: FUZZ,
            environment: &[("BULKHEAD_FUZZ_TIMES", "50")],
        },
    },
    Test {
        lane: Lane::Long,
        ..cargo(
            "mutations-long",
            "host",
            "200 000 more mutated systems, none missed, none falsely accused",
            &[
                "test",
                "--locked",
                "--package=bulkhead-mutants",
                "--test=verdicts",
                "--",
                "--ignored",
                "--nocapture",
            ],
        )
    },
    Test {
        lane: Lane::Long,
        ..cargo(
            "analysis-oracle",
            "host",
            "no simulated response of a million task sets exceeds its bound",
            &[
                "test",
                "--locked",
                "--package=bulkhead-analysis",
                "--test=oracle",
                "--",
                "--ignored",
            ],
        )
    },
    script(
        "setup",
        "bootstrap",
        "the one command sets up what is missing, and nothing else",
        "tests/bootstrap/run.sh",
    ),
    script(
        "distribution-rust",
        "bootstrap",
        "the distribution's Rust builds the tool and the images, and paths keep their bounds",
        "tests/bootstrap/distro.sh",
    ),
    script(
        "offline",
        "bootstrap",
        "a second start needs no network, downloads and compiles nothing",
        "tests/bootstrap/offline.sh",
    ),
    Test {
        lane: Lane::Long,
        ..script(
            "fresh-debian",
            "bootstrap",
            "the first start on a minimal Debian, by a user with sudo",
            "tests/bootstrap/fresh.sh",
        )
    },
];
