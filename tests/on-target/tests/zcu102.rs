// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reference system on the ZCU102: a GICv2 for everybody, and the board's own CAN controllers.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use bulkhead_on_target::{System, core, operands, partition, says};

const SPEC: &str = "config/systems/xlnx-zcu102.yaml";
const LINUX: &str = "infotainment";

/// Linux computes and restarts alone; the car is braked and the cluster shows its state; cores that are dedicated enter
/// EL2 no more. Verifies: BH-GIC-020, BH-GIC-021, BH-GIC-035.
#[test]
fn partitions_live_on_a_gicv2() {
    let system = System::build(SPEC, &[]);
    let mut session = system.start(|_| {});
    says(&mut session, LINUX, "infotainment: ready, 2 CPUs online", 120);
    says(&mut session, "vehicle", "scenario 1: STOPPED", 60);
    let (a, b) = operands();
    let typed = session.send(LINUX, format!("echo $(({a}*{b}))\n").as_bytes());
    typed.expect("typed");
    says(&mut session, LINUX, &format!("\n{}\r\n", a * b), 20);
    session.send(LINUX, b"reboot -f\n").expect("typed");
    says(&mut session, LINUX, "reboot: Restarting system", 60);
    says(&mut session, LINUX, "infotainment: ready, 2 CPUs online", 120);
    says(&mut session, "cluster", " km/h, ", 10);
    let report = session.finish("all was seen").expect("report");

    assert_eq!(report.reasons, [""; 0]);
    for name in ["adas", "vehicle"] {
        let entries = &partition(&report, name).el2_entries;
        assert_eq!(entries.steady, Some(0), "{name}: {:?}", entries.by_reason);
    }
    for (name, restarts) in [("adas", 0), ("vehicle", 0), ("cluster", 0), (LINUX, 1)] {
        assert_eq!(partition(&report, name).restarts, restarts, "{name}");
        assert_eq!(partition(&report, name).fault, None, "{name}");
    }
    for index in [0, 1] {
        let core = core(&report, index);
        assert!(core.adds_up, "{core:?}");
    }
    let slots = partition(&report, "cluster").slots;
    let frames = core(&report, 1).frames;
    assert!(
        (slots.granted + slots.missed).abs_diff(frames) <= 1,
        "{slots:?} in {frames} major frames"
    );
}
