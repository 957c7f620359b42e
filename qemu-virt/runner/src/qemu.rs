// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The QEMU process: started in a private folder, never left behind.
//!
//! QEMU runs in a process group of its own, so that Ctrl-C reaches only this program, which then ends the run
//! in order. When this program dies in any other way, the kernel kills QEMU: `setpriv` (util-linux) asks for
//! that before it becomes QEMU. The kernel ties the wish to the starting *thread*, so that a thread of its
//! own starts QEMU and waits for its end.
//!
//! Implements: BH-QEMU-007.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bulkhead_model::manifest::Manifest;
use bulkhead_model::release::Release;
use tempfile::TempDir;

use crate::RunnerError;
use crate::command::PROGRAM;
use crate::host_core::HostCore;

/// Host time in which QEMU connects to its sockets.
const CONNECT: Duration = Duration::from_secs(60);
/// How often the process and the sockets are looked at.
const POLL: Duration = Duration::from_millis(10);

/// Finds a program by path or in `PATH`.
fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// The emulator: what `BULKHEAD_QEMU` names, else [`PROGRAM`] in `PATH`.
///
/// # Errors
/// There is none.
pub fn program() -> Result<PathBuf, RunnerError> {
    let name = std::env::var_os("BULKHEAD_QEMU").unwrap_or_else(|| PROGRAM.into());
    find(Path::new(&name)).ok_or_else(|| RunnerError::NoQemu(name.to_string_lossy().into_owned()))
}

/// The emulator for a system: where the board asks for a release, what `BULKHEAD_QEMU_LATER` names, else [`program`].
///
/// # Errors
/// There is none, or it is older than the board asks for.
pub fn program_of(manifest: &Manifest) -> Result<PathBuf, RunnerError> {
    let Some(since) = manifest.qemu.as_ref().and_then(|qemu| qemu.since) else {
        return program();
    };
    let program = match std::env::var_os("BULKHEAD_QEMU_LATER").filter(|name| !name.is_empty()) {
        Some(name) => {
            find(Path::new(&name)).ok_or_else(|| RunnerError::NoQemu(name.to_string_lossy().into_owned()))?
        }
        None => program()?,
    };
    recent(program, &manifest.board, since)
}

/// The program, if it is of a release or a later one.
fn recent(program: PathBuf, board: &str, since: Release) -> Result<PathBuf, RunnerError> {
    let output = Command::new(&program)
        .arg("--version")
        .output()
        .map_err(RunnerError::Start)?;
    let banner = String::from_utf8_lossy(&output.stdout);
    let found = Release::of_banner(&banner);
    if found.is_some_and(|found| found >= since) {
        return Ok(program);
    }
    Err(RunnerError::OldQemu {
        board: board.to_owned(),
        since,
        program: program.display().to_string(),
        found: found.map_or_else(|| "of no known release".to_owned(), |found| found.to_string()),
    })
}

/// A private folder with the two sockets that QEMU connects to.
#[derive(Debug)]
pub struct RunFolder {
    folder: TempDir,
    serial: UnixListener,
    qmp: UnixListener,
}

impl RunFolder {
    /// Makes the folder (only its owner can enter it) and listens.
    ///
    /// # Errors
    /// The folder for temporary files cannot be used.
    pub fn new() -> Result<Self, RunnerError> {
        let folder = tempfile::Builder::new().prefix("bulkhead-").tempdir();
        let folder = folder.map_err(|source| RunnerError::File {
            path: std::env::temp_dir(),
            source,
        })?;
        let listen = |name: &str| -> Result<UnixListener, RunnerError> {
            let path = folder.path().join(name);
            let bound = UnixListener::bind(&path).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            bound.map_err(|source| RunnerError::File { path, source })
        };
        Ok(Self {
            serial: listen("serial")?,
            qmp: listen("qmp")?,
            folder,
        })
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A running QEMU; dropping it ends the process and removes the folder.
#[derive(Debug)]
pub struct Qemu {
    child: Arc<Mutex<Child>>,
    minder: Option<JoinHandle<()>>,
    run: RunFolder,
}

impl Qemu {
    /// Starts `program`, on `core` where one is given, and calls `ended` when it has ended.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(
        program: &Path,
        arguments: &[OsString],
        run: RunFolder,
        core: Option<HostCore>,
        ended: impl FnOnce(ExitStatus) + Send + 'static,
    ) -> Result<Self, RunnerError> {
        let log = run.path("log");
        let file = |source| RunnerError::File {
            path: log.clone(),
            source,
        };
        let output = File::create(&log).map_err(file)?;
        let errors = output.try_clone().map_err(file)?;
        let mut command = match find(Path::new("setpriv")) {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let (tell, told) = mpsc::channel();
        let minder = thread::spawn(move || mind(command, core.as_ref(), &tell, ended));
        let child = told
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the starting thread died")))
            .map_err(RunnerError::Start)?;
        let minder = Some(minder);
        Ok(Self { child, minder, run })
    }

    /// Waits until QEMU has connected; gives the serial line and the control connection.
    ///
    /// # Errors
    /// QEMU ended, or did not connect within a minute.
    pub fn connect(&self) -> Result<(UnixStream, UnixStream), RunnerError> {
        Ok((self.accept(&self.run.serial)?, self.accept(&self.run.qmp)?))
    }

    fn accept(&self, listener: &UnixListener) -> Result<UnixStream, RunnerError> {
        let deadline = Instant::now() + CONNECT;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).map_err(RunnerError::Start)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(RunnerError::Start(error)),
            }
            if let Some(error) = self.ended() {
                return Err(error);
            }
            if Instant::now() > deadline {
                return Err(RunnerError::NotConnected(CONNECT));
            }
            thread::sleep(POLL);
        }
    }

    /// The error that says that QEMU has ended, if it has.
    fn ended(&self) -> Option<RunnerError> {
        let status = lock(&self.child).try_wait().ok()??;
        Some(RunnerError::EndedAtOnce {
            status: status.to_string(),
            log: self.log(),
        })
    }

    /// The better error for a connection that broke: that QEMU ended, when it does so soon.
    pub fn explain(&self, error: RunnerError) -> RunnerError {
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            match self.ended() {
                Some(ended) => return ended,
                None if Instant::now() > deadline => return error,
                None => thread::sleep(POLL),
            }
        }
    }

    /// What QEMU itself printed.
    pub fn log(&self) -> String {
        let log = fs::read(self.run.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).trim_end().to_owned()
    }

    /// A file in the private folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.run.path(name)
    }

    /// Process number.
    pub fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Ends the process and waits until it is gone.
    pub fn kill(&mut self) {
        // It fails only when the process is gone already.
        let _ = lock(&self.child).kill();
        if let Some(minder) = self.minder.take() {
            let _ = minder.join();
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the process, on `core` where one is given, tells the result, and waits for its end.
fn mind(
    mut command: Command,
    core: Option<&HostCore>,
    tell: &mpsc::Sender<io::Result<Arc<Mutex<Child>>>>,
    ended: impl FnOnce(ExitStatus),
) {
    if let Some(core) = core {
        core.enter();
    }
    let child = match command.spawn() {
        Ok(child) => Arc::new(Mutex::new(child)),
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    let _ = tell.send(Ok(Arc::clone(&child)));
    loop {
        if let Ok(Some(status)) = lock(&child).try_wait() {
            return ended(status);
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail by panicking")]
mod tests {
    use super::*;

    /// A program that says that it is a release of QEMU. Another process writes it: a program that this one has open cannot be
    /// started, and what it has open other tests' new processes have for a moment, too.
    fn qemu(folder: &TempDir, release: &str) -> PathBuf {
        let path = folder.path().join(format!("qemu-{release}"));
        let script = format!("#!/bin/sh\necho 'QEMU emulator version {release} (Debian)'\n");
        let write = ["-c", "printf %s \"$1\" >\"$0\" && chmod 700 \"$0\""];
        let status = Command::new("sh").args(write).arg(&path).arg(script).status();
        assert!(status.unwrap().success());
        path
    }

    /// Verifies: BH-RUN-006.
    #[test]
    fn a_board_gets_no_qemu_older_than_it_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let since = Release(10, 0, 3);
        for release in ["10.0.3", "10.0.13", "11.0.0"] {
            let program = qemu(&folder, release);
            assert_eq!(recent(program.clone(), "evk", since).unwrap(), program);
        }
        let error = recent(qemu(&folder, "10.0.2"), "evk", since)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("board `evk` needs QEMU 10.0.3 or later"),
            "{error}"
        );
        assert!(error.contains("is 10.0.2"), "{error}");
    }
}
