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

/// Reboots in a row.
const REBOOTS: u64 = 1;
const MANY_REBOOTS: u64 = 30;

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

/// Reads and writes each address. The kernel refuses some; EL2 emulates, or injects an abort that ends `devmem` alone.
fn touch_everything(session: &mut Session) -> usize {
    let addresses = ADDRESSES.join(" ");
    type_line(
        session,
        &format!(
            "n=0; for a in {addresses}; do devmem $a; devmem $a 32 0xffffffff; n=$((n+2)); done; echo tried-$n"
        ),
    );
    let tried = 2 * ADDRESSES.len();
    says(session, LINUX, &format!("tried-{tried}"), 120);
    tried
}

/// Everything that can be unbound is, and bound again.
fn rebind_everything(session: &mut Session) {
    type_line(
        session,
        "for d in /sys/bus/*/drivers/*/*; do [ -L $d ] && b=${d%/*} && n=${d##*/} && [ $n != module ] && case $b in *pl011*|*uart*) ;; \
         *) echo $n > $b/unbind; echo $n > $b/bind;; esac; done 2>/dev/null; echo $((7000+70+7)) unbound",
    );
    says(session, LINUX, "7077 unbound", 120);
}

/// Linux does its worst; what fails it alone is followed by what fails it next.
fn does_its_worst(reboots: u64) {
    // A memory fault ends what asked for it, not Linux: so everything is tried in one life.
    let system = System::build(
        REFERENCE,
        &["partitions.infotainment.health={ memory-fault: log }"],
    );
    let mut session = system.start(|_| {});
    ready(&mut session);
    the_car_stops(&mut session);
    let tried = touch_everything(&mut session);
    rebind_everything(&mut session);
    type_line(&session, "tail /dev/zero");
    says(&mut session, LINUX, "Killed process", 120);
    type_line(&session, "echo c > /proc/sysrq-trigger");
    says(&mut session, LINUX, "Kernel panic - not syncing", 120);
    ready(&mut session);
    for _ in 0..reboots {
        type_line(&session, "reboot -f");
        says(&mut session, LINUX, "reboot: Restarting system", 120);
        ready(&mut session);
    }
    type_line(&session, "b() { b | b & }; b");
    the_car_stops(&mut session);
    let report = session.finish("all was tried").expect("report");
    assert_eq!(report.reasons, [""; 0], "the car stopped in every scenario");
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
    assert_eq!(attacker.restarts, reboots + 1, "its panic and its reboots");
    let faults = attacker.el2_entries.by_reason.get("data_abort").copied();
    assert!(faults.unwrap_or(0) > 0, "EL2 saw what devmem tried");
    println!(
        "{{\"attack\":\"linux\",\"attempts\":{tried},\"reached_el2\":{},\"restarts\":{},\"adas_el2_entries\":0}}",
        attacker.el2_entries.total, attacker.restarts
    );
}

/// Verifies: BH-ATK-001, BH-ATK-002.
#[test]
fn linux() {
    does_its_worst(REBOOTS);
}

/// Verifies: BH-ATK-002.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn linux_in_a_loop_of_reboots() {
    does_its_worst(MANY_REBOOTS);
}
