// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a rule holds, and what shows it.

use bulkhead_analysis::Analysis;
use bulkhead_model::Diagnostics;
use bulkhead_model::diagnostic::Rule;
use bulkhead_model::system::System;

use super::evidence;
use super::{Fact, Why};
use crate::built::Built;
use crate::words::count;

/// Every rule, by number.
pub(crate) fn all() -> Vec<&'static Rule> {
    bulkhead_analysis::rules::every().collect()
}

/// The rule of a number (`BH040`) or a name (`cores/claimed-twice`).
pub fn find_rule(text: &str) -> Option<&'static Rule> {
    all()
        .into_iter()
        .find(|r| r.id == text || r.number.eq_ignore_ascii_case(text))
}

fn answer(rule: &'static Rule, holds: Option<bool>, facts: Vec<Fact>) -> Why {
    let mut all = vec![
        Fact::new("rule", format!("{} {}", rule.number, rule.id)),
        Fact::new("text", rule.text),
    ];
    all.extend(facts);
    Why {
        version: 1,
        question: rule.id.to_owned(),
        kind: "rule",
        answer: match holds {
            Some(true) => "holds",
            Some(false) => "is broken",
            None => "is not decided",
        }
        .to_owned(),
        holds,
        facts: all,
    }
}

/// A rule of a system that breaks none.
pub(crate) fn holding(system: &System, analysis: &Analysis, built: &Built<'_>, rule: &'static Rule) -> Why {
    answer(rule, Some(true), evidence::of(system, analysis, built, rule))
}

/// A rule of a spec that breaks some: whether it holds is not decided when only others are broken.
pub fn broken_rule(rule: &'static Rule, found: &Diagnostics) -> Why {
    let breaches: Vec<_> = found.list.iter().filter(|d| d.rule == rule).collect();
    if breaches.is_empty() {
        let others = found.list.len();
        let text = format!(
            "no breach was found, but the spec breaks other rules ({}): not everything could be looked at",
            count(others, "error")
        );
        return answer(rule, None, vec![Fact::new("evidence", text)]);
    }
    let mut facts = Vec::new();
    for diagnostic in breaches {
        let labels = [&diagnostic.primary].into_iter().chain(&diagnostic.others);
        facts.push(Fact::new("breach", diagnostic.message.clone()));
        for label in labels {
            facts.push(Fact::new(
                "place",
                format!("{}: {}", evidence::place(&found.sources, label.span), label.text),
            ));
        }
        facts.push(Fact::new("fix", diagnostic.help.clone()));
    }
    answer(rule, Some(false), facts)
}
