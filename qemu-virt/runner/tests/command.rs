// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs as a user starts them: exit codes, report, signals, the terminal. QEMU and guest are real.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod guest;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bulkhead_runner::report::{Report, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};

const SOON: Duration = Duration::from_secs(60);

/// What the guest does wrong.
#[derive(Clone, Copy)]
enum Mode {
    Nothing,
    Refuses,
    StandsStill,
    Crashes,
    GoesOff,
    FallsSilent,
}

fn command(folder: &Path, mode: Mode, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead-run"));
    let loader = format!("loader,addr={:#x},data={},data-len=4", guest::MODE, mode as u32);
    command.args(["--qemu-arg=-device", &format!("--qemu-arg={loader}")]);
    command.args(arguments).args([folder, folder]);
    command
}

fn run(mode: Mode, arguments: &[&str]) -> (Output, Option<Report>) {
    let folder = guest::build();
    let report = folder.path().join("report.json");
    let output = command(folder.path(), mode, arguments)
        .arg("--report")
        .arg(&report)
        .output();
    let report = std::fs::read(report).ok();
    let report = report.map(|text| serde_json::from_slice(&text).expect("report"));
    (output.expect("run"), report)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Verifies: BH-QEMU-003, BH-QEMU-005, BH-VIEW-001.
#[test]
fn a_headless_run_ends_when_all_is_seen() {
    let (output, report) = run(Mode::Nothing, &["--headless", "--for", "60s"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = report.expect("report");
    assert_eq!(
        (report.verdict, report.ended.as_str()),
        (Verdict::Pass, "all expectations are met")
    );
    assert!(report.virtual_ns < 50_000_000_000);
    let shown = text(&output.stdout);
    assert!(shown.contains("     vehicle │ scenario 3: STOPPED\n"), "{shown}");
    assert!(shown.contains("infotainment │ last words\n"), "{shown}");
    assert!(!shown.contains('\x1b'), "no colour in a file");
}

/// Verifies: BH-QEMU-005.
#[test]
fn a_run_goes_on_for_its_least_time() {
    let (output, report) = run(Mode::Nothing, &["--headless", "--for", "60s", "--min", "1s"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(report.expect("report").virtual_ns >= 1_000_000_000);
}

/// Verifies: BH-QEMU-003, BH-QEMU-005.
#[test]
fn each_failure_ends_the_run_with_its_reason() {
    let cases = [
        (Mode::Crashes, "60s", "a forbidden line was seen"),
        (Mode::Refuses, "60s", "EL2 refused: cores (blob: 4, board: 2)"),
        (
            Mode::GoesOff,
            "60s",
            "the machine switched itself off (guest-shutdown)",
        ),
        (Mode::FallsSilent, "500ms", "500ms of virtual time are over"),
    ];
    for (mode, bound, ended) in cases {
        let (output, report) = run(mode, &["--headless", "--for", bound]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let report = report.expect("report");
        assert_eq!((report.verdict, report.ended.as_str()), (Verdict::Fail, ended));
        assert!(
            !report.reasons.is_empty() && said.contains(&report.reasons[0]),
            "{said}"
        );
    }
}

/// Verifies: BH-QEMU-008.
#[test]
fn a_machine_that_stands_still_is_the_tools_error() {
    let (output, report) = run(
        Mode::StandsStill,
        &["--headless", "--stall-timeout", "1", "--for", "60s"],
    );
    // The guest counts no time, but its consoles are complete: the verdict comes first.
    assert_eq!((output.status.code(), report.is_some()), (Some(0), true));
    let arguments = [
        "--headless",
        "--stall-timeout",
        "1",
        "--for",
        "60s",
        "--min",
        "1s",
    ];
    let (output, report) = run(Mode::StandsStill, &arguments);
    assert_eq!((output.status.code(), report.is_some()), (Some(2), false));
    assert!(text(&output.stderr).contains("no virtual progress for 1 s of host time"));
}

/// Verifies: BH-QEMU-001.
#[test]
fn the_printed_command_runs_by_hand() {
    let (output, _) = run(Mode::Nothing, &["--print-command"]);
    assert_eq!(output.status.code(), Some(0));
    let line = text(&output.stdout);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec {line}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut qemu = shell.spawn().expect("shell");
    let output = BufReader::new(qemu.stdout.take().expect("output"));
    let mut lines = output.split(b'\n').map_while(Result::ok);
    // The multiplex selects a console within the line.
    let seen = lines
        .by_ref()
        .take(20)
        .any(|line| text(&line).contains(": STOPPED"));
    qemu.kill().expect("kill");
    qemu.wait().expect("wait");
    assert!(seen);
}

/// Verifies: BH-QEMU-009.
#[test]
fn deterministic_runs_are_equal() {
    let times = || {
        let arguments = ["--headless", "--for", "60s", "--min", "100ms", "--deterministic"];
        let (output, report) = run(Mode::Nothing, &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let tail = report.expect("report").partitions["vehicle"].console_tail.clone();
        let mut times: Vec<String> = tail.lines().map(str::to_owned).collect();
        times.truncate(6);
        assert_eq!(times.len(), 6, "{tail}");
        times
    };
    let first = times();
    assert!(first[5].starts_with("at tick "), "{first:?}");
    assert_eq!(first, times());
}

/// A run that goes on until something ends it, after its first scenario.
///
/// A killed runner cannot remove its private folder; it lies in the second of those that are returned.
fn endless() -> (Child, [tempfile::TempDir; 2], i32) {
    let folder = guest::build();
    let temporary = tempfile::tempdir().expect("folder");
    let mut child = command(folder.path(), Mode::Nothing, &[])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("run");
    let mut lines = BufReader::new(child.stdout.take().expect("output"))
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("scenario 1")));
    let rest = lines;
    thread::spawn(move || rest.for_each(drop));
    let qemu = only_child_of(child.id());
    assert!(alive(qemu));
    (child, [folder, temporary], qemu)
}

fn only_child_of(process: u32) -> i32 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("threads");
    let children = threads.map(|thread| {
        let children = thread.expect("thread").path().join("children");
        std::fs::read_to_string(children).expect("children")
    });
    let children: String = children.collect();
    children.trim().parse().expect("one child")
}

/// Whether a process runs: one that has ended but was not waited for does not.
fn alive(process: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("signal");
}

fn eventually(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + SOON;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Verifies: BH-QEMU-007.
#[test]
fn signals_end_the_run_in_order() {
    for kind in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (mut child, _folder, qemu) = endless();
        signal(&child, kind);
        let status: ExitStatus = child.wait().expect("end");
        assert!(matches!(status.code(), Some(0 | 1)), "{status}");
        assert!(!alive(qemu));
    }
}

/// Verifies: BH-REP-005.
#[test]
fn a_run_whose_emulator_fails_is_no_success() {
    let folder = guest::build();
    let mut child = command(
        folder.path(),
        Mode::Nothing,
        &["--headless", "--for", "60s", "--min", "50s"],
    )
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .expect("run");
    let mut lines = BufReader::new(child.stdout.take().expect("output"))
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("scenario 3: STOPPED")));
    let rest = lines;
    thread::spawn(move || rest.for_each(drop));
    let qemu = Pid::from_raw(only_child_of(child.id())).expect("a process");
    kill_process(qemu, Signal::ABORT).expect("signal");
    let output = child.wait_with_output().expect("end");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("QEMU failed (signal: 6"), "{said}");
}

/// Verifies: BH-QEMU-007.
#[test]
fn qemu_dies_with_a_killed_runner() {
    let (mut child, _folder, qemu) = endless();
    signal(&child, Signal::KILL);
    child.wait().expect("end");
    assert!(eventually(|| !alive(qemu)));
}

/// A pseudo-terminal: the user's end and the program's.
fn terminal() -> (File, File) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("terminal");
    grantpt(&user).expect("grant");
    unlockpt(&user).expect("unlock");
    let name = ptsname(&user, Vec::new()).expect("name");
    let name = name.to_str().expect("name").to_owned();
    let program = File::options().read(true).write(true).open(name).expect("open");
    (File::from(user), program)
}

fn is_raw(modes: &Termios) -> bool {
    !modes
        .local_modes
        .intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
}

/// Reads until `text` has come.
fn read_until(user: &mut File, wanted: &str) -> String {
    let mut seen = Vec::new();
    while !text(&seen).contains(wanted) {
        let mut byte = [0];
        user.read_exact(&mut byte).expect("read");
        seen.extend(byte);
    }
    text(&seen)
}

/// A run with an interactive console on a terminal, after an answer of the guest.
fn interactive() -> (Child, tempfile::TempDir, File, File) {
    let (mut user, program) = terminal();
    let folder = guest::build();
    let end = || Stdio::from(program.try_clone().expect("clone"));
    let child = command(folder.path(), Mode::Nothing, &["--console", "infotainment"])
        .stdin(end())
        .stdout(end())
        .stderr(end())
        .spawn()
        .expect("run");
    assert!(!is_raw(&tcgetattr(&program).expect("modes")));
    assert!(eventually(|| is_raw(&tcgetattr(&program).expect("modes"))));
    user.write_all(b"hel\x1d\x1dlo\r").expect("type");
    let seen = read_until(&mut user, "heard hel\x1dlo");
    assert!(!seen.contains("scenario"), "other consoles are silent: {seen}");
    (child, folder, user, program)
}

/// Verifies: BH-VIEW-005.
#[test]
fn an_interactive_console_ends_with_the_escape_key_and_restores_the_terminal() {
    let (mut child, _folder, mut user, program) = interactive();
    user.write_all(b"\x1dq").expect("type");
    assert!(eventually(|| child.try_wait().expect("wait").is_some()));
    assert!(!is_raw(&tcgetattr(&program).expect("modes")));
}

/// Verifies: BH-VIEW-005.
#[test]
fn a_signal_restores_the_terminal_too() {
    let (mut child, _folder, _user, program) = interactive();
    signal(&child, Signal::TERM);
    child.wait().expect("end");
    assert!(!is_raw(&tcgetattr(&program).expect("modes")));
}
