// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for tasks as written. Whether they end in time is decided by the crate `config/analysis`.

use super::Facts;
use crate::decode_tasks::TaskSpec;
use crate::diagnostic::{Diagnostic, Rule};
use crate::rules::devices::names_unknown;
use crate::rules::partitions::is_name;
use crate::spec::PartitionSpec;
use crate::tree::{listed, nearest};
use crate::units::show_time;

/// A task that is called something impossible.
static NAME: Rule = Rule {
    number: "BH150",
    id: "tasks/name",
    text: "The name of a task is made like that of a partition.",
    fix: "Choose a name like `brake-control`.",
};
/// A task that takes no time, or is activated without end.
static NOTHING: Rule = Rule {
    number: "BH151",
    id: "tasks/nothing",
    text: "Period, WCET and deadline of a task are above 0.",
    fix: "Write a time above 0.",
};
/// A task that cannot be in time even alone.
static WCET: Rule = Rule {
    number: "BH152",
    id: "tasks/wcet",
    text: "The WCET of a task is at most its deadline.",
    fix: "Lower the WCET, or raise the deadline.",
};
/// A vCPU that does not exist.
static VCPU: Rule = Rule {
    number: "BH153",
    id: "tasks/vcpu",
    text: "A task runs on a vCPU that its partition has.",
    fix: "Name a vCPU that the partition has, counted from 0.",
};
/// Two tasks of which neither is more urgent.
static SAME_PRIORITY: Rule = Rule {
    number: "BH154",
    id: "tasks/same-priority",
    text: "Tasks of one vCPU have different priorities.",
    fix: "Give each task of a vCPU its own number; 0 is the most urgent.",
};
/// Priorities of which nobody knows how they mix.
static SOME_PRIORITIES: Rule = Rule {
    number: "BH155",
    id: "tasks/some-priorities",
    text: "Either all tasks of a vCPU have a `priority` or none has.",
    fix: "Give every task of the vCPU a `priority`, or none.",
};
/// An interrupt that goes elsewhere.
static INTERRUPT: Rule = Rule {
    number: "BH156",
    id: "tasks/interrupt",
    text: "A task is released by the interrupt of a device that its partition owns.",
    fix: "Leave `interrupt` out for a timer, or name a device of the partition that has one.",
};
/// More than anybody can review.
static TOO_MANY: Rule = Rule {
    number: "BH157",
    id: "tasks/too-many",
    text: "A partition has at most 64 tasks.",
    fix: "Describe at most 64 tasks; join tasks with one period.",
};

pub(super) static ALL: &[&Rule] = &[
    &NAME,
    &NOTHING,
    &WCET,
    &VCPU,
    &SAME_PRIORITY,
    &SOME_PRIORITIES,
    &INTERRUPT,
    &TOO_MANY,
];
pub(super) const CHECKS: &[super::Check] = &[
    name,
    nothing,
    wcet,
    vcpu,
    same_priority,
    some_priorities,
    interrupt,
    too_many,
];

/// Most tasks of a partition; it bounds the time of the analysis.
const LIMIT: usize = 64;

fn tasks<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a PartitionSpec, &'a TaskSpec)> {
    let partitions = facts.spec.partitions.iter();
    partitions.flat_map(|p| p.tasks.iter().map(move |t| (p, t)))
}

/// Implements: BH-TASK-002.
fn name(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, task) in tasks(facts).filter(|(_, t)| !is_name(&t.name)) {
        diagnostics.push(Diagnostic::new(
            &NAME,
            task.name.span,
            format!("`{}` cannot be the name of a task", task.name.value),
            "1 to 31 lower-case letters, digits and hyphens, first a letter",
            "choose another name, for example `brake-control`",
        ));
    }
}

/// Implements: BH-TASK-003.
fn nothing(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, task) in tasks(facts) {
        let times = [("period", task.period), ("WCET", task.wcet)];
        let deadline = task.deadline.map(|d| ("deadline", d));
        for (what, time) in times.into_iter().chain(deadline).filter(|(_, t)| t.value == 0) {
            diagnostics.push(Diagnostic::new(
                &NOTHING,
                time.span,
                format!("the {what} of `{}` is 0", task.name.value),
                "no task is like that",
                format!("write a {what} above 0"),
            ));
        }
    }
}

/// Implements: BH-TASK-004.
fn wcet(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, task) in tasks(facts) {
        let due = task.due();
        // A deadline of 0 is another breach.
        if task.wcet.value <= due.value || due.value == 0 {
            continue;
        }
        let word = if task.deadline.is_some() {
            "deadline"
        } else {
            "period"
        };
        diagnostics.push(
            Diagnostic::new(
                &WCET,
                task.wcet.span,
                format!(
                    "`{}` takes up to {} and has to end within {}",
                    task.name.value,
                    show_time(task.wcet.value),
                    show_time(due.value)
                ),
                "more than its deadline",
                format!("lower its WCET, or raise its {word}"),
            )
            .and(due.span, format!("its {word}")),
        );
    }
}

/// Implements: BH-TASK-005.
fn vcpu(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (partition, task) in tasks(facts).filter(|(p, _)| p.cores.is_some()) {
        let count = partition.core_list().len();
        let Some(vcpu) = task.vcpu.filter(|v| v.value >= count) else {
            continue;
        };
        let diagnostic = Diagnostic::new(
            &VCPU,
            vcpu.span,
            format!("`{}` has no vCPU {}", partition.name.value, vcpu.value),
            format!("it has {count}, counted from 0"),
            "name a vCPU that it has, or give it another core",
        );
        diagnostics.push(diagnostic.and_at(partition.first_core(), "its cores"));
    }
}

/// Pairs of tasks of one vCPU, the later one first.
fn pairs<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a TaskSpec, &'a TaskSpec)> {
    let partitions = facts.spec.partitions.iter();
    partitions.flat_map(|p| {
        let later = p.tasks.iter().enumerate();
        later.flat_map(|(i, task)| p.tasks.iter().take(i).map(move |earlier| (task, earlier)))
    })
}

/// Implements: BH-TASK-006.
fn same_priority(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (task, earlier) in pairs(facts).filter(|(a, b)| a.on_vcpu() == b.on_vcpu()) {
        let (Some(here), Some(there)) = (task.priority, earlier.priority) else {
            continue;
        };
        if here != there {
            continue;
        }
        diagnostics.push(
            Diagnostic::new(
                &SAME_PRIORITY,
                here.span,
                format!(
                    "`{}` and `{}` have the same priority on vCPU {}",
                    task.name.value,
                    earlier.name.value,
                    task.on_vcpu()
                ),
                "neither preempts the other",
                "give each task of a vCPU its own number; 0 is the most urgent",
            )
            .and(there.span, format!("that of `{}`", earlier.name.value)),
        );
    }
}

/// Says it once a vCPU. Implements: BH-TASK-007.
fn some_priorities(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        for (index, task) in partition.tasks.iter().enumerate() {
            let mates = || partition.tasks.iter().filter(|t| t.on_vcpu() == task.on_vcpu());
            let said = partition
                .tasks
                .iter()
                .take(index)
                .any(|t| t.on_vcpu() == task.on_vcpu() && t.priority.is_none());
            let with = mates().find_map(|t| Some((t, t.priority?)));
            let (None, false, Some((other, priority))) = (task.priority, said, with) else {
                continue;
            };
            diagnostics.push(
                Diagnostic::new(
                    &SOME_PRIORITIES,
                    task.name.span,
                    format!(
                        "`{}` has no priority and `{}` has one",
                        task.name.value, other.name.value
                    ),
                    "where does it stand?",
                    "give every task of the vCPU a `priority`, or none: then the shortest deadline is the most urgent",
                )
                .and(priority.span, format!("that of `{}`", other.name.value)),
            );
        }
    }
}

/// Implements: BH-TASK-008.
fn interrupt(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (partition, task) in tasks(facts).filter(|(p, _)| !names_unknown(board, p)) {
        let Some(device) = &task.interrupt else { continue };
        let owned = partition.devices.contains(device);
        let known = board.devices.iter().find(|d| d.name == *device);
        let interrupts = known.is_some_and(|d| !d.interrupts.is_empty());
        if owned && (interrupts || known.is_none()) {
            continue;
        }
        let names = || partition.devices.iter().map(|d| d.value.as_str());
        let (message, help) = if owned {
            let message = format!("device `{}` has no interrupt", device.value);
            (message, "leave `interrupt` out for a task that polls".to_owned())
        } else {
            let help = match nearest(device, names()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!(
                    "leave `interrupt` out for a timer, or name a device of the partition: {}",
                    listed(names())
                ),
            };
            let message = format!(
                "`{}` does not own a device `{}`",
                partition.name.value, device.value
            );
            (message, help)
        };
        let diagnostic = Diagnostic::new(
            &INTERRUPT,
            device.span,
            message,
            format!("`{}` would never be released", task.name.value),
            help,
        );
        let silent = known.filter(|_| owned).map(|d| d.name.span);
        let diagnostic = diagnostic.and_at(silent, "has no interrupt");
        let others = facts.spec.partitions.iter().filter(|_| !owned);
        let owners = others.flat_map(|p| p.devices.iter().map(move |d| (p, d)));
        diagnostics.push(match owners.into_iter().find(|(_, d)| *d == device) {
            Some((owner, entry)) => diagnostic.and(entry.span, format!("`{}` owns it", owner.name.value)),
            None => diagnostic,
        });
    }
}

/// Implements: BH-TASK-009.
fn too_many(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        if let Some(task) = partition.tasks.get(LIMIT) {
            diagnostics.push(Diagnostic::new(
                &TOO_MANY,
                task.name.span,
                format!("`{}` has {} tasks", partition.name.value, partition.tasks.len()),
                "the first that is too many",
                format!("describe at most {LIMIT}; join tasks with one period"),
            ));
        }
    }
}
