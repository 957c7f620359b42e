// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Systems whose tables and text form agree with each other, but that do not isolate: what a compiler with an
//! error, or a spec with bad intent, would emit. Each is refused by the property that it breaks.

use crate::encode::{BLOB_SIZE, encode};
use crate::model::*;

/// Changes the good model and demands that `property` is among what refuses it.
pub(crate) fn refused(property: &str, change: impl FnOnce(&mut Model)) {
    let mut model = good(BLOB_SIZE);
    change(&mut model);
    let failures = encode(&model).prove().err().unwrap_or_default();
    let broken = failures.iter().any(|failure| failure.property == property);
    assert!(broken, "{property}: {failures:#?}");
}

pub(crate) fn root<'a>(model: &'a mut Model, name: &str) -> &'a mut Vec<Map> {
    &mut model
        .roots
        .iter_mut()
        .find(|root| root.name == name)
        .unwrap()
        .maps
}

pub(crate) fn named<'a>(model: &'a mut Model, root_name: &str, name: &str) -> &'a mut Map {
    root(model, root_name)
        .iter_mut()
        .find(|map| map.name == name)
        .unwrap()
}

pub(crate) const SPARE_IPA: u64 = 0x0c00_0000;

/// Verifies: BH-CHK-020.
#[test]
fn ram_of_another_partition() {
    for rights in ["r--", "rw-", "rwx"] {
        refused("BH-CHK-020", |model| {
            root(model, "partition:info").push(map(
                "payload",
                GUEST_RAM[0].0,
                PAGE,
                rights,
                WB,
                0x7f_5000_0000,
            ));
            let (start, end) = (GUEST_RAM[0].0, GUEST_RAM[0].0 + PAGE);
            let both = format!("partition:adas=rwx partition:info={rights}");
            model.shared.push(format!("stolen {start:#x}-{end:#x} {both}"));
        });
    }
    refused("BH-CHK-020", |model| {
        named(model, "partition:car", "ram").physical = GUEST_RAM[0].0
    });
}

/// Verifies: BH-CHK-020.
#[test]
fn a_channel_with_two_writers() {
    refused("BH-CHK-020", |model| {
        named(model, "partition:info", "channel:state").rights = "rw-";
        let mut shared = model.shared.iter_mut();
        let channel = shared.find(|s| s.starts_with("channel:")).unwrap();
        *channel = channel.replace("info=r--", "info=rw-");
    });
    refused("BH-CHK-020", |model| {
        named(model, "partition:cluster", "channel:state").memory = WB
    });
    refused("BH-CHK-020", |model| {
        named(model, "partition:cluster", "channel:state").rights = "r-x"
    });
}

/// Verifies: BH-CHK-020.
#[test]
fn a_channel_without_a_writer() {
    refused("BH-CHK-020", |model| {
        for root in ["partition:adas", "partition:info", "partition:cluster"] {
            let channel = self::root(model, root)
                .iter_mut()
                .find(|map| map.name == "channel:state");
            channel.into_iter().for_each(|map| map.rights = "r--");
        }
        let mut shared = model.shared.iter_mut();
        let channel = shared.find(|s| s.starts_with("channel:")).unwrap();
        *channel = channel.replace("=rw-", "=r--");
    });
}

/// Verifies: BH-CHK-020, BH-CHK-021.
#[test]
fn a_writable_loader() {
    refused("BH-CHK-020", |model| {
        named(model, "partition:adas", "loader").rights = "rwx"
    });
    refused("BH-CHK-021", |model| {
        named(model, "partition:adas", "loader").rights = "rw-"
    });
}

/// Verifies: BH-CHK-021.
#[test]
fn anything_of_el2() {
    let boot_data = BASE + 2 * PAGE;
    let (guard, per_core) = (BASE + 33 * PAGE, BASE + 34 * PAGE);
    let (certificate, window_of_info) = (BLOB + BLOB_SIZE, WINDOWS + 0x8000);
    let of_image = [BASE, boot_data, guard, per_core, BLOB, certificate];
    let of_compiler = [LIVE, STREAMS, QUEUES, window_of_info, DEVICE_TREE];
    for target in of_image.into_iter().chain(of_compiler) {
        for rights in ["r--", "rw-"] {
            refused("BH-CHK-021", |model| {
                root(model, "partition:car").push(map("stolen", target, PAGE, rights, WB, SPARE_IPA));
            });
        }
    }
    for target in [
        GICD,
        GICR,
        GICR + 0x3_0000,
        UART,
        SMMU,
        SMMU + 0x1_0000,
        ECAM,
        ECAM + 0x1_0000,
    ] {
        refused("BH-CHK-021", |model| {
            root(model, "partition:car").push(map(
                "device",
                target,
                PAGE,
                "rw-",
                DEVICE,
                target + 0x1000_0000,
            ));
        });
    }
}

/// Verifies: BH-CHK-022.
#[test]
fn devices_and_addresses_of_nobody() {
    let bar = BARS + 0x1_0000;
    refused("BH-CHK-022", |model| {
        root(model, "partition:car").push(map("can0", bar, PAGE, "rw-", DEVICE, bar))
    });
    let (mmio, beyond) = (0x0a00_0000, RAM.0 + RAM.1);
    refused("BH-CHK-022", |model| {
        root(model, "partition:car").push(map("x", mmio, PAGE, "rw-", DEVICE, mmio))
    });
    refused("BH-CHK-022", |model| {
        root(model, "partition:car").push(map("x", beyond, PAGE, "r--", WB, SPARE_IPA))
    });
    refused("BH-CHK-022", |model| {
        named(model, "partition:car", "can1").memory = NC
    });
}

/// Verifies: BH-CHK-011.
#[test]
fn executable_memory_and_aliases() {
    for name in ["payload", "load-list", "window", "can1"] {
        refused("BH-CHK-011", |model| {
            named(model, "partition:car", name).rights = "r-x"
        });
    }
    let (ram, _) = GUEST_RAM[3];
    refused("BH-CHK-011", |model| {
        root(model, "partition:car").push(map("ram", ram, PAGE, "rw-", WB, SPARE_IPA))
    });
    refused("BH-CHK-011", |model| {
        named(model, "partition:car", "ram").size = PAGE * 16
    });
    refused("BH-CHK-011", |model| {
        named(model, "partition:car", "loader").input += PAGE
    });
    let (spare, frame) = (0x4300_0000, 0x0800_f000);
    refused("BH-CHK-011", |model| {
        root(model, "partition:car").push(map("x", spare, PAGE, "r--", WB, frame))
    });
    refused("BH-CHK-011", |model| {
        let window = map("window", WINDOWS + 0x8000, 0x8000, "rw-", WB, 0x0b00_0000);
        root(model, "partition:info").push(window);
    });
}

/// Verifies: BH-CHK-023.
#[test]
fn undeclared_sharing() {
    for dropped in 0..6 {
        refused("BH-CHK-023", |model| drop(model.shared.remove(dropped)));
    }
    refused("BH-CHK-023", |model| {
        let mut shared = model.shared.iter_mut();
        let channel = shared.find(|s| s.starts_with("channel:")).unwrap();
        *channel = channel.replace("cluster=r--", "cluster=rw-");
    });
}

/// Verifies: BH-CHK-062.
#[test]
fn memory_that_is_not_what_its_name_says() {
    refused("BH-CHK-062", |model| {
        root(model, "partition:car").push(map("x", 0x4300_0000, PAGE, "r--", WB, SPARE_IPA))
    });
    refused("BH-CHK-062", |model| {
        named(model, "partition:car", "payload").name = "window".to_owned()
    });
    refused("BH-CHK-062", |model| {
        named(model, "partition:car", "can1").name = "ram".to_owned()
    });
}

/// Verifies: BH-CHK-030, BH-CHK-031, BH-CHK-032.
#[test]
fn el2_roots() {
    for name in ["el2:boot", "el2:core:0", "el2:core:2"] {
        let exact = if name == "el2:boot" {
            "BH-CHK-031"
        } else {
            "BH-CHK-032"
        };
        refused("BH-CHK-030", |model| named(model, name, "text").rights = "rwx");
        refused("BH-CHK-030", |model| named(model, name, "text").rights = "rw-");
        refused("BH-CHK-030", |model| named(model, name, "gicd").rights = "rwx");
        refused("BH-CHK-030", |model| named(model, name, "shared").rights = "rwx");
        for part in ["text", "rodata", "shared", "handoff", "blob", "gicd"] {
            refused(exact, |model| root(model, name).retain(|map| map.name != part));
            refused(exact, |model| named(model, name, part).memory = NC);
        }
        refused(exact, |model| {
            root(model, name).push(map("ram", 0x4300_0000, PAGE, "r--", WB, 0x4300_0000))
        });
        refused(exact, |model| named(model, name, "blob").rights = "rw-");
    }
    let block = |k: u64| BASE + (33 + 3 * k) * PAGE;
    for (physical, size) in [
        (block(1), PAGE),
        (block(2) + PAGE, 2 * PAGE),
        (BASE, PAGE),
        (LOADER, PAGE),
    ] {
        for rights in ["r--", "rw-", "r-x"] {
            let extra = map("extra", physical, size, rights, WB, physical);
            refused("BH-CHK-032", |model| root(model, "el2:core:1").push(extra));
        }
    }
    refused("BH-CHK-031", |model| {
        root(model, "el2:boot").push(map("guard", block(0), PAGE, "rw-", WB, block(0)));
    });
    refused("BH-CHK-031", |model| {
        named(model, "el2:boot", "loader").rights = "r-x"
    });
    refused("BH-CHK-031", |model| {
        named(model, "el2:boot", "board-device-tree").rights = "rw-"
    });
    refused("BH-CHK-032", |model| {
        named(model, "el2:core:1", "gicr:own").physical = GICR
    });
    refused("BH-CHK-030", |model| {
        named(model, "el2:core:1", "rodata").input += 0x1000_0000
    });
    for foreign in [UART, GICR, ECAM, ECAM + 0x8000] {
        refused("BH-CHK-032", |model| {
            root(model, "el2:core:2").push(map("extra", foreign, PAGE, "rw-", DEVICE, foreign));
        });
    }
    for (core, part) in [
        ("el2:core:1", "smmu"),
        ("el2:core:1", "stream-table"),
        ("el2:core:2", "config"),
    ] {
        refused("BH-CHK-032", |model| {
            root(model, core).retain(|map| map.name != part)
        });
        refused("BH-CHK-032", |model| named(model, core, part).rights = "r--");
    }
    let window = map("window", WINDOWS, 0x8000, "rw-", WB, WINDOWS);
    refused("BH-CHK-032", |model| root(model, "el2:core:2").push(window));
}

/// Verifies: BH-CHK-021, BH-CHK-031, BH-CHK-032.
#[test]
fn memory_that_el2_clears() {
    let (windows_end, channel_end) = (WINDOWS + 4 * 0x8000, CHANNEL + 0x1_0000);
    for (physical, memory) in [(windows_end - 0x2_1000, WB), (channel_end, WB), (channel_end, NC)] {
        refused("BH-CHK-031", |model| {
            root(model, "el2:boot").push(map("more", physical, PAGE, "rw-", memory, physical))
        });
    }
    for name in ["window", "stolen-time:info", "channel:state"] {
        refused("BH-CHK-031", |model| {
            named(model, "el2:boot", name).physical += PAGE
        });
        refused("BH-CHK-031", |model| {
            named(model, "el2:boot", name).rights = "r--"
        });
        refused("BH-CHK-031", |model| {
            let map = named(model, "el2:boot", name);
            map.memory = if map.memory == NC { WB } else { NC };
        });
    }
    for core in ["el2:core:0", "el2:core:2"] {
        for property in ["BH-CHK-021", "BH-CHK-032"] {
            refused(property, |model| {
                root(model, core).push(map("channel:state", CHANNEL, 0x1_0000, "rw-", NC, CHANNEL))
            });
        }
    }
}

/// Verifies: BH-CHK-024.
#[test]
fn a_table_of_channels_that_names_others() {
    const ELSEWHERE: u64 = 0x4300_0000;
    let change: [fn(&mut Model); 5] = [
        |model| model.channels[0].0 = ELSEWHERE,
        |model| model.channels[0].1 -= PAGE,
        |model| model.channels[0].1 += PAGE,
        |model| model.channels.clear(),
        |model| model.channels.push((ELSEWHERE, 0x1_0000)),
    ];
    for change in change {
        refused("BH-CHK-024", change);
    }
    // The boot root and the text form agree with the table; what the partitions share is cleared by nobody.
    refused("BH-CHK-024", |model| {
        model.channels[0].0 = ELSEWHERE;
        let cleared = named(model, "el2:boot", "channel:state");
        (cleared.physical, cleared.input) = (ELSEWHERE, ELSEWHERE);
        model
            .memory
            .push((ELSEWHERE, 0x1_0000, "channel:state memory".to_owned()));
    });
}

/// Verifies: BH-STEAL-003, BH-CHK-011, BH-CHK-021, BH-CHK-032, BH-CHK-062.
#[test]
fn stolen_time_that_is_not_its_readers_alone() {
    let page = |rights, input| map("stolen-time", STOLEN, PAGE, rights, WB, input);
    let place = 0x7f_0020_0000;
    for property in ["BH-CHK-011", "BH-CHK-021"] {
        refused(property, |model| {
            named(model, "partition:info", "stolen-time").rights = "rw-"
        });
    }
    refused("BH-CHK-011", |model| {
        named(model, "partition:info", "stolen-time").input += PAGE
    });
    refused("BH-CHK-011", |model| {
        root(model, "partition:info").retain(|map| map.name != "stolen-time")
    });
    for (property, rights) in [
        ("BH-CHK-020", "r--"),
        ("BH-CHK-021", "r--"),
        ("BH-CHK-020", "rw-"),
    ] {
        refused(property, |model| {
            root(model, "partition:cluster").push(page(rights, place))
        });
    }
    refused("BH-CHK-062", |model| {
        named(model, "partition:info", "stolen-time").name = "window".to_owned()
    });
    // Another core than its own writes it, or its own does not.
    let extra = map("stolen-time:info", STOLEN, PAGE, "rw-", WB, STOLEN);
    refused("BH-CHK-032", |model| root(model, "el2:core:2").push(extra));
    refused("BH-CHK-032", |model| {
        root(model, "el2:core:0").retain(|map| map.name != "stolen-time:info")
    });
    let change: [fn(&mut Model); 4] = [
        |model| model.vcpus[2].stolen_time = STOLEN,
        |model| model.vcpus[2].stolen_time = 0,
        |model| model.vcpus[2].stolen_time += PAGE,
        |model| model.vcpus[3].stolen_time = STOLEN,
    ];
    for change in change {
        refused("BH-CHK-011", change);
    }
}
