// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds the targets with coverage counters and libFuzzer, and lets each find new inputs: a fixed number from a fixed
//! seed, so that a run can be repeated. Implements: BH-FUZZ-001.
//!
//! `BULKHEAD_FUZZ_TIMES` multiplies the numbers, and begins with another seed for each. A finding is a file; the test
//! prints the command that replays it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod stage;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::{env, fs};

use bulkhead_fuzz::scene;
use sha2::{Digest, Sha256};
use stage::Stage;

/// A target as it is run.
struct Target {
    name: &'static str,
    /// Inputs.
    runs: u64,
    /// Bytes of an input.
    most: usize,
    /// Edges that are reached at least: six sevenths of what the run reaches, since a compiler of another release makes
    /// others of the same code. Lost counters, or a target that ends at its first byte, are far below.
    floor: u64,
}

/// What the tests share: where everything lies, or why nothing can be built.
struct Lane {
    folder: PathBuf,
    programs: PathBuf,
}

static LANE: LazyLock<Result<Lane, String>> = LazyLock::new(Lane::open);
/// Only one target's seeds are made at a time.
static STAGE: LazyLock<Mutex<Option<Stage>>> = LazyLock::new(|| Mutex::new(None));

impl Lane {
    fn open() -> Result<Self, String> {
        if Command::new("c++").arg("--version").output().is_err() {
            return Err("there is no C++ compiler for libFuzzer (g++)".to_owned());
        }
        let program = env::current_exe().unwrap();
        // TARGET/PROFILE/deps/coverage-HASH.
        let target = program.ancestors().nth(3).unwrap();
        let folder = target.join("fuzz");
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built = Command::new("cargo")
            .args(["build", "--locked", "--release", "--package=bulkhead-fuzz"])
            .args(["--bins", "--features=engine", "--target-dir"])
            .arg(target)
            .env(
                "RUSTC_WORKSPACE_WRAPPER",
                wrapper(&own.join("instrument.sh"), &folder),
            )
            .current_dir(own)
            .stdin(Stdio::null())
            .status();
        assert!(built.unwrap().success(), "the targets are not built");
        *STAGE.lock().unwrap() = Some(Stage::set(&folder.join("scene")));
        let programs = target.join("release");
        Ok(Self { folder, programs })
    }
}

/// A copy of the script that is named after its content: cargo builds anew when the path changes, and for nothing else
/// of a wrapper.
fn wrapper(script: &Path, folder: &Path) -> PathBuf {
    let digest = Sha256::digest(fs::read(script).unwrap());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let copy = folder.join(format!("instrument-{name}.sh"));
    fs::create_dir_all(folder).unwrap();
    if !copy.exists() {
        fs::copy(script, &copy).unwrap();
    }
    copy
}

/// How often more inputs than usual are wanted.
fn times() -> u64 {
    let said = env::var("BULKHEAD_FUZZ_TIMES").ok();
    said.map_or(1, |times| times.parse().expect("BULKHEAD_FUZZ_TIMES is a number"))
}

/// An empty folder.
fn empty(folder: PathBuf) -> PathBuf {
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a program without random addresses, where that is permitted: the engine learns from comparisons, also of
/// pointers, and goes other ways with other addresses.
fn at_fixed_addresses(program: &Path) -> Command {
    let permitted = Command::new("setarch").args(["-R", "true"]).output();
    if permitted.is_ok_and(|output| output.status.success()) {
        let mut command = Command::new("setarch");
        command.arg("-R").arg(program);
        return command;
    }
    Command::new(program)
}

/// What libFuzzer says at an event: edges and inputs of the corpus.
fn said(log: &str, event: &str) -> Option<(u64, u64)> {
    let line = log.lines().rfind(|line| line.contains(event))?;
    let after = |key: &str| {
        let mut words = line.split_whitespace();
        words.find(|word| *word == key)?;
        words.next()?.split('/').next()?.parse().ok()
    };
    Some((after("cov:")?, after("corp:")?))
}

/// Verifies: BH-FUZZ-001, BH-FUZZ-002.
#[test]
#[ignore = "builds with coverage counters: ./bulkhead test --only fuzz-host"]
fn spec() {
    run(&Target {
        name: "spec",
        runs: 4000,
        most: 12_000,
        floor: 9500,
    });
}

/// Verifies: BH-FUZZ-001, BH-FUZZ-003.
#[test]
#[ignore = "builds with coverage counters: ./bulkhead test --only fuzz-host"]
fn trap() {
    run(&Target {
        name: "trap",
        runs: 30_000,
        most: 1200,
        floor: 1750,
    });
}

/// Verifies: BH-FUZZ-001, BH-FUZZ-004.
#[test]
#[ignore = "builds with coverage counters: ./bulkhead test --only fuzz-host"]
fn blob() {
    run(&Target {
        name: "blob",
        runs: 3000,
        most: 200,
        floor: 4600,
    });
}

/// Verifies: BH-FUZZ-001, BH-FUZZ-005.
#[test]
#[ignore = "builds with coverage counters: ./bulkhead test --only fuzz-host"]
fn dtb() {
    run(&Target {
        name: "dtb",
        runs: 300_000,
        most: 8000,
        floor: 390,
    });
}

/// Verifies: BH-FUZZ-001, BH-FUZZ-006.
#[test]
#[ignore = "builds with coverage counters: ./bulkhead test --only fuzz-host"]
fn payload() {
    run(&Target {
        name: "payload",
        runs: 1_000_000,
        most: 4096,
        floor: 235,
    });
}

/// Builds, makes the seeds, searches and judges.
fn run(target: &Target) {
    let lane = match &*LANE {
        Ok(lane) => lane,
        Err(reason) => return println!("SKIPPED: {reason}"),
    };
    let name = target.name;
    let place = |kind: &str| lane.folder.join(kind).join(name);
    let (seeds, corpus, findings) = (
        empty(place("seeds")),
        empty(place("corpus")),
        empty(place("findings")),
    );
    let words = lane.folder.join("words");
    {
        let stage = STAGE.lock().unwrap();
        for (index, seed) in stage::of(name, stage.as_ref().unwrap()).iter().enumerate() {
            fs::write(seeds.join(format!("{index:03}")), seed).unwrap();
        }
        fs::write(&words, stage::dictionary()).unwrap();
    }
    let scene = lane.folder.join("scene");
    let program = lane.programs.join(format!("fuzz-{name}"));
    let mut engine = at_fixed_addresses(&program);
    engine
        .args([&corpus, &seeds])
        .arg(format!("-runs={}", target.runs * times()))
        .arg(format!("-seed={}", times()))
        .arg(format!("-max_len={}", target.most))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args([
            "-timeout=20",
            "-rss_limit_mb=1024",
            "-reload=0",
            "-print_final_stats=1",
        ])
        .env(scene::VARIABLE, &scene)
        .stdin(Stdio::null());
    if name == "spec" {
        engine.arg(format!("-dict={}", words.display()));
    }
    let output = engine.output().expect("a target that was built");
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(60)..].join("\n");
        let found = fs::read_dir(&findings).unwrap().next();
        let input = found.map_or_else(|| corpus.clone(), |entry| entry.unwrap().path());
        panic!(
            "{tail}\n\n{name} found something. Replay it:\n  {}={} {} {}",
            scene::VARIABLE,
            scene.display(),
            program.display(),
            input.display()
        );
    }
    let (first, seeded) = said(&log, "INITED").expect("libFuzzer's first line");
    let (edges, inputs) = said(&log, "DONE").expect("libFuzzer's last line");
    println!(
        "fuzz {name}: {} inputs, {edges} edges after {first} of the seeds (floor {}), corpus {seeded} to {inputs}",
        target.runs * times(),
        target.floor
    );
    assert!(
        edges >= target.floor,
        "{name} reaches {edges} edges of at least {}",
        target.floor
    );
    assert!(
        edges > first && inputs > seeded,
        "{name}: no input reached anything new"
    );
}
