// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to the tasks of a partition, and from those to typed ones.

use crate::board::Board;
use crate::decode::{Fields, nanoseconds, number, present, small, text};
use crate::span::Spanned;
use crate::spec::{Name, PartitionSpec};
use crate::task::{Priority, Task};
use crate::tree::Entry;

/// A task as written.
#[derive(Debug)]
pub(crate) struct TaskSpec {
    pub(crate) name: Name,
    pub(crate) period: Spanned<u64>,
    pub(crate) wcet: Spanned<u64>,
    /// Absent: the period.
    pub(crate) deadline: Option<Spanned<u64>>,
    /// 0 is the most urgent. Absent: by deadline.
    pub(crate) priority: Option<Spanned<u64>>,
    pub(crate) vcpu: Option<Spanned<usize>>,
    pub(crate) jitter: u64,
    pub(crate) interrupt: Option<Name>,
}

impl TaskSpec {
    /// Its deadline, and where that is said.
    pub(crate) fn due(&self) -> Spanned<u64> {
        self.deadline.unwrap_or(self.period)
    }

    /// The vCPU that it runs on.
    pub(crate) fn on_vcpu(&self) -> usize {
        self.vcpu.map_or(0, |v| v.value)
    }

    /// By what tasks of a vCPU are ordered: the priority written, or the deadline, ties by name.
    fn order(&self) -> (Option<u64>, u64, &str) {
        (self.priority.map(|p| p.value), self.due().value, &self.name)
    }
}

/// A task; nothing when a value of it could not be read.
pub(crate) fn task(entry: &Entry) -> Option<TaskSpec> {
    let fields = Fields::of(&entry.value)?;
    Some(TaskSpec {
        name: entry.key.clone(),
        period: fields.get("period").and_then(nanoseconds)?,
        wcet: fields.get("wcet").and_then(nanoseconds)?,
        deadline: present(fields.get("deadline").map(nanoseconds))?,
        priority: present(fields.get("priority").map(number))?,
        vcpu: present(fields.get("vcpu").map(small))?,
        jitter: present(fields.get("jitter").map(nanoseconds))?.map_or(0, |j| j.value),
        interrupt: present(fields.get("interrupt").map(text))?,
    })
}

/// The tasks of a partition with names resolved and priorities ranked. Nothing only when a rule was broken.
/// Implements: BH-TASK-010.
pub(crate) fn resolve(partition: &PartitionSpec, board: &Board) -> Option<Vec<Task>> {
    let tasks = &partition.tasks;
    let resolved = tasks.iter().map(|task| {
        let interrupt = match &task.interrupt {
            Some(name) => {
                let device = board.devices.iter().position(|d| d.name == *name)?;
                Some(Spanned::new(device, name.span))
            }
            None => None,
        };
        let more_urgent =
            |other: &&TaskSpec| other.on_vcpu() == task.on_vcpu() && other.order() < task.order();
        Some(Task {
            name: task.name.clone(),
            period: task.period,
            wcet: task.wcet,
            deadline: task.due(),
            priority: Priority(tasks.iter().filter(more_urgent).count()),
            vcpu: task.on_vcpu(),
            jitter: task.jitter,
            interrupt,
        })
    });
    resolved.collect()
}
