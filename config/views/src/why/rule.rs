// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a rule holds, and what shows it.

use bulkhead_analysis::Analysis;
use bulkhead_model::Diagnostics;
use bulkhead_model::diagnostic::Rule;
use bulkhead_model::system::System;

use super::evidence;
use super::{Fact, Why};

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

fn answer(rule: &'static Rule, holds: bool, facts: Vec<Fact>) -> Why {
    let mut all = vec![
        Fact::new("rule", format!("{} {}", rule.number, rule.id)),
        Fact::new("text", rule.text),
    ];
    all.extend(facts);
    Why {
        version: 1,
        question: rule.id.to_owned(),
        kind: "rule",
        answer: if holds { "holds" } else { "is broken" }.to_owned(),
        holds: Some(holds),
        facts: all,
    }
}

/// A rule of a system that breaks none.
pub(crate) fn holding(system: &System, analysis: &Analysis, rule: &'static Rule) -> Why {
    answer(rule, true, evidence::of(system, analysis, rule))
}

/// A rule of a spec that breaks some.
pub fn broken_rule(rule: &'static Rule, found: &Diagnostics) -> Why {
    let breaches: Vec<_> = found.list.iter().filter(|d| d.rule == rule).collect();
    if breaches.is_empty() {
        let others = found.list.len();
        let text = format!(
            "no breach was found; the spec breaks other rules ({others} errors), so that not everything could be looked at"
        );
        return answer(rule, true, vec![Fact::new("evidence", text)]);
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
    answer(rule, false, facts)
}
