// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The overview: a system in words. Implements: BH-EXPL-003.

use std::fmt::Write;

use bulkhead_model::channel::Channel;
use bulkhead_model::health::Tolerance;
use bulkhead_model::system::{Console, Cores, Criticality, Interrupts, Partition, Payload, Run, System};
use serde::Serialize;

use crate::built::{Built, BuiltError};
use crate::channel::carries;
use crate::controllers;
use crate::devices;
use crate::records::Span;
use crate::share::slot_use;
use crate::walk::{Use, roots, runs};
use crate::words::{count, listed, numbers, size, time};

/// A system in words.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Version of this form.
    pub version: u32,
    /// Name of the system.
    pub system: String,
    /// Name of the board, and what it is.
    pub board: String,
    /// SHA-256 of the blob.
    pub blob_hash: String,
    /// Build ID of the hypervisor.
    pub hypervisor_id: String,
    /// Sections in order.
    pub sections: Vec<Section>,
}

/// A part of the overview.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    /// Its title.
    pub title: &'static str,
    /// Entries: what is described, and its sentences.
    pub entries: Vec<(String, Vec<String>)>,
}

/// Describes a system.
///
/// # Errors
/// [`BuiltError::Table`].
pub fn overview(system: &System, built: &Built<'_>) -> Result<Overview, BuiltError> {
    let sections = vec![
        Section {
            title: "partitions",
            entries: partitions(system, built)?,
        },
        Section {
            title: "cores",
            entries: cores(system, built),
        },
        crate::errata::section(system),
        Section {
            title: "channels",
            entries: channels(system, built),
        },
        Section {
            title: "devices",
            entries: devices::devices(system, built),
        },
        Section {
            title: "controllers",
            entries: controllers::entries(system, built)?,
        },
        Section {
            title: "isolation lost",
            entries: devices::lost(system),
        },
        Section {
            title: "EL2 keeps",
            entries: el2(system, built),
        },
        Section {
            title: "memory",
            entries: memory(built),
        },
    ];
    Ok(Overview {
        version: 1,
        system: system.name.value.clone(),
        board: format!("{}, {}", system.board.name.value, system.board.title),
        blob_hash: built.blob_hash(),
        hypervisor_id: built.hypervisor_id(),
        sections,
    })
}

/// A criticality as the spec writes it.
pub(crate) fn criticality(level: Criticality) -> &'static str {
    match level {
        Criticality::Qm => "qm",
        Criticality::AsilA => "asil-a",
        Criticality::AsilB => "asil-b",
        Criticality::AsilC => "asil-c",
        Criticality::AsilD => "asil-d",
    }
}

/// What a partition executes, in words.
pub(crate) fn payload(partition: &Partition) -> String {
    match &partition.payload {
        Payload::Elf(file) => format!("ELF `{}`", file.name.value),
        Payload::Linux(linux) => format!("Linux `{}`", linux.kernel.name.value),
        Payload::Raw(file) => format!("flat binary `{}`", file.name.value),
    }
}

/// What a partition reaches that reads the time ledger: a side channel.
pub(crate) const LEDGER: &str = "reads the time ledger of every core: it learns when the others execute";

/// How a partition uses its cores, in words.
pub(crate) fn core_use(partition: &Partition) -> String {
    let cores = numbers(partition.core_list().iter().map(|c| c.value));
    let word = if partition.core_list().len() == 1 {
        "core"
    } else {
        "cores"
    };
    match &partition.cores {
        Cores::Dedicated { interrupts, .. } => {
            let interrupts = match interrupts.value {
                Interrupts::Direct => "interrupts go straight to it, no EL2 entry in steady state",
                Interrupts::Guarded => "interrupts go straight to it, its WFI traps to EL2",
            };
            format!("has {word} {cores} for itself; {interrupts}")
        }
        Cores::Sliced { .. } => format!("has slots on {word} {cores}"),
    }
}

fn partitions(system: &System, built: &Built<'_>) -> Result<Vec<(String, Vec<String>)>, BuiltError> {
    let mut entries = Vec::new();
    for (index, partition) in system.partitions.iter().enumerate() {
        let name = &partition.name.value;
        let mut lines = vec![
            format!(
                "{}, {}",
                criticality(partition.criticality.value),
                core_use(partition)
            ),
            format!("executes {}", payload(partition)),
        ];
        let mut reached = (0usize, 0u64);
        for root in roots(built).iter().filter(|r| r.serves == Use::Partition(index)) {
            runs(built, root, &mut |run| {
                reached = (reached.0 + 1, reached.1.saturating_add(run.size));
            })?;
        }
        lines.push(format!(
            "reaches {} in {}",
            size(reached.1),
            count(reached.0, "range")
        ));
        let own = format!("partition:{name}");
        for placed in built
            .records
            .memory
            .iter()
            .filter(|p| p.owner == own && p.name == "ram")
        {
            lines.push(format!(
                "RAM: {} at physical {:#x}",
                size(placed.physical.size()),
                placed.physical.start
            ));
        }
        let devices: Vec<&str> = partition
            .devices
            .iter()
            .map(|d| system.board.devices[d.value].name.value.as_str())
            .collect();
        if !devices.is_empty() {
            lines.push(format!("devices: {}", listed(devices)));
        }
        if partition.reads_ledger {
            lines.push(LEDGER.to_owned());
        }
        lines.push(match partition.console.value {
            Console::Text => "console: text in a ring, without EL2".to_owned(),
            Console::Defmt => "console: defmt in a ring, without EL2".to_owned(),
            Console::Uart => "console: an emulated PL011, each access traps to EL2".to_owned(),
            Console::None => "console: none".to_owned(),
        });
        let start = if partition.autostart {
            "started at boot"
        } else {
            "not started at boot"
        };
        lines.push(format!(
            "{start}; an error restarts it at most {}",
            count(partition.restart_limit.try_into().unwrap_or(usize::MAX), "time")
        ));
        lines.extend(crate::firmware::lines(built, index));
        if let Some(tolerance) = partition.fault_tolerant_time {
            lines.push(tolerance_line(system, &tolerance));
        }
        entries.push((name.clone(), lines));
    }
    Ok(entries)
}

/// How long a fault of a partition may go unanswered.
fn tolerance_line(system: &System, tolerance: &Tolerance) -> String {
    let answers = system.partitions.get(tolerance.reaction.value);
    format!(
        "a fault of it is tolerated for {}; {} answers after {} without a valid frame",
        time(tolerance.limit.value),
        answers.map_or("", |p| p.name.value.as_str()),
        time(tolerance.timeout)
    )
}

fn cores(system: &System, built: &Built<'_>) -> Vec<(String, Vec<String>)> {
    let entry = |(index, core): (usize, &bulkhead_types::tables::Core)| {
        let slots = built.slots_of(core);
        let line = if slots.is_empty() {
            let owner = system.partitions.iter().find(|p| p.vcpu_on(index).is_some());
            owner.map_or_else(|| "unused".to_owned(), |p| format!("{}, always", p.name.value))
        } else {
            let slots = slots
                .iter()
                .map(|s| format!("{} {}", slot_use(built, s), time(s.length_ns)));
            format!(
                "every {}: {}",
                time(core.major_frame_ns),
                slots.collect::<Vec<_>>().join(", then ")
            )
        };
        (format!("core {index}"), vec![line])
    };
    built.cores.iter().enumerate().map(entry).collect()
}

fn channels(system: &System, built: &Built<'_>) -> Vec<(String, Vec<String>)> {
    let entry = |channel: &Channel| {
        let name = |p: usize| system.partitions[p].name.value.as_str();
        let readers = channel.readers.iter().map(|r| name(r.value)).collect();
        let owner = format!("channel:{}", channel.name.value);
        let at = built.records.memory.iter().find(|p| p.owner == owner);
        let at = at.map_or_else(String::new, |p| format!(", at physical {:#x}", p.physical.start));
        let line = format!(
            "{}: {} writes, {} read{}{at}",
            carries(channel),
            name(channel.writer.value),
            listed(readers),
            if channel.readers.len() == 1 { "s" } else { "" }
        );
        (channel.name.value.clone(), vec![line])
    };
    let channels = system.channels.iter().map(entry);
    channels
        .chain(system.locks.iter().map(|l| lock(system, l)))
        .collect()
}

fn lock(system: &System, lock: &bulkhead_model::lock::Lock) -> (String, Vec<String>) {
    let name = |p: &bulkhead_model::lock::Participant| {
        let partition = &system.partitions[p.partition.value].name.value;
        format!(
            "{partition} (priority {}, {} times a frame)",
            p.priority, p.acquisitions
        )
    };
    let names: Vec<String> = lock.participants.iter().map(name).collect();
    let owner = if lock.inherits {
        "runs ahead of the slot table while somebody waits"
    } else {
        "runs in its own slots only"
    };
    let line = format!(
        "lock with a record, taken by {}; held for at most {}, its owner {owner}",
        listed(names.iter().map(String::as_str).collect()),
        time(lock.hold.value)
    );
    (lock.name.value.clone(), vec![line])
}

fn el2(system: &System, built: &Built<'_>) -> Vec<(String, Vec<String>)> {
    let of_el2 = built.records.memory.iter().filter(|p| p.owner == "el2");
    let mut entries: Vec<(String, Vec<String>)> = of_el2
        .map(|p| {
            let Span { start, end } = p.physical;
            let mut line = format!("{start:#x}-{end:#x}, {}", size(p.physical.size()));
            if p.name == "uart" {
                line = format!("{line}, {}", system.board.uart.kind.title());
            }
            (p.name.clone(), vec![line])
        })
        .collect();
    let schedule = &system.schedule;
    let of_frame = |core: usize, run: Run| {
        let slots = schedule.core(core).map_or(&[][..], |c| &c.slots);
        let own = slots.iter().filter(|s| s.run.value == run);
        let sum: u64 = own.map(|s| s.length.value).sum();
        format!("{} of each frame on core {core}", time(sum))
    };
    let line = format!(
        "{}: consoles, housekeeping",
        of_frame(schedule.system_core, Run::System)
    );
    let successor = match schedule.standby_core {
        Some(core) => format!("{}, when EL2 fails on the other", of_frame(core, Run::Standby)),
        None => {
            "nobody: when EL2 fails on that core, consoles, heartbeats and faults of bus masters stay unseen"
                .to_owned()
        }
    };
    entries.push(("system slot".to_owned(), vec![line]));
    entries.push(("its successor".to_owned(), vec![successor]));
    let shared = built
        .records
        .shared
        .iter()
        .filter(|s| s.parties.iter().any(|p| p.starts_with("el2=")));
    let shared: Vec<&str> = shared.map(|s| s.name.as_str()).collect();
    entries.push(("shared with partitions".to_owned(), vec![listed(shared)]));
    entries
}

fn memory(built: &Built<'_>) -> Vec<(String, Vec<String>)> {
    let total: u64 = built.ram.iter().map(|r| r.size).fold(0, u64::saturating_add);
    let in_ram = |span: Span| {
        built
            .ram
            .iter()
            .any(|r| r.base <= span.start && span.end <= r.base.saturating_add(r.size))
    };
    let sum = |wanted: &dyn Fn(&str) -> bool| {
        let placed = built
            .records
            .memory
            .iter()
            .filter(|p| wanted(&p.owner) && in_ram(p.physical));
        placed.map(|p| p.physical.size()).fold(0, u64::saturating_add)
    };
    let (el2, board) = (sum(&|o| o == "el2"), sum(&|o| o == "board"));
    let partitions = sum(&|o| o.starts_with("partition:"));
    let channels = sum(&|o| o.starts_with("channel:"));
    let used = el2
        .saturating_add(board)
        .saturating_add(partitions)
        .saturating_add(channels);
    vec![(
        format!("RAM of {}", size(total)),
        vec![format!(
            "EL2 {}, partitions {}, channels {}, reserved by the board {}, free {}",
            size(el2),
            size(partitions),
            size(channels),
            size(board),
            size(total.saturating_sub(used))
        )],
    )]
}

impl Overview {
    /// As text.
    pub fn text(&self) -> String {
        let mut text = format!("system {} on {}\n", self.system, self.board);
        let _ = writeln!(text, "blob {}, hypervisor {}", self.blob_hash, self.hypervisor_id);
        for section in &self.sections {
            let _ = writeln!(text, "\n{}", section.title);
            let width = section
                .entries
                .iter()
                .map(|(name, _)| name.chars().count())
                .max()
                .unwrap_or(0);
            for (name, lines) in &section.entries {
                for (k, line) in lines.iter().enumerate() {
                    let name = if k == 0 { name.as_str() } else { "" };
                    let _ = writeln!(text, "  {name:width$}  {line}");
                }
            }
        }
        text
    }
}
