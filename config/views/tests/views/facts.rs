// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The report holds each fact of a system, not only headings.

use bulkhead_analysis::Analysis;

use crate::Sample;
use crate::pages::page;

/// Facts that the page of a system must hold, each with what it is.
fn facts(sample: &Sample) -> Vec<(&'static str, String)> {
    let (system, built) = (&sample.system, sample.built());
    let mut facts = Vec::new();
    for placed in &built.records.memory {
        facts.push(("memory", format!("{:#x}", placed.physical.start)));
    }
    for spi in &built.spis {
        facts.push(("interrupt", spi.intid.to_string()));
    }
    for (stream, owner, _) in &built.records.streams {
        facts.push(("stream", format!("{stream:#x}")));
        facts.push(("owner of a stream", owner.clone()));
    }
    for channel in &system.channels {
        facts.push(("channel", channel.name.value.clone()));
    }
    for lock in &system.locks {
        facts.push(("lock", lock.name.value.clone()));
    }
    for vcpu in Analysis::of(system, &system.board.bounds).report(system) {
        for task in vcpu.tasks {
            facts.push(("task", task.name));
        }
    }
    for grant in built
        .records
        .all_grants()
        .filter(|g| g.root.starts_with("partition:"))
    {
        facts.push(("reach", grant.name.clone()));
    }
    for origin in &system.origins {
        facts.push(("origin", origin.path.clone()));
    }
    facts
}

fn holds_all(sample: &Sample) {
    let page = page(sample);
    let facts = facts(sample);
    assert!(facts.len() > 50);
    let missing: Vec<_> = facts
        .iter()
        .filter(|(_, fact)| !page.contains(fact.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

// Verifies: BH-EXPL-007
#[test]
fn the_report_of_the_reference_system_holds_each_fact() {
    holds_all(&Sample::reference());
}

// Verifies: BH-EXPL-007
#[test]
fn the_report_of_the_system_with_every_key_holds_each_fact() {
    holds_all(&Sample::every_key(|text| text));
}
