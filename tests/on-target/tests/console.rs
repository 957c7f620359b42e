// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead run --console infotainment` as a person uses it: a terminal, a shell, the escape key.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use bulkhead_on_target::{images, in_tree, operands, tool};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, tcgetattr};

/// Host time in which whatever a test waits for comes, however slow the host is.
const LIMIT: Duration = Duration::from_secs(300);

/// The user's end of a pseudo-terminal.
struct User {
    keys: File,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl User {
    /// A new terminal: the user, and the end for programs.
    fn sit_down() -> (Self, File) {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("terminal");
        grantpt(&keys).expect("grant");
        unlockpt(&keys).expect("unlock");
        let name = ptsname(&keys, Vec::new()).expect("name");
        let program = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().expect("name"))
            .expect("open");
        let keys = File::from(keys);
        let mut screen = keys.try_clone().expect("clone");
        let (show, shown) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if show.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let seen = String::new();
        (Self { keys, shown, seen }, program)
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).expect("typed");
    }

    /// Waits for a text after the one that was seen last; gives what came up to its end.
    fn sees(&mut self, text: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(place) = self.seen.find(text) {
                let rest = self.seen.split_off(place + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self
                .shown
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` was not shown within {LIMIT:?}: {}", self.seen)
                }
            }
        }
    }
}

/// Everything that a program could have changed in a terminal's settings.
fn settings(terminal: &File) -> String {
    format!("{:?}", tcgetattr(terminal).expect("settings"))
}

fn is_raw(modes: &Termios) -> bool {
    !modes
        .local_modes
        .intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
}

/// The processes that a process has started and that still run.
fn children(process: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("threads");
    let children = threads.map(|thread| {
        let list = thread.expect("thread").path().join("children");
        // A thread may end meanwhile.
        fs::read_to_string(list).unwrap_or_default()
    });
    children
        .collect::<String>()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Waits for the end of a run.
fn end(run: &mut Child) -> i32 {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = run.try_wait().expect("status") {
            return status.code().expect("exit status");
        }
        assert!(Instant::now() < deadline, "the run does not end");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Verifies: BH-VIEW-005, BH-QEMU-007.
#[test]
fn a_person_has_a_shell_in_linux_and_the_terminal_back() {
    let (mut user, terminal) = User::sit_down();
    let before = settings(&terminal);
    let folder = tempfile::tempdir().expect("folder");
    let stream = || Stdio::from(terminal.try_clone().expect("clone"));
    let mut run = Command::new(tool())
        .args(["run", "--console", "infotainment"])
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .env("TMPDIR", folder.path())
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .expect("the tool starts");
    user.sees("console of `infotainment`: Ctrl-] q ends the run");
    let mut shown = user.sees("infotainment: ready, 2 CPUs online");
    assert!(is_raw(&tcgetattr(&terminal).expect("settings")));
    user.sees("# ");

    // Other lines of Linux may come between the characters that the shell repeats, not into what `echo` says.
    let (a, b) = operands();
    user.types(&format!("echo $(({a}*{b}))\r"));
    shown += &user.sees(&format!("{}\r", a * b));
    // Ctrl-C is Linux's: it ends the program there, not the run.
    user.types(&format!("echo $(({a}+{b})) before; sleep 100000\r"));
    shown += &user.sees(&format!("{} before\r", a + b));
    user.types("\x03");
    user.types(&format!("echo $(({a}+{b})) after\r"));
    shown += &user.sees(&format!("{} after\r", a + b));
    for other in ["STOPPED", "│"] {
        assert!(!shown.contains(other), "another console was shown: {shown}");
    }

    let emulators = children(run.id());
    assert_eq!(emulators.len(), 1, "{emulators:?}");
    user.types("\x1dq");
    let status = end(&mut run);
    // The verdict depends on how long the user stayed.
    assert!(matches!(status, 0 | 1), "{status}");
    user.sees("ended by the user");
    assert_eq!(settings(&terminal), before);
    for emulator in emulators {
        assert!(!fs::exists(format!("/proc/{emulator}")).expect("proc"));
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("folder").collect();
    assert!(left.is_empty(), "{left:?}");
}
