// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a task ends in time, or does not: its supply, its response, what the bound rests on.

use bulkhead_analysis::report::{TaskReport, VcpuReport};
use bulkhead_analysis::{Analysis, Verdict};
use bulkhead_model::system::System;

use super::evidence::place;
use super::{Fact, Why};
use crate::target::AskError;
use crate::words::{listed, time};

/// Every task as it is asked for: `PARTITION/TASK`.
pub(crate) fn names(system: &System) -> Vec<String> {
    let partitions = system.partitions.iter();
    partitions
        .flat_map(|p| {
            p.tasks
                .iter()
                .map(|t| format!("{}/{}", p.name.value, t.name.value))
        })
        .collect()
}

/// Answers for a task, by `PARTITION/TASK`, or by its name alone where only one partition has it.
///
/// # Errors
/// [`AskError::Unknown`] when several partitions have such a task.
pub(crate) fn find(system: &System, analysis: &Analysis, text: &str) -> Option<Result<Why, AskError>> {
    let all = names(system);
    let is_meant =
        |name: &&String| *name == text || name.split_once('/').is_some_and(|(_, task)| task == text);
    let meant: Vec<&String> = all.iter().filter(is_meant).collect();
    match meant.as_slice() {
        [] => None,
        [one] => answer(system, analysis, one).map(Ok),
        many => Some(Err(AskError::unknown(
            format!("several partitions have a task `{text}`"),
            format!("ask for one of {}", listed(many.to_vec())),
        ))),
    }
}

fn answer(system: &System, analysis: &Analysis, name: &str) -> Option<Why> {
    let (partition, task) = name.split_once('/')?;
    let written = system.partitions.iter().find(|p| p.name.value == partition)?;
    let written = written.tasks.iter().find(|t| t.name.value == task)?;
    let report = analysis.report(system);
    let vcpu = report
        .iter()
        .find(|v| v.partition == partition && v.tasks.iter().any(|t| t.name == task))?;
    let result = vcpu.tasks.iter().find(|t| t.name == task)?;
    let mut facts = vec![Fact::new("from", place(&system.sources, written.name.span))];
    facts.push(Fact::new(
        "task",
        format!(
            "at most {} of work, at most every {}, released at most {} late",
            time(result.wcet_ns),
            time(result.period_ns),
            time(result.jitter_ns)
        ),
    ));
    facts.push(Fact::new("supply", supply(vcpu)));
    for other in vcpu.tasks.iter().take_while(|t| t.name != task) {
        facts.push(Fact::new(
            "waits for",
            format!(
                "`{}`, more urgent: {} every {}",
                other.name,
                time(other.wcet_ns),
                time(other.period_ns)
            ),
        ));
    }
    if let (Some(instant), Some(activation)) = (result.critical_instant_ns, result.critical_activation) {
        facts.push(Fact::new(
            "worst case",
            format!(
                "begins {} into the major frame; activation {activation} in a row is the latest",
                time(instant)
            ),
        ));
    }
    facts.extend(vcpu.costs.iter().map(|c| {
        let basis = format!("{:?}", c.basis).to_lowercase();
        Fact::new("cost", format!("{} {}, {basis}", c.path.name(), time(c.ns)))
    }));
    facts.extend(vcpu.doubts.iter().map(|d| Fact::new("unproven", d.clone())));
    Some(Why {
        version: 1,
        question: name.to_owned(),
        kind: "task",
        answer: sentence(result),
        holds: Some(result.verdict != Verdict::NotSchedulable),
        facts,
    })
}

/// What a vCPU gets.
pub(crate) fn supply(vcpu: &VcpuReport) -> String {
    match vcpu.per_ns {
        1 => format!("vCPU {} has core {} for itself", vcpu.vcpu, vcpu.core),
        frame => format!(
            "vCPU {} gets {} of each {} on core {}, costs of slots taken off{}",
            vcpu.vcpu,
            time(vcpu.supply_ns),
            time(frame),
            vcpu.core,
            match vcpu.locks_ns {
                0 => String::new(),
                locks => format!(", of which locks may take {}", time(locks)),
            }
        ),
    }
}

/// The verdict in a line.
pub(crate) fn sentence(task: &TaskReport) -> String {
    let deadline = time(task.deadline_ns);
    match (task.response_ns, task.verdict) {
        (Some(response), Verdict::Schedulable) => {
            format!("ends within {}, its deadline is {deadline}", time(response))
        }
        (Some(response), Verdict::Unproven) => format!(
            "ends within {} if the stated costs are true, its deadline is {deadline}; unproven",
            time(response)
        ),
        (Some(response), Verdict::NotSchedulable) => format!(
            "may end only after {}, its deadline is {deadline}",
            time(response)
        ),
        (None, _) => format!("there is no bound of its response time, its deadline is {deadline}"),
    }
}
