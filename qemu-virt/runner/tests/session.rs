// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sessions with a real QEMU and a small guest that behaves like EL2.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod guest;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process;
use std::time::Duration;

use bulkhead_runner::int_log::IntLog;
use bulkhead_runner::qemu::{self, Qemu, RunFolder};
use bulkhead_runner::qmp::Qmp;
use bulkhead_runner::report::{Can, Verdict};
use bulkhead_runner::{RunnerError, Session, SessionOptions};

const SOON: Duration = Duration::from_secs(20);

fn options() -> SessionOptions {
    SessionOptions::new(Path::new(""))
}

fn started() -> Session {
    Session::start(guest::build().path(), options()).expect("start")
}

/// Verifies: BH-QEMU-003, BH-REP-001, BH-VIEW-003.
#[test]
fn a_run_passes_and_its_report_has_the_counts() {
    let mut session = started();
    let line = session.wait_for("vehicle", "3: STOPPED", SOON).expect("scenario");
    assert_eq!(line, "scenario 3: STOPPED");
    session
        .send("infotainment", b"enter\nmark\nenter\n")
        .expect("send");
    session.wait_for("infotainment", "marked", SOON).expect("mark");
    session
        .wait_for("infotainment", "left EL1\n", SOON)
        .expect("second stay");
    let report = session.finish("done").expect("report");
    assert_eq!(
        (report.verdict, report.reasons.as_slice()),
        (Verdict::Pass, &[][..])
    );
    assert_eq!(report.blob_hash.as_deref(), Some("5f5f"));
    assert!(report.expect[0].matched && !report.never[0].matched);
    assert!(
        report.expect[0].at_ns.expect("time") >= 40_000_000,
        "two pauses of 20 ms came before"
    );
    let vehicle = &report.partitions["vehicle"];
    assert_eq!(vehicle.state, "running");
    assert_eq!(
        vehicle.can,
        Can {
            tx: 5,
            ..Can::default()
        }
    );
    // 1000 hypercalls and the one that ends the stay, 30 secure calls, 20 interrupts; twice.
    let entries = &vehicle.el2_entries;
    let by_reason: Vec<_> = entries
        .by_reason
        .iter()
        .map(|(name, &count)| (name.as_str(), count))
        .collect();
    assert_eq!(by_reason, [("hvc", 2002), ("irq", 40), ("smc", 60)]);
    assert_eq!((entries.total, entries.steady), (2102, Some(1051)));
    let steady = report.steady.expect("steady state");
    assert!(0 < steady.from_ns && steady.from_ns < steady.to_ns && steady.to_ns == report.virtual_ns);
    let infotainment = &report.partitions["infotainment"];
    assert!(!infotainment.metrics);
    assert!(
        infotainment.console_tail.ends_with("left EL1\nlast words\n"),
        "{}",
        infotainment.console_tail
    );
    assert!(report.hypervisor_tail.contains("a log frame of 2 bytes"));
    assert_eq!(report.cores.len(), 2);
    assert_eq!(
        (report.cores[0].state.as_str(), report.cores[1].state.as_str()),
        ("running", "off")
    );
}

/// Verifies: BH-QEMU-006.
#[test]
fn the_emulators_log_has_the_same_counts_as_the_guest() {
    let folder = guest::build();
    let log = folder.path().join("int.log");
    let mut options = options();
    options.launch.int_log = Some(log.clone());
    let mut session = Session::start(folder.path(), options).expect("start");
    session.send("infotainment", b"enter\n").expect("send");
    session
        .wait_for("infotainment", "left EL1\n", SOON)
        .expect("stay");
    let report = session.finish("done").expect("report");
    let counted = &report.partitions["vehicle"].el2_entries;
    let log = IntLog::read(BufReader::new(File::open(log).expect("log"))).expect("read");
    assert_eq!(log.by_reason(0), counted.by_reason);
    assert_eq!((log.total(0), log.total(1)), (1051, 0));
}

/// Verifies: BH-QEMU-007.
#[test]
fn two_runs_at_once_do_not_meet() {
    let mut sessions = [started(), started()];
    for (session, text) in sessions.iter_mut().zip(["one", "two"]) {
        session
            .send("infotainment", format!("{text}\n").as_bytes())
            .expect("send");
    }
    for (session, text) in sessions.iter_mut().zip(["one", "two"]) {
        let answer = format!(
            "heard {text}
"
        );
        session.wait_for("infotainment", &answer, SOON).expect("answer");
    }
    for session in sessions {
        let transcript = session.transcript("infotainment").expect("console").tail();
        assert_eq!(transcript.matches("heard").count(), 1);
    }
}

/// Verifies: BH-QEMU-007.
#[test]
fn a_dropped_session_leaves_no_process() {
    let session = started();
    let process = session.process();
    assert!(Path::new(&format!("/proc/{process}")).exists());
    drop(session);
    assert!(!Path::new(&format!("/proc/{process}")).exists());
}

#[test]
fn a_line_that_does_not_come_is_told_with_what_came() {
    let mut session = started();
    let missing = session.wait_for("vehicle", "no such thing", Duration::from_millis(300));
    let Err(RunnerError::NotSeen { tail, .. }) = missing else {
        panic!("{missing:?}")
    };
    assert!(tail.contains("scenario 2"), "{tail}");
    let nobody = session.send("nobody", b"").expect_err("nobody");
    assert_eq!(
        nobody.to_string(),
        "there is no partition `nobody`; partitions are vehicle, infotainment"
    );
    session.send("infotainment", b"off\n").expect("send");
    let ended = session.wait_for("vehicle", "no such thing", SOON);
    assert!(matches!(ended, Err(RunnerError::Ended(_))), "{ended:?}");
    let report = session.finish("it went off").expect("report");
    assert!(report.partitions["vehicle"].console_tail.contains("scenario 2"));
}

/// Verifies: BH-QEMU-002.
#[test]
fn a_stopped_machine_is_read_and_ended() {
    let run = RunFolder::new().expect("folder");
    let text = format!(
        "-M virt -S -display none -nic none -device loader,addr=0x44000000,data=0x11223344,data-len=4 \
         -chardev socket,id=s,path={} -serial chardev:s -chardev socket,id=q,path={} -mon chardev=q,mode=control",
        run.path("serial").display(),
        run.path("qmp").display()
    );
    let arguments: Vec<_> = text.split_whitespace().map(Into::into).collect();
    let (ended, end) = process_end();
    let program = qemu::program().expect("QEMU");
    let machine = Qemu::start(&program, &arguments, run, None, ended).expect("start");
    let (_serial, control) = machine.connect().expect("connect");
    let mut qmp = Qmp::new(control, &machine.path("memory")).expect("QMP");
    assert_eq!(qmp.status().expect("status"), "prelaunch");
    assert_eq!(
        qmp.read_memory(0x4400_0000, 4).expect("memory"),
        0x1122_3344_u32.to_le_bytes()
    );
    let refused = qmp
        .execute("no-such-command", serde_json::json!({}))
        .expect_err("refused");
    assert!(refused.to_string().contains("no-such-command"));
    qmp.quit().expect("quit");
    assert!(end.recv_timeout(SOON).expect("end").success());
}

fn process_end() -> (
    impl FnOnce(process::ExitStatus) + Send + 'static,
    std::sync::mpsc::Receiver<process::ExitStatus>,
) {
    let (tell, told) = std::sync::mpsc::channel();
    (move |status| tell.send(status).expect("told"), told)
}

#[test]
fn a_qemu_that_ends_at_once_is_told_with_its_words() {
    let mut options = options();
    options.launch.extra = vec!["-no-such-option".to_owned()];
    let error = Session::start(guest::build().path(), options).expect_err("refused");
    assert!(matches!(error, RunnerError::EndedAtOnce { .. }));
    assert!(error.to_string().contains("-no-such-option"), "{error}");
}
