// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole systems on the emulator: builds them with the tool and starts them in a
//! [`Session`].
//!
//! The tool is `BULKHEAD_TOOL`, else the release build in cargo's output folder above the test; the images
//! are `BULKHEAD_IMAGES`, else `images` in that folder.
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "the only users are tests, which end with what was found"
)]

pub mod gdb;
pub mod prober;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bulkhead_model::bounds::CostPath;
use bulkhead_model::manifest::Manifest;
use bulkhead_runner::report::{CoreReport, Partition, Report};
use bulkhead_runner::{Session, SessionOptions};
use tempfile::TempDir;

/// The reference system.
pub const REFERENCE: &str = "config/systems/adas-infotainment.yaml";

/// Changes of the reference system for a deterministic board, which has no entropy.
pub const FIXED_SEEDS: [&str; 4] = [
    "partitions.adas.seed=fixed",
    "partitions.vehicle.seed=fixed",
    "partitions.infotainment.seed=fixed",
    "partitions.cluster.seed=fixed",
];

/// A file of the source tree.
pub fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The built tool.
///
/// # Panics
/// There is none.
pub fn tool() -> PathBuf {
    let named = env::var_os("BULKHEAD_TOOL").filter(|path| !path.is_empty());
    let test = env::current_exe().expect("path of this test");
    let built = test
        .ancestors()
        .map(|folder| folder.join("release/bulkhead-tool"));
    let found = named
        .map(PathBuf::from)
        .or_else(|| built.into_iter().find(|path| path.is_file()));
    found.expect("no tool: run `./bulkhead test`, which builds it, or set BULKHEAD_TOOL")
}

/// The folder of the images.
///
/// # Panics
/// The tool lies in no folder of cargo's.
pub fn images() -> PathBuf {
    let named = env::var_os("BULKHEAD_IMAGES").filter(|path| !path.is_empty());
    named.map(PathBuf::from).unwrap_or_else(|| {
        let tool = tool();
        let target = tool.ancestors().nth(2).expect("the tool's folder");
        target.join("images")
    })
}

/// `build` of a spec of the tree with changed values into `folder`, ready to be called.
pub fn build_command(spec: &str, overrides: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(tool());
    command
        .arg("build")
        .arg(in_tree(spec))
        .arg("--output")
        .arg(folder)
        .args(overrides.iter().flat_map(|value| ["--set", value]))
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images());
    command
}

/// Panics with what a program said unless it succeeded.
pub fn succeeded(output: &Output) {
    assert!(
        output.status.success(),
        "{}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A built system; dropping it removes its folder.
#[derive(Debug)]
pub struct System {
    folder: TempDir,
}

impl System {
    /// Builds a spec of the tree with changed values.
    ///
    /// # Panics
    /// It cannot be built.
    pub fn build(spec: &str, overrides: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let output = build_command(spec, overrides, folder.path()).output();
        succeeded(&output.expect("the tool starts"));
        Self { folder }
    }

    /// Builds a spec of the tree for its board with a changed board file.
    ///
    /// # Panics
    /// The board file has no `from`, or the spec cannot be built.
    pub fn build_on_changed_board(spec: &str, changes: &[(&str, &str)]) -> Self {
        const BOARD: &str = "config/boards/qemu-virt.yaml";
        let root = tempfile::tempdir().expect("temporary folder");
        let file = root.path().join(BOARD);
        let mut text = fs::read_to_string(in_tree(BOARD)).expect("board file");
        for (from, to) in changes {
            assert!(text.contains(from), "{BOARD} has no `{from}`");
            text = text.replace(from, to);
        }
        fs::create_dir_all(file.parent().expect("folder")).expect("folder");
        fs::write(file, text).expect("board file");
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut command = build_command(spec, &[], folder.path());
        let output = command.env("BULKHEAD_ROOT", root.path()).output();
        succeeded(&output.expect("the tool starts"));
        Self { folder }
    }

    /// What `build` wrote.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the built system says of itself.
    ///
    /// # Panics
    /// It is not there or not readable.
    pub fn manifest(&self) -> Manifest {
        let text = fs::read_to_string(self.folder().join("manifest.json")).expect("manifest");
        serde_json::from_str(&text).expect("manifest")
    }

    /// Starts the system on a machine that is changed by `change`.
    ///
    /// # Panics
    /// The emulator does not start.
    pub fn start(&self, change: impl FnOnce(&mut SessionOptions)) -> Session {
        let mut options = SessionOptions::new(&images());
        change(&mut options);
        Session::start(self.folder(), options).expect("the emulator starts")
    }
}

/// A partition of a report.
///
/// # Panics
/// There is none of that name.
pub fn partition<'a>(report: &'a Report, name: &str) -> &'a Partition {
    report
        .partitions
        .get(name)
        .unwrap_or_else(|| panic!("no partition {name}"))
}

/// A core of a report.
///
/// # Panics
/// There is none of that index.
pub fn core(report: &Report, index: u32) -> &CoreReport {
    let core = report.cores.iter().find(|core| core.core == index);
    core.unwrap_or_else(|| panic!("no core {index}"))
}

/// Holds the slots of a deterministic run on `qemu-virt` against what the analysis counts with.
///
/// # Panics
/// EL2 began one later than the board's bounds file states, or says that it never took any time to begin one.
pub fn slots_begin_in_time(report: &Report) {
    let board = bulkhead_model::load_board(&in_tree("config/boards/qemu-virt.yaml"));
    let stated = board.expect("the board").bounds.cost(CostPath::SlotLateness).ns;
    for row in &report.cores {
        let late = row.worst_slot_lateness_ns;
        println!("core {}: a slot began {late} ns late, stated {stated}", row.core);
        assert!(late <= stated, "core {}: a slot began {late} ns late", row.core);
        assert!(
            late > 0 || row.frames == 0,
            "core {}: no lateness is counted",
            row.core
        );
    }
}

/// The line of a console that has `text`, after what was found before.
///
/// # Panics
/// It was not said within `seconds` of virtual time.
pub fn says(session: &mut Session, partition: &str, text: &str, seconds: u64) -> String {
    let line = session.wait_for(partition, text, Duration::from_secs(seconds));
    line.unwrap_or_else(|error| panic!("{error}"))
}

/// Two numbers that no build has known, whose product and sum no person types by chance.
pub fn operands() -> (u64, u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::from(now.subsec_nanos());
    (10_007 + nanos % 90_001, 20_011 + now.as_secs() % 70_001)
}

/// The whole lines at the end of a console.
///
/// # Panics
/// There is no such partition.
pub fn lines(session: &Session, partition: &str) -> Vec<String> {
    let transcript = session.transcript(partition);
    whole_lines(&transcript.unwrap_or_else(|error| panic!("{error}")).tail())
}

/// Lines that have their newline, without line ends.
pub fn whole_lines(text: &str) -> Vec<String> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| line.trim_end_matches('\r').to_owned())
        .collect()
}
