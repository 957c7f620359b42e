// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong with the tool, as opposed to the system that it runs.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bulkhead_model::release::Release;

/// A run that could not be done or judged: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A file could not be read or written.
    #[error("cannot access {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `manifest.json` is not what this tool understands.
    #[error("{} is not a manifest of this version of the tool: {cause}; build the system again", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The board has no model in QEMU.
    #[error("board `{0}` is not modelled by QEMU; run it on the board")]
    NotModelled(String),
    /// The board's model boots from no medium.
    #[error("the board file of `{0}` does not say how QEMU boots it from a medium: it has no `qemu.disk`")]
    NoMedium(String),
    /// The boot loader is not known.
    #[error("the board file of `{0}` names no boot loader for QEMU: say where it is with --firmware")]
    NoFirmware(String),
    /// QEMU is not installed.
    #[error("`{0}` was not found; install qemu-system-arm, or say where it is with BULKHEAD_QEMU")]
    NoQemu(String),
    /// QEMU is too old for the board.
    #[error(
        "board `{board}` needs QEMU {since} or later, and `{program}` is {found}; say where one is with BULKHEAD_QEMU_LATER"
    )]
    OldQemu {
        /// Name of the board.
        board: String,
        /// The first release that will do.
        since: Release,
        /// The program.
        program: String,
        /// What it says of itself.
        found: String,
    },
    /// QEMU could not be started.
    #[error("cannot start QEMU: {0}")]
    Start(io::Error),
    /// QEMU ended before it was connected.
    #[error("QEMU ended at once ({status}): {log}")]
    EndedAtOnce {
        /// Its exit status.
        status: String,
        /// What it printed.
        log: String,
    },
    /// QEMU did not connect to its sockets.
    #[error("QEMU did not connect within {0:?}")]
    NotConnected(Duration),
    /// The control connection failed.
    #[error("QEMU control connection: {0}")]
    Qmp(#[from] crate::qmp::QmpError),
    /// A log table could not be read.
    #[error("cannot decode the log of `{console}` with {}: {cause}", path.display())]
    Log {
        /// Whose log.
        console: String,
        /// The ELF.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The statistics area is not what the manifest says.
    #[error("statistics area: {0}; the image and its manifest do not belong together")]
    Stats(#[from] crate::stats::StatsError),
    /// A name is not a partition of the system.
    #[error("there is no partition `{name}`; partitions are {known}")]
    NoPartition {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The machine stands still.
    #[error("no virtual progress for {host_seconds} s of host time (at {virtual_ns} ns): the system hangs")]
    Stalled {
        /// The limit that was passed.
        host_seconds: u64,
        /// Where it stands.
        virtual_ns: u64,
    },
    /// A line that a test waits for did not come in time.
    #[error(
        "`{text}` was not seen on `{partition}` within {within:?} of virtual time; it last said:\n{tail}"
    )]
    NotSeen {
        /// Whose console.
        partition: String,
        /// What was waited for.
        text: String,
        /// How long, in virtual time.
        within: Duration,
        /// End of the console.
        tail: String,
    },
    /// The machine ended while a test was waiting.
    #[error("nothing more will come: {0}")]
    Ended(String),
}
