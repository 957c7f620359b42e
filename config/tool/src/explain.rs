// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `explain`: a system in words, and answers to questions about it. Implements: BH-EXPL-001.

use std::path::Path;

use bulkhead_model::LoadError;
use bulkhead_views::{at, overview, who_can, why};
use serde::Serialize;

use crate::built::Bytes;
use crate::cli::{ExplainArgs, Format};
use crate::failure::Failure;
use crate::{output, place};

/// What the questions look like.
const QUESTIONS: &str = "questions: who-can ADDRESS|THING, at CORE TIME, why RULE|TASK|VALUE";

/// A question.
enum Question<'a> {
    Overview,
    WhoCan(&'a str),
    At(&'a str, &'a str),
    Why(&'a str),
}

/// Splits the words of the command line into a spec and a question.
fn question(words: &[String]) -> Result<(Option<&Path>, Question<'_>), Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (spec, rest) = match words.as_slice() {
        [] | ["who-can" | "at" | "why", ..] => (None, words.as_slice()),
        [spec, rest @ ..] => (Some(Path::new(*spec)), rest),
    };
    let question = match *rest {
        [] => Question::Overview,
        ["who-can", thing] => Question::WhoCan(thing),
        ["at", core, time] => Question::At(core, time),
        ["why", thing] => Question::Why(thing),
        _ => {
            let error = format!("`{}` is no question", rest.join(" "));
            return Err(Failure::wrong(error).help(QUESTIONS));
        }
    };
    Ok((spec, question))
}

/// The spec in the words of an `explain` line.
pub(crate) fn spec(words: &[String]) -> Option<&Path> {
    question(words).ok().and_then(|(spec, _)| spec)
}

fn show(format: Format, value: &impl Serialize, text: &str) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(value),
        Format::Text => output::line(text.trim_end()),
    }
}

/// Answers.
pub(crate) fn run(args: &ExplainArgs, format: Format) -> Result<(), Failure> {
    let (spec, question) = question(&args.words)?;
    if let Some(folder) = spec.filter(|p| p.is_dir()) {
        return of_folder(folder, &question, format);
    }
    let paths = place::paths_of(spec, None)?;
    let loaded = bulkhead_analysis::rules::load(&paths, &args.overrides);
    if let (Err(LoadError::Invalid(found)), Question::Why(thing)) = (&loaded, &question)
        && let Some(rule) = why::find_rule(thing)
    {
        let answer = why::broken_rule(rule, found);
        show(format, &answer, &answer.text())?;
        // The spec is wrong, whether by this rule or by another.
        return Err(Failure::Told(1));
    }
    let (system, analysis) = loaded?;
    let bytes = Bytes::compile(&system, &paths)?;
    let built = bytes.decode()?;
    match question {
        Question::Overview => {
            let answer = overview::overview(&system, &built)?;
            show(format, &answer, &answer.text())
        }
        Question::WhoCan(thing) => {
            let answer = who_can::who_can(&built, Some(&system.board), thing)?;
            show(format, &answer, &answer.text())
        }
        Question::At(core, time) => {
            let answer = at::at(&built, core, time)?;
            show(format, &answer, &answer.text())
        }
        Question::Why(thing) => {
            let answer = why::why(&system, &analysis, &built, thing)?;
            show(format, &answer, &answer.text())
        }
    }
}

/// Questions that need no spec.
fn of_folder(folder: &Path, question: &Question<'_>, format: Format) -> Result<(), Failure> {
    let bytes = Bytes::read(folder)?;
    let built = bytes.decode()?;
    match question {
        Question::WhoCan(thing) => {
            let answer = who_can::who_can(&built, None, thing)?;
            show(format, &answer, &answer.text())
        }
        Question::At(core, time) => {
            let answer = at::at(&built, core, time)?;
            show(format, &answer, &answer.text())
        }
        Question::Overview | Question::Why(_) => Err(Failure::wrong(format_args!(
            "{}: a build folder does not hold the spec",
            folder.display()
        ))
        .help("ask `who-can` or `at`, or give the spec; the folder's report.html is an overview")),
    }
}
