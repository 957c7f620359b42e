// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How diagnostics are shown: drawn on a terminal, line by line elsewhere, or as records for machines.

use std::fmt::{self, Write};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use serde::Serialize;

use crate::diagnostic::{Diagnostic, Label};
use crate::load::Diagnostics;
use crate::span::Sources;

/// A diagnostic for machines. Lines and columns count from 1, columns in characters.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Stable name of the rule.
    pub rule: &'static str,
    /// Stable number of the rule.
    pub number: &'static str,
    /// What is wrong.
    pub message: String,
    /// Why, and where to look first.
    #[serde(flatten)]
    pub primary: RecordLabel,
    /// What to do.
    #[serde(rename = "fix")]
    pub help: String,
    /// Other places that take part.
    #[serde(rename = "related")]
    pub others: Vec<RecordLabel>,
}

/// A place for machines.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
pub struct RecordLabel {
    /// File, or `--set`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Line of the first character after it.
    pub end_line: usize,
    /// Column of the first character after it.
    pub end_column: usize,
    /// What is there.
    #[serde(rename = "cause")]
    pub text: String,
}

impl Diagnostics {
    /// Records for machines.
    pub fn records(&self) -> Vec<Record> {
        let record = |d: &Diagnostic| Record {
            rule: d.rule.id,
            number: d.rule.number,
            message: d.message.clone(),
            primary: self.label(&d.primary),
            help: d.help.clone(),
            others: d.others.iter().map(|l| self.label(l)).collect(),
        };
        self.list.iter().map(record).collect()
    }

    fn label(&self, label: &Label) -> RecordLabel {
        let (position, end) = (self.sources.position(label.span), self.sources.end(label.span));
        let source = self.sources.get(label.span);
        RecordLabel {
            file: source.map_or_else(String::new, |s| s.name.clone()),
            line: position.line,
            column: position.column,
            end_line: end.line,
            end_column: end.column,
            text: label.text.clone(),
        }
    }

    /// One block of lines for each diagnostic, `file:line:column: …` first.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for record in self.records() {
            let place = |l: &RecordLabel| format!("{}:{}:{}", l.file, l.line, l.column);
            let Record {
                rule,
                number,
                message,
                primary,
                others,
                help,
            } = &record;
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{}: error: {message} [{number} {rule}]", place(primary));
            let _ = writeln!(out, "  here: {}", primary.text);
            for other in others {
                let _ = writeln!(out, "  {}: {}", place(other), other.text);
            }
            let _ = writeln!(out, "  help: {help}");
        }
        out
    }

    /// Drawn for a terminal of `width` columns, in colours when `coloured`.
    pub fn graphical(&self, width: usize, coloured: bool) -> String {
        let theme = if coloured {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_context_lines(1);
        let mut out = String::new();
        for diagnostic in &self.list {
            let report = Report::new(diagnostic, &self.sources);
            if handler.render_report(&mut out, &report).is_err() {
                return self.plain();
            }
            out.push('\n');
        }
        out
    }
}

/// One diagnostic in the form that the drawing library takes: it draws one source, so that labels in other
/// sources become related reports.
#[derive(Debug)]
struct Report {
    code: String,
    message: String,
    help: Option<String>,
    source: NamedSource<String>,
    labels: Vec<LabeledSpan>,
    related: Vec<Report>,
}

impl Report {
    fn new(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let main = diagnostic.primary.span.source;
        let (here, elsewhere): (Vec<&Label>, Vec<&Label>) =
            diagnostic.others.iter().partition(|l| l.span.source == main);
        let mut labels = vec![LabeledSpan::new_primary_with_span(
            Some(diagnostic.primary.text.clone()),
            range(&diagnostic.primary),
        )];
        labels.extend(
            here.into_iter()
                .map(|l| LabeledSpan::new_with_span(Some(l.text.clone()), range(l))),
        );
        Report {
            code: format!("{} {}", diagnostic.rule.number, diagnostic.rule.id),
            message: diagnostic.message.clone(),
            help: Some(diagnostic.help.clone()),
            source: source(&diagnostic.primary, sources),
            labels,
            related: elsewhere.into_iter().map(|l| Report::place(l, sources)).collect(),
        }
    }

    fn place(label: &Label, sources: &Sources) -> Self {
        Report {
            code: "see also".to_owned(),
            message: label.text.clone(),
            help: None,
            source: source(label, sources),
            labels: vec![LabeledSpan::new_with_span(None, range(label))],
            related: Vec::new(),
        }
    }
}

fn range(label: &Label) -> (usize, usize) {
    (label.span.start, label.span.length)
}

fn source(label: &Label, sources: &Sources) -> NamedSource<String> {
    match sources.get(label.span) {
        Some(source) => NamedSource::new(source.name.clone(), source.text.to_string()),
        None => NamedSource::new("?", String::new()),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        let reports = self.related.iter().map(|r| r as &dyn miette::Diagnostic);
        (!self.related.is_empty()).then(|| Box::new(reports) as Box<dyn Iterator<Item = _>>)
    }
}
