// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for budgets of memory traffic.

use super::Facts;
use crate::diagnostic::{Diagnostic, Rule};
use crate::system::Bandwidth;
use crate::units::show_time;

/// Traffic that nobody can count.
static UNCOUNTED: Rule = Rule {
    number: "BH110",
    id: "bandwidth/uncounted",
    text: "A core has a budget only on a board whose file says how memory traffic is counted.",
    fix: "Leave `bandwidth` out, or describe `traffic` in the board file.",
};
/// A budget where EL2 is never entered.
static NOT_SLICED: Rule = Rule {
    number: "BH111",
    id: "bandwidth/not-sliced",
    text: "Only a sliced core has a budget.",
    fix: "Name a core with a slot table, or give the core one.",
};
/// Periods that drift against the frame.
static PERIOD: Rule = Rule {
    number: "BH112",
    id: "bandwidth/period",
    text: "The major frame is a whole number of periods, and a period lasts at least 100 µs.",
    fix: "Choose a period of 100us or more that divides the major frame.",
};
/// A core that never runs.
static NOTHING: Rule = Rule {
    number: "BH113",
    id: "bandwidth/nothing",
    text: "A budget is above 0.",
    fix: "Write a number of events above 0, or leave the core out.",
};

/// Counters that the hypervisor does not leave over.
static COUNTERS: Rule = Rule {
    number: "BH114",
    id: "bandwidth/counters",
    text: "The hypervisor keeps fewer event counters than a core has.",
    fix: "Lower `kept` in the board file, or correct `counters`.",
};

pub(super) static ALL: &[&Rule] = &[&UNCOUNTED, &NOT_SLICED, &PERIOD, &NOTHING, &COUNTERS];
pub(super) const CHECKS: &[super::Check] = &[uncounted, not_sliced, period, nothing, counters];

/// Shortest period in ns: each one is an entry to EL2.
const SHORTEST: u64 = 100_000;

fn budgets<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Bandwidth> {
    facts.spec.schedule.iter().flat_map(|s| &s.bandwidth)
}

/// Implements: BH-BW-010.
fn uncounted(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for budget in budgets(facts).filter(|_| board.traffic.is_none()) {
        let diagnostic = Diagnostic::new(
            &UNCOUNTED,
            budget.core.span,
            format!("core {} has a budget of memory traffic", budget.core.value),
            "nobody counts it",
            UNCOUNTED.fix,
        );
        diagnostics.push(diagnostic.and(board.name.span, "the file of this board has no `traffic`"));
    }
}

/// Implements: BH-BW-011.
fn not_sliced(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(schedule) = &facts.spec.schedule else {
        return;
    };
    let has_table = |b: &&Bandwidth| schedule.cores.iter().any(|c| c.core.value == b.core.value);
    for budget in budgets(facts).filter(|b| !has_table(b)) {
        diagnostics.push(
            Diagnostic::new(
                &NOT_SLICED,
                budget.core.span,
                format!("core {} has a budget of memory traffic", budget.core.value),
                "it has no slot table",
                NOT_SLICED.fix,
            )
            .and_at(
                schedule.cores.first().map(|c| c.core.span),
                "slot tables begin here",
            ),
        );
    }
}

/// Implements: BH-BW-012.
fn period(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let frame = facts.spec.schedule.as_ref().and_then(|s| s.major_frame);
    for period in budgets(facts).map(|b| b.period) {
        let report = |label| {
            Diagnostic::new(
                &PERIOD,
                period.span,
                format!("the period {} of a budget is impossible", show_time(period.value)),
                label,
                PERIOD.fix,
            )
        };
        if period.value < SHORTEST {
            diagnostics.push(report("shorter than 100 µs"));
        } else if let Some(frame) = frame.filter(|f| !f.value.is_multiple_of(period.value)) {
            let text = format!("the frame lasts {}", show_time(frame.value));
            diagnostics.push(report("the frame is no whole number of it").and(frame.span, text));
        }
    }
}

/// Implements: BH-BW-013.
fn nothing(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for budget in budgets(facts).filter(|b| b.events.value == 0) {
        diagnostics.push(Diagnostic::new(
            &NOTHING,
            budget.events.span,
            format!("core {} could never execute", budget.core.value),
            "no event at all",
            NOTHING.fix,
        ));
    }
}

/// Implements: BH-BW-014.
fn counters(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let too_many = board.traffic.filter(|t| u32::from(t.kept) >= t.counters);
    for (budget, traffic) in budgets(facts).zip(too_many.into_iter().cycle()) {
        let diagnostic = Diagnostic::new(
            &COUNTERS,
            budget.core.span,
            format!("core {} has a budget of memory traffic", budget.core.value),
            format!(
                "of its {} event counters the hypervisor would keep {}",
                traffic.counters, traffic.kept
            ),
            COUNTERS.fix,
        );
        diagnostics.push(diagnostic.and(board.name.span, "the `traffic` of this board's file says so"));
    }
}
