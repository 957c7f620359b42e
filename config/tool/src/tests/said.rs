// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What tests print about themselves, read while it is passed on.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use serde_json::Value;

/// What a run of tests said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Why a test was not run, the last one's reason.
    pub(super) skipped: Option<String>,
    /// How many tests passed by the harness's count; none if it gave none.
    pub(super) passed: Option<u64>,
    /// What the tests measured: each line that is a JSON object, in order.
    pub(super) figures: Vec<Value>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        // Beside a single thread the harness leaves `test NAME ... ` open before what the test prints.
        let own = match line.split_once(" ... ") {
            Some((name, own)) if name.starts_with("test ") => own,
            Some(_) | None => line,
        };
        if let Some(reason) = own.strip_prefix("SKIPPED: ") {
            self.skipped = Some(reason.to_owned());
        }
        if own.starts_with('{')
            && let Ok(figures) = serde_json::from_str(own)
        {
            self.figures.push(figures);
        }
        let counts = line
            .strip_prefix("test result: ")
            .and_then(|l| l.split_once(". "));
        let passed = counts.and_then(|(_, counts)| counts.split_once(" passed"));
        if let Some(passed) = passed.and_then(|(number, _)| number.parse::<u64>().ok()) {
            self.passed = Some(self.passed.unwrap_or(0).saturating_add(passed));
        }
    }
}

/// Runs a command to its end and reads what it prints.
///
/// # Errors
/// It does not start, or its output cannot be read.
pub(super) fn listen(command: &mut Command) -> io::Result<(ExitStatus, Said)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut said = Said::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            said.hear(&line);
        }
    }
    Ok((child.wait()?, said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Trouble, judge};

    fn heard(text: &str) -> Said {
        let mut said = Said::default();
        text.lines().for_each(|line| said.hear(line));
        said
    }

    /// Verifies: BH-TOOL-006.
    #[test]
    fn figures_are_the_lines_that_are_objects() {
        let said = heard(
            "{\"attack\":\"dma\",\"attempts\":7}\nattacker: {not so}\n{broken\n\
             test a::b ... {\"attack\":\"memory\"}\n[1]\nok\n",
        );
        let attacks: Vec<_> = said.figures.iter().map(|f| f["attack"].as_str()).collect();
        assert_eq!(attacks, [Some("dma"), Some("memory")]);
        assert_eq!(said.figures[0]["attempts"], 7);
    }

    /// Verifies: BH-TOOL-003.
    #[test]
    fn a_skip_is_no_pass_and_neither_is_nothing() {
        let passed = "test a ... ok\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n";
        assert!(judge(true, heard(passed)).is_ok());
        assert!(matches!(judge(false, heard(passed)), Err(Trouble::Failed(_))));
        for line in [
            "SKIPPED: no device\nok\n",
            "test a::b ... SKIPPED: no device\nok\n",
        ] {
            let said = heard(&format!("{line}{passed}"));
            assert!(matches!(judge(true, said), Err(Trouble::Skipped(reason)) if reason == "no device"));
        }
        let nothing = "running 0 tests\ntest result: ok. 0 passed; 0 failed; 3 filtered out\n";
        assert!(matches!(judge(true, heard(nothing)), Err(Trouble::Failed(_))));
        assert!(judge(true, heard(&format!("{nothing}{passed}"))).is_ok());
        // What is no test has no result to read.
        assert!(judge(true, heard("Finished\n")).is_ok());
    }
}
