// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Controllers of devices: nobody reaches one, and the text form says what they are.

use crate::attacks::{refused, root};
use crate::encode::{BLOB_SIZE, encode};
use crate::model::*;

/// Tables, grants and rights agree; the page is a controller's. Its device's own partition is no exception.
///
/// Verifies: BH-CHK-083.
#[test]
fn a_partition_that_reaches_a_controller() {
    for partition in ["partition:adas", "partition:info", "partition:car"] {
        for page in [CLOCKS, PADS, PADS + PAGE] {
            for rights in ["rw-", "r--"] {
                refused("BH-CHK-083", |model| {
                    root(model, partition).push(identity("timer", page, PAGE, rights, DEVICE));
                });
            }
        }
    }
    // In the middle of what it maps, under the name of its own device.
    refused("BH-CHK-083", |model| {
        root(model, "partition:info").push(identity("timer", CLOCKS - PAGE, 3 * PAGE, "rw-", DEVICE));
    });
    // As memory, where the controller is said to lie in RAM.
    refused("BH-CHK-083", |model| {
        model.memory.retain(|(at, ..)| *at != CLOCKS);
        let (ram, _) = GUEST_RAM[1];
        model
            .memory
            .push((ram, PAGE, "controller:clocks registers".to_owned()));
    });
}

/// Verifies: BH-CHK-084.
#[test]
fn a_bus_master_that_reaches_a_controller() {
    for stream in 0..3 {
        for page in [CLOCKS, PADS + PAGE] {
            refused("BH-CHK-084", |model| {
                let reach = &mut model.streams[stream].2;
                reach.push(map("ram", page, PAGE, "rw-", WB, page));
            });
        }
    }
}

/// Each way is its own property: a stream is no stage 2 of a partition.
///
/// Verifies: BH-CHK-083, BH-CHK-084.
#[test]
fn each_way_is_told_with_the_devices_that_it_could_stop() {
    let told = |change: fn(&mut Model)| {
        let mut model = good(BLOB_SIZE);
        model.controllers.push(["car", "can1", "clocks"]);
        change(&mut model);
        let failures = encode(&model).prove().err().unwrap_or_default();
        let of_controllers = failures
            .into_iter()
            .filter(|f| ["BH-CHK-083", "BH-CHK-084"].contains(&f.property));
        of_controllers.map(|f| f.to_string()).collect::<Vec<_>>()
    };
    let what = "0x8310000-0x8311000 of controller clocks, on which can0 of adas and can1 of car depends";
    assert_eq!(told(|_| {}), Vec::<String>::new());
    assert_eq!(
        told(|model| root(model, "partition:info").push(identity("timer", CLOCKS, PAGE, "rw-", DEVICE))),
        [format!(
            "BH-CHK-083: partition:info: 0x8310000-0x8311000 reaches {what}"
        )]
    );
    assert_eq!(
        told(|model| model.streams[0]
            .2
            .push(map("ram", CLOCKS, PAGE, "rw-", WB, CLOCKS))),
        [format!(
            "BH-CHK-084: stream:0x8: 0x8310000-0x8311000 reaches {what}"
        )]
    );
}

/// Verifies: BH-CHK-082.
#[test]
fn a_controller_that_is_none() {
    let change: [fn(&mut Model); 9] = [
        |model| model.controllers[0] = ["cluster", "can0", "clocks"],
        |model| model.controllers[0] = ["nobody", "can0", "clocks"],
        |model| model.controllers[0] = ["adas", "can1", "clocks"],
        |model| model.controllers[0] = ["adas", "ram", "clocks"],
        |model| model.controllers[0] = ["adas", "can0", "resets"],
        |model| model.controllers[0] = ["adas", "can0", "clocks pads"],
        |model| model.controllers.push(["adas", "can0", "clocks"]),
        |model| model.memory.retain(|(at, ..)| *at != CLOCKS),
        |model| {
            let clocks = model.memory.iter_mut().find(|(at, ..)| *at == CLOCKS);
            clocks.unwrap().1 = 0x800;
        },
    ];
    for change in change {
        refused("BH-CHK-082", change);
    }
    for property in ["BH-CHK-082", "BH-CHK-061"] {
        refused(property, |model| model.controllers.clear());
    }
}

/// One controller serves devices of several partitions, and a device has several.
///
/// Verifies: BH-CHK-082.
#[test]
fn controllers_of_several_devices() {
    let mut model = good(BLOB_SIZE);
    model.controllers.push(["car", "can1", "clocks"]);
    model.controllers.push(["adas", "can0", "pads"]);
    assert_eq!(encode(&model).prove().err(), None);
}
