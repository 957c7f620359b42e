// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A walk over every key of board files: changed alone, each changes what is built, what runs, boots or explains it, or the
//! change is refused. [`CLASSES`] says what each one changes first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::support::{Workshop, bytes_of_area, hypervisor_bin, repository};
use crate::walk::{changes, others_are_inside};
use bulkhead_analysis::rules::admit;
use bulkhead_compiler::compile::compile;
use bulkhead_compiler::image::assemble;
use bulkhead_compiler::{boardtree, manifest};
use bulkhead_flash::disk::Disk;
use bulkhead_flash::medium::Source;
use bulkhead_flash::script::{Form, boot_script, trusted_command};
use bulkhead_model::LoadError;
use bulkhead_model::boot::BlobPlace;
use bulkhead_model::keys::rows;
use bulkhead_model::language::BOARD;
use bulkhead_views::Built;
use bulkhead_views::overview::overview;
use bulkhead_views::who_can::who_can;
use serde_json::{Value, json};

/// What a change of a key shows in, the first of these in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Blob, text form, device trees of partitions, payload areas.
    System,
    /// Response times.
    Analysis,
    /// What the runner is told in the manifest, and the device tree that stands for a boot loader's.
    Runner,
    /// The boot medium, its scripts, and the boot loader's own boot command.
    Medium,
    /// What `explain`, its question `who-can` and `flash` tell people.
    Told,
    /// A rule only: every change is refused, since another part of the file, of the system or of the hypervisor must fit.
    Refused,
}

/// The class of the keys that begin so, by the longest begin; all others are [`Class::System`].
const CLASSES: &[(&str, Class)] = &[
    ("board", Class::Refused),
    ("id", Class::Refused),
    ("title", Class::Runner),
    ("ram", Class::Refused),
    ("ram.N.", Class::System),
    ("hypervisor", Class::Refused),
    ("cores", Class::Refused),
    ("cores.N.", Class::System),
    ("workarounds", Class::Refused),
    ("gic.version", Class::Refused),
    ("uart.kind", Class::Told),
    ("smmu.kind", Class::Refused),
    ("smmu.interrupts", Class::Refused),
    ("pcie.window.size", Class::Refused),
    ("undriven_smmu", Class::Runner),
    ("devices.NAME.can", Class::Refused),
    ("devices.NAME.bus_master", Class::Runner),
    ("controllers.", Class::Told),
    ("controllers.NAME.base", Class::System),
    ("controllers.NAME.size", Class::System),
    ("controllers.NAME.smc.N.first", Class::Runner),
    ("boot.", Class::Medium),
    ("boot.loader", Class::Refused),
    ("boot.blobs.NAME.text", Class::Told),
    ("boot.download", Class::Told),
    ("qemu.", Class::Runner),
];

/// The parts of a board's outcome.
type Parts = BTreeMap<Class, Vec<Vec<u8>>>;

/// A board with every key but those of a GICv2, and one with these; all a board of the hypervisor that the tests pack.
fn boards() -> [Value; 2] {
    let read = |path: &str| -> Value {
        serde_saphyr::from_str(&fs::read_to_string(repository().join(path)).unwrap()).unwrap()
    };
    let mut first = read("config/boards/qemu-virt.yaml");
    first["pcie"]["buses"] = json!(2);
    first["devices"]["can1"]["pci"]["bus"] = json!(1);
    first["smmu"]["stream_bits"] = json!(10);
    first["smmu"]["interrupts"] = json!([110, 143]);
    first["pcie"]["window"]["size"] = json!(0x1000_0000);
    first["devices"]["can0"]["pci"]["bars"]["2"] = json!("64KiB");
    first["devices"]["copier"] = json!({
        "kind": "xilinx-dma", "registers": { "base": 0x0d00_0000, "size": "4KiB", "name": "dma" }, "clock": "80MHz",
        "interrupt": { "intid": 144, "trigger": "level", "name": "done" }, "bus_master": true, "streams": [0x301, 0x300],
        "reset": [{ "write": 0x18, "value": 1 }, { "poll": 0x18, "mask": 3, "until": 1, "tries": 100 }],
        "controlled_by": ["clocks", "firmware"],
    });
    first["devices"]["gpu"] = json!({
        "kind": "other", "compatible": ["vendor,gpu-2", "vendor,gpu"], "clock": "100MHz",
        "properties": {
            "cells": { "vendor,tiles": 4 }, "strings": { "vendor,mode": "fast" }, "flags": ["dma-coherent"],
        },
        "registers": [
            { "base": 0x0d10_0000, "size": "4KiB", "name": "core" },
            { "base": 0x0d11_0000, "size": "4KiB", "name": "hub" },
            { "base": 0x0d12_0000, "size": "4KiB", "name": "cache" },
        ],
        "interrupt": [
            { "intid": 145, "trigger": "level", "name": "job" },
            { "intid": 146, "trigger": "level", "name": "mmu" },
        ],
        "reset": [{ "write": 0x0, "value": 1, "block": 1 }],
    });
    first["controllers"] = json!({
        "clocks": { "kind": "clock", "base": 0x0a10_0000, "size": "4KiB", "smc": [0xc300_0001_u32] },
        "firmware": { "kind": ["reset", "power"], "smc": [{ "first": 0xc200_0000_u32, "last": 0xc200_1fff_u32 }] },
    });
    let boot = first["boot"].as_object_mut().unwrap();
    boot.insert("table".to_owned(), json!("gpt"));
    boot.insert("download".to_owned(), json!("uuu"));
    let blobs = json!({
        "first": { "text": "a boot loader", "at": "32KiB" },
        "second": { "text": "another", "file": "second.bin" },
    });
    boot.insert("blobs".to_owned(), blobs);
    let qemu = first["qemu"].as_object_mut().unwrap();
    for (key, value) in [
        ("since", json!("10.0.0")),
        ("cpus", json!(8)),
        ("serial", json!(1)),
        ("serials", json!({ "uart1": 0 })),
        ("device_tree", json!("compiler")),
        ("properties", json!({ "can0": "canbus0={bus}" })),
    ] {
        qemu.insert(key.to_owned(), value);
    }
    let mut second = read("tests/invalid/boards/gicv2.yaml");
    second.as_object_mut().unwrap().remove("smmu");
    second["undriven_smmu"] = json!("a firewall");
    [first, second]
}

/// A system that uses what each board has.
fn systems() -> [Value; 2] {
    let partition = |cores: Value, devices: Value| {
        json!({
            "criticality": "qm", "cores": cores, "memory": { "size": "2MiB" }, "payload": { "elf": "adas" },
            "console": "text", "devices": devices,
        })
    };
    let mut fast = partition(
        json!({ "dedicated": [3], "interrupts": "direct" }),
        json!(["can0"]),
    );
    let mut slow = partition(
        json!({ "sliced": [0, 1] }),
        json!(["copier", "can1", "gpu", "uart1"]),
    );
    let schedule = json!({
        "major_frame": "10ms",
        "cores": {
            "0": [{ "run": "slow", "for": "8ms" }, { "run": "system", "for": "2ms" }],
            "1": [{ "run": "slow", "for": "8ms" }, { "run": "idle", "for": "2ms" }],
        },
    });
    let system = |fast: &Value, slow: &Value, schedule: &Value| {
        json!({
            "bulkhead": 1, "name": "board-walk", "board": "board.yaml", "schedule": schedule,
            "wiring": { "can0": "bus", "can1": "bus" }, "partitions": { "fast": fast, "slow": slow },
        })
    };
    let bare = system(
        &fast,
        &partition(json!({ "sliced": [0, 1] }), json!(["can1"])),
        &schedule,
    );
    fast["memory"]["colours"] = json!(2);
    fast["memory"]["uncoloured"] = json!(["slow"]);
    slow["dump"] = json!({ "full": "crash dump" });
    slow["smc"] =
        json!([{ "function": 0xc200_0000_u32, "within": "20us", "reason": "drives its own copier" }]);
    slow["tasks"] = json!({ "copy": { "period": "20ms", "wcet": "1ms" } });
    let mut whole = system(&fast, &slow, &schedule);
    whole["schedule"]["bandwidth"] = json!({ "1": { "events": 900_000, "period": "1ms" } });
    whole["watchdog"] = json!({ "timeout": "600ms" });
    whole["channels"] = json!({
        "ready": { "doorbell": { "interval": "1ms" }, "writer": "fast", "readers": ["slow"] },
        "state": { "sampling": { "message": 40 }, "writer": "fast", "readers": ["slow"] },
    });
    [whole, bare]
}

/// What comes of a board; nothing where a rule refuses it.
fn outcome(workshop: &Workshop, hypervisor: &[u8], system: &Value, board: &Value) -> Option<Parts> {
    fs::write(workshop.path("board.yaml"), board.to_string()).unwrap();
    let loaded = match workshop.try_load(&system.to_string()).map(admit) {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(LoadError::Invalid(_))) | Err(LoadError::Invalid(_)) => return None,
        Ok(Err(error)) | Err(error) => panic!("{error}"),
    };
    let (system, analysis) = loaded;
    let compiled = compile(&system, hypervisor).ok()?;
    let board = &system.board;
    let image = assemble(&compiled, hypervisor, &[0; 4096]);
    let built = Built::decode(&compiled.blob, &compiled.text, &image).unwrap();
    let described = manifest::describe(&system, &compiled, &workshop.path("images"), &image);
    let mut parts = Parts::new();
    let mut of_system = vec![compiled.blob.clone(), compiled.text.clone().into_bytes()];
    of_system.extend(compiled.trees.iter().map(|tree| tree.dtb.clone()));
    of_system.extend(compiled.areas.iter().flat_map(bytes_of_area));
    parts.insert(Class::System, of_system);
    let report = analysis.report(&system);
    parts.insert(Class::Analysis, vec![serde_json::to_vec(&report).unwrap()]);
    let tree = boardtree::of(board).unwrap().unwrap_or_default();
    let runner = vec![serde_json::to_vec(&described).unwrap(), tree];
    parts.insert(Class::Runner, runner);
    let (mut medium, mut told) = (Vec::new(), Vec::new());
    if let Some(boot) = &board.boot {
        let source = Source {
            manifest: &described,
            image: &image,
            board,
        };
        // Where the boot image is read to must be free.
        let fit = source.boot_image(Form::Fit, 1, None).ok()?;
        let place = source.place().unwrap();
        let script = boot_script(place, Form::Fit);
        let mut disk = Disk {
            table: boot.table,
            files: vec![
                ("boot.scr".to_owned(), script.into_bytes()),
                (Form::Fit.file().to_owned(), fit),
            ],
            raw: Vec::new(),
        };
        for blob in &boot.blobs {
            told.push(format!("{}: {}", blob.name.value, blob.text).into_bytes());
            match &blob.place {
                BlobPlace::At(at) => disk.raw.push((*at, vec![7; 512])),
                BlobPlace::File(name) => disk.files.push((name.clone(), vec![8; 512])),
            }
        }
        told.push(format!("{:?}", boot.download).into_bytes());
        let command = boot
            .medium
            .as_ref()
            .map(|medium| trusted_command(place, medium, 1));
        let digest = bulkhead_flash::disk::digest(&disk.build().unwrap());
        medium.extend([command.unwrap_or_default().into_bytes(), digest.into_bytes()]);
    }
    parts.insert(Class::Medium, medium);
    told.push(overview(&system, &built).unwrap().text().into_bytes());
    for controller in &board.controllers {
        let answer = who_can(&built, Some(board), &controller.name.value).unwrap();
        told.push(answer.text().into_bytes());
    }
    parts.insert(Class::Told, told);
    Some(parts)
}

/// Changes of keys of which others mean nothing, such as those that set a limit only.
fn telling(board: &Value, path: &str) -> Option<(String, Value)> {
    let mut changed = board.clone();
    match path {
        // Which interrupts these are means nothing but that no device may have one.
        "smmu.interrupts" => changed["smmu"]["interrupts"] = json!([144]),
        // They are taken from the first on.
        "gic.unwired" => changed["gic"]["unwired"].as_array_mut()?.reverse(),
        "pcie.window.size" => changed["pcie"]["window"]["size"] = json!("64KiB"),
        _ => return None,
    }
    Some((format!("{path} changed so that it counts"), changed))
}

/// The class that [`CLASSES`] says.
fn class_of(path: &str) -> Class {
    let begins = CLASSES.iter().filter(|(begin, _)| path.starts_with(begin));
    begins
        .max_by_key(|(begin, _)| begin.len())
        .map_or(Class::System, |(_, class)| *class)
}

// Verifies: BH-LANG-003
#[test]
fn every_key_of_a_board_has_an_effect_or_is_refused() {
    let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
    let both: Vec<(Value, Value, Parts)> = boards()
        .into_iter()
        .zip(systems())
        .map(|(board, system)| {
            let base = outcome(&workshop, &hypervisor, &system, &board);
            (
                board,
                system,
                base.expect("the walk begins at a board that is taken"),
            )
        })
        .collect();
    let mut wrong = Vec::new();
    for row in rows(&BOARD)
        .iter()
        .filter(|row| !others_are_inside(row.key.value))
    {
        let (mut classes, mut refused, mut without) = (BTreeSet::new(), 0, Vec::new());
        for (board, system, base) in &both {
            let change = telling(board, &row.path).filter(|_| board.get("smmu").is_some());
            let tried = change.map_or_else(|| changes(board, row), |change| vec![change]);
            for (change, changed) in tried {
                let Some(parts) = outcome(&workshop, &hypervisor, system, &changed) else {
                    refused += 1;
                    continue;
                };
                if parts == *base {
                    without.push(change);
                }
                classes.extend(
                    base.iter()
                        .find(|(class, part)| parts[class] != **part)
                        .map(|(class, _)| *class),
                );
            }
            if !classes.is_empty() {
                break;
            }
        }
        // Some changes of a key may mean nothing; not all that are taken.
        if classes.is_empty() && (refused == 0 || !without.is_empty()) {
            wrong.push(format!("{}: no effect: {without:?}", row.path));
        }
        let class = classes.first().copied().unwrap_or(Class::Refused);
        if class != class_of(&row.path) {
            wrong.push(format!("{}: {class:?}, not {:?}", row.path, class_of(&row.path)));
        }
    }
    assert!(wrong.is_empty(), "{} keys\n{}", wrong.len(), wrong.join("\n"));
}
