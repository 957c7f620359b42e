// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `manifest.json`: fills [`bulkhead_model::manifest::Manifest`] from a compiled system.

use std::iter;
use std::path::Path;

use bulkhead_model::board::{Qemu, TreeMaker};
use bulkhead_model::channel::Channel;
use bulkhead_model::loss::losses;
use bulkhead_model::manifest::{self, Manifest, Queue};
use bulkhead_model::span::Spanned;
use bulkhead_model::system::{self, Cores, MemoryRights, Origin, Payload, Run, Slot, System};

use crate::blob::sha256;
use crate::compile::Compiled;
use crate::devicetree::has_window;
use crate::grants::hex;
use crate::machine;
use crate::sections::global_vcpu;
use crate::units::{id, index};

/// The board's device tree in a build folder.
pub const DEVICE_TREE: &str = "board.dtb";

/// Describes a compiled system; `images` is the images folder, `image` the bytes of `image.bin`, whose parts are digested.
/// Implements: BH-LANG-003.
pub fn describe(system: &System, compiled: &Compiled, images: &Path, image: &[u8]) -> Manifest {
    let board = &system.board;
    Manifest {
        version: manifest::VERSION,
        system: system.name.value.clone(),
        board: board.name.value.clone(),
        blob_hash: hex(&compiled.blob_hash),
        image: "image.bin".to_owned(),
        parts: parts(system, compiled, image),
        runtime_elf: format!("{}/runtime.elf", board.name.value),
        stats: compiled.info.stats.start,
        cores: id(board.cores.len()),
        partitions: (0..system.partitions.len())
            .map(|p| partition(system, compiled, images, p))
            .collect(),
        locks: system.locks.iter().map(|l| l.name.value.clone()).collect(),
        queues: queues(system, compiled),
        vcpus: vcpus(system, compiled),
        functions: functions(system, compiled),
        isolation_lost: losses(system),
        qemu: qemu(system),
        expect: expectations(system, &system.expect),
        never: expectations(system, &system.never),
    }
}

/// The parts of the image. Payload areas of coloured partitions lie between each other's pages and are one part.
/// Implements: BH-FLSH-002.
fn parts(system: &System, compiled: &Compiled, image: &[u8]) -> Vec<manifest::Part> {
    let plan = &compiled.plan;
    let base = compiled.info.base;
    let part = |name: &str, start: u64, end: u64| {
        let end = end.min(plan.file_end);
        let bytes = image.get(index(start - base)..index(end - base));
        manifest::Part {
            name: name.to_owned(),
            address: start,
            offset: start - base,
            size: end - start,
            sha256: hex(&sha256(bytes.unwrap_or_default())),
        }
    };
    let mut payloads: Vec<(String, u64, u64)> = Vec::new();
    let mut areas: Vec<_> = system.partitions.iter().zip(&plan.payloads).collect();
    areas.sort_by_key(|(_, extent)| extent.hull().start);
    for (partition, extent) in areas {
        let hull = extent.hull();
        match payloads.last_mut() {
            Some(last) if hull.start < last.2 => {
                "payloads".clone_into(&mut last.0);
                last.2 = last.2.max(hull.end);
            }
            Some(_) | None => {
                let name = format!("payload-{}", partition.name.value);
                payloads.push((name, hull.start, hull.end));
            }
        }
    }
    let hypervisor = part("hypervisor", base, plan.blob.start.min(compiled.info.end));
    let system = part("system", plan.blob.start, plan.certificate.end);
    let payloads = payloads.iter().map(|(name, start, end)| part(name, *start, *end));
    [hypervisor, system].into_iter().chain(payloads).collect()
}

fn partition(system: &System, compiled: &Compiled, images: &Path, index: usize) -> manifest::Partition {
    let partition = &system.partitions[index];
    let elf = match &partition.payload {
        Payload::Elf(file) => {
            let relative = match file.origin {
                Origin::Image => file.path.strip_prefix(images).ok(),
                Origin::Debian(_) | Origin::File => None,
            };
            Some(relative.unwrap_or(&file.path).to_string_lossy().into_owned())
        }
        Payload::Linux(_) | Payload::Raw(_) => None,
    };
    manifest::Partition {
        name: partition.name.value.clone(),
        criticality: partition.criticality.word().to_owned(),
        console: match partition.console.value {
            system::Console::Defmt => manifest::Console::Defmt,
            system::Console::Uart => manifest::Console::Uart,
            system::Console::Text | system::Console::None => manifest::Console::Text,
        },
        window: compiled.plan.windows[index].start,
        metrics: has_window(partition),
        elf,
        mode: match partition.cores {
            Cores::Dedicated { .. } => "dedicated".to_owned(),
            Cores::Sliced { .. } => "sliced".to_owned(),
        },
        slots_per_frame: slots_per_frame(system, index),
        ram: ram(system, compiled, index),
        dump: system.dump(partition).map(|kept| manifest::Ram {
            ipa: machine::RAM,
            address: kept.base,
            size: partition.memory.size.value,
        }),
        fault_tolerant_time: partition.fault_tolerant_time.map(|t| manifest::Tolerance {
            limit: t.limit.value,
            reaction: id(t.reaction.value),
            timeout: t.timeout,
            heartbeat: partition.heartbeat.map_or(0, |h| h.every.value),
        }),
    }
}

/// Slots of vCPU 0 of a partition in a major frame; all its vCPUs have as many.
/// Where the RAM of a partition lies, if it is one piece in which it may write everything.
fn ram(system: &System, compiled: &Compiled, index: usize) -> Option<manifest::Ram> {
    let memory = &system.partitions.get(index)?.memory;
    let extent = compiled.plan.ram.get(index)?;
    let hull = extent.hull();
    let whole = memory.rights == MemoryRights::Open && hull.end - hull.start == extent.size();
    whole.then_some(manifest::Ram {
        ipa: machine::RAM,
        address: hull.start,
        size: extent.size(),
    })
}

fn slots_per_frame(system: &System, partition: usize) -> u32 {
    let first = Run::Vcpu { partition, vcpu: 0 };
    let slots = system.schedule.cores.iter().flat_map(|c| &c.slots);
    let uses = |s: &&Slot| s.users().iter().any(|u| u.run.value == first);
    id(slots.filter(uses).count())
}

fn queues(system: &System, compiled: &Compiled) -> Vec<Queue> {
    let memories = system.channel_memories();
    let placed = || memories.iter().zip(&compiled.plan.channels);
    let queue = |(number, channel): (usize, &Channel)| {
        let mut own = placed().filter(|(memory, _)| memory.channel == number);
        let ((_, memory), (_, reader)) = own.next().zip(own.next())?;
        Some(Queue {
            name: channel.name.value.clone(),
            memory: memory.start,
            reader: reader.start,
        })
    };
    system.channels.iter().enumerate().filter_map(queue).collect()
}

fn vcpus(system: &System, compiled: &Compiled) -> Vec<manifest::Vcpu> {
    let mut result = Vec::new();
    for (number, partition) in system.partitions.iter().enumerate() {
        for (index, core) in partition.core_list().iter().enumerate() {
            let global = global_vcpu(system, number, index);
            let entry = &compiled.sections.cores[core.value];
            let of_core = compiled
                .sections
                .core_vcpus
                .iter()
                .skip(entry.vcpu_first as usize);
            let slot = of_core
                .take(entry.vcpu_count as usize)
                .position(|v| v.vcpu == global);
            result.push(manifest::Vcpu {
                partition: id(number),
                index: id(index),
                core: id(core.value),
                slot: slot.map_or(0, id),
            });
        }
    }
    result
}

fn functions(system: &System, compiled: &Compiled) -> Vec<manifest::Function> {
    let describe = |function: &bulkhead_types::tables::PciFunction| {
        let mut devices = system.board.devices.iter();
        let device = devices.find(|d| d.bdf() == Some(function.bdf));
        manifest::Function {
            device: device.map(|d| d.name.value.clone()).unwrap_or_default(),
            stream: function.bdf,
            partition: function.partition,
        }
    };
    let functions = compiled.sections.pci_functions.iter().map(describe);
    let platform = compiled.sections.streams.iter().map(|own| {
        let mut devices = system.board.devices.iter();
        let device = devices.find(|d| d.pci.is_none() && d.stream_ids().any(|id| id == own.stream));
        manifest::Function {
            device: device.map(|d| d.name.value.clone()).unwrap_or_default(),
            stream: own.stream,
            partition: own.partition,
        }
    });
    functions.chain(platform).collect()
}

fn qemu(system: &System) -> Option<manifest::Qemu> {
    let board = &system.board;
    let qemu = board.qemu.as_ref()?;
    let wired = |(device, argument): &(usize, Spanned<String>)| {
        let bus = match system.bus_of(*device) {
            Some(bus) => system.buses[bus].as_str(),
            None if argument.contains("{bus}") => return None,
            None => "",
        };
        Some(argument.replace("{bus}", bus))
    };
    let properties = qemu.properties.iter().filter_map(wired);
    let machine: Vec<String> = iter::once(qemu.machine.clone()).chain(properties).collect();
    Some(manifest::Qemu {
        since: qemu.since,
        machine: machine.join(","),
        cpu: qemu.cpu.clone(),
        deterministic_machine: qemu.deterministic.machine.clone(),
        deterministic_cpu: qemu.deterministic.cpu.clone(),
        memory: board.ram.iter().map(|r| r.value.size).sum(),
        cores: qemu.cpus.unwrap_or(id(board.cores.len())),
        serial: qemu.serial,
        serials: serials(system, qemu),
        device_tree: (qemu.device_tree == TreeMaker::Compiler).then(|| DEVICE_TREE.to_owned()),
        can_buses: system.buses.clone(),
        firmware: qemu
            .firmware
            .as_ref()
            .map(|f| format!("{}/{}", f.package, f.file)),
        disk: qemu.disk.clone(),
        devices: qemu.devices.iter().filter_map(wired).collect(),
    })
}

/// The serial lines of the UARTs that somebody owns.
fn serials(system: &System, qemu: &Qemu) -> Vec<manifest::SerialLine> {
    let owned = qemu.serials.iter().filter_map(|(index, line)| {
        let device = system.board.devices.get(*index)?;
        system.owner(device)?;
        Some(manifest::SerialLine {
            line: line.value,
            device: device.name.value.clone(),
        })
    });
    let mut lines: Vec<_> = owned.collect();
    lines.sort_by_key(|line| line.line);
    lines
}

fn expectations(system: &System, list: &[system::Expectation]) -> Vec<manifest::Expectation> {
    let entries = list.iter().map(|e| manifest::Expectation {
        partition: system.partitions[e.partition.value].name.value.clone(),
        text: e.text.value.clone(),
    });
    entries.collect()
}
