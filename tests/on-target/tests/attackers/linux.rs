// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Linux as attacker in the reference system: a stock Debian kernel whose root does its worst, while the car stops.

use bulkhead_on_target::{REFERENCE, System, core, lines, partition, says};
use bulkhead_runner::Session;

use super::attack::number;
use super::victims::records;

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

/// Addresses below this one are tried with `devmem`; the RAM of `infotainment` begins at 1 GiB and ends far below it.
const SPACE: u64 = 4 << 30;

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

/// What came of the attempts of `devmem`.
struct Touched {
    /// Loads and stores.
    tried: u64,
    /// Those that ended `devmem` by a bus error: the abort that EL2 injects.
    aborted: u64,
    /// Those that the kernel refused: System RAM.
    refused: u64,
}

/// Loads and stores with `devmem` at each address, at the begin of each range that the kernel knows, and at each 16 MiB of
/// [`SPACE`]. What the kernel lets through EL2 emulates, or injects an abort that ends `devmem` alone.
fn touch_everything(session: &mut Session) -> Touched {
    let addresses = ADDRESSES.join(" ");
    let steps = SPACE >> 24;
    // What is typed has other numbers than what is said. A shell's status of a process that a signal ended is 128 + it.
    type_line(
        session,
        &format!(
            "t=0; a=0; k=0; try() {{ devmem $* >/dev/null; case $? in 135) a=$((a+1));; 1) k=$((k+1));; esac; t=$((t+1)); }}; \
             all() {{ echo {addresses}; sed 's/^ *\\([0-9a-f]*\\)-.*/0x\\1/' /proc/iomem; \
             n=0; while [ $n -lt {steps} ]; do echo $((n<<24)); n=$((n+1)); done; }}; \
             for x in $(all); do try $x; try $x 32 0xffffffff; done 2>/dev/null; \
             echo $t tried, $a aborted, $k refused, $((7000+78)) end"
        ),
    );
    let line = says(session, LINUX, "7078 end", 240);
    Touched {
        tried: number(&line, "tried"),
        aborted: number(&line, "aborted"),
        refused: number(&line, "refused"),
    }
}

/// Everything that can be unbound is, and bound again: how many devices went, and came back.
fn rebind_everything(session: &mut Session) -> [u64; 2] {
    type_line(
        session,
        "u=0; r=0; for d in /sys/bus/*/drivers/*/*; do [ -L $d ] && b=${d%/*} && n=${d##*/} && [ $n != module ] && case $b in *pl011*|*uart*) ;; \
         *) echo $n > $b/unbind; [ -L $d ] || u=$((u+1)); echo $n > $b/bind; [ -L $d ] && r=$((r+1));; esac; done 2>/dev/null; \
         echo $u gone, $r back, $((7000+79)) end",
    );
    let line = says(session, LINUX, "7079 end", 120);
    [number(&line, "gone"), number(&line, "back")]
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
    let touched = touch_everything(&mut session);
    let [gone, back] = rebind_everything(&mut session);
    // The kernel of the example has few drivers with devices; each that can go comes back.
    assert!(gone >= 1, "nothing could be unbound");
    assert!(back >= gone, "{gone} devices unbound, {back} bound");
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
    let blamed = report.health_counts.get("partition:infotainment");
    let faults = blamed.and_then(|errors| errors.get("memory-fault")).copied();
    assert_eq!(faults, Some(touched.aborted), "EL2 saw what devmem tried");
    assert!(touched.aborted > SPACE >> 24, "{} aborted", touched.aborted);
    println!(
        "{{\"attack\":\"linux\",\"attempts\":{},\"refused_by_its_kernel\":{},\"memory_faults\":{},\"reached_el2\":{},\
         \"unbound\":{gone},\"bound_again\":{back},\"restarts\":{},\"adas_el2_entries\":{:?}}}",
        touched.tried,
        touched.refused,
        touched.aborted,
        attacker.el2_entries.total,
        attacker.restarts,
        partition(&report, "adas").el2_entries.steady.unwrap_or(u64::MAX)
    );
}

/// Verifies: BH-ATK-001, BH-ATK-002.
#[test]
fn linux() {
    does_its_worst(REBOOTS);
}

/// What `devmem` ends with at the channel of `adas`, in a system with these readers, and the memory faults of Linux.
fn at_the_channel(readers: &str) -> (u64, u64) {
    let whole = System::build(REFERENCE, &[]);
    let records = records(&whole);
    let head = ["grant", "partition:infotainment", "channel:vehicle-state"];
    let mut granted = records
        .iter()
        .filter(|record| record.starts_with(&head.map(str::to_owned)));
    let address = granted
        .next()
        .and_then(|record| record.last())
        .expect("its address");
    let readers = format!("channels.vehicle-state.readers=[{readers}]");
    let system = System::build(
        REFERENCE,
        &["partitions.infotainment.health={ memory-fault: log }", &readers],
    );
    let mut session = system.start(|_| {});
    ready(&mut session);
    type_line(
        &session,
        &format!("devmem {address} 32 >/dev/null 2>&1; echo $? status $((7000+80)) end"),
    );
    let line = says(&mut session, LINUX, "7080 end", 60);
    let report = session.finish("it was tried").expect("report");
    let blamed = report.health_counts.get("partition:infotainment");
    let faults = blamed.and_then(|errors| errors.get("memory-fault")).copied();
    (number(&line, "status"), faults.unwrap_or(0))
}

/// With a grant more the same Linux reaches with `devmem` what it is refused without. Verifies: BH-ATK-002.
#[test]
fn linux_with_a_grant_more() {
    /// A shell's status of a process that a bus error ended.
    const BUS_ERROR: u64 = 128 + 7;
    let (refused, granted) = (at_the_channel("cluster"), at_the_channel("cluster, infotainment"));
    assert_eq!(refused, (BUS_ERROR, 1), "it is none of its business");
    assert_eq!(granted, (0, 0), "as a reader of the channel");
}

/// Verifies: BH-ATK-002.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn linux_in_a_loop_of_reboots() {
    does_its_worst(MANY_REBOOTS);
}
