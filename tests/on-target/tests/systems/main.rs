// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A minimal system, one with every key, the reference system and the large one: each is compiled and proved, and
//! the first two run here (the reference system and the large one in tests of their own).
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod every_key;
mod features;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bulkhead_on_target::{REFERENCE, images, in_tree, says, succeeded, tool};
use bulkhead_runner::report::Verdict;
use bulkhead_runner::{Session, SessionOptions};
use serde_json::Value;
use tempfile::TempDir;

/// Memory that compiler and checker may have, KiB.
const MEMORY_KIB: u64 = 4 << 20;
/// Processor time that they may take for the large system, s. What they do in parallel takes less of the clock.
const LARGE_SECONDS: f64 = 20.0;

/// What a call of the tool took.
struct Cost {
    /// Processor time, s.
    processor: f64,
    /// Time on the clock, s.
    clock: f64,
}

/// Calls the tool with at most [`MEMORY_KIB`] of address space.
fn call(arguments: &[&str], path: &Path, folder: &Path) -> Cost {
    let script = format!("ulimit -v {MEMORY_KIB}; \"$@\" || exit; times >&2");
    let start = Instant::now();
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh"])
        .arg(tool())
        .arg(arguments[0])
        .arg(path);
    if arguments[0] == "build" {
        command.arg("--output").arg(folder);
    }
    let output = command
        .args(&arguments[1..])
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .output()
        .expect("a shell");
    succeeded(&output);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let children = said.lines().last().unwrap_or_default();
    let seconds = |time: &str| {
        let (minutes, seconds) = time.trim_end_matches('s').split_once('m')?;
        Some(60.0 * minutes.parse::<f64>().ok()? + seconds.parse::<f64>().ok()?)
    };
    let times: Vec<f64> = children.split_whitespace().filter_map(seconds).collect();
    assert_eq!(times.len(), 2, "{said}");
    Cost {
        processor: times.iter().sum(),
        clock: start.elapsed().as_secs_f64(),
    }
}

/// Compiles a spec and proves it, once more by itself; says what it took.
fn built(name: &str, spec: &Path, overrides: &[String]) -> (TempDir, Cost) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut arguments = vec!["build"];
    arguments.extend(overrides.iter().flat_map(|value| ["--set", value]));
    let cost = call(&arguments, spec, folder.path());
    let proof = call(&["prove"], folder.path(), folder.path());
    println!(
        "{name}: compiled and proved in {:.2} s ({:.2} s of processor time), proved again in {:.2} s",
        cost.clock, cost.processor, proof.clock
    );
    (folder, cost)
}

fn json(folder: &TempDir, file: &str) -> Value {
    let text = fs::read_to_string(folder.path().join(file)).expect("what build wrote");
    serde_json::from_str(&text).expect("JSON")
}

/// Runs a built system until all that its spec expects was seen.
fn runs(folder: &TempDir) {
    let manifest = json(folder, "manifest.json");
    let expected = manifest["expect"].as_array().expect("expectations");
    assert!(!expected.is_empty());
    let options = SessionOptions::new(&images());
    let mut session = Session::start(folder.path(), options).expect("the emulator starts");
    for line in expected {
        let text = |key: &str| line[key].as_str().expect("a text").to_owned();
        says(&mut session, &text("partition"), &text("text"), 120);
    }
    let report = session.finish("all that is expected was seen").expect("report");
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
}

/// The system that README's section on writing one shows.
#[test]
fn the_minimal_system_of_the_readme() {
    let readme = fs::read_to_string(in_tree("README.md")).expect("README");
    let block = readme
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let folder = tempfile::tempdir().expect("temporary folder");
    let spec = folder.path().join("first.yaml");
    fs::write(&spec, block.expect("a spec in the README")).expect("a new file");
    runs(&built("minimal", &spec, &[]).0);
}

/// It runs in the test `reference`.
#[test]
fn the_reference_system() {
    let spec = in_tree(REFERENCE);
    built("reference", &spec, &[]);
    let check = call(&["check"], &spec, &spec);
    println!("reference: checked in {:.3} s of processor time", check.processor);
    assert!(check.processor < 0.1, "check takes {} s", check.processor);
}

/// It runs, with less memory, in the test `large`; its work for each page is counted in `tests/mutants`.
#[test]
fn the_large_system_is_proved_in_time() {
    let (folder, cost) = built("large", &in_tree("config/systems/large.yaml"), &[]);
    let pages = json(&folder, "certificate.json")["pages"].as_u64();
    assert!(pages.is_some_and(|pages| pages >= 64 << 18), "64 GiB");
    let processor = cost.processor;
    assert!(
        processor <= LARGE_SECONDS,
        "64 GiB take {processor} s of processor time"
    );
}
