// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `why`: why a rule holds, where a value comes from and what it decides, why a thing lies where it lies,
//! why a task ends in time.
//! Implements: BH-EXPL-004.

mod effect;
mod evidence;
pub(crate) mod health;
mod rule;
mod task;
mod value;

use std::fmt::Write;

use bulkhead_analysis::Analysis;
use bulkhead_model::system::System;
use serde::Serialize;

pub(crate) use self::evidence::file_place;
pub use self::rule::{broken_rule, find_rule};
pub(crate) use self::task::{sentence, supply};
pub(crate) use self::value::{chosen, path};

use crate::built::Built;
use crate::target::AskError;
use crate::words::nearest;

/// Why.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    /// Version of this form.
    pub version: u32,
    /// The question.
    pub question: String,
    /// `rule`, `value`, `default`, `placement` or `task`.
    pub kind: &'static str,
    /// The answer in one line.
    pub answer: String,
    /// For a rule: whether it holds, nothing when errors of other rules kept it from being judged; for a task: whether it ends in time under the stated costs.
    pub holds: Option<bool>,
    /// What the answer rests on: a word that says what kind of fact, and the fact.
    pub facts: Vec<Fact>,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What kind of fact.
    pub kind: &'static str,
    /// The fact.
    pub text: String,
}

impl Fact {
    pub(crate) fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Fact {
            kind,
            text: text.into(),
        }
    }
}

/// Sections of a spec whose names may be asked for as they are.
const SECTIONS: [&str; 3] = ["partitions", "channels", "locks"];

/// Answers `why` for a system that breaks no rule.
///
/// # Errors
/// See [`AskError`].
pub fn why(system: &System, analysis: &Analysis, built: &Built<'_>, text: &str) -> Result<Why, AskError> {
    if let Some(rule) = find_rule(text) {
        let mut answer = rule::holding(system, analysis, built, rule);
        // `board/hypervisor` is a rule and a value.
        answer.facts.extend(
            value::written(system, built, text)
                .into_iter()
                .flat_map(|v| v.facts),
        );
        return Ok(answer);
    }
    if let Some(answer) = value::written(system, built, text) {
        return Ok(answer);
    }
    if let Some(answer) = value::default(system, built, text) {
        return Ok(answer);
    }
    if let Some(answer) = value::placement(system, built, text) {
        return Ok(answer);
    }
    if let Some(answer) = task::find(system, analysis, text) {
        return answer;
    }
    for section in SECTIONS {
        if let Some(answer) = value::written(system, built, &format!("{section}.{text}")) {
            return Ok(answer);
        }
    }
    Err(unknown(system, built, text))
}

fn unknown(system: &System, built: &Built<'_>, text: &str) -> AskError {
    let rules = rule::all();
    let mut known: Vec<String> = system.values.iter().map(path).collect();
    known.extend(built.records.all_memory().map(crate::target::short));
    for name in task::names(system) {
        known.extend(name.split_once('/').map(|(_, task)| task.to_owned()));
        known.push(name);
    }
    known.extend(system.partitions.iter().map(|p| p.name.value.clone()));
    known.extend(system.channels.iter().map(|c| c.name.value.clone()));
    known.extend(system.locks.iter().map(|l| l.name.value.clone()));
    known.extend(rules.iter().flat_map(|r| [r.id.to_owned(), r.number.to_owned()]));
    let help = match nearest(text, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "a rule (BH040 or cores/claimed-twice), a value by its path (partitions.adas.memory, board/gic.distributor), \
                 a task (PARTITION/TASK), or a thing in memory (adas/ram)"
            .to_owned(),
    };
    AskError::unknown(format!("there is no rule, value or thing called `{text}`"), help)
}

impl Why {
    /// As text.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.question, self.answer);
        let width = self.facts.iter().map(|f| f.kind.len()).max().unwrap_or(0);
        for fact in &self.facts {
            let _ = writeln!(text, "  {:width$}  {}", fact.kind, fact.text);
        }
        text
    }
}
