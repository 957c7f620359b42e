// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Schedulability: does every task of every partition end by its deadline, whatever else happens?
//!
//! [`Analysis::of`] compares the response time of each task ([`mod@response`]) on the exact supply of its
//! vCPU ([`mod@supply`]) with its deadline. What EL2 costs comes from the board's bounds file; where one of
//! these costs was not measured on hardware, the verdict is [`Verdict::Unproven`]. [`Analysis::diagnostics`]
//! turns what is too late into breaches of [`rules`], [`Analysis::report`] everything into tables.
//! Pure: no input, no output, no floating point. Times are in ns.
#![forbid(unsafe_code)]

mod locks;
pub mod report;
pub mod response;
pub mod rules;
pub mod supply;
mod tolerance;

use bulkhead_model::bounds::{Basis, Bounds, Cost, CostPath};
use bulkhead_model::system::{Console, Cores, Interrupts, Partition, Payload, Run, System};
use bulkhead_model::task::Task;
use serde::Serialize;

use crate::response::{Load, Question, Response, response};
use crate::supply::{Part, Supply, Window};

/// Every vCPU that has tasks.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// In the order of the partitions, then of the vCPUs.
    pub vcpus: Vec<VcpuAnalysis>,
}

/// A vCPU and its tasks.
#[derive(Clone, Debug)]
pub struct VcpuAnalysis {
    /// What locks take in each major frame: boosts of others, and waits for those that the partition takes.
    pub locks: Load,
    /// Doorbells that interrupt it.
    pub bells: Vec<Load>,
    /// Index into [`System::partitions`].
    pub partition: usize,
    /// vCPU of the partition.
    pub vcpu: usize,
    /// The core that it runs on.
    pub core: usize,
    /// What the core gives it after all costs of slots.
    pub supply: Supply,
    /// Longest time in ns for which a call of the firmware keeps its core, whoever of the core made it.
    pub firmware: u64,
    /// What each of its wake-ups costs in ns where others may be on the core in its slots.
    pub wake: u64,
    /// What EL2 costs here.
    pub costs: Vec<Cost>,
    /// Why nothing is proved here even if all tasks are in time; empty on a board that was measured.
    pub doubts: Vec<Doubt>,
    /// The most urgent first.
    pub tasks: Vec<TaskAnalysis>,
}

/// A task and its bound.
#[derive(Clone, Debug)]
pub struct TaskAnalysis {
    /// Index into [`Partition::tasks`].
    pub task: usize,
    /// Its longest response time, if there is a bound.
    pub response: Option<Response>,
    /// Whether it, more urgent tasks and interrupts together ask for more than the vCPU gets.
    pub overload: bool,
    /// Whether it ends in time.
    pub verdict: Verdict,
}

/// Whether a task ends in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Always, with costs that were measured.
    Schedulable,
    /// Under the stated costs, which are not all measured, or with an assumption that the spec does not bound.
    Unproven,
    /// No bound that keeps the deadline.
    NotSchedulable,
}

/// Why a bound is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A cost was not measured on hardware.
    Cost(CostPath, Basis),
    /// No task says how often this device of the partition interrupts; an index into the board's devices.
    Interrupt(usize),
    /// Characters that arrive at the emulated UART interrupt as they come.
    Console,
    /// Its core stands still when it has spent a budget of memory traffic.
    Traffic,
    /// Linux is no fixed-priority kernel whose own code is bounded.
    Linux,
}

impl Analysis {
    /// Analyses every task of a system with the costs of its board ([`bulkhead_model::board::Board::bounds`]).
    /// Implements: BH-TASK-022.
    pub fn of(system: &System, bounds: &Bounds) -> Self {
        let mut vcpus = Vec::new();
        for (index, partition) in system.partitions.iter().enumerate() {
            for (vcpu, core) in partition.core_list().iter().enumerate() {
                if partition.tasks.iter().any(|t| t.vcpu == vcpu) {
                    vcpus.push(VcpuAnalysis::of(system, bounds, index, vcpu, core.value));
                }
            }
        }
        Analysis { vcpus }
    }

    /// The result for a task of a partition, with that of its vCPU.
    pub fn task(&self, partition: usize, task: usize) -> Option<(&VcpuAnalysis, &TaskAnalysis)> {
        let here = self.vcpus.iter().filter(|v| v.partition == partition);
        here.flat_map(|v| v.tasks.iter().map(move |t| (v, t)))
            .find(|(_, t)| t.task == task)
    }
}

impl VcpuAnalysis {
    fn of(system: &System, bounds: &Bounds, index: usize, vcpu: usize, core: usize) -> Self {
        let partition = &system.partitions[index];
        let costs: Vec<Cost> = paths(&partition.cores).iter().map(|p| bounds.cost(*p)).collect();
        let supply = supply(system, &costs, index, vcpu, core);
        let firmware = system.firmware(core);
        let wake = wake(system, &costs, index, vcpu, core);
        let doubts = doubts(system, partition, vcpu, &costs);
        let mut result = VcpuAnalysis {
            locks: locks::load(
                system,
                index,
                core,
                cost(&costs, CostPath::WorldSwitch),
                late(&costs, firmware),
            ),
            bells: bells(system, index, vcpu),
            partition: index,
            vcpu,
            core,
            supply,
            firmware,
            wake,
            costs,
            doubts,
            tasks: Vec::new(),
        };
        let mut order: Vec<(usize, &Task)> = partition
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, t)| t.vcpu == vcpu)
            .collect();
        order.sort_by_key(|(_, t)| t.priority.rank());
        result.tasks = order
            .iter()
            .map(|(task, _)| result.task(partition, *task))
            .collect();
        result
    }

    /// The longest response time that a task would have with another WCET.
    pub(crate) fn response(&self, partition: &Partition, task: usize, wcet: u64) -> Option<Response> {
        self.ask(partition, task, wcet, |q| response(q, &self.supply))
    }

    fn task(&self, partition: &Partition, index: usize) -> TaskAnalysis {
        let task = &partition.tasks[index];
        let overload = self.ask(partition, index, task.wcet.value, |q| {
            response::overloads(q, &self.supply)
        });
        // Then there is no bound to look for.
        let response = if overload {
            None
        } else {
            self.response(partition, index, task.wcet.value)
        };
        let in_time = response.is_some_and(|r| r.time <= task.deadline.value);
        let verdict = match (in_time, self.doubts.is_empty()) {
            (true, true) => Verdict::Schedulable,
            (true, false) => Verdict::Unproven,
            (false, _) => Verdict::NotSchedulable,
        };
        TaskAnalysis {
            task: index,
            response,
            overload,
            verdict,
        }
    }

    fn ask<T>(
        &self,
        partition: &Partition,
        task: usize,
        wcet: u64,
        answer: impl FnOnce(&Question<'_>) -> T,
    ) -> T {
        let asked = &partition.tasks[task];
        let mates = || {
            let other = |(i, t): &(usize, &Task)| *i != task && t.vcpu == self.vcpu;
            partition.tasks.iter().enumerate().filter(other).map(|(_, t)| t)
        };
        let (urgent, less_urgent): (Vec<&Task>, Vec<&Task>) =
            mates().partition(|t| t.priority.is_more_urgent_than(asked.priority));
        let loads = |tasks: Vec<&Task>| tasks.into_iter().map(load).collect::<Vec<Load>>();
        answer(&Question {
            task: Load { wcet, ..load(asked) },
            urgent: &loads(urgent),
            less_urgent: &[loads(less_urgent), self.bells.clone()].concat(),
            interrupt: self
                .cost(CostPath::Interrupt)
                .saturating_add(self.cost(CostPath::GuardedWake))
                .saturating_add(self.wake),
            locks: self.locks,
            blocking: self.cost(CostPath::LongestStay).saturating_add(self.firmware),
        })
    }

    /// What a path costs here, 0 when it does not happen here.
    pub fn cost(&self, path: CostPath) -> u64 {
        cost(&self.costs, path)
    }
}

/// Doorbells interrupt vCPU 0: each as often as its interval allows, and for nothing but the interrupt.
fn bells(system: &System, partition: usize, vcpu: usize) -> Vec<Load> {
    let heard = system
        .doorbells()
        .filter(|bell| vcpu == 0 && bell.rung == partition);
    heard
        .map(|bell| Load {
            wcet: 0,
            period: bell.interval,
            jitter: 0,
        })
        .collect()
}

fn cost(costs: &[Cost], path: CostPath) -> u64 {
    costs.iter().find(|c| c.path == path).map_or(0, |c| c.ns)
}

/// How late a slot's vCPU begins, behind a call of the firmware from the slot before. Implements: BH-SMC-014.
fn late(costs: &[Cost], firmware: u64) -> u64 {
    let switch = cost(costs, CostPath::WorldSwitch);
    let late = cost(costs, CostPath::SlotLateness).saturating_add(switch);
    late.saturating_add(firmware)
}

fn load(task: &Task) -> Load {
    Load {
        wcet: task.wcet.value,
        period: task.period.value,
        jitter: task.jitter,
    }
}

/// The paths through EL2 that take time from the tasks of a partition.
fn paths(cores: &Cores) -> &'static [CostPath] {
    match cores {
        Cores::Sliced { .. } => &[
            CostPath::WorldSwitch,
            CostPath::SlotLateness,
            CostPath::TimerTick,
            CostPath::Interrupt,
            CostPath::LongestStay,
        ],
        Cores::Dedicated { interrupts, .. } => match interrupts.value {
            Interrupts::Direct => &[CostPath::LongestStay],
            Interrupts::Guarded => &[CostPath::GuardedWake, CostPath::LongestStay],
        },
    }
}

fn supply(system: &System, costs: &[Cost], partition: usize, vcpu: usize, core: usize) -> Supply {
    let Some(table) = system.schedule.core(core) else {
        return Supply::always();
    };
    let early = cost(costs, CostPath::TimerTick);
    let firmware = system.firmware(core);
    let overrun = overrun(costs).saturating_add(firmware);
    let mine = Run::Vcpu { partition, vcpu };
    let parts = table.slots.iter().filter_map(|slot| {
        let users = slot.users();
        let place = users.iter().position(|u| u.run.value == mine)?;
        let (urgent, own) = (users.get(..place)?, users.get(place)?);
        let urgent = urgent.iter().fold(0_u64, |sum, u| {
            sum.saturating_add(u.budget).saturating_add(overrun)
        });
        Some(Part {
            slot: Window {
                begin: slot.offset,
                end: slot.offset.saturating_add(slot.length.value),
            },
            budget: own.budget,
            urgent,
        })
    });
    // Slots fill the frame in order, so that none is out of place.
    Supply::parts(
        system.schedule.major_frame.value,
        parts,
        late(costs, firmware),
        early,
    )
    .unwrap_or_else(Supply::nothing)
}

/// By how much a budget may be overrun: by the switches there and back, each from EL2's entry on, where nothing was left
/// of it behind the first, and by what EL2 does between them before a boost, which delays a slot no less.
fn overrun(costs: &[Cost]) -> u64 {
    let switches = cost(costs, CostPath::WorldSwitch).saturating_mul(2);
    cost(costs, CostPath::SlotLateness).saturating_add(switches)
}

/// What each wake-up of a vCPU costs where less urgent ones, or slack, may be on the core: the end of their call of the
/// firmware, then the switches to it and back, from its own budget.
fn wake(system: &System, costs: &[Cost], partition: usize, vcpu: usize, core: usize) -> u64 {
    let mine = Run::Vcpu { partition, vcpu };
    let mut slots = system.schedule.core(core).into_iter().flat_map(|t| &t.slots);
    let is_followed = slots.any(|slot| {
        let place = slot.shares.iter().position(|s| s.run.value == mine);
        place.is_some_and(|place| place + 1 < slot.shares.len() || slot.slack.is_some())
    });
    if is_followed {
        let switches = cost(costs, CostPath::WorldSwitch).saturating_mul(2);
        switches.saturating_add(system.firmware(core))
    } else {
        0
    }
}

fn doubts(system: &System, partition: &Partition, vcpu: usize, costs: &[Cost]) -> Vec<Doubt> {
    let unmeasured = costs.iter().filter(|c| c.basis != Basis::Measured);
    let mut doubts: Vec<Doubt> = unmeasured.map(|c| Doubt::Cost(c.path, c.basis)).collect();
    // Interrupts of devices go to vCPU 0.
    if vcpu == 0 {
        let interrupts = |d: &usize| {
            let device = system.board.devices.get(*d);
            device.is_some_and(|d| !d.interrupts.is_empty())
        };
        let bounded = |d: &usize| {
            partition
                .tasks
                .iter()
                .any(|t| t.interrupt.is_some_and(|i| i.value == *d))
        };
        let devices = partition.devices.iter().map(|d| d.value);
        let unbounded = devices.filter(interrupts).filter(|d| !bounded(d));
        doubts.extend(unbounded.map(Doubt::Interrupt));
        if partition.console.value == Console::Uart {
            doubts.push(Doubt::Console);
        }
    }
    let core = partition.core_list().get(vcpu);
    if core.is_some_and(|c| system.schedule.budget(c.value).is_some()) {
        doubts.push(Doubt::Traffic);
    }
    if matches!(partition.payload, Payload::Linux(_)) {
        doubts.push(Doubt::Linux);
    }
    doubts
}
