// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The result as tables: for machines, and as text for people.

use std::fmt::Write;

use bulkhead_model::bounds::{Basis, Cost};
use bulkhead_model::system::System;
use bulkhead_model::units::read_time;
use serde::Serialize;

use crate::{Analysis, Doubt, TaskAnalysis, VcpuAnalysis, Verdict};

/// A vCPU with tasks. Times in ns.
#[derive(Serialize, Clone, Debug)]
pub struct VcpuReport {
    /// Name of the partition.
    pub partition: String,
    /// vCPU of the partition.
    pub vcpu: usize,
    /// Core.
    pub core: usize,
    /// Time that it gets in each `per_ns`, costs of slots taken off.
    pub supply_ns: u64,
    /// The major frame; on a core of its own, 1.
    pub per_ns: u64,
    /// What locks may take of that in each major frame: boosts of others, and waits.
    pub locks_ns: u64,
    /// Longest time for which a call of the firmware keeps the core.
    pub firmware_ns: u64,
    /// Costs that the bounds contain.
    pub costs: Vec<Cost>,
    /// Why the bounds prove nothing.
    pub doubts: Vec<String>,
    /// The most urgent first.
    pub tasks: Vec<TaskReport>,
}

/// A task. Times in ns.
#[derive(Serialize, Clone, Debug)]
pub struct TaskReport {
    /// Its name.
    pub name: String,
    /// Least time between activations.
    pub period_ns: u64,
    /// Longest execution time.
    pub wcet_ns: u64,
    /// Longest time from activation to release.
    pub jitter_ns: u64,
    /// Latest end after the activation.
    pub deadline_ns: u64,
    /// Bound of the response time, if there is one.
    pub response_ns: Option<u64>,
    /// The instant of the major frame at which the worst case begins.
    pub critical_instant_ns: Option<u64>,
    /// Which activation in a row is the worst, from 1.
    pub critical_activation: Option<u64>,
    /// Whether it ends in time.
    pub verdict: Verdict,
}

impl Analysis {
    /// Everything, with names. Implements: BH-TASK-023.
    pub fn report(&self, system: &System) -> Vec<VcpuReport> {
        self.vcpus.iter().map(|v| v.report(system)).collect()
    }

    /// Everything as text.
    pub fn table(&self, system: &System) -> String {
        if self.vcpus.is_empty() {
            return "no partition has tasks\n".to_owned();
        }
        let mut out = format!(
            "{:<28} {:>12} {:>12} {:>12} {:>14}  verdict\n",
            "task", "period", "WCET", "deadline", "bound"
        );
        for vcpu in self.report(system) {
            for task in &vcpu.tasks {
                let bound = task.response_ns.map_or_else(|| "none".to_owned(), read_time);
                let _ = writeln!(
                    out,
                    "{:<28} {:>12} {:>12} {:>12} {bound:>14}  {}",
                    format!("{}/{}", vcpu.partition, task.name),
                    read_time(task.period_ns),
                    read_time(task.wcet_ns),
                    read_time(task.deadline_ns),
                    task.verdict.name()
                );
            }
        }
        for vcpu in self.report(system) {
            out.push_str(&vcpu.costs_text());
        }
        out
    }
}

impl VcpuAnalysis {
    fn report(&self, system: &System) -> VcpuReport {
        let partition = &system.partitions[self.partition];
        let (supply_ns, per_ns) = self.supply.rate();
        VcpuReport {
            partition: partition.name.value.clone(),
            vcpu: self.vcpu,
            core: self.core,
            supply_ns,
            per_ns,
            locks_ns: self.locks.wcet,
            firmware_ns: self.firmware,
            costs: self.costs.clone(),
            doubts: self.doubts.iter().map(|d| d.text(system)).collect(),
            tasks: self.tasks.iter().map(|t| self.task_report(system, t)).collect(),
        }
    }

    fn task_report(&self, system: &System, result: &TaskAnalysis) -> TaskReport {
        let task = &system.partitions[self.partition].tasks[result.task];
        TaskReport {
            name: task.name.value.clone(),
            period_ns: task.period.value,
            wcet_ns: task.wcet.value,
            jitter_ns: task.jitter,
            deadline_ns: task.deadline.value,
            response_ns: result.response.map(|r| r.time),
            critical_instant_ns: result.response.map(|r| r.instant),
            critical_activation: result.response.map(|r| r.activation),
            verdict: result.verdict,
        }
    }
}

impl VcpuReport {
    fn costs_text(&self) -> String {
        let mut out = format!("\n{} vCPU {} on core {}, ", self.partition, self.vcpu, self.core);
        if self.per_ns == 1 {
            out.push_str("its own:\n");
        } else {
            let (supply, frame) = (read_time(self.supply_ns), read_time(self.per_ns));
            let _ = writeln!(out, "{supply} of {frame}:");
        }
        for cost in &self.costs {
            let _ = writeln!(
                out,
                "  {:<14} {:>12}  {}",
                cost.path.name(),
                read_time(cost.ns),
                basis(cost.basis)
            );
        }
        if self.locks_ns > 0 {
            let _ = writeln!(
                out,
                "  {:<14} {:>12}  at any place of each frame",
                "locks",
                read_time(self.locks_ns)
            );
        }
        if self.firmware_ns > 0 {
            let _ = writeln!(
                out,
                "  {:<14} {:>12}  as declared under `smc`",
                "firmware",
                read_time(self.firmware_ns)
            );
        }
        for doubt in &self.doubts {
            let _ = writeln!(out, "  unproven: {doubt}");
        }
        out
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => "measured",
        Basis::Assumed => "assumed",
        Basis::Unknown => "unknown, counted as 0",
    }
}

impl Verdict {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Schedulable => "schedulable",
            Verdict::Unproven => "unproven",
            Verdict::NotSchedulable => "not schedulable",
        }
    }
}

impl Doubt {
    /// For people.
    pub fn text(self, system: &System) -> String {
        match self {
            Doubt::Cost(path, Basis::Unknown) => format!("the board has no bound of `{}`", path.name()),
            Doubt::Cost(path, Basis::Assumed | Basis::Measured) => {
                format!("`{}` was not measured on hardware", path.name())
            }
            Doubt::Interrupt(device) => {
                let device = system.board.devices.get(device);
                let name = device.map_or("", |d| d.name.value.as_str());
                format!("no task says how often `{name}` interrupts")
            }
            Doubt::Traffic => {
                "its core stands still when it has spent its budget of memory traffic".to_owned()
            }
            Doubt::Console => "characters that arrive at the emulated UART interrupt as they come".to_owned(),
            Doubt::Linux => "Linux is no kernel whose own code is bounded".to_owned(),
        }
    }
}
