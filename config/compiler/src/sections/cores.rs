// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cores and their slot tables.

use bulkhead_model::board::Traffic;
use bulkhead_model::system::{Bandwidth, Run, System};
use bulkhead_types::tables::{
    Core, CoreVcpu, MAX_SHARES, NONE, Share, Slot, Vcpu, core_mode, share_kind, slot_kind,
};

use super::global_vcpu;
use crate::machine::GICR_SIZE;
use crate::plan::Plan;
use crate::units::id;
use crate::words;

/// Frame of a core that no partition uses, ns: one idle slot.
const IDLE_FRAME_NS: u64 = 1_000_000_000;

/// The budget of memory traffic of a core, and how its board counts it.
pub(super) fn budget(system: &System, core: usize) -> Option<(&Bandwidth, Traffic)> {
    system.schedule.budget(core).zip(system.board.traffic)
}

/// Cores, their vCPUs, and the slots of those that are sliced.
pub(super) fn cores(system: &System, plan: &Plan, vcpus: &[Vcpu]) -> (Vec<Core>, Vec<CoreVcpu>, Vec<Slot>) {
    let (mut cores, mut core_vcpus, mut slots) = (Vec::new(), Vec::new(), Vec::new());
    for (number, core) in system.board.cores.iter().enumerate() {
        let (vcpu_first, slot_first) = (id(core_vcpus.len()), id(slots.len()));
        let own = (0u32..).zip(vcpus).filter(|(_, v)| v.core == id(number));
        core_vcpus.extend(own.map(|(vcpu, _)| CoreVcpu { vcpu, reserved: 0 }));
        let vcpu_count = id(core_vcpus.len()) - vcpu_first;
        let user = system.partitions.iter().find(|p| p.vcpu_on(number).is_some());
        let mode = user.map_or(core_mode::SLICED, |p| words::mode(&p.cores));
        if mode == core_mode::SLICED {
            slots.extend(core_slots(system, number));
        }
        let own_slots = slots.get(slot_first as usize..).unwrap_or_default();
        let budget = budget(system, number);
        cores.push(Core {
            mpidr: core.mpidr,
            midr: core.midr,
            el2_root: plan.el2_root(1 + number),
            redistributor: match system.board.gic.redistributors() {
                Some(first) => first + number as u64 * GICR_SIZE,
                None => 0,
            },
            mode,
            vcpu_first,
            vcpu_count,
            slot_first,
            slot_count: id(own_slots.len()),
            predictors: words::predictors(core.predictors),
            major_frame_ns: own_slots.iter().map(|s| s.length_ns).sum(),
            budget: budget.map_or(0, |(b, _)| b.events.value),
            budget_event: budget.map_or(0, |(_, t)| t.event),
            budget_kept: budget.map_or(0, |(_, t)| t.kept),
            budget_counters: budget.map_or(0, |(_, t)| t.counters),
            budget_intid: budget.map_or(0, |(_, t)| t.interrupt),
            budget_period_ns: budget.map_or(0, |(b, _)| b.period.value),
        });
    }
    (cores, core_vcpus, slots)
}

/// Slots of a sliced core; a core without a slot table sleeps.
fn core_slots(system: &System, core: usize) -> Vec<Slot> {
    let Some(table) = system.schedule.core(core) else {
        return vec![Slot {
            offset_ns: 0,
            length_ns: IDLE_FRAME_NS,
            kind: slot_kind::IDLE,
            vcpu: NONE,
            shares: [Share::UNUSED; MAX_SHARES],
        }];
    };
    let slots = table.slots.iter().map(|slot| {
        let (kind, vcpu) = match slot.run.value {
            Run::Vcpu { partition, vcpu } => (slot_kind::VCPU, global_vcpu(system, partition, vcpu)),
            Run::System => (slot_kind::SYSTEM, NONE),
            Run::Standby => (slot_kind::STANDBY, NONE),
            Run::Idle => (slot_kind::IDLE, NONE),
        };
        Slot {
            offset_ns: slot.offset,
            length_ns: slot.length.value,
            kind,
            vcpu,
            shares: shares(system, slot),
        }
    });
    slots.collect()
}

/// The shares of a slot: budgets in order of urgency, then slack.
fn shares(system: &System, slot: &bulkhead_model::system::Slot) -> [Share; MAX_SHARES] {
    let budgets = slot.shares.iter().map(|share| (share.run.value, share.budget));
    let slack = slot.slack.iter().map(|slack| (slack.value, 0));
    let mut shares = [Share::UNUSED; MAX_SHARES];
    for (entry, (run, budget_ns)) in shares.iter_mut().zip(budgets.chain(slack)) {
        // Only vCPUs share a slot.
        if let Run::Vcpu { partition, vcpu } = run {
            *entry = Share {
                budget_ns,
                vcpu: global_vcpu(system, partition, vcpu),
                kind: if budget_ns == 0 {
                    share_kind::SLACK
                } else {
                    share_kind::BUDGET
                },
            };
        }
    }
    shares
}
