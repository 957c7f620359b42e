// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `test`: every test of the tree, by suite, with one result each.

mod catalogue;
mod emulated;
#[cfg(test)]
mod ignored;
mod kinds;
mod report;
mod room;
mod sabotage;
mod said;
mod together;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use self::catalogue::all;
use self::kinds::{Action, Lane, Test, Wanted};
use self::said::Said;
use crate::cli::{Format, TestArgs};
use crate::failure::Failure;
use crate::{images, output, place};

/// Result of a test.
#[derive(Serialize)]
struct Outcome {
    id: String,
    suite: &'static str,
    result: &'static str,
    /// Of the host's time.
    duration_ms: u64,
    /// Why it did not pass.
    reason: Option<String>,
    /// What it measured, as its tests print it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    figures: Vec<Value>,
}

/// A test, or a breakage, that can be chosen.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    suite: &'a str,
    /// What it shows, or breaks.
    text: &'a str,
}

/// Results of a run.
#[derive(Serialize)]
struct Summary {
    verdict: &'static str,
    passed: usize,
    failed: usize,
    skipped: usize,
    tests: Vec<Outcome>,
}

/// Why a test did not pass.
enum Trouble {
    /// It failed.
    Failed(String),
    /// This machine cannot run it.
    Skipped(String),
}

impl From<String> for Trouble {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// Runs the tests that were asked for.
pub(crate) fn run(args: &TestArgs, format: Format) -> Result<(), Failure> {
    if args.sabotage {
        let root = place::root()?;
        let patches = sabotage::chosen(&root, &args.only)?;
        if args.list {
            let each = patches.iter().map(|patch| Listed {
                id: &patch.name,
                suite: "sabotage",
                text: &patch.breaks,
            });
            return list(each.collect(), format, 32);
        }
        return conclude("sabotage: ", sabotage::run(&root, &patches)?, args, format);
    }
    let tests = chosen(args)?;
    if args.list {
        let each = tests.iter().map(|test| Listed {
            id: test.id,
            suite: test.suite,
            text: test.text,
        });
        return list(each.collect(), format, 20);
    }
    let root = place::root()?;
    if args.only.is_empty() && args.suite.is_empty() {
        room::check(&place::target(&root))?;
    }
    let beside: Vec<_> = tests.iter().copied().filter(|t| t.beside).collect();
    let in_pairs = beside.len() > 1;
    let mut outcomes = Vec::new();
    for test in tests {
        if !(test.beside && in_pairs) {
            eprintln!("test {} ...", test.id);
            let outcome = execute(test, &root);
            say(&outcome);
            outcomes.push(outcome);
        } else if beside.first().is_some_and(|first| first.id == test.id) {
            // All of them at the place of the first.
            outcomes.extend(together::run(&beside, &root));
        }
    }
    conclude("", outcomes, args, format)
}

/// Shows a result.
fn say(outcome: &Outcome) {
    eprintln!(
        "test {}: {} ({} ms)",
        outcome.id, outcome.result, outcome.duration_ms
    );
}

/// Shows what could be run; `width` is the room for names.
fn list(tests: Vec<Listed<'_>>, format: Format, width: usize) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&tests),
        Format::Text => tests
            .iter()
            .try_for_each(|t| output::line(&format!("{:<width$} {:<10} {}", t.id, t.suite, t.text))),
    }
}

/// Reports all results; `title` begins the closing line.
fn conclude(title: &str, outcomes: Vec<Outcome>, args: &TestArgs, format: Format) -> Result<(), Failure> {
    let count = |result: &str| outcomes.iter().filter(|o| o.result == result).count();
    let (passed, failed, skipped) = (count("pass"), count("fail"), count("skip"));
    let summary = Summary {
        verdict: if failed == 0 { "pass" } else { "fail" },
        passed,
        failed,
        skipped,
        tests: outcomes,
    };
    if let Some(path) = &args.report {
        let text = serde_json::to_string_pretty(&summary).map_err(Failure::unable)? + "\n";
        fs::write(path, text).map_err(|e| Failure::file(path, &e))?;
    }
    if format == Format::Json {
        output::json(&summary)?;
    }
    let not_passed = |result: &str| -> Vec<String> {
        let those = summary.tests.iter().filter(|o| o.result == result);
        those
            .filter_map(|o| Some(format!("  {}: {}", o.id, o.reason.as_ref()?)))
            .collect()
    };
    let failures = not_passed("fail");
    for line in not_passed("skip") {
        eprintln!("SKIPPED{line}");
    }
    eprintln!(
        "{title}{} passed, {} failed, {} skipped",
        summary.passed, summary.failed, summary.skipped
    );
    if failures.is_empty() {
        Ok(())
    } else {
        let message = format!("tests failed:\n{}", failures.join("\n"));
        Err(Failure::reported(format, message))
    }
}

/// The tests of the suites and IDs that were named, or all. Long ones are run when they are asked for.
fn chosen(args: &TestArgs) -> Result<Vec<&'static Test>, Failure> {
    let known =
        |what: &str, names: &[String], exists: &dyn Fn(&str) -> bool| match names.iter().find(|n| !exists(n))
        {
            Some(name) => {
                Err(Failure::wrong(format_args!("there is no {what} `{name}`")).help("bulkhead test --list"))
            }
            None => Ok(()),
        };
    known("test", &args.only, &|name| all().any(|t| t.id == name))?;
    known("suite", &args.suite, &|name| all().any(|t| t.suite == name))?;
    let every = args.only.is_empty() && args.suite.is_empty();
    let wanted = |t: &&Test| {
        let suite = every || args.suite.iter().any(|n| n == t.suite);
        args.only.iter().any(|n| n == t.id) || suite && (t.lane == Lane::Usual || args.long)
    };
    Ok(all().filter(wanted).collect())
}

fn execute(test: &Test, root: &Path) -> Outcome {
    let start = Instant::now();
    let mut figures = Vec::new();
    let result = match &test.action {
        Action::Cargo {
            arguments,
            environment,
        } => cargo(root, arguments, environment, &mut figures),
        Action::LintTarget => lint_target(root),
        Action::Script { path } => script(root, path),
        Action::System { arguments, wanted } => system(root, arguments, *wanted).map_err(Trouble::from),
    };
    let outcome = outcome(test.id.to_owned(), test.suite, start, result);
    Outcome { figures, ..outcome }
}

/// The result of what began at `start`.
fn outcome(id: String, suite: &'static str, start: Instant, result: Result<(), Trouble>) -> Outcome {
    let (result, reason) = match result {
        Ok(()) => ("pass", None),
        Err(Trouble::Failed(reason)) => ("fail", Some(reason)),
        Err(Trouble::Skipped(reason)) => ("skip", Some(reason)),
    };
    Outcome {
        id,
        suite,
        result,
        duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        reason,
        figures: Vec::new(),
    }
}

/// Runs a script of the tree. It exits 0 when it passed, and 77 after a line `SKIPPED: REASON` when this machine
/// cannot run it.
fn script(root: &Path, path: &str) -> Result<(), Trouble> {
    /// Exit status by which a test says that it was skipped.
    const SKIPPED: i32 = 77;
    let mut command = Command::new("bash");
    command.arg(root.join(path)).current_dir(root);
    let (status, said) = said::listen(&mut command).map_err(|e| format!("bash does not start: {e}"))?;
    match (status.code(), said.skipped) {
        (Some(0), None) => Ok(()),
        (Some(SKIPPED), Some(reason)) => Err(Trouble::Skipped(reason)),
        _ => Err(Trouble::Failed(format!("{path} ended with {status}"))),
    }
}

/// Calls cargo. A test that it runs prints a line `SKIPPED: REASON` when this machine cannot run it, and what it measured
/// as a JSON object in a line, which goes to `figures`. Implements: BH-TOOL-006.
fn cargo(
    root: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
    figures: &mut Vec<Value>,
) -> Result<(), Trouble> {
    let mut command = Command::new("cargo");
    command
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root);
    let (status, mut said) = said::listen(&mut command).map_err(|e| format!("cargo does not start: {e}"))?;
    figures.append(&mut said.figures);
    judge(status.success(), said).map_err(|trouble| match trouble {
        Trouble::Failed(reason) => Trouble::Failed(format!(
            "cargo {} ended with {status}{reason}",
            arguments.join(" ")
        )),
        Trouble::Skipped(reason) => Trouble::Skipped(reason),
    })
}

/// What a call of cargo shows, by its success and what its tests printed. Implements: BH-TOOL-003.
fn judge(success: bool, said: Said) -> Result<(), Trouble> {
    match said {
        _ if !success => Err(Trouble::Failed(String::new())),
        Said {
            skipped: Some(reason),
            ..
        } => Err(Trouble::Skipped(reason)),
        Said { passed: Some(0), .. } => Err(Trouble::Failed(", but no test was run".to_owned())),
        Said { .. } => Ok(()),
    }
}

fn lint_target(root: &Path) -> Result<(), Trouble> {
    let packages = images::packages(root).map_err(|_| "cargo refuses the workspace".to_owned())?;
    let mut arguments = vec!["clippy", "--locked", "--target", images::TARGET];
    for package in &packages {
        arguments.extend(["-p", package]);
    }
    arguments.extend(["--", "-D", "warnings"]);
    cargo(root, &arguments, &[], &mut Vec::new())
}

/// Runs the reference system, changed by `arguments`, and compares the whole result with what is wanted.
fn system(root: &Path, arguments: &[&str], wanted: Wanted) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    let folder = tempfile::tempdir().map_err(text)?;
    let path = folder.path().join("report.json");
    let mut command = Command::new(env::current_exe().map_err(text)?);
    command
        .args(["run", "--headless", "--for", "60s", "--report"])
        .arg(&path)
        .args(arguments);
    let status = command
        .current_dir(root)
        .stdin(Stdio::null())
        .status()
        .map_err(text)?;
    let report =
        fs::read_to_string(&path).map_err(|e| format!("the run ended with {status}, no report: {e}"))?;
    let report: Value = serde_json::from_str(&report).map_err(|e| e.to_string())?;
    let verdict = report.get("verdict").and_then(|v| v.as_str()).unwrap_or("none");
    let tail = report
        .pointer("/partitions/vehicle/console_tail")
        .and_then(|v| v.as_str())
        .unwrap_or("");
    let crashed = tail.contains("CRASHED");
    let as_wanted = match wanted {
        Wanted::Pass => status.code() == Some(0) && verdict == "pass" && !crashed,
        Wanted::Crash => status.code() == Some(1) && verdict == "fail" && crashed,
    };
    if as_wanted {
        return report::check(&report);
    }
    Err(format!(
        "the run ended with {status}, verdict {verdict}, crashed: {crashed}; wanted {wanted:?}"
    ))
}
