// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The small system on a board with a GICv2, and what must not be reached there. Verifies: BH-CHK-026.

use crate::encode::{BLOB_SIZE, encode};
use crate::model::*;

/// The interfaces: two pages of the physical one, a page of control, two pages of the virtual one.
const GICC: u64 = 0x080a_f000;
const GICH: u64 = 0x080c_0000;
const GICV: u64 = 0x080e_f000;
/// Where guests find theirs.
const IPA: u64 = 0x0801_0000;

fn maps<'a>(model: &'a mut Model, root: &str) -> &'a mut Vec<Map> {
    let found = model.roots.iter_mut().find(|r| r.name == root);
    &mut found.unwrap().maps
}

/// The good system without redistributors; the guarded core becomes a direct one.
fn good_gicv2() -> Model {
    let mut model = good(BLOB_SIZE);
    model.gicv2 = true;
    model.core_vcpus[2].0 = 0;
    model.vcpus[4].words = model.vcpus[0].words;
    for root in &mut model.roots {
        let own = [
            identity("gicc", GICC, PAGE, "rw-", DEVICE),
            identity("gicc-dir", GICC + PAGE, PAGE, "rw-", DEVICE),
            identity("gich", GICH, PAGE, "rw-", DEVICE),
        ];
        match root.name.as_str() {
            name if name.starts_with("el2") => {
                root.maps.retain(|map| !map.name.starts_with("gicr"));
                root.maps.extend(own);
            }
            "partition:adas" | "partition:car" => {
                root.maps.push(map("gicc", GICC, PAGE, "rw-", DEVICE, IPA));
            }
            _ => root.maps.push(map("gicv", GICV, 2 * PAGE, "rw-", DEVICE, IPA)),
        }
    }
    model.memory.retain(|(_, _, name)| name != "el2 gicr");
    for (start, size, name) in [
        (GICC, PAGE, "gic gicc"),
        (GICC + PAGE, PAGE, "el2 gicc-dir"),
        (GICH, PAGE, "el2 gich"),
        (GICV, 2 * PAGE, "gic gicv"),
    ] {
        model.memory.push((start, size, name.to_owned()));
    }
    let shared =
        |name: &str, start: u64, size: u64, who: &str| format!("{name} {start:#x}-{:#x} {who}", start + size);
    let direct = "el2=rw- partition:adas=rw- partition:car=rw-";
    let sliced = "partition:info=rw- partition:cluster=rw-";
    let both = [
        shared("gicc", GICC, PAGE, direct),
        shared("gicv", GICV, 2 * PAGE, sliced),
    ];
    model.shared.splice(0..0, both);
    model
}

/// Changes the good model and demands that `property` is among what refuses it.
fn refused(property: &str, change: impl FnOnce(&mut Model)) {
    let mut model = good_gicv2();
    change(&mut model);
    let failures = encode(&model).prove().err().unwrap_or_default();
    let broken = failures.iter().any(|failure| failure.property == property);
    assert!(broken, "{property}: {failures:#?}");
}

#[test]
fn a_system_on_a_gicv2_is_accepted() {
    let failures = encode(&good_gicv2()).prove().err().unwrap_or_default();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_sliced_partition_reaches_no_physical_interface() {
    refused("BH-CHK-026", |model| {
        let own = maps(model, "partition:info").last_mut().unwrap();
        (own.name, own.physical, own.size) = ("gicc".to_owned(), GICC, PAGE);
    });
    refused("BH-CHK-026", |model| {
        maps(model, "partition:info").push(map("gicc", GICC, PAGE, "rw-", DEVICE, 0x0c00_0000));
    });
    refused("BH-CHK-020", |model| {
        maps(model, "partition:info").push(map("gicc", GICC, PAGE, "rw-", DEVICE, 0x0c00_0000));
    });
}

#[test]
fn nobody_but_el2_reaches_the_deactivation_register_or_the_control() {
    for hidden in [GICC + PAGE, GICH] {
        refused("BH-CHK-021", |model| {
            maps(model, "partition:adas").push(map("more", hidden, PAGE, "rw-", DEVICE, 0x0801_1000));
        });
    }
    refused("BH-CHK-026", |model| {
        maps(model, "partition:car").pop();
    });
}

#[test]
fn the_interfaces_are_what_the_text_form_says_they_are() {
    for (name, size) in [("gic gicc", 2 * PAGE), ("gic gicv", PAGE), ("el2 gich", 2 * PAGE)] {
        refused("BH-CHK-026", |model| {
            let found = model.memory.iter_mut().find(|(_, _, other)| other == name);
            found.unwrap().1 = size;
        });
    }
    // Another partition's device is no interface.
    refused("BH-CHK-020", |model| {
        for name in ["info", "cluster"] {
            let root = format!("partition:{name}");
            maps(model, &root).push(map("can0", BARS + 0x1_0000, PAGE, "rw-", DEVICE, BARS + 0x1_0000));
        }
    });
    // A deactivation register elsewhere: which page behind the interface is it then?
    refused("BH-CHK-026", |model| {
        let found = model
            .memory
            .iter_mut()
            .find(|(_, _, name)| name == "el2 gicc-dir");
        found.unwrap().0 = GICC + 2 * PAGE;
    });
    // Tables of a GICv2 on a board with redistributors.
    refused("BH-CHK-021", |model| model.gicv2 = false);
}

#[test]
fn each_partition_reaches_the_interface_of_its_cores_as_a_device() {
    for (root, name, at) in [("info", "gicv", GICV), ("adas", "gicc", GICC)] {
        let root = format!("partition:{root}");
        for (rights, memory) in [("r--", DEVICE), ("rw-", WB)] {
            refused("BH-CHK-026", |model| {
                let own = maps(model, &root).last_mut().unwrap();
                assert_eq!((own.name.as_str(), own.physical), (name, at));
                (own.rights, own.memory) = (rights, memory);
            });
        }
    }
    // The virtual interface of a direct core is nobody's: nothing would arrive there.
    refused("BH-CHK-026", |model| {
        let own = maps(model, "partition:adas").last_mut().unwrap();
        (own.name, own.physical) = ("gicv".to_owned(), GICV);
    });
    // The first page alone: a guest that splits priority drop and deactivation would fault.
    refused("BH-CHK-026", |model| {
        maps(model, "partition:cluster").last_mut().unwrap().size = PAGE;
    });
}
