// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs tests side by side, as many as the host has cores: each is a run of this tool for one test, whose words are
//! shown in one piece when it has ended.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;
use std::{env, thread};

use serde_json::Value;

use super::kinds::Test;
use super::{Outcome, Trouble, outcome};

/// Runs all of them; the results are in the order in which the tests ended. Implements: BH-TOOL-005.
pub(super) fn run(tests: &[&'static Test], root: &Path) -> Vec<Outcome> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let waiting: Mutex<VecDeque<&Test>> = Mutex::new(tests.iter().copied().collect());
    let ended = Mutex::new(Vec::new());
    let work = || {
        loop {
            // What another worker panicked at is its test's failure, not this one's.
            let next = waiting.lock().unwrap_or_else(|e| e.into_inner()).pop_front();
            let Some(test) = next else { return };
            eprintln!("test {} begins ...", test.id);
            let start = Instant::now();
            let (result, figures) = match alone(test, root) {
                Ok(report) => (result_of(&report), figures_of(&report)),
                Err(reason) => (Err(Trouble::Failed(reason)), Vec::new()),
            };
            let outcome = outcome(test.id.to_owned(), test.suite, start, result);
            let outcome = Outcome { figures, ..outcome };
            ended.lock().unwrap_or_else(|e| e.into_inner()).push(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers.min(tests.len()) {
            scope.spawn(work);
        }
    });
    ended.into_inner().unwrap_or_else(|e| e.into_inner())
}

/// Runs one in a process of its own and shows what it said; gives its report.
fn alone(test: &Test, root: &Path) -> Result<Value, String> {
    let text = |e: io::Error| e.to_string();
    let folder = tempfile::tempdir().map_err(text)?;
    let (said, report) = (folder.path().join("said"), folder.path().join("report.json"));
    let words = File::create(&said).map_err(text)?;
    let status = Command::new(env::current_exe().map_err(text)?)
        .args(["test", "--only", test.id, "--report"])
        .arg(&report)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(words.try_clone().map_err(text)?)
        .stderr(words)
        .status()
        .map_err(text)?;
    let mut screen = io::stderr().lock();
    // Where nobody listens any more the result still counts.
    let _ = fs::read(&said).and_then(|bytes| screen.write_all(&bytes));
    drop(screen);
    let report =
        fs::read_to_string(&report).map_err(|e| format!("it ended with {status}, no report: {e}"))?;
    serde_json::from_str(&report).map_err(|e| e.to_string())
}

/// What the one test of a report measured.
fn figures_of(report: &Value) -> Vec<Value> {
    let figures = report.pointer("/tests/0/figures").and_then(Value::as_array);
    figures.cloned().unwrap_or_default()
}

/// What a report of one test says of it.
fn result_of(report: &Value) -> Result<(), Trouble> {
    let field = |name: &str| {
        report
            .pointer(&format!("/tests/0/{name}"))
            .and_then(|v| v.as_str())
    };
    let reason = || field("reason").unwrap_or("no reason").to_owned();
    match field("result") {
        Some("pass") => Ok(()),
        Some("skip") => Err(Trouble::Skipped(reason())),
        _ => Err(Trouble::Failed(reason())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Summary;
    use serde_json::json;

    /// Verifies: BH-TOOL-005.
    #[test]
    fn a_report_of_one_test_is_its_result() {
        let report = |result| {
            let outcome = outcome("it".to_owned(), "suite", Instant::now(), result);
            let figures = vec![json!({ "attempts": 3 })];
            let summary = Summary {
                verdict: "",
                passed: 0,
                failed: 0,
                skipped: 0,
                tests: vec![Outcome { figures, ..outcome }],
            };
            serde_json::to_value(&summary).unwrap()
        };
        let passed = report(Ok(()));
        assert!(result_of(&passed).is_ok());
        assert_eq!(figures_of(&passed), [json!({ "attempts": 3 })]);
        let failed = result_of(&report(Err(Trouble::Failed("why".to_owned()))));
        assert!(matches!(failed, Err(Trouble::Failed(reason)) if reason == "why"));
        let skipped = result_of(&report(Err(Trouble::Skipped("how".to_owned()))));
        assert!(matches!(skipped, Err(Trouble::Skipped(reason)) if reason == "how"));
        for broken in [json!(null), json!({}), json!({ "tests": [] })] {
            assert!(matches!(result_of(&broken), Err(Trouble::Failed(_))), "{broken}");
        }
    }
}
