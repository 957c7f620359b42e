// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters: what they reach, beside what their partition may do with its RAM.

use crate::attacks::{SPARE_IPA, named, refused, root};
use crate::encode::{BLOB_SIZE, encode};
use crate::model::*;

fn accepted(change: impl FnOnce(&mut Model)) {
    let mut model = good(BLOB_SIZE);
    change(&mut model);
    assert_eq!(encode(&model).prove().err(), None);
}

/// Makes the second page of RAM of `adas`, which has a bus master, what `rights` say.
fn divide(model: &mut Model, rights: &'static str) {
    let ram = named(model, "partition:adas", "ram");
    let (physical, size) = (ram.physical, ram.size);
    ram.size = PAGE;
    let maps = root(model, "partition:adas");
    let part = |from: u64, size, rights| map("ram", physical + from, size, rights, WB, 0x4000_0000 + from);
    maps.push(part(PAGE, PAGE, rights));
    maps.push(part(2 * PAGE, size - 2 * PAGE, "rwx"));
}

/// Leaves the bus master pages of RAM.
fn keep(model: &mut Model, ranges: &[(u64, u64)]) {
    let all = &mut model.streams[0].2;
    let ram = all.remove(0);
    all.extend(ranges.iter().map(|(from, size)| Map {
        physical: ram.physical + from,
        size: *size,
        input: ram.input + from,
        ..ram.clone()
    }));
}

/// Verifies: BH-CHK-054.
#[test]
fn streams() {
    refused("BH-CHK-054", |model| {
        model.streams[0].2[0].physical = GUEST_RAM[3].0
    });
    refused("BH-CHK-054", |model| model.streams[0].2[0].rights = "rwx");
    refused("BH-CHK-054", |model| model.streams[0].2[0].rights = "r--");
    refused("BH-CHK-054", |model| model.streams[0].2[0].memory = NC);
    refused("BH-CHK-054", |model| model.streams[0].2[0].physical += PAGE);
    refused("BH-CHK-054", |model| model.streams[0].2[0].size += PAGE);
    refused("BH-CHK-054", |model| model.streams[0].1 = 3);
    let bar = BARS + 0x1_0000;
    refused("BH-CHK-054", |model| {
        model.streams[0]
            .2
            .push(map("can0", bar, PAGE, "rw-", DEVICE, bar))
    });
    refused("BH-CHK-021", |model| {
        model.streams[0]
            .2
            .push(map("x", BLOB, PAGE, "r--", WB, SPARE_IPA))
    });
    refused("BH-CHK-020", |model| {
        model.streams[0]
            .2
            .push(map("x", GUEST_RAM[3].0, PAGE, "rw-", WB, SPARE_IPA));
    });
    refused("BH-CHK-062", |model| {
        model.streams[0].2[0].name = "window".to_owned()
    });
}

/// Verifies: BH-CHK-054.
#[test]
fn a_bus_master_with_less_than_all_of_ram() {
    accepted(|model| keep(model, &[(PAGE, PAGE)]));
    accepted(|model| keep(model, &[(0, PAGE), (4 * PAGE, 8 * PAGE)]));
    accepted(|model| keep(model, &[]));
    let mut files = encode(&good(BLOB_SIZE));
    let told = files
        .grants
        .lines()
        .filter(|line| !line.starts_with("grant stream:"));
    files.grants = told.map(|line| format!("{line}\n")).collect();
    let failures = files.prove().err().unwrap_or_default();
    assert!(
        failures.iter().any(|f| f.property == "BH-CHK-010"),
        "{failures:?}"
    );
}

/// Verifies: BH-CHK-011, BH-CHK-054.
#[test]
fn a_page_of_ram_that_is_only_read() {
    for rights in ["r--", "r-x"] {
        let rest = [(0, PAGE), (2 * PAGE, GUEST_RAM[0].1 - 2 * PAGE)];
        accepted(|model| {
            divide(model, rights);
            keep(model, &rest);
        });
        refused("BH-CHK-054", |model| divide(model, rights));
    }
    accepted(|model| divide(model, "rw-"));
    refused("BH-CHK-011", |model| {
        divide(model, "rw-");
        root(model, "partition:adas").retain(|m| m.physical != GUEST_RAM[0].0 + PAGE);
        keep(model, &[(0, PAGE)]);
    });
}

/// Verifies: BH-CHK-054.
#[test]
fn a_bus_master_at_fixed_addresses() {
    refused("BH-CHK-054", |model| model.platform[0].1 = 0);
    refused("BH-CHK-054", |model| model.platform[0].0 = 0x22);
    refused("BH-CHK-054", |model| {
        model.platform.pop();
    });
    refused("BH-CHK-054", |model| model.platform.swap(0, 1));
    // A name that its partition was given no registers by, or that is a channel's memory.
    refused("BH-CHK-054", |model| model.platform[0].2 = "window");
    refused("BH-CHK-054", |model| model.platform[0].2 = "can1");
    refused("BH-CHK-054", |model| {
        root(model, "partition:car").retain(|map| map.name != "copier");
    });
    // Another partition's device.
    refused("BH-CHK-054", |model| {
        let dma = model.streams[0].2.clone();
        (model.streams[1], model.platform[0].1) = ((0x20, 0, dma), 0);
    });
    // Of a PCI function, too.
    refused("BH-CHK-054", |model| {
        model.functions[1].bdf = 0x20;
    });
}

/// Its cores close and open its streams, no other. Verifies: BH-CHK-032.
#[test]
fn the_cores_of_a_bus_master_at_fixed_addresses() {
    refused("BH-CHK-032", |model| {
        root(model, "el2:core:2").retain(|map| map.name != "stream-table");
    });
    refused("BH-CHK-032", |model| {
        model.streams.truncate(1);
        model.platform.clear();
    });
}
