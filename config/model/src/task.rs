// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tasks of partitions: what the schedulability analysis is about. EL2 knows nothing of them. Times are in ns.

use crate::span::Spanned;

/// A task: code of a partition that is activated again and again and has to end in time.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name, unique in its partition.
    pub name: Spanned<String>,
    /// Least time between two activations, above 0.
    pub period: Spanned<u64>,
    /// Longest execution time of an activation, the guest's own interrupt entry and task switch included; above 0
    /// and at most the deadline.
    pub wcet: Spanned<u64>,
    /// Time after its activation by which it has to end.
    pub deadline: Spanned<u64>,
    /// Its place among the tasks of its vCPU.
    pub priority: Priority,
    /// The vCPU that it runs on; in range.
    pub vcpu: usize,
    /// Longest time from activation to release.
    pub jitter: u64,
    /// The device whose interrupt releases it, an index into [`crate::board::Board::devices`]; without one, a
    /// timer does.
    pub interrupt: Option<Spanned<usize>>,
}

/// The place of a task among those of its vCPU: no two have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority(pub(crate) usize);

impl Priority {
    /// How many tasks of the same vCPU are more urgent.
    pub fn rank(self) -> usize {
        self.0
    }

    /// Whether this task preempts the other one, if both run on one vCPU.
    pub fn is_more_urgent_than(self, other: Priority) -> bool {
        self.0 < other.0
    }
}
