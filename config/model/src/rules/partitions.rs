// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for partitions as such, and for what a run expects of them.

use super::{Facts, meant};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;
use crate::spec::{IDLE, STANDBY, SYSTEM};
use crate::system::Console;

/// A name that cannot be used everywhere.
static NAME: Rule = Rule {
    number: "BH030",
    id: "partitions/name",
    text: "A name is 1 to 31 lower-case letters, digits and hyphens, begins with a letter, and is no word of the schedule or of YAML.",
    fix: "Choose a name like `engine-control`.",
};
/// More than EL2 has room for.
static TOO_MANY: Rule = Rule {
    number: "BH031",
    id: "partitions/too-many",
    text: "A system has at most 32 partitions.",
    fix: "Remove or join partitions.",
};
/// An emulated UART on a dedicated core.
static UART_DEDICATED: Rule = Rule {
    number: "BH032",
    id: "partitions/uart-dedicated",
    text: "A dedicated partition has no emulated UART: every access would enter EL2.",
    fix: "Use `console: text` or `console: defmt`, or make the cores `sliced`.",
};
/// A console that Linux cannot have.
static LINUX_CONSOLE: Rule = Rule {
    number: "BH033",
    id: "partitions/linux-console",
    text: "The console of a Linux partition is `uart` or `none`.",
    fix: "Write `console: uart`, or `console: none`.",
};
/// Two beginnings of the steady state.
static STEADY_TWICE: Rule = Rule {
    number: "BH034",
    id: "partitions/steady-twice",
    text: "At most one partition marks the begin of the steady state.",
    fix: "Keep `marks_steady: true` in one partition only.",
};
/// A run that waits for nobody.
static EXPECT_UNKNOWN: Rule = Rule {
    number: "BH035",
    id: "partitions/expect-unknown",
    text: "`expect` and `never` name partitions of the spec.",
    fix: "Use the name of a partition of this spec.",
};
/// A line that can never be seen.
static EXPECT_SILENT: Rule = Rule {
    number: "BH036",
    id: "partitions/expect-silent",
    text: "`expect` and `never` name partitions with a console.",
    fix: "Give the partition a console, or remove the entry.",
};

pub(super) static ALL: &[&Rule] = &[
    &NAME,
    &TOO_MANY,
    &UART_DEDICATED,
    &LINUX_CONSOLE,
    &STEADY_TWICE,
    &EXPECT_UNKNOWN,
    &EXPECT_SILENT,
];
pub(super) const CHECKS: &[super::Check] = &[
    name,
    too_many,
    uart_dedicated,
    linux_console,
    steady_twice,
    expect_unknown,
    expect_silent,
];

/// Longest name; the blob has room for it and a zero byte.
const LONGEST: usize = 31;

/// Words of the schedule, and those that are no text to other readers of YAML.
const WORDS: [&str; 6] = [SYSTEM, STANDBY, IDLE, "true", "false", "null"];

pub(super) fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(good)
        && !WORDS.contains(&name)
}

/// Implements: BH-CFG-005.
fn name(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let spec = facts.spec;
    let partitions = spec.partitions.iter().map(|p| &p.name);
    let others = spec
        .channels
        .iter()
        .map(|c| &c.name)
        .chain(spec.locks.iter().map(|l| &l.name))
        .chain(spec.wiring.iter().map(|w| &w.bus));
    let names: Vec<&Spanned<String>> = spec.name.iter().chain(partitions).chain(others).collect();
    diagnostics.extend(names.into_iter().filter_map(not_a_name));
}

/// What is wrong with a name, if something is; board files are asked while they are read. Implements: BH-CFG-005.
pub(crate) fn not_a_name(name: &Spanned<String>) -> Option<Diagnostic> {
    if is_name(name) {
        return None;
    }
    let cause = match name.value.as_str() {
        SYSTEM | STANDBY | IDLE => "a word of the schedule".to_owned(),
        word if WORDS.contains(&word) => "a word of YAML".to_owned(),
        long if long.len() > LONGEST => format!("{} characters", long.len()),
        _ => "only lower-case letters, digits and hyphens, first a letter".to_owned(),
    };
    let fixed = name.to_lowercase().replace(['_', ' ', '.'], "-");
    let fixed: String = fixed.chars().take(LONGEST).collect();
    let help = if is_name(&fixed) {
        format!("write `{fixed}`")
    } else {
        "choose another name, for example `engine-control`".to_owned()
    };
    let message = format!("`{}` cannot be a name", name.value);
    Some(Diagnostic::new(&NAME, name.span, message, cause, help))
}

/// EL2 keeps a secret for each partition in a fixed array. Implements: BH-CFG-006.
fn too_many(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    const LIMIT: usize = bulkhead_types::image::MAX_PARTITIONS;
    if let Some(partition) = facts.spec.partitions.get(LIMIT) {
        diagnostics.push(Diagnostic::new(
            &TOO_MANY,
            partition.name.span,
            format!("the system has {} partitions", facts.spec.partitions.len()),
            "the first that is too many",
            format!("EL2 has room for {LIMIT}: remove or join some"),
        ));
    }
}

/// Implements: BH-CFG-007.
fn uart_dedicated(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in facts.spec.partitions.iter().filter(|p| p.is_dedicated()) {
        if let Some(span) = partition.has_console(Console::Uart) {
            diagnostics.push(
                Diagnostic::new(
                    &UART_DEDICATED,
                    span,
                    format!("`{}` has dedicated cores and an emulated UART", partition.name.value),
                    "every access to it would enter EL2",
                    "write `console: text` or `console: defmt`, which need no EL2 entry, or make the cores `sliced`",
                )
                .and_at(partition.first_core(), "dedicated here"),
            );
        }
    }
}

/// Rings belong to the window, which only bare-metal partitions have. Implements: BH-CFG-008.
fn linux_console(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in facts.spec.partitions.iter().filter(|p| p.is_linux()) {
        let ring = partition
            .has_console(Console::Text)
            .or(partition.has_console(Console::Defmt));
        if let Some(span) = ring {
            let wanted = if partition.is_dedicated() { "none" } else { "uart" };
            let diagnostic = Diagnostic::new(
                &LINUX_CONSOLE,
                span,
                format!(
                    "`{}` runs Linux, which cannot use this console",
                    partition.name.value
                ),
                "a ring in shared memory, for bare-metal partitions",
                format!("write `console: {wanted}`"),
            );
            diagnostics.push(diagnostic.and_at(partition.kernel(), "Linux"));
        }
    }
}

/// Implements: BH-CFG-009.
fn steady_twice(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let marks = facts
        .spec
        .partitions
        .iter()
        .filter_map(|p| p.marks_steady.filter(|m| m.value));
    let marks: Vec<Spanned<bool>> = marks.collect();
    if let Some((first, rest)) = marks.split_first() {
        for mark in rest {
            diagnostics.push(
                Diagnostic::new(
                    &STEADY_TWICE,
                    mark.span,
                    "two partitions mark the begin of the steady state",
                    "the second",
                    "keep `marks_steady: true` in one partition only",
                )
                .and(first.span, "the first"),
            );
        }
    }
}

/// Implements: BH-CFG-070.
fn expect_unknown(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for entry in facts.spec.expect.iter().chain(&facts.spec.never) {
        if facts.spec.partition(&entry.partition).is_none() {
            diagnostics.push(Diagnostic::new(
                &EXPECT_UNKNOWN,
                entry.partition.span,
                format!("there is no partition `{}`", entry.partition.value),
                "unknown partition",
                meant(&entry.partition, "partitions are", facts.spec.partition_names()),
            ));
        }
    }
}

/// Implements: BH-CFG-071.
fn expect_silent(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for entry in facts.spec.expect.iter().chain(&facts.spec.never) {
        let partition = facts.spec.partition(&entry.partition).map(|(_, p)| p);
        if let Some(span) = partition.and_then(|p| p.has_console(Console::None)) {
            diagnostics.push(
                Diagnostic::new(
                    &EXPECT_SILENT,
                    entry.partition.span,
                    format!(
                        "`{}` has no console, so this line can never be seen",
                        entry.partition.value
                    ),
                    "a partition without a console",
                    "give it a console, or remove this entry",
                )
                .and(span, "no console"),
            );
        }
    }
}
