// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a fault is answered in the time for which it is tolerated.

use bulkhead_model::diagnostic::{Diagnostic, Rule};
use bulkhead_model::system::{Partition, System};
use bulkhead_model::units::show_time;

use crate::{Analysis, Verdict};

/// An answer that comes too late.
pub(crate) static TOO_LATE: Rule = Rule {
    number: "BH147",
    id: "tolerance/too-late",
    text: "The reaction comes in time: timeout, and period and response time of any periodic task of the partition that answers, fit into the fault-tolerant time.",
    fix: "Shorten the timeout, or the period or the deadline of the task that looks, or raise the limit if the plant allows it.",
};

impl Analysis {
    /// Implements: BH-HEALTH-031.
    pub(crate) fn late_reactions(&self, system: &System) -> Vec<Diagnostic> {
        let partitions = system.partitions.iter();
        partitions.filter_map(|p| self.late_reaction(system, p)).collect()
    }

    fn late_reaction(&self, system: &System, partition: &Partition) -> Option<Diagnostic> {
        let tolerance = partition.fault_tolerant_time?;
        let other = system.partitions.get(tolerance.reaction.value)?;
        let names = (&other.name.value, &partition.name.value);
        let Some((period, response)) = self.slowest_look(other, tolerance.reaction.value) else {
            return Some(
                Diagnostic::new(
                    &TOO_LATE,
                    tolerance.limit.span,
                    format!("nothing says when `{}` answers a fault of `{}`", names.0, names.1),
                    "the longest time from a fault to the reaction",
                    "give it the periodic task that looks whether the frames stay away",
                )
                .and(tolerance.reaction.span, "it has no periodic task"),
            );
        };
        let latest = [tolerance.timeout, period, response]
            .into_iter()
            .fold(0, u64::saturating_add);
        (latest > tolerance.limit.value).then(|| {
            Diagnostic::new(
                &TOO_LATE,
                tolerance.limit.span,
                format!(
                    "`{}` may answer a fault of `{}` only after {}",
                    names.0,
                    names.1,
                    show_time(latest)
                ),
                format!(
                    "its timeout of {}, a period of {}, and {} until its task ends",
                    show_time(tolerance.timeout),
                    show_time(period),
                    show_time(response)
                ),
                "shorten them, or raise the limit if the plant allows it",
            )
            .and(tolerance.reaction.span, "it answers")
        })
    }

    /// Period and longest response time in ns of that periodic task of a partition which takes longest to see what
    /// happens just after it looked: no key says which of them looks. A bound that is not proved counts as its
    /// deadline.
    fn slowest_look(&self, partition: &Partition, index: usize) -> Option<(u64, u64)> {
        let tasks = partition.tasks.iter().enumerate();
        let periodic = tasks.filter(|(_, task)| task.interrupt.is_none());
        let looks = periodic.map(|(number, task)| {
            let proved = self
                .task(index, number)
                .filter(|(_, t)| t.verdict == Verdict::Schedulable)
                .and_then(|(_, t)| t.response);
            let response = proved.map_or(task.deadline.value, |r| r.time);
            (task.period.value, response)
        });
        looks.max_by_key(|(period, response)| period.saturating_add(*response))
    }
}
