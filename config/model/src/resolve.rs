// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a spec that breaks no rule to a [`System`].

use bulkhead_abi::health::Level;

use crate::board::{Board, Reserved, ReservedUse};
use crate::channel::Channel;
use crate::colours::ColourSet;
use crate::decode::present;
use crate::decode_locks;
use crate::decode_tasks;
use crate::files::Payloads;
use crate::health::{self, Health, Heartbeat, SafeState, Tolerance};
use crate::rules;
use crate::span::{Sources, Spanned};
use crate::spec::{
    ChannelSpec, ClaimSpec, CoreScheduleSpec, ExpectationSpec, MemorySpec, Mode, Name, PartitionSpec,
    STANDBY, SYSTEM, SlotSpec, Spec,
};
use crate::system::{
    CoreSchedule, Cores, Criticality, Expectation, Memory, MemoryRights, Partition, Payload, Run, Schedule,
    Share, Slot, System, Watchdog, Wire,
};

/// Resolves every name. Nothing only when a rule was broken.
pub(crate) fn resolve(spec: Spec, board: Board, payloads: Payloads, sources: Sources) -> Option<System> {
    let colours = colours(&spec, &board);
    let partitions: Option<Vec<Partition>> = spec
        .partitions
        .iter()
        .zip(payloads.list.into_iter().zip(payloads.trees))
        .zip(colours)
        .map(|((p, (payload, tree)), colours)| {
            let partition = partition(p, &spec, payload?, colours, &board)?;
            Some(Partition {
                device_tree: tree,
                ..partition
            })
        })
        .collect();
    let channels: Option<Vec<Channel>> = spec.channels.iter().map(|c| channel(c, &spec)).collect();
    let mut buses: Vec<String> = Vec::new();
    let mut wiring = Vec::new();
    for wire in &spec.wiring {
        let bus = buses
            .iter()
            .position(|b| *b == wire.bus.value)
            .unwrap_or_else(|| {
                buses.push(wire.bus.value.clone());
                buses.len() - 1
            });
        wiring.push(Wire {
            device: device(&wire.device, &board)?,
            bus: Spanned::new(bus, wire.bus.span),
        });
    }
    let expectations =
        |list: &[ExpectationSpec]| list.iter().map(|e| expectation(e, &spec)).collect::<Option<_>>();
    Some(System {
        name: spec.name.clone()?,
        partitions: partitions?,
        channels: channels?,
        locks: decode_locks::resolve(&spec)?,
        schedule: schedule(&spec)?,
        wiring,
        buses,
        expect: expectations(&spec.expect)?,
        never: expectations(&spec.never)?,
        health: system_health(&spec)?,
        hypervisor: spec.hypervisor,
        watchdog: present(spec.watchdog.map(|timeout| {
            let (device, _) = board.watchdog()?;
            let timeout = timeout.value;
            Some(Watchdog { device, timeout })
        }))?,
        board,
        origins: Vec::new(),
        values: Vec::new(),
        sources,
    })
}

fn system_health(spec: &Spec) -> Option<Health> {
    let monitor = spec
        .health
        .monitor
        .as_ref()
        .map(|name| partition_index(name, spec));
    // The reactions of these levels do not depend on a partition.
    let table = |level, written| health::table(level, written, Criticality::Qm);
    Some(Health {
        monitor: present(monitor)?,
        core: table(Level::Core, &spec.health.core),
        system: table(Level::System, &spec.health.system),
    })
}

fn device(name: &Name, board: &Board) -> Option<Spanned<usize>> {
    let index = board.devices.iter().position(|d| d.name == *name)?;
    Some(Spanned::new(index, name.span))
}

pub(crate) fn partition_index(name: &Name, spec: &Spec) -> Option<Spanned<usize>> {
    Some(Spanned::new(spec.partition(name)?.0, name.span))
}

/// The colours of each partition.
fn colours(spec: &Spec, board: &Board) -> Vec<Option<ColourSet>> {
    let memories: Vec<Option<&MemorySpec>> = spec.partitions.iter().map(|p| p.memory.as_ref()).collect();
    match board.colouring {
        Some(colouring) => rules::colours::assign(&memories, colouring),
        None => vec![None; memories.len()],
    }
}

fn partition(
    spec: &PartitionSpec,
    whole: &Spec,
    payload: Payload,
    colours: Option<ColourSet>,
    board: &Board,
) -> Option<Partition> {
    let memory = spec.memory.as_ref()?;
    let criticality = spec.criticality?;
    let written = spec.cores.as_ref()?;
    let cores = written.cores.clone();
    let cores = match written.mode {
        Mode::Dedicated(interrupts) => Cores::Dedicated {
            cores,
            interrupts: interrupts?,
        },
        Mode::Sliced { .. } => Cores::Sliced { cores },
    };
    Some(Partition {
        name: spec.name.clone(),
        criticality,
        cores,
        memory: Memory {
            size: memory.size,
            at: memory.at,
            rights: memory.rights.map_or(MemoryRights::Open, |r| r.value),
            colours,
        },
        payload,
        pins: spec.pins,
        args: spec.args.clone(),
        console: spec.console?,
        devices: spec
            .devices
            .iter()
            .map(|d| device(d, board))
            .collect::<Option<_>>()?,
        unguarded: spec
            .unguarded
            .iter()
            .map(|(d, reason)| Some((device(d, board)?, reason.clone())))
            .collect::<Option<_>>()?,
        dma: spec
            .dma
            .iter()
            .map(|d| Some((device(&d.device, board)?, d.ascending())))
            .collect::<Option<_>>()?,
        device_tree: None,
        restart_limit: spec.restart_limit,
        dump: present(spec.dump.as_ref().map(|name| {
            let named = |r: &Reserved| r.name == name.value && r.purpose == ReservedUse::Dump;
            board.reserved.iter().position(named)
        }))?,
        marks_steady: spec.marks_steady.is_some_and(|m| m.value),
        reads_ledger: spec.reads_ledger,
        seed: spec.seed,
        autostart: spec.autostart,
        tasks: decode_tasks::resolve(spec, board)?,
        health: health::table(Level::Partition, &spec.health.reactions, criticality.value),
        heartbeat: spec.health.heartbeat.as_ref().map(|h| Heartbeat {
            every: h.every,
            grace: h.grace,
        }),
        safe_state: spec.health.safe_state.map_or(SafeState::Silent, |s| s.value),
        fault_tolerant_time: present(spec.health.tolerance.as_ref().map(|t| {
            Some(Tolerance {
                limit: t.limit,
                reaction: partition_index(&t.reaction, whole)?,
                timeout: t.timeout,
            })
        }))?,
        interrupt_limit: spec.health.interrupt_limit.map(|l| l.value),
        smc: spec.smc.clone(),
    })
}

fn channel(channel: &ChannelSpec, spec: &Spec) -> Option<Channel> {
    Some(Channel {
        name: channel.name.clone(),
        kind: channel.kind?,
        at: channel.at,
        reader_at: channel.reader_at,
        writer: partition_index(channel.writer.as_ref()?, spec)?,
        readers: channel
            .readers
            .iter()
            .map(|r| partition_index(r, spec))
            .collect::<Option<_>>()?,
    })
}

fn schedule(spec: &Spec) -> Option<Schedule> {
    let written = spec.schedule.as_ref()?;
    let cores: Vec<CoreSchedule> = written
        .cores
        .iter()
        .map(|c| core_schedule(c, spec))
        .collect::<Option<_>>()?;
    let core_of = |run: Run| {
        let mut cores = cores.iter();
        let core = cores.find(|c| c.slots.iter().any(|s| s.run.value == run));
        core.map(|c| c.core.value)
    };
    Some(Schedule {
        major_frame: written.major_frame?,
        // The rule `schedule/system-core` holds, unless this is what remains of a spec.
        system_core: core_of(Run::System).unwrap_or(0),
        standby_core: core_of(Run::Standby),
        cores,
        bandwidth: written.bandwidth.clone(),
    })
}

fn core_schedule(table: &CoreScheduleSpec, spec: &Spec) -> Option<CoreSchedule> {
    let slots = table
        .slots
        .iter()
        .map(|s| slot(s, table.core.value, spec))
        .collect::<Option<_>>()?;
    Some(CoreSchedule {
        core: table.core,
        slots,
    })
}

fn slot(slot: &SlotSpec, core: usize, spec: &Spec) -> Option<Slot> {
    let vcpu = |name: &Name| {
        let (partition, found) = spec.partition(name)?;
        let vcpu = found.core_list().iter().position(|c| c.value == core)?;
        Some(Spanned::new(Run::Vcpu { partition, vcpu }, name.span))
    };
    let run = match slot.partition() {
        Some(name) => vcpu(name)?,
        None if slot.run.value == SYSTEM => Spanned::new(Run::System, slot.run.span),
        None if slot.run.value == STANDBY => Spanned::new(Run::Standby, slot.run.span),
        None => Spanned::new(Run::Idle, slot.run.span),
    };
    let mut claims: Vec<ClaimSpec<'_>> = slot.claims().collect();
    claims.sort_by_key(|claim| claim.priority.map(|p| p.value));
    let is_plain = slot.budget.is_none() && slot.share.is_empty() && slot.slack.is_none();
    let share = |claim: &ClaimSpec<'_>| {
        Some(Share {
            run: vcpu(claim.partition)?,
            budget: claim.budget.map_or(slot.length.value, |b| b.value),
        })
    };
    let shares = claims.iter().filter(|_| !is_plain).map(share);
    let slack = match &slot.slack {
        Some(name) => Some(vcpu(name)?),
        None => None,
    };
    Some(Slot {
        run,
        offset: slot.offset,
        length: slot.length,
        shares: shares.collect::<Option<_>>()?,
        slack,
    })
}

fn expectation(written: &ExpectationSpec, spec: &Spec) -> Option<Expectation> {
    Some(Expectation {
        partition: partition_index(&written.partition, spec)?,
        text: written.text.clone(),
        span: written.span,
    })
}
