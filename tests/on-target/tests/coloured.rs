// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A system in page colours: Linux and a bare-metal partition load themselves and run in pages of their colours.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::{System, partition, says};
use bulkhead_runner::report::Verdict;

const SPEC: &str = "tests/systems/coloured.yaml";

/// Verifies: BH-MEM-005.
#[test]
fn coloured_partitions_run() {
    let system = System::build(SPEC, &[]);
    let mut session = system.start(|_| {});
    says(&mut session, "guarded", "cluster: ready", 30);
    says(&mut session, "plain", "cluster: ready", 30);
    // Linux has read and written its whole RAM when it reaches its own program.
    says(&mut session, "linux", "infotainment: ready", 120);
    session
        .step(Duration::from_millis(200))
        .expect("the machine runs");
    let report = session.finish("all partitions run").expect("report");
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    for name in ["guarded", "linux", "plain"] {
        assert_eq!(partition(&report, name).restarts, 0, "{name}");
    }
}
