// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a value decides, shown by what was emitted because of it.

mod board;
mod links;

use bulkhead_analysis::Analysis;
use bulkhead_analysis::report::TaskReport;
use bulkhead_model::board::Device;
use bulkhead_model::system::System;
use bulkhead_model::values::{Document, Value};
use bulkhead_types::tables::{Partition, partition_flag};

use super::Fact;
use super::evidence::{given, or, reached};
use crate::built::Built;
use crate::content;
use crate::records::{GrantRecord, Placed, Unguarded};
use crate::share::slot_use;
use crate::words::{budget, numbers, size, time};

/// What the value at a path decides.
pub(crate) fn of(system: &System, built: &Built<'_>, document: Document, path: &str) -> Vec<Fact> {
    let segments: Vec<&str> = path.split('.').collect();
    let lines = match document {
        Document::Board => board::of(system, built, &segments),
        Document::Spec => spec(system, built, &segments),
    };
    lines.into_iter().map(|line| Fact::new("decides", line)).collect()
}

fn spec(system: &System, built: &Built<'_>, path: &[&str]) -> Vec<String> {
    match path {
        ["bulkhead"] => vec!["the version of the language: another one is refused".to_owned()],
        ["name"] => vec!["the name of the system in every report; no table depends on it".to_owned()],
        ["board", ..] => vec![format!(
            "cores, RAM and devices; the blob carries the board's number {}",
            built.header.board_id
        )],
        ["wiring", device, ..] => vec![format!(
            "to which bus QEMU wires `{device}`; no table depends on it"
        )],
        ["expect" | "never", ..] => vec!["the verdict of a run; no table depends on it".to_owned()],
        ["partitions", name, "health", error] => built.partition(name).map_or_else(Vec::new, |index| {
            let mut lines = super::health::partition(built, index);
            lines.retain(|line| line.strip_prefix(error).is_some_and(|rest| rest.starts_with(' ')));
            lines
        }),
        ["partitions", name, "tasks", rest @ ..] => ends(system, name, rest.first().copied()),
        ["partitions", name, "dma", rest @ ..] => dma(system, built, name, rest.first().copied()),
        ["partitions", name, "unguarded_dma", rest @ ..] => {
            unguarded(system, built, name, rest.first().copied())
        }
        ["partitions", name, "device_tree"] => own_tree(system, name),
        ["partitions", name, key, ..] => match built.partition(name) {
            Some(index) => partition(built, index, name, key),
            None => Vec::new(),
        },
        ["channels", name, rest @ ..] => links::channel(system, built, name, rest),
        ["locks", name, rest @ ..] => links::lock(system, built, name, rest),
        ["health", ..] => super::health::system(built),
        ["hypervisor", "live_at"] => lies(built, "el2", "live"),
        ["hypervisor", "smmu_queues_at"] => lies(built, "el2", "smmu-queues"),
        ["watchdog", ..] => vec![format!("the watchdog {}", crate::devices::watchdog(system))],
        ["schedule", "major_frame"] => frame(built),
        ["schedule", "cores", core, ..] => core
            .parse()
            .map_or_else(|_| Vec::new(), |core| slots(built, core)),
        ["schedule", "bandwidth", core, ..] => core
            .parse()
            .map_or_else(|_| Vec::new(), |core| traffic(built, core)),
        ["schedule", ..] => (0..built.cores.len())
            .flat_map(|core| slots(built, core))
            .collect(),
        ["include", ..] => included(system, path),
        _ => Vec::new(),
    }
}

/// Where something lies.
fn lies(built: &Built<'_>, owner: &str, name: &str) -> Vec<String> {
    let placed = built.records.memory.iter();
    let found = placed.filter(|p| p.owner == owner && p.name == name);
    let line = |p: &Placed| format!("`{name}` lies at {:#x}-{:#x}", p.physical.start, p.physical.end);
    let none = "there is none, or it lies in pages of its partition's colours";
    or(found.map(line).collect(), none)
}

fn grant(g: &GrantRecord) -> String {
    format!(
        "{} reaches `{}` at {:#x}-{:#x}, {} {}",
        g.root, g.name, g.physical.start, g.physical.end, g.rights, g.memory
    )
}

fn partition(built: &Built<'_>, index: usize, name: &str, key: &str) -> Vec<String> {
    let root = format!("partition:{name}");
    let grants = |wanted: &dyn Fn(&GrantRecord) -> bool| -> Vec<String> {
        built
            .records
            .all_grants()
            .filter(|g| g.root == root && wanted(g))
            .map(grant)
            .collect()
    };
    let entry = built.partitions.get(index);
    let flag = |bit: u32, on: &str, off: &str| {
        entry
            .map(|p: &Partition| {
                if p.flags & bit != 0 {
                    on.to_owned()
                } else {
                    off.to_owned()
                }
            })
            .into_iter()
            .collect()
    };
    match key {
        "criticality" => vec!["how much depends on it: which rules about others apply to it, and how views show it".to_owned()],
        "cores" => built
            .vcpus_of(index)
            .map(|(global, v)| format!("vCPU {} (global {global}) runs on core {}, always; its HCR_EL2 is {:#x}, its ICH_HCR_EL2 {:#x}", v.index, v.core, v.hcr, v.ich_hcr))
            .collect(),
        "memory" => grants(&|g| g.name == "ram"),
        "payload" | "args" => payload(built, index),
        "payload_at" => lies(built, &root, "payload-area"),
        "window_at" => lies(built, &root, "window"),
        "stolen_time_at" => lies(built, &root, "stolen-time"),
        "device_tree_at" => vec!["where its loader puts its device tree, whose address it finds in X0".to_owned()],
        "console" => {
            let mut lines = grants(&|g| g.name == "window");
            let emulated = built.records.emulated.iter().filter(|e| e.partition == name && e.device == "uart");
            lines.extend(emulated.map(|e| format!("EL2 emulates a PL011 at its address {:#x}", e.input.start)));
            if lines.is_empty() {
                lines.push("no window and no emulated UART".to_owned());
            }
            lines
        }
        "devices" => {
            let mut lines = grants(&|g| g.memory.starts_with("device"));
            let intids = built.spis.iter().filter(|s| usize::try_from(s.partition) == Ok(index)).map(|s| s.intid);
            let intids: Vec<u32> = intids.collect();
            if !intids.is_empty() {
                lines.push(format!("it owns INTID {}", numbers(intids)));
            }
            if lines.is_empty() {
                lines.push("it reaches no device".to_owned());
            }
            lines
        }
        "health" => super::health::partition(built, index),
        "heartbeat" => entry.map(super::health::heartbeat).into_iter().collect(),
        "interrupt_limit" => entry.map(|p| format!("more than {} interrupts of its devices in a slot are a storm", p.interrupt_limit)).into_iter().collect(),
        "smc" => or(crate::firmware::lines(built, index), "no SMC of it reaches the firmware"),
        "safe_state" => flag(partition_flag::SAFE_OUTPUT, "in its safe state its payload is loaded a last time, and told by X1 = 1 to give its safe output", "in its safe state it is stopped and silent"),
        "fault_tolerant_time" => vec!["a run fails in which a fault of it goes unanswered for longer; no table depends on it".to_owned()],
        "restart_limit" => entry.map(|p| format!("after {} restarts an error brings it to its safe state", p.restart_limit)).into_iter().collect(),
        "dump" => {
            let kept = grants(&|g| g.name == "dump");
            if kept.is_empty() {
                vec!["EL2 keeps the registers of its vCPUs when an error ends it; RAM only while it stays stopped".to_owned()]
            } else {
                kept
            }
        }
        "marks_steady" => flag(partition_flag::MAY_MARK, "its call that marks the steady state is obeyed", "its call that marks the steady state is refused"),
        "reads_ledger" => flag(partition_flag::MAY_READ_LEDGER, "it reads the time ledger of every core, and so learns when the others execute", "its call that reads the time ledger is not supported"),
        "seed" => flag(partition_flag::FIXED_SEED, "its seeds are constants: every run is the same", "its seeds come from the board's entropy at each start"),
        "autostart" => flag(partition_flag::AUTOSTART, "boot starts it", "it stays off after boot"),
        _ => Vec::new(),
    }
}

/// What an included file gave: that of one entry, or of all.
fn included(system: &System, path: &[&str]) -> Vec<String> {
    let path = path.join(".");
    let named = system.values.iter().filter(|v| v.document == Document::Spec);
    let named = named.filter(|v| v.path == path || (path == "include" && v.path.starts_with("include.")));
    let line = |v: &Value| format!("`{}`: {}", v.text, given(system, &v.text));
    named.map(line).collect()
}

/// What the bus masters of a partition reach, or one of them.
fn dma(system: &System, built: &Built<'_>, partition: &str, device: Option<&str>) -> Vec<String> {
    let own = system.partitions.iter().filter(|p| p.name.value == partition);
    let own = own
        .flat_map(|p| &p.devices)
        .filter_map(|d| system.board.devices.get(d.value));
    let meant = own.filter(|d| device.is_none_or(|name| d.name.value == name));
    let of = |device: &Device| -> Vec<String> {
        let name = &device.name.value;
        let line = |reached| format!("`{name}` of {partition}: {reached}; all else of its DMA is aborted");
        reached(built, device).into_iter().map(line).collect()
    };
    or(
        meant.flat_map(of).collect(),
        "it has no bus master that an SMMU guards",
    )
}

/// What nothing confines, as the build records it.
fn unguarded(system: &System, built: &Built<'_>, partition: &str, device: Option<&str>) -> Vec<String> {
    let is_meant = |u: &&Unguarded| {
        let named = |d: &&Device| device.is_none_or(|name| d.name.value == name);
        let mut meant = system.board.devices.iter().filter(named);
        u.partition == partition && meant.any(|d| u.is(d.bdf(), &d.name.value))
    };
    let line = |u: &Unguarded| {
        format!(
            "{} of {partition} may reach all of memory by DMA: no SMMU guards it; recorded as accepted for {}",
            u.show(),
            u.reason
        )
    };
    let recorded = built.records.unguarded.iter().filter(is_meant);
    or(
        recorded.map(line).collect(),
        "it has no bus master that nothing guards",
    )
}

/// Whose device tree a partition gets.
fn own_tree(system: &System, name: &str) -> Vec<String> {
    let found = system.partitions.iter().find(|p| p.name.value == name);
    let line = |p: &bulkhead_model::system::Partition| match &p.device_tree {
        Some(file) => format!(
            "its loader gives it `{}`, completed with its arguments and seeds; none is generated",
            file.name.value
        ),
        None => "its loader gives it one that is generated from what it owns".to_owned(),
    };
    found.map(line).into_iter().collect()
}

/// When a task ends, and those of its vCPU that it keeps waiting; all tasks when none is named.
fn ends(system: &System, partition: &str, task: Option<&str>) -> Vec<String> {
    let report = Analysis::of(system, &system.board.bounds).report(system);
    let own = report.iter().filter(|v| v.partition == partition);
    let line = |t: &TaskReport| format!("{partition}/{} {}", t.name, super::sentence(t));
    let lines = own.flat_map(|vcpu| {
        let later = vcpu
            .tasks
            .iter()
            .skip_while(|t| task.is_some_and(|task| t.name != task));
        later.map(line).collect::<Vec<_>>()
    });
    or(lines.collect(), "it has no tasks: nothing of it is analysed")
}

fn payload(built: &Built<'_>, index: usize) -> Vec<String> {
    let parts = content::of(built, index).unwrap_or_default();
    let line = |c: &content::Content| {
        format!(
            "`{}`: {} in image.bin, read-only, SHA-256 {}",
            c.name,
            size(c.size),
            c.hash
        )
    };
    parts.iter().map(line).collect()
}

fn frame(built: &Built<'_>) -> Vec<String> {
    let sliced = built.cores.iter().enumerate().filter(|(_, c)| c.slot_count > 0);
    sliced
        .map(|(k, c)| {
            format!(
                "core {k} repeats its {} slots every {}",
                c.slot_count,
                time(c.major_frame_ns)
            )
        })
        .collect()
}

fn traffic(built: &Built<'_>, core: usize) -> Vec<String> {
    let core_entry = built.cores.get(core).filter(|c| c.budget != 0);
    core_entry
        .map(|c| {
            format!(
                "core {core} makes {}, then stands still until the period ends",
                budget(c)
            )
        })
        .into_iter()
        .collect()
}

fn slots(built: &Built<'_>, core: usize) -> Vec<String> {
    let Some(entry) = built.cores.get(core) else {
        return Vec::new();
    };
    let line = |s: &bulkhead_types::tables::Slot| {
        format!(
            "core {core} from {} for {}: {}",
            time(s.offset_ns),
            time(s.length_ns),
            slot_use(built, s)
        )
    };
    built.slots_of(entry).iter().map(line).collect()
}
