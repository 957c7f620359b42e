// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is argued on and no table enforces: criticality, tasks and their bounds, expectations of a run, wiring of the
//! model, names of what is loaded. `build` keeps it in `report.json`, so that folders can be compared as specs can.
//!
//! Implements: BH-EXPL-009.

use std::collections::BTreeMap;

use bulkhead_analysis::Analysis;
use bulkhead_analysis::report::VcpuReport;
use bulkhead_model::bounds::Basis;
use bulkhead_model::system::{Console, FileRef, Initrd, Partition, Payload, System};
use bulkhead_model::task::Task;
use serde::{Deserialize, Serialize};

use crate::channel::carries;
use crate::why::{sentence, supply};
use crate::words::time;

/// Facts by what they are of.
pub type Facts = BTreeMap<String, String>;

/// What is stated of a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    /// Of no partition.
    pub system: Facts,
    /// Of each partition, by name.
    pub partitions: BTreeMap<String, Facts>,
}

impl Stated {
    /// What is stated of a system and follows from its analysis.
    pub fn of(system: &System, analysis: &Analysis) -> Self {
        let mut own = Facts::from([
            ("name of the system".to_owned(), system.name.value.clone()),
            ("name of the board".to_owned(), system.board.name.value.clone()),
        ]);
        own.extend(wiring(system, None));
        if let Some(watchdog) = system.watchdog {
            own.insert("timeout of the watchdog".to_owned(), time(watchdog.timeout));
        }
        let partitions = system.partitions.iter().enumerate();
        let report = analysis.report(system);
        let partitions = partitions.map(|(index, partition)| {
            let mut facts = partition_facts(system, index, partition);
            for vcpu in report.iter().filter(|v| v.partition == partition.name.value) {
                bounds(vcpu, &mut facts);
            }
            (partition.name.value.clone(), facts)
        });
        Stated {
            partitions: partitions.collect(),
            system: own,
        }
    }
}

/// To which bus of the model the CAN controllers of a partition, or those of nobody, are wired.
fn wiring(system: &System, owner: Option<usize>) -> Facts {
    let wires = system.wiring.iter().filter_map(|wire| {
        let device = system.board.devices.get(wire.device.value)?;
        let bus = system.buses.get(wire.bus.value)?;
        (system.owner(device) == owner).then(|| {
            (
                format!("bus that `{}` is wired to", device.name.value),
                bus.clone(),
            )
        })
    });
    wires.collect()
}

fn partition_facts(system: &System, index: usize, partition: &Partition) -> Facts {
    let mut facts = wiring(system, Some(index));
    let mut fact = |what: &str, value: String| {
        facts.insert(what.to_owned(), value);
    };
    fact("criticality", partition.criticality.value.word().to_owned());
    let console = match partition.console.value {
        Console::Text => "text",
        Console::Defmt => "defmt",
        Console::Uart => "emulated UART",
        Console::None => "none",
    };
    fact("console", console.to_owned());
    for (what, file) in files(partition) {
        fact(what, file);
    }
    if let Some(args) = &partition.args {
        fact("its arguments", format!("`{}`", args.value));
    }
    if let Payload::Linux(linux) = &partition.payload {
        fact("its command line", format!("`{}`", linux.command_line.value));
    }
    for call in &partition.smc {
        if let Some(reason) = &call.reason {
            let what = format!("why it may call {:#x} of the firmware", call.function.value);
            fact(&what, reason.value.clone());
        }
    }
    if let Some(tolerance) = partition.fault_tolerant_time {
        let reacts = system.partitions.get(tolerance.reaction.value);
        let reacts = reacts.map_or("?", |p| p.name.value.as_str());
        let (limit, silence) = (time(tolerance.limit.value), time(tolerance.timeout));
        fact("its fault may go unanswered for", limit);
        fact(
            "who answers its fault",
            format!("{reacts}, after {silence} without a valid frame"),
        );
    }
    for task in &partition.tasks {
        facts.extend(task_facts(system, task));
    }
    for channel in &system.channels {
        let name = &channel.name.value;
        if channel.writer.value == index {
            facts.insert(format!("what it sends by `{name}`"), carries(channel));
        }
        if channel.readers.iter().any(|r| r.value == index) {
            facts.insert(format!("what it gets by `{name}`"), carries(channel));
        }
    }
    for (list, must) in [(&system.expect, "must show"), (&system.never, "must never show")] {
        for expected in list.iter().filter(|e| e.partition.value == index) {
            facts.insert(
                format!("a run {must} `{}`", expected.text.value),
                "yes".to_owned(),
            );
        }
    }
    facts
}

/// What it loads, as the spec names it.
fn files(partition: &Partition) -> Vec<(&'static str, String)> {
    let name = |file: &FileRef| format!("`{}`", file.name.value);
    let mut files = match &partition.payload {
        Payload::Elf(file) => vec![("its payload", format!("ELF {}", name(file)))],
        Payload::Raw(file) => vec![("its payload", format!("flat binary {}", name(file)))],
        Payload::Linux(linux) => {
            let disk = linux.initrd.as_ref().map(|disk| match disk {
                Initrd::File(file) => name(file),
                Initrd::Build { busybox, programs } => {
                    let programs: Vec<String> = programs.iter().map(name).collect();
                    format!("of {} and programs {}", name(busybox), programs.join(" "))
                }
            });
            let mut files = vec![("its payload", format!("Linux {}", name(&linux.kernel)))];
            files.extend(disk.map(|disk| ("its initial RAM disk", disk)));
            files
        }
    };
    files.extend(
        partition
            .device_tree
            .as_ref()
            .map(|file| ("its own device tree", name(file))),
    );
    files
}

fn task_facts(system: &System, task: &Task) -> Facts {
    let of = |what: &str| format!("task `{}`, {what}", task.name.value);
    let released = task
        .interrupt
        .as_ref()
        .and_then(|d| system.board.devices.get(d.value));
    let released = released.map_or("a timer".to_owned(), |d| {
        format!("the interrupt of `{}`", d.name.value)
    });
    Facts::from([
        (of("period"), time(task.period.value)),
        (of("WCET"), time(task.wcet.value)),
        (of("deadline"), time(task.deadline.value)),
        (of("jitter"), time(task.jitter)),
        (of("vCPU"), task.vcpu.to_string()),
        (
            of("tasks of its vCPU that are more urgent"),
            task.priority.rank().to_string(),
        ),
        (of("released by"), released),
    ])
}

/// What the analysis says of a vCPU.
fn bounds(vcpu: &VcpuReport, facts: &mut Facts) {
    let number = vcpu.vcpu;
    facts.insert(format!("vCPU {number}, time for its tasks"), supply(vcpu));
    for cost in &vcpu.costs {
        let what = format!("vCPU {number}, counted cost `{}`", cost.path.name());
        let basis = match cost.basis {
            Basis::Measured => "measured",
            Basis::Assumed => "assumed",
            Basis::Unknown => "unknown, counted as 0",
        };
        facts.insert(what, format!("{}, {basis}", time(cost.ns)));
    }
    for doubt in &vcpu.doubts {
        facts.insert(format!("vCPU {number}, unproven: {doubt}"), "yes".to_owned());
    }
    for task in &vcpu.tasks {
        facts.insert(format!("task `{}`, its end", task.name), sentence(task));
    }
}
