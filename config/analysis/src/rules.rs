// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules that need the analysis: what it finds, as places in the spec.

use bulkhead_model::bounds::CostPath;
use bulkhead_model::diagnostic::{Diagnostic, Rule};
use bulkhead_model::span::Span;
use bulkhead_model::system::{Partition, Run, Slot, System};
use bulkhead_model::units::show_time;
use bulkhead_model::{Diagnostics, LoadError, Paths};

use crate::tolerance::TOO_LATE;
use crate::{Analysis, TaskAnalysis, VcpuAnalysis, Verdict};

/// Slots that are all switch.
static NO_CORE_TIME: Rule = Rule {
    number: "BH160",
    id: "tasks/no-core-time",
    text: "A vCPU with tasks has a slot that is longer than what EL2 needs to begin it.",
    fix: "Lengthen the slot of that vCPU.",
};
/// More work than time.
static OVERLOAD: Rule = Rule {
    number: "BH161",
    id: "tasks/overload",
    text: "The tasks of a vCPU together need no more time than its slots give.",
    fix: "Lengthen slots, or take work from the tasks of that vCPU.",
};
/// Too late.
static NOT_SCHEDULABLE: Rule = Rule {
    number: "BH162",
    id: "tasks/not-schedulable",
    text: "Each task ends by its deadline at every instant of the slot table, with the costs of the board.",
    fix: "Move or lengthen slots, lower a WCET, or relax the deadline.",
};

/// Every rule of this crate, by number.
pub static ALL: &[&Rule] = &[&TOO_LATE, &NO_CORE_TIME, &OVERLOAD, &NOT_SCHEDULABLE];

/// Every rule that there is, by number: of the model, of this crate, and those of which the compiler finds breaches.
pub fn every() -> impl Iterator<Item = &'static Rule> {
    let placement = bulkhead_model::rules::placement::ALL;
    let mut rules = bulkhead_model::rules::all();
    rules.extend(ALL.iter().chain(placement).copied());
    rules.sort_by_key(|rule| rule.number);
    rules.into_iter()
}

/// Reads a spec as [`bulkhead_model::load()`] does, and refuses it also when a task is not schedulable.
///
/// # Errors
/// See [`LoadError`]: breaches of every rule but those on places.
pub fn load(paths: &Paths, overrides: &[String]) -> Result<(System, Analysis), LoadError> {
    survey(paths, overrides).map_err(|refused| refused.error)
}

/// A spec that breaks rules, and what can be placed of it all the same.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: LoadError,
    /// The system without what is broken; not to be built.
    pub placing: Option<Box<System>>,
}

/// As [`load`], with what can still be placed of a spec that breaks rules. The tasks of what breaks no rule are judged
/// in the same run ([`bulkhead_model::remains`]). Implements: BH-CFG-230.
///
/// # Errors
/// See [`Refused`].
pub fn survey(paths: &Paths, overrides: &[String]) -> Result<(System, Analysis), Refused> {
    match bulkhead_model::survey(paths, overrides) {
        Ok(system) => judge(system),
        Err((mut error, remains)) => {
            if let (LoadError::Invalid(found), Some(system)) = (&mut error, &remains.timing) {
                let late = Analysis::of(system, &system.board.bounds).diagnostics(system);
                found.list.extend(late);
                found.sort();
            }
            let placing = remains.placing.map(Box::new);
            Err(Refused { error, placing })
        }
    }
}

/// Analyses a system and refuses it when a task is not schedulable.
///
/// # Errors
/// [`LoadError::Invalid`].
pub fn admit(system: System) -> Result<(System, Analysis), LoadError> {
    judge(system).map_err(|refused| refused.error)
}

fn judge(system: System) -> Result<(System, Analysis), Refused> {
    let analysis = Analysis::of(&system, &system.board.bounds);
    let list = analysis.diagnostics(&system);
    if list.is_empty() {
        return Ok((system, analysis));
    }
    let sources = system.sources.clone();
    let mut found = Diagnostics { sources, list };
    found.sort();
    Err(Refused {
        error: LoadError::Invalid(found),
        placing: Some(Box::new(system)),
    })
}

impl Analysis {
    /// The breaches that the analysis found.
    pub fn diagnostics(&self, system: &System) -> Vec<Diagnostic> {
        let tasks = self.vcpus.iter().flat_map(|v| v.diagnostics(system));
        tasks.chain(self.late_reactions(system)).collect()
    }
}

impl VcpuAnalysis {
    fn diagnostics(&self, system: &System) -> Vec<Diagnostic> {
        let partition = &system.partitions[self.partition];
        if self.supply.rate().0 == 0 {
            return self.no_core_time(system, partition).into_iter().collect();
        }
        let first = self.tasks.iter().find(|t| t.overload);
        let overload = first.map(|t| self.overload(system, partition, t));
        let late = self
            .tasks
            .iter()
            .filter(|t| t.verdict == Verdict::NotSchedulable && !t.overload);
        overload
            .into_iter()
            .chain(late.map(|t| self.late(system, partition, t)))
            .collect()
    }

    fn slots<'s>(&self, system: &'s System) -> impl Iterator<Item = &'s Slot> + use<'s> {
        let mine = Run::Vcpu {
            partition: self.partition,
            vcpu: self.vcpu,
        };
        let table = system.schedule.core(self.core);
        table
            .into_iter()
            .flat_map(|t| &t.slots)
            .filter(move |s| s.run.value == mine)
    }

    /// Implements: BH-TASK-024.
    fn no_core_time(&self, system: &System, partition: &Partition) -> Option<Diagnostic> {
        let task = &partition.tasks[self.tasks.first()?.task];
        let needed = [CostPath::SlotLateness, CostPath::WorldSwitch, CostPath::TimerTick];
        let needed: u64 = needed
            .iter()
            .fold(0, |sum: u64, p| sum.saturating_add(self.cost(*p)));
        let diagnostic = Diagnostic::new(
            &NO_CORE_TIME,
            task.name.span,
            format!(
                "vCPU {} of `{}` never runs: its slots are no longer than EL2 needs to begin them",
                self.vcpu, partition.name.value
            ),
            "this task gets no time",
            format!(
                "make a slot longer than {}, the switch with its lateness",
                show_time(needed)
            ),
        );
        let label = |d: Diagnostic, s: &Slot| d.and(s.length.span, "one of its slots");
        Some(self.slots(system).take(1).fold(diagnostic, label))
    }

    /// Implements: BH-TASK-025.
    fn overload(&self, system: &System, partition: &Partition, result: &TaskAnalysis) -> Diagnostic {
        let task = &partition.tasks[result.task];
        let (supply, frame) = self.supply.rate();
        let gets = if self.supply.list().is_empty() {
            "its core gives".to_owned()
        } else {
            format!(
                "the {} of {} that its slots give",
                show_time(supply),
                show_time(frame)
            )
        };
        let locks = match self.locks.wcet {
            0 => String::new(),
            time => format!(" (locks: {} in each frame)", show_time(time)),
        };
        let diagnostic = Diagnostic::new(
            &OVERLOAD,
            task.name.span,
            format!(
                "`{}` of `{}` and what is more urgent on vCPU {}{locks} need more than {gets}",
                task.name.value, partition.name.value, self.vcpu
            ),
            format!(
                "{} in each {} is too much here",
                show_time(task.wcet.value),
                show_time(task.period.value)
            ),
            "lower WCETs, raise periods, or give the partition longer or more slots",
        );
        let label = |d: Diagnostic, s: &Slot| d.and(s.length.span, "one of its slots");
        self.slots(system).take(1).fold(diagnostic, label)
    }

    /// Implements: BH-TASK-026.
    fn late(&self, system: &System, partition: &Partition, result: &TaskAnalysis) -> Diagnostic {
        let task = &partition.tasks[result.task];
        let deadline = task.deadline.value;
        let name = format!("`{}` of `{}`", task.name.value, partition.name.value);
        let (message, cause) = match result.response {
            Some(response) => {
                let row = match response.activation {
                    1 => String::new(),
                    n => format!("; the worst is activation {n} in a row"),
                };
                let when = if self.supply.list().is_empty() {
                    "released together with all that is more urgent".to_owned()
                } else {
                    let instant = show_time(response.instant);
                    format!("worst when released at {instant} of the frame, where its time ends")
                };
                (
                    format!(
                        "{name} may end {} after its activation, and has to within {}",
                        show_time(response.time),
                        show_time(deadline)
                    ),
                    format!("{when}{row}"),
                )
            }
            None => (
                format!("{name} has no bound of its response time"),
                "the time that it and more urgent tasks keep the core busy is too long to be looked at"
                    .to_owned(),
            ),
        };
        let diagnostic = Diagnostic::new(
            &NOT_SCHEDULABLE,
            task.name.span,
            message,
            cause,
            self.fix(partition, result),
        )
        .and(task.deadline.span, "its deadline");
        match self.critical_slot(system, result) {
            Some(span) => diagnostic.and(span, "after this slot the longest wait begins"),
            None => diagnostic,
        }
    }

    /// The slot that ends at the critical instant.
    fn critical_slot(&self, system: &System, result: &TaskAnalysis) -> Option<Span> {
        let last = result.response?.instant.checked_sub(1)?;
        let ends = |s: &&Slot| (s.offset..s.offset.saturating_add(s.length.value)).contains(&last);
        self.slots(system).find(ends).map(|s| s.run.span)
    }

    /// What would make the task schedulable.
    fn fix(&self, partition: &Partition, result: &TaskAnalysis) -> String {
        let task = &partition.tasks[result.task];
        let fits = |wcet: u64| {
            let response = self.response(partition, result.task, wcet);
            response.is_some_and(|r| r.time <= task.deadline.value)
        };
        // The largest WCET that fits, between one that does and one that does not.
        let (mut good, mut bad) = (0, result.response.map_or(1, |_| task.wcet.value));
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if fits(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        let mut fixes = Vec::new();
        if good > 0 {
            fixes.push(format!("lower its WCET to {}", show_time(good)));
        }
        if let Some(response) = result.response {
            fixes.push(format!("allow a deadline of {}", show_time(response.time)));
        }
        fixes.push(if self.supply.list().is_empty() {
            "move work to another vCPU".to_owned()
        } else {
            "give the partition slots that are longer or closer together".to_owned()
        });
        fixes.join(", or ")
    }
}
