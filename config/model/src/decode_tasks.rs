// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to the tasks of a partition, and from those to typed ones.

use crate::board::Board;
use crate::decode::{Decoder, Fields};
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

impl Decoder<'_> {
    /// The tasks of a partition. One that could not be read is reported and left out.
    pub(crate) fn tasks(&mut self, fields: &mut Fields<'_>) -> Vec<TaskSpec> {
        let entries = fields
            .optional("tasks")
            .and_then(|n| self.map(n, "`tasks`"))
            .unwrap_or_default();
        entries.iter().filter_map(|e| self.task(e)).collect()
    }

    fn task(&mut self, entry: &Entry) -> Option<TaskSpec> {
        let mut fields = self.fields(&entry.value, "a task", entry.key.span)?;
        let period = fields.required("period", self).and_then(|n| self.nanoseconds(n));
        let wcet = fields.required("wcet", self).and_then(|n| self.nanoseconds(n));
        let deadline = fields.optional("deadline").map(|n| self.nanoseconds(n));
        let priority = fields.optional("priority").map(|n| self.number(n));
        let vcpu = fields.optional("vcpu").map(|n| self.small(n));
        let jitter = fields.optional("jitter").map(|n| self.nanoseconds(n));
        let interrupt = fields
            .optional("interrupt")
            .map(|n| self.text(n, "the interrupting device"));
        fields.finish(self);
        Some(TaskSpec {
            name: entry.key.clone(),
            period: period?,
            wcet: wcet?,
            deadline: present(deadline)?,
            priority: present(priority)?,
            vcpu: present(vcpu)?,
            jitter: present(jitter)?.map_or(0, |j| j.value),
            interrupt: present(interrupt)?,
        })
    }
}

/// `None` for a key that was given and could not be read.
fn present<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
        None => Some(None),
    }
}

/// The tasks of a partition with names resolved and priorities ranked. Nothing only when a rule was broken.
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
