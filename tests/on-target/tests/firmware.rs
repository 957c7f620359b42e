// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMCs of partitions: exactly what the spec lists reaches the firmware, as the emulator's own log says.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_abi::health::Error;
use bulkhead_on_target::{System, lines, says};

const SPEC: &str = "tests/systems/firmware.yaml";

/// What the partitions that are started say, their illegal calls, and how many PSCI calls QEMU answered from reset on.
fn run(overrides: &[&str], started: &[&str]) -> (Vec<Vec<String>>, usize) {
    let system = System::build(SPEC, overrides);
    let log = system.folder().join("int.log");
    let mut session = system.start(|options| options.launch.int_log = Some(log.clone()));
    for name in started {
        says(&mut session, name, "firmware done", 60);
    }
    // The end of the last line comes after its text.
    session.run_for(Duration::from_millis(100)).expect("it runs");
    let said: Vec<_> = started.iter().map(|name| lines(&session, name)).collect();
    let report = session.finish("all calls were made").expect("report");
    for (name, lines) in started.iter().zip(&said) {
        let refused = lines
            .iter()
            .filter(|l| l.contains("0xffffffffffffffff, "))
            .count();
        // The firmware answers the vendor's function itself, and EL2 blames nobody for it.
        let illegal = refused - lines.iter().filter(|l| l.contains("0x82000010")).count();
        let counts = &report.health_counts[&format!("partition:{name}")];
        let counted = counts.get(Error::IllegalCall.word()).copied().unwrap_or(0);
        assert_eq!(usize::try_from(counted), Ok(illegal), "{name}: {lines:#?}");
    }
    let text = std::fs::read_to_string(&log).expect("log");
    (said, text.matches("handled as PSCI call").count())
}

/// Verifies: BH-SMC-001.
#[test]
fn exactly_what_is_listed_reaches_the_firmware() {
    let (said, both) = run(&[], &["caller", "other"]);
    let [caller, other] = said.as_slice() else {
        panic!("{said:?}");
    };
    // The machine of the partition has no core 3, the board has; x4 to x30 stay.
    let emulated = "hvc 0xc4000004: 0xfffffffffffffffe";
    let refused = |function: &str| format!("smc {function}: 0xffffffffffffffff, 27 kept");
    let unlisted = ["0x84000004", "0x84000000", "0x84000006", "0xc4000003"].map(refused);
    let expected = [emulated.to_owned(), "smc 0xc4000004: 0x0, 27 kept".to_owned()].into_iter();
    let expected: Vec<String> = expected.chain(unlisted.clone()).collect();
    let vendors = refused("0x82000010");
    assert_eq!(caller[..6], expected);
    assert_eq!(caller[6..], [vendors, "firmware done".to_owned()]);
    let expected = [emulated.to_owned(), refused("0xc4000004")].into_iter();
    let expected: Vec<String> = expected.chain(unlisted).collect();
    assert_eq!(other[..6], expected);
    // Of all that, QEMU as firmware got the two calls that are listed.
    let (_, without) = run(&["partitions.caller.autostart=false", "expect=[]"], &["other"]);
    assert_eq!(both - without, 2, "PSCI calls beside those of boot");
}
