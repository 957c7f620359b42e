// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a test of the catalogue is, and the shapes that many share.

/// A test.
pub(super) struct Test {
    /// Stable name.
    pub(super) id: &'static str,
    /// Suite.
    pub(super) suite: &'static str,
    /// When it is run.
    pub(super) lane: Lane,
    /// Whether another such test may run at the same time: what it measures is virtual time, or none.
    pub(super) beside: bool,
    /// What it shows.
    pub(super) text: &'static str,
    /// What is done.
    pub(super) action: Action,
}

/// When a test is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// With all others.
    Usual,
    /// With `--long`, or when it is named: it takes many minutes.
    Long,
}

/// What a test does.
pub(super) enum Action {
    /// Calls cargo, which must succeed.
    Cargo {
        /// Arguments.
        arguments: &'static [&'static str],
        /// Additional environment.
        environment: &'static [(&'static str, &'static str)],
    },
    /// Lints everything that runs on the target.
    LintTarget,
    /// Runs a script.
    Script {
        /// Path in the tree.
        path: &'static str,
    },
    /// Runs the reference system.
    System {
        /// Additional arguments of `run`.
        arguments: &'static [&'static str],
        /// How it must end.
        wanted: Wanted,
    },
}

/// How a run must end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// Exit status 0, verdict `pass`, no crash.
    Pass,
    /// Exit status 1, verdict `fail`, the car CRASHED.
    Crash,
}

/// Calls of cargo.
pub(super) const fn cargo(
    id: &'static str,
    suite: &'static str,
    text: &'static str,
    arguments: &'static [&'static str],
) -> Test {
    Test {
        id,
        suite,
        lane: Lane::Usual,
        beside: false,
        text,
        action: Action::Cargo {
            arguments,
            environment: &[],
        },
    }
}

/// A test beside which another may run.
pub(super) const fn beside(test: Test) -> Test {
    Test { beside: true, ..test }
}

/// An integration test of `tests/on-target`; its systems run one after another, since the host has few cores.
macro_rules! target {
    ($id:literal, $file:literal, $text:literal) => {
        target!($id, "target", $file, $text)
    };
    ($id:literal, $suite:literal, $file:literal, $text:literal) => {
        cargo(
            $id,
            $suite,
            $text,
            &[
                "test",
                "--locked",
                "-p",
                "bulkhead-on-target",
                "--test",
                $file,
                "--",
                "--test-threads=1",
                "--nocapture",
            ],
        )
    };
}
pub(super) use target;

/// A script.
pub(super) const fn script(
    id: &'static str,
    suite: &'static str,
    text: &'static str,
    path: &'static str,
) -> Test {
    Test {
        id,
        suite,
        lane: Lane::Usual,
        beside: false,
        text,
        action: Action::Script { path },
    }
}

/// The reference system, changed so that the car must crash.
pub(super) const fn control(
    id: &'static str,
    text: &'static str,
    arguments: &'static [&'static str],
) -> Test {
    Test {
        id,
        suite: "controls",
        lane: Lane::Usual,
        beside: false,
        text,
        action: Action::System {
            arguments,
            wanted: Wanted::Crash,
        },
    }
}

/// The model checker compiles the crates with its own atomics, and optimised: it tries thousands of orders.
pub(super) const LOOM: &[&str] = &[
    "test",
    "--locked",
    "--release",
    "--package=bulkhead-policy",
    "--test=job_loom",
    "--test=lock_loom",
    "--test=ticket_loom",
];

/// The targets are built with coverage counters by the test itself.
pub(super) const FUZZ: &[&str] = &[
    "test",
    "--locked",
    "--package=bulkhead-fuzz",
    "--test=coverage",
    "--",
    "--ignored",
    "--nocapture",
];

/// A run of a board's example.
pub(super) const fn board(
    id: &'static str,
    suite: &'static str,
    text: &'static str,
    arguments: &'static [&'static str],
    wanted: Wanted,
) -> Test {
    Test {
        id,
        suite,
        lane: Lane::Usual,
        beside: false,
        text,
        action: Action::System { arguments, wanted },
    }
}
