// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The translation roots of the system in `model.rs`: what EL2 maps at boot and on each core, and what a partition does.

use crate::model::*;

fn section(wanted: &str) -> (u64, u64) {
    let (_, first, pages) = IMAGE.into_iter().find(|(name, ..)| *name == wanted).unwrap();
    (BASE + first * PAGE, pages * PAGE)
}

fn el2_common() -> Vec<Map> {
    let part = |name, rights| identity(name, section(name).0, section(name).1, rights, WB);
    vec![
        identity("gicd", GICD, 0x1_0000, "rw-", DEVICE),
        part("text", "r-x"),
        part("rodata", "r--"),
        part("shared", "rw-"),
    ]
}

fn per_core(k: u64) -> Map {
    identity(
        &format!("per-core:{k}"),
        section("per-core").0 + k * 0x3000 + PAGE,
        0x2000,
        "rw-",
        WB,
    )
}

fn windows() -> impl Iterator<Item = Map> {
    (0..4).map(|i| identity("window", WINDOWS + i * 0x8000, 0x8000, "rw-", WB))
}

pub(crate) fn boot_root(blob_size: u64) -> Root {
    let part = |name, rights| identity(name, section(name).0, section(name).1, rights, WB);
    let mut maps = el2_common();
    maps.extend([
        part("boot-text", "r-x"),
        part("boot-rodata", "r--"),
        part("boot-data", "rw-"),
        part("handoff", "rw-"),
        part("stats", "rw-"),
        part("loader", "r--"),
    ]);
    maps.extend((0..3).map(per_core));
    maps.push(identity("blob", BLOB, blob_size + PAGE, "r--", WB));
    maps.push(identity("live", LIVE, 0x5000, "rw-", WB));
    maps.push(identity("smmu-queues", QUEUES, 0x2000, "rw-", WB));
    maps.push(identity("stolen-time:info", STOLEN, PAGE, "rw-", WB));
    maps.extend(windows().chain([identity("channel:state", CHANNEL, 0x1_0000, "rw-", NC)]));
    maps.push(identity("board-device-tree", DEVICE_TREE, 0x1_0000, "r--", WB));
    maps.push(identity("gicr", GICR, 3 * 0x2_0000, "rw-", DEVICE));
    maps.push(identity("uart", UART, PAGE, "rw-", DEVICE));
    maps.push(identity("smmu", SMMU, 0x2_0000, "rw-", DEVICE));
    maps.push(identity("ecam", ECAM, 0x10_0000, "rw-", DEVICE));
    Root {
        name: "el2:boot".to_owned(),
        maps,
    }
}

pub(crate) fn core_root(k: u64, blob_size: u64) -> Root {
    let (handoff, stats) = (section("handoff"), section("stats"));
    let mut maps = el2_common();
    maps.push(identity("handoff", handoff.0, handoff.1, "r--", WB));
    for other in 0..3 {
        let rights = if other == k { "rw-" } else { "r--" };
        maps.push(identity("stats", stats.0 + other * 0x8000, 0x8000, rights, WB));
    }
    maps.push(per_core(k));
    maps.push(identity("blob", BLOB, blob_size, "r--", WB));
    maps.push(identity("live-roots", LIVE, 4 * PAGE, "rw-", WB));
    maps.push(identity("gicr:own", GICR + k * 0x2_0000, 0x2_0000, "rw-", DEVICE));
    if k == 0 {
        maps.push(identity("uart", UART, PAGE, "rw-", DEVICE));
        maps.extend(windows());
        maps.push(identity("stolen-time:info", STOLEN, PAGE, "rw-", WB));
    }
    maps.push(identity("smmu", SMMU, 0x2_0000, "rw-", DEVICE));
    maps.push(identity("smmu-queues", QUEUES, 0x2000, "rw-", WB));
    maps.push(identity("stream-table", STREAMS, PAGE, "rw-", WB));
    if k > 0 {
        maps.push(identity("config", ECAM + 0x8000 * k, PAGE, "rw-", DEVICE));
    }
    Root {
        name: format!("el2:core:{k}"),
        maps,
    }
}

pub(crate) fn partition_root(i: usize, name: &str) -> Root {
    let index = u64::try_from(i).unwrap();
    let (ram, size) = GUEST_RAM[i];
    let payload = PAYLOADS + index * 0x1_0000;
    let mut maps = vec![
        map("ram", ram, size, "rwx", WB, 0x4000_0000),
        map("loader", LOADER, PAGE, "r-x", WB, 0x7f_0000_0000),
        map("load-list", payload, PAGE, "r--", WB, 0x7f_0010_0000),
        map("payload", payload + PAGE, 3 * PAGE, "r--", WB, 0x7f_4000_0000),
    ];
    if name == "info" {
        maps.push(map("stolen-time", STOLEN, PAGE, "r--", WB, 0x7f_0020_0000));
    } else {
        maps.push(map(
            "window",
            WINDOWS + index * 0x8000,
            0x8000,
            "rw-",
            WB,
            0x0b00_0000,
        ));
    }
    match name {
        "adas" => {
            maps.push(map("channel:state", CHANNEL, 0x1_0000, "rw-", NC, 0x0b10_0000));
            maps.push(identity("can0", BARS + 0x1_0000, 0x1_0000, "rw-", DEVICE));
        }
        "car" => {
            maps.push(identity("can1", BARS + 0x3_0000, 0x1_0000, "rw-", DEVICE));
            maps.push(identity("copier", COPIER, PAGE, "rw-", DEVICE));
        }
        _ => maps.push(map("channel:state", CHANNEL, 0x1_0000, "r--", NC, 0x0b10_0000)),
    }
    Root {
        name: format!("partition:{name}"),
        maps,
    }
}
