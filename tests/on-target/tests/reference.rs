// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reference system while Linux computes, spins, reboots and crashes. One session, since booting takes longest.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::{REFERENCE, System, core, lines, operands, partition, says};
use bulkhead_runner::Session;

const LINUX: &str = "infotainment";
/// What it invites to type is typed here.
const README: &str = include_str!("../../../README.md");

/// The numbers of the vehicle states that a partition has shown, oldest first.
fn sequence(session: &Session, from: &str) -> Vec<u64> {
    let number = |line: &String| {
        line.split_once("vehicle-state ")?
            .1
            .split_once(": ")?
            .0
            .parse()
            .ok()
    };
    lines(session, from).iter().filter_map(number).collect()
}

/// The last scenario of which the car was told the end.
fn last_scenario(session: &Session) -> u64 {
    let number = |line: &String| line.split_once(": STOPPED")?.0.rsplit(' ').next()?.parse().ok();
    lines(session, "vehicle")
        .iter()
        .filter_map(number)
        .next_back()
        .expect("a scenario ended")
}

fn type_line(session: &Session, line: &str) {
    session
        .send(LINUX, format!("{line}\n").as_bytes())
        .expect("typed");
}

/// A command that README names.
fn invited(command: &str) -> &str {
    assert!(README.contains(&format!("`{command}`")), "{command}");
    command
}

/// Linux multiplies two numbers that no build has known.
fn computes(session: &mut Session) {
    let (a, b) = operands();
    type_line(session, &format!("echo $(({a}*{b}))"));
    says(session, LINUX, &format!("\n{}\r\n", a * b), 20);
}

/// Both vCPUs of Linux spin; cluster and Linux go on showing newer states.
fn spins(session: &mut Session) {
    for _ in 0..2 {
        type_line(session, invited("while :; do :; done &"));
    }
    type_line(session, "echo $((6000+600+60+6)) spinners");
    says(session, LINUX, "6666 spinners", 20);
    let before = ["cluster", LINUX].map(|name| sequence(session, name).len());
    session.run_for(Duration::from_secs(5)).expect("spinning");
    for (name, before) in ["cluster", LINUX].into_iter().zip(before) {
        // On a slow host Linux gets less done in a virtual second.
        let shown = |session: &Session| sequence(session, name).len() >= before + 2;
        for _ in 0..60 {
            if shown(session) {
                break;
            }
            session.run_for(Duration::from_secs(1)).expect("spinning");
        }
        let all = sequence(session, name);
        assert!(
            shown(session),
            "{name} has stopped showing states beside the loops: {all:?}"
        );
        assert!(all.is_sorted_by(|a, b| a < b), "{name}: {all:?}");
    }
}

/// The cluster shows what Linux has written into the record that they share under a lock.
fn shares(session: &mut Session) {
    says(session, "cluster", "settings: brightness 80, volume 0, ", 20);
    type_line(session, invited("settings brightness 30"));
    says(session, LINUX, "settings: brightness 30, volume 0, ", 20);
    says(session, "cluster", "settings: brightness 30, volume 0, ", 20);
}

/// What the cluster says when it gets the lock of one that died.
const DIED: &str = "settings: who changed them died, the old ones stay";

/// Linux hangs in the middle of a change and restarts with the lock: the cluster goes on with the old settings while it
/// is held, is told when it gets it, and shows what the next life of Linux writes.
fn restarts_with_the_lock(session: &mut Session) {
    type_line(session, invited("settings hold &"));
    says(session, LINUX, "settings: holds, half a change written", 20);
    restarts(session, "reboot -f", "reboot: Restarting system");
    says(session, "cluster", DIED, 20);
    says(session, "cluster", "settings: brightness 80, volume 0, ", 20);
}

/// Linux restarts alone: it gets ready again while the car and the cluster go on.
fn restarts(session: &mut Session, command: &str, last_words: &str) {
    type_line(session, invited(command));
    says(session, LINUX, last_words, 60);
    let shown = sequence(session, "cluster").len();
    let before = last_scenario(session);
    says(session, LINUX, "infotainment: ready, 2 CPUs online", 120);
    says(
        session,
        "vehicle",
        &format!("scenario {}: STOPPED", before + 1),
        60,
    );
    let states = sequence(session, "cluster");
    assert!(states.len() > shown, "cluster stands still: {states:?}");
    assert!(states.is_sorted_by(|a, b| a < b), "cluster: {states:?}");
}

/// Verifies: BH-LIFE-002, BH-LOCK-008, BH-LOCK-026, BH-SCHED-006, BH-STAT-001.
#[test]
fn partitions_do_not_notice_what_linux_does() {
    let system = System::build(REFERENCE, &[]);
    let mut session = system.start(|_| {});
    says(&mut session, LINUX, "infotainment: ready, 2 CPUs online", 120);
    says(&mut session, "vehicle", "scenario 1: STOPPED", 60);
    computes(&mut session);
    shares(&mut session);
    spins(&mut session);
    restarts_with_the_lock(&mut session);
    computes(&mut session);
    restarts(
        &mut session,
        "echo c > /proc/sysrq-trigger",
        "Kernel panic - not syncing",
    );
    computes(&mut session);
    let said = lines(&session, "cluster");
    let settings = said.iter().filter(|line| line.starts_with("settings: "));
    let settings: Vec<&str> = settings.take(4).map(String::as_str).collect();
    let shown =
        [80, 30, 80].map(|brightness| format!("settings: brightness {brightness}, volume 0, change "));
    let shown: Vec<String> = (1..).zip(shown).map(|(n, text)| format!("{text}{n}")).collect();
    assert_eq!(
        settings,
        [&shown[0], &shown[1], DIED, &shown[2]],
        "no half change is shown"
    );
    let report = session.finish("all was seen").expect("report");

    assert_eq!(report.reasons, [""; 0]);
    for name in ["adas", "vehicle"] {
        let entries = &partition(&report, name).el2_entries;
        assert_eq!(entries.steady, Some(0), "{name}: {:?}", entries.by_reason);
    }
    for (name, restarts) in [("adas", 0), ("vehicle", 0), ("cluster", 0), (LINUX, 2)] {
        assert_eq!(partition(&report, name).restarts, restarts, "{name}");
        assert_eq!(partition(&report, name).fault, None, "{name}");
    }
    let lock = report.pi_locks.iter().find(|lock| lock.name == "settings");
    let lock = lock.expect("the lock is in the report");
    println!("{lock:?}");
    // Linux took it five times.
    assert!(lock.acquired > 5 && lock.revoked == 1, "{lock:?}");
    // A direct core notes the time only when it enters EL2: its row tells of its start alone.
    for index in [0, 1] {
        let core = core(&report, index);
        println!(
            "core {index}: {} ns of {} unaccounted, worst slot lateness {} ns",
            core.unaccounted_ns, core.elapsed_ns, core.worst_slot_lateness_ns
        );
        assert!(core.adds_up, "{core:?}");
    }
    let slots = partition(&report, "cluster").slots;
    let frames = core(&report, 1).frames;
    assert!(
        (slots.granted + slots.missed).abs_diff(frames) <= 1,
        "{slots:?} in {frames} major frames"
    );
}
