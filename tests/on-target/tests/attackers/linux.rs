// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Linux as attacker in the reference system: a stock Debian kernel whose root does its worst, while the car stops.

use bulkhead_on_target::{REFERENCE, System, core, lines, partition, says};
use bulkhead_runner::Session;

const LINUX: &str = "infotainment";

/// Addresses for `devmem`: distributor, redistributor, what would be UART, SMMU, configuration space, firmware flash, and
/// RAM of others if IPAs were physical. What the kernel lets through, EL2 or stage 2 answers.
const ADDRESSES: [&str; 10] = [
    "0x08000000",
    "0x08000100",
    "0x080a0000",
    "0x080b0080",
    "0x09000000",
    "0x09050000",
    "0x4010000000",
    "0x0",
    "0x70000000",
    "0x7f40000000",
];

fn type_line(session: &Session, line: &str) {
    session
        .send(LINUX, format!("{line}\n").as_bytes())
        .expect("typed");
}

/// The last scenario that ended well.
fn last_stop(session: &Session) -> u64 {
    let number = |line: &String| line.split_once(": STOPPED")?.0.rsplit(' ').next()?.parse().ok();
    let said = lines(session, "vehicle");
    said.iter().filter_map(number).next_back().unwrap_or(0)
}

/// The car stops once more in a scenario that began after now.
fn the_car_stops(session: &mut Session) {
    let next = last_stop(session) + 2;
    says(session, "vehicle", &format!("scenario {next}: STOPPED"), 120);
}

fn ready(session: &mut Session) {
    says(session, LINUX, "infotainment: ready, 2 CPUs online", 240);
}

/// Verifies: BH-ATK-001, BH-ATK-002.
#[test]
fn linux() {
    let system = System::build(REFERENCE, &[]);
    let mut session = system.start(|_| {});
    ready(&mut session);
    the_car_stops(&mut session);
    let mut tried = 0;
    for address in ADDRESSES {
        for write in ["", " 32 0xffffffff"] {
            // A new shell for each: the kernel may kill it, and EL2 may restart the partition.
            type_line(
                &session,
                &format!("devmem {address}{write}; echo tried-$((900+{tried}))"),
            );
            let done = format!("tried-{}", 900 + tried);
            let mut waits = 0;
            while !lines(&session, LINUX).iter().any(|line| line.trim() == done) {
                session
                    .run_for(std::time::Duration::from_millis(200))
                    .expect("the machine runs");
                waits += 1;
                if waits % 25 == 0 {
                    // It was restarted meanwhile, or the line was lost with the old shell: a newline shows which.
                    type_line(&session, &format!("echo tried-$((900+{tried}))"));
                }
                assert!(waits < 600, "{address}{write}: Linux is silent");
            }
            tried += 1;
        }
    }
    the_car_stops(&mut session);
    // Everything that can be unbound is, and bound again.
    type_line(
        &session,
        "for d in /sys/bus/*/drivers/*/*; do [ -L $d ] && b=${d%/*} && n=${d##*/} && [ $n != module ] && case $b in *pl011*|*uart*) ;; \
         *) echo $n > $b/unbind; echo $n > $b/bind;; esac; done 2>/dev/null; echo $((7000+70+7)) unbound",
    );
    says(&mut session, LINUX, "7077 unbound", 120);
    // A fork bomb, and all of its memory; then a panic, and a loop of reboots.
    type_line(&session, "b() { b | b & }; b");
    the_car_stops(&mut session);
    type_line(&session, "dd if=/dev/zero of=/dev/shm bs=1M & tail /dev/zero &");
    the_car_stops(&mut session);
    let report = session.finish("all was tried").expect("report");
    for name in ["adas", "vehicle"] {
        let entries = &partition(&report, name).el2_entries;
        assert_eq!(entries.steady, Some(0), "{name}: {:?}", entries.by_reason);
        assert_eq!(partition(&report, name).restarts, 0, "{name}");
        assert_eq!(partition(&report, name).fault, None, "{name}");
    }
    assert_eq!(partition(&report, "cluster").restarts, 0);
    for index in [0, 1] {
        assert!(core(&report, index).adds_up, "{:?}", core(&report, index));
    }
    let attacker = partition(&report, LINUX);
    println!(
        "{{\"attack\":\"linux\",\"attempts\":{tried},\"reached_el2\":{},\"restarts\":{},\"adas_el2_entries\":0}}",
        attacker.el2_entries.total, attacker.restarts
    );
}
