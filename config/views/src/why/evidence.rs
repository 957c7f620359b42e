// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a rule was found to hold of, by topic.

mod limits;
mod places;

use std::ffi::OsStr;
use std::path::Path;

use bulkhead_analysis::Analysis;
use bulkhead_model::board::Region;
use bulkhead_model::channel::Channel;
use bulkhead_model::diagnostic::Rule;
use bulkhead_model::span::{Sources, Span};
use bulkhead_model::system::{Cores, Partition, Payload, Run, System};
use bulkhead_model::values::{Document, Value};

pub(super) use self::places::reached;
use super::{Fact, task};
use crate::built::Built;
use crate::channel::carries;
use crate::words::{count, listed, numbers, size, time};

/// `FILE:LINE:COLUMN`.
pub(crate) fn place(sources: &Sources, span: Span) -> String {
    let position = sources.position(span);
    let name = sources.get(span).map_or("?", |s| s.name.as_str());
    format!("{name}:{}:{}", position.line, position.column)
}

/// `FILE:LINE:COLUMN` without folders, for what must not tell where it was made.
pub(crate) fn file_place(sources: &Sources, span: Span) -> String {
    let whole = place(sources, span);
    let name = sources.get(span).map_or("", |s| s.name.as_str());
    let file = Path::new(name)
        .file_name()
        .map_or(name.into(), OsStr::to_string_lossy);
    whole.replacen(name, &file, 1)
}

/// What shows that a rule holds of a system that breaks none.
pub(crate) fn of(system: &System, analysis: &Analysis, built: &Built<'_>, rule: &Rule) -> Vec<Fact> {
    let topic = rule.id.split('/').next().unwrap_or(rule.id);
    let lines = match topic {
        "document" | "board" => documents(system),
        "partitions" => partitions(system),
        "cores" => cores(system),
        "errata" => errata(system),
        "memory" => memory(system),
        "payload" => payloads(system),
        "devices" => devices(system),
        "channels" => channels(system),
        "locks" => locks(system),
        "schedule" => schedule(system),
        "tasks" => tasks(system, analysis),
        "bandwidth" => limits::bandwidth(system, built),
        "colours" => places::colours(system),
        "device-tree" => places::device_trees(system),
        "dma" => places::dma(system, built),
        "dump" => places::dumps(system),
        "health" => limits::health(system, built),
        "include" => included(system),
        "pins" => places::pins(system, built),
        "sharing" => limits::sharing(system, built),
        "smc" => limits::calls(system, built),
        "tolerance" => limits::tolerances(system),
        "totals" => places::totals(system, built),
        "watchdog" => limits::watchdog(system),
        _ => Vec::new(),
    };
    lines
        .into_iter()
        .map(|line| Fact::new("evidence", line))
        .collect()
}

fn at(system: &System, span: Span) -> String {
    place(&system.sources, span)
}

/// The lines, or what is so when there are none.
pub(super) fn or(lines: Vec<String>, none: &str) -> Vec<String> {
    if lines.is_empty() {
        return vec![none.to_owned()];
    }
    lines
}

/// The name of a partition.
fn named(system: &System, partition: usize) -> &str {
    let found = system.partitions.get(partition);
    found.map_or("?", |p| p.name.value.as_str())
}

/// Files and how many values were written in each.
fn files(system: &System) -> Vec<(&str, usize)> {
    let mut files: Vec<(&str, usize)> = Vec::new();
    for value in &system.values {
        let name = system.sources.get(value.span).map_or("?", |s| s.name.as_str());
        match files.iter_mut().find(|(file, _)| *file == name) {
            Some((_, values)) => *values += 1,
            None => files.push((name, 1)),
        }
    }
    files
}

fn documents(system: &System) -> Vec<String> {
    let line =
        |(file, values): (&str, usize)| format!("{file}: {}, each of its type", count(values, "value"));
    files(system).into_iter().map(line).collect()
}

/// What an included file gave, by its name in `include`.
pub(super) fn given(system: &System, name: &str) -> String {
    let from = files(system)
        .into_iter()
        .find(|(file, _)| Path::new(file).ends_with(name));
    let values = from.map_or(0, |(_, values)| values);
    format!(
        "{} of the system written there and not replaced by a later file",
        count(values, "value")
    )
}

fn included(system: &System) -> Vec<String> {
    let named = system
        .values
        .iter()
        .filter(|v| v.path.starts_with("include.") && v.document == Document::Spec);
    let line = |v: &Value| {
        format!(
            "{}: read, {} ({})",
            v.text,
            given(system, &v.text),
            at(system, v.span)
        )
    };
    or(named.map(line).collect(), "the spec includes no file")
}

fn each(system: &System, line: impl Fn(&Partition) -> String) -> Vec<String> {
    let partitions = system.partitions.iter();
    partitions
        .map(|p| format!("{}: {} ({})", p.name.value, line(p), at(system, p.name.span)))
        .collect()
}

fn partitions(system: &System) -> Vec<String> {
    each(system, |p| {
        let kind = if matches!(p.cores, Cores::Dedicated { .. }) {
            "dedicated"
        } else {
            "sliced"
        };
        format!(
            "{kind}, console {:?}, marks_steady {}",
            p.console.value, p.marks_steady
        )
        .to_lowercase()
    })
}

fn cores(system: &System) -> Vec<String> {
    let line = |core: usize| {
        let users = system.partitions.iter().filter_map(|p| {
            let vcpu = p.vcpu_on(core)?;
            let span = p.core_list().get(vcpu)?.span;
            let how = if matches!(p.cores, Cores::Dedicated { .. }) {
                "dedicated"
            } else {
                "sliced"
            };
            Some(format!(
                "{} vCPU {vcpu}, {how} ({})",
                p.name.value,
                at(system, span)
            ))
        });
        format!("core {core}: {}", listed(users.collect()))
    };
    (0..system.board.cores.len()).map(line).collect()
}

fn errata(system: &System) -> Vec<String> {
    let entries = crate::errata::entries(system).into_iter();
    entries
        .map(|(name, lines)| format!("{name}: {}", lines.join("; ")))
        .collect()
}

fn memory(system: &System) -> Vec<String> {
    let regions: Vec<Region> = system.board.ram.iter().map(|r| r.value).collect();
    let total: u64 = regions.iter().map(|r| r.size).fold(0, u64::saturating_add);
    let wanted: u64 = system
        .partitions
        .iter()
        .map(|p| p.memory.size.value)
        .fold(0, u64::saturating_add);
    let mut lines = each(system, |p| {
        let pinned = p.memory.at.as_ref().map_or_else(
            || "placed by the compiler".to_owned(),
            |a| format!("pinned to {:#x}", a.value),
        );
        format!("{}, {pinned}", size(p.memory.size.value))
    });
    lines.push(format!("{} of the board's {}", size(wanted), size(total)));
    lines
}

fn payloads(system: &System) -> Vec<String> {
    each(system, |p| match &p.payload {
        Payload::Elf(file) | Payload::Raw(file) => {
            format!("`{}` is there and of its format", file.name.value)
        }
        Payload::Linux(linux) => format!("kernel `{}` is there and an arm64 Image", linux.kernel.name.value),
    })
}

fn devices(system: &System) -> Vec<String> {
    let line = |(index, device): (usize, &bulkhead_model::board::Device)| {
        let owners = system.partitions.iter().filter_map(|p| {
            let claim = p.devices.iter().find(|d| d.value == index)?;
            Some(format!("{} ({})", p.name.value, at(system, claim.span)))
        });
        let owners: Vec<String> = owners.collect();
        let owner = if owners.is_empty() {
            "nobody".to_owned()
        } else {
            listed(owners)
        };
        let interrupt = device.show_interrupts();
        format!("{}{interrupt}: {owner}", device.name.value)
    };
    system.board.devices.iter().enumerate().map(line).collect()
}

fn channels(system: &System) -> Vec<String> {
    let name = |p: usize| system.partitions.get(p).map_or("?", |p| p.name.value.as_str());
    let line = |c: &Channel| {
        let readers = c.readers.iter().map(|r| name(r.value)).collect();
        format!(
            "{}: one writer, {}; readers {}; {} ({})",
            c.name.value,
            name(c.writer.value),
            listed(readers),
            carries(c),
            at(system, c.name.span)
        )
    };
    system.channels.iter().map(line).collect()
}

fn locks(system: &System) -> Vec<String> {
    let line = |l: &bulkhead_model::lock::Lock| {
        let names = l.participants.iter().map(|p| p.partition.value);
        let names = names.map(|p| system.partitions.get(p).map_or("?", |p| p.name.value.as_str()));
        format!(
            "{}: taken by {}; held for {} at most, boosts of {} a frame at most ({})",
            l.name.value,
            listed(names.collect()),
            time(l.hold.value),
            time(l.boosts(|_| true)),
            at(system, l.name.span)
        )
    };
    let order = (!system.locks.is_empty()).then(|| {
        "no circle of waits, whatever the order: EL2 refuses the wait of a vCPU that owns another lock"
            .to_owned()
    });
    system.locks.iter().map(line).chain(order).collect()
}

fn schedule(system: &System) -> Vec<String> {
    let frame = system.schedule.major_frame.value;
    let line = |table: &bulkhead_model::system::CoreSchedule| {
        let sum: u64 = table
            .slots
            .iter()
            .map(|s| s.length.value)
            .fold(0, u64::saturating_add);
        let slots = table.slots.iter().map(|s| {
            let run = match s.run.value {
                Run::Vcpu { partition, .. } => system
                    .partitions
                    .get(partition)
                    .map_or("?", |p| p.name.value.as_str()),
                Run::System => "system",
                Run::Standby => "standby",
                Run::Idle => "idle",
            };
            let shared = match s.shares.len() + usize::from(s.slack.is_some()) {
                0 | 1 => "",
                _ => " and others",
            };
            format!("{run}{shared} {}", time(s.length.value))
        });
        format!(
            "core {}: {} fill {} of {} ({})",
            table.core.value,
            listed(slots.collect::<Vec<_>>()),
            time(sum),
            time(frame),
            at(system, table.core.span)
        )
    };
    let mut lines: Vec<String> = system.schedule.cores.iter().map(line).collect();
    let dedicated = system
        .partitions
        .iter()
        .filter(|p| matches!(p.cores, Cores::Dedicated { .. }));
    let dedicated: Vec<usize> = dedicated
        .flat_map(|p| p.core_list().iter().map(|c| c.value))
        .collect();
    if !dedicated.is_empty() {
        lines.push(format!(
            "cores {} are dedicated and have no table",
            numbers(dedicated)
        ));
    }
    lines
}

fn tasks(system: &System, analysis: &Analysis) -> Vec<String> {
    let report = analysis.report(system);
    let line = |v: &bulkhead_analysis::report::VcpuReport| -> Vec<String> {
        let tasks = v.tasks.iter();
        tasks
            .map(|t| format!("{}/{} {}", v.partition, t.name, task::sentence(t)))
            .collect()
    };
    let lines: Vec<String> = report.iter().flat_map(line).collect();
    if lines.is_empty() {
        vec!["no partition has tasks".to_owned()]
    } else {
        lines
    }
}
