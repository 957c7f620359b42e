// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The car when `adas` falls silent in mid-brake.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use bulkhead_on_target::{REFERENCE, System, lines, says};
use bulkhead_runner::health::Event;

/// Verifies: BH-CAN-104.
#[test]
fn held_in_mid_brake_the_car_brakes_by_itself() {
    let system = System::build(
        REFERENCE,
        &[
            r#"partitions.adas.args="hold=500ms@brake""#,
            "partitions.infotainment.autostart=false",
        ],
    );
    let mut session = system.start(|_| {});
    says(&mut session, "adas", "held for 500 ms in mid-brake", 30);
    says(
        &mut session,
        "vehicle",
        "brake request timeout: degraded braking",
        10,
    );
    let end = says(&mut session, "vehicle", "STOPPED (degraded)", 20);
    // After the hold the next scenario is braked by `adas` again.
    let number: u64 = end
        .split_once("scenario ")
        .and_then(|(_, rest)| rest.split_once(": ")?.0.parse().ok())
        .expect("number");
    let next = says(
        &mut session,
        "vehicle",
        &format!("scenario {}: STOPPED, ", number + 1),
        20,
    );
    println!("{end}\n{next}");
    assert!(
        !lines(&session, "vehicle")
            .iter()
            .any(|line| line.contains("CRASHED"))
    );
    let report = session.finish("the scenario is over").expect("report");
    let missed = |e: &&Event| e.error == "deadline-overrun" && e.partition.as_deref() == Some("adas");
    let event = report
        .health
        .iter()
        .find(missed)
        .expect("adas missed its deadlines");
    assert_eq!(
        (event.level.as_str(), event.action.as_str()),
        ("partition", "log")
    );
}
