// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for slots that partitions share.

use super::Facts;
use crate::diagnostic::{Diagnostic, Rule};
use crate::spec::{ClaimSpec, SlotSpec};
use crate::units::show_time;

/// Nobody to share with.
static NOBODY: Rule = Rule {
    number: "BH260",
    id: "sharing/nobody",
    text: "Only the slot of a partition is shared or has a budget.",
    fix: "Let the slot run a partition, or leave `budget`, `share` and `slack` out.",
};
/// A budget that does not fit.
static BUDGET: Rule = Rule {
    number: "BH261",
    id: "sharing/budget",
    text: "A budget is at most as long as its slot.",
    fix: "Shorten the budget, or lengthen the slot.",
};
/// A budget for nothing but switches.
static TOO_SHORT: Rule = Rule {
    number: "BH262",
    id: "sharing/too-short",
    text: "A budget is at least 50 µs: it pays for the switches to its partition and back.",
    fix: "Lengthen the budget to 50us or more.",
};
/// Budgets that cannot all be used.
static OVER_COMMITTED: Rule = Rule {
    number: "BH263",
    id: "sharing/over-committed",
    text: "The budgets in a slot are together at most as long as the slot, and only its least urgent partition has none.",
    fix: "Give each partition but the least urgent one a budget, shorten the budgets, or lengthen the slot.",
};
/// No order.
static PRIORITY: Rule = Rule {
    number: "BH264",
    id: "sharing/priority",
    text: "In a slot that partitions share each has a priority of its own; in another there is none.",
    fix: "Give each partition of the slot another priority.",
};
/// The same partition again.
static TWICE: Rule = Rule {
    number: "BH265",
    id: "sharing/twice",
    text: "A partition has one part of a slot.",
    fix: "Join its budgets, or name another partition.",
};
/// More than the tables hold.
static TOO_MANY: Rule = Rule {
    number: "BH266",
    id: "sharing/too-many",
    text: "At most four partitions share a slot.",
    fix: "Split the slot, or leave one of them out.",
};
/// The less critical first.
static CRITICALITY: Rule = Rule {
    number: "BH267",
    id: "sharing/criticality",
    text: "A partition is not more urgent than a more critical one in the same slot.",
    fix: "Exchange the priorities, or give the partitions slots of their own.",
};

pub(super) static ALL: &[&Rule] = &[
    &NOBODY,
    &BUDGET,
    &TOO_SHORT,
    &OVER_COMMITTED,
    &PRIORITY,
    &TWICE,
    &TOO_MANY,
    &CRITICALITY,
];
pub(super) const CHECKS: &[super::Check] = &[
    nobody,
    budget,
    too_short,
    over_committed,
    priority,
    twice,
    too_many,
    criticality,
];

/// Shortest budget in ns.
const SHORTEST: u64 = 50_000;
/// Budgets for which a slot has room.
const MOST: usize = bulkhead_types::tables::MAX_SHARES - 1;

fn slots<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a SlotSpec> {
    let tables = facts.spec.schedule.iter().flat_map(|s| &s.cores);
    tables.flat_map(|t| &t.slots)
}

/// The partitions of a slot in order of urgency, if there is one.
fn ordered(slot: &SlotSpec) -> Option<Vec<ClaimSpec<'_>>> {
    let mut claims: Vec<ClaimSpec<'_>> = slot.claims().collect();
    claims.sort_by_key(|claim| claim.priority.map(|p| p.value));
    let differs = |pair: &[ClaimSpec<'_>]| match pair {
        [a, b] => a.priority.is_some() && a.priority.map(|p| p.value) != b.priority.map(|p| p.value),
        _ => true,
    };
    claims.windows(2).all(differs).then_some(claims)
}

/// Implements: BH-CFG-200.
fn nobody(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for slot in slots(facts).filter(|s| s.partition().is_none()) {
        let budget = slot.budget.map(|b| b.span);
        let share = slot.share.first().map(|s| s.partition.span);
        let slack = slot.slack.as_ref().map(|s| s.span);
        let Some(span) = budget.or(share).or(slack) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::new(
                &NOBODY,
                span,
                format!("the `{}` slot is no partition's", slot.run.value),
                "nobody has it to share",
                NOBODY.fix,
            )
            .and(slot.run.span, "the slot"),
        );
    }
}

/// Implements: BH-CFG-201.
fn budget(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for slot in slots(facts) {
        let budgets = slot.claims().filter_map(|c| c.budget);
        for budget in budgets.filter(|b| b.value > slot.length.value) {
            diagnostics.push(
                Diagnostic::new(
                    &BUDGET,
                    budget.span,
                    format!("a budget of {} is longer than its slot", show_time(budget.value)),
                    "more than there is",
                    BUDGET.fix,
                )
                .and(
                    slot.length.span,
                    format!("the slot lasts {}", show_time(slot.length.value)),
                ),
            );
        }
    }
}

/// Implements: BH-CFG-202.
fn too_short(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let budgets = slots(facts).flat_map(|s| s.claims().filter_map(|c| c.budget));
    for budget in budgets.filter(|b| b.value < SHORTEST) {
        diagnostics.push(Diagnostic::new(
            &TOO_SHORT,
            budget.span,
            format!("a budget of {} is too short", show_time(budget.value)),
            "the switches would take a noticeable part of it",
            format!("write at least {}", show_time(SHORTEST)),
        ));
    }
}

/// Implements: BH-CFG-203.
fn over_committed(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for slot in slots(facts) {
        let Some(claims) = ordered(slot) else { continue };
        let Some((least, urgent)) = claims.split_last() else {
            continue;
        };
        for claim in urgent.iter().filter(|c| c.budget.is_none()) {
            diagnostics.push(
                Diagnostic::new(
                    &OVER_COMMITTED,
                    claim.partition.span,
                    format!("`{}` may take the whole slot", claim.partition.value),
                    "it has no budget",
                    "give it a `budget`, or make it the least urgent one",
                )
                .and(least.partition.span, "less urgent, would get nothing"),
            );
        }
        let budgets = || claims.iter().filter_map(|c| c.budget);
        let sum = budgets().fold(0_u64, |sum, b| sum.saturating_add(b.value));
        let fits = |b: u64| b <= slot.length.value;
        if fits(sum) || !budgets().all(|b| fits(b.value)) {
            continue;
        }
        let Some(last) = budgets().next_back() else {
            continue;
        };
        diagnostics.push(
            Diagnostic::new(
                &OVER_COMMITTED,
                last.span,
                format!("the budgets in the slot are {} together", show_time(sum)),
                "the last of them",
                OVER_COMMITTED.fix,
            )
            .and(
                slot.length.span,
                format!("the slot lasts {}", show_time(slot.length.value)),
            ),
        );
    }
}

/// Implements: BH-CFG-204.
fn priority(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for slot in slots(facts) {
        let Some(other) = slot.share.first() else {
            if let Some(priority) = slot.priority {
                diagnostics.push(
                    Diagnostic::new(
                        &PRIORITY,
                        priority.span,
                        format!("nobody shares the slot of `{}`", slot.run.value),
                        "a priority among nobody",
                        "leave it out, or add `share`",
                    )
                    .and(slot.run.span, "alone in its slot"),
                );
            }
            continue;
        };
        if slot.priority.is_none() && slot.partition().is_some() {
            diagnostics.push(
                Diagnostic::new(
                    &PRIORITY,
                    slot.run.span,
                    format!("`{}` has no priority in a slot that it shares", slot.run.value),
                    "more or less urgent than the others?",
                    "add `priority` to the slot",
                )
                .and(other.partition.span, "shares it"),
            );
        }
        let mut seen: Vec<crate::span::Spanned<u8>> = Vec::new();
        for priority in slot.claims().filter_map(|c| c.priority) {
            if let Some(first) = seen.iter().find(|p| p.value == priority.value) {
                diagnostics.push(
                    Diagnostic::new(
                        &PRIORITY,
                        priority.span,
                        format!("priority {} is given twice in a slot", priority.value),
                        "who runs first?",
                        PRIORITY.fix,
                    )
                    .and(first.span, "the other"),
                );
            }
            seen.push(priority);
        }
    }
}

/// Implements: BH-CFG-205.
fn twice(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for slot in slots(facts) {
        let claims: Vec<ClaimSpec<'_>> = slot.claims().collect();
        for (index, claim) in claims.iter().enumerate() {
            let mut before = claims.iter().take(index);
            let Some(first) = before.rfind(|c| c.partition.value == claim.partition.value) else {
                continue;
            };
            diagnostics.push(
                Diagnostic::new(
                    &TWICE,
                    claim.partition.span,
                    format!("`{}` shares a slot with itself", claim.partition.value),
                    "again",
                    TWICE.fix,
                )
                .and(first.partition.span, "the first time"),
            );
        }
    }
}

/// Implements: BH-CFG-206.
fn too_many(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for slot in slots(facts) {
        if let Some(claim) = slot.claims().nth(MOST) {
            diagnostics.push(Diagnostic::new(
                &TOO_MANY,
                claim.partition.span,
                format!("{} partitions share a slot", slot.claims().count()),
                format!("number {}", MOST + 1),
                TOO_MANY.fix,
            ));
        }
    }
}

/// Implements: BH-CFG-207.
fn criticality(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let of = |claim: &ClaimSpec<'_>| {
        let partition = facts.spec.partition(claim.partition);
        partition.and_then(|(_, p)| p.criticality).map(|c| c.value)
    };
    for slot in slots(facts) {
        let Some(claims) = ordered(slot) else { continue };
        for (index, claim) in claims.iter().enumerate() {
            let mut later = claims.iter().skip(index + 1);
            let victim = later.rfind(|other| of(other) > of(claim));
            let (Some(victim), Some(priority), Some(_)) = (victim, claim.priority, of(claim)) else {
                continue;
            };
            diagnostics.push(
                Diagnostic::new(
                    &CRITICALITY,
                    priority.span,
                    format!(
                        "`{}` is less critical than `{}` and more urgent",
                        claim.partition.value, victim.partition.value
                    ),
                    "more urgent",
                    CRITICALITY.fix,
                )
                .and(victim.partition.span, "more critical"),
            );
        }
    }
}
