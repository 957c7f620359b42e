// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reference system as a typed model, and overrides.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::fs;

use bulkhead_model::board::{DeviceKind, Registers, Trigger};
use bulkhead_model::channel::ChannelKind;
use bulkhead_model::system::{Console, Cores, Criticality, Initrd, Interrupts, Origin, Payload, Run, System};
use bulkhead_model::{LoadError, load};
use common::{Fixture, root};

const REFERENCE: &str = "config/systems/adas-infotainment.yaml";

fn reference(overrides: &[&str]) -> Result<System, Vec<String>> {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    load(&Fixture::new().paths(REFERENCE), &overrides).map_err(|error| match error {
        LoadError::Invalid(diagnostics) => diagnostics
            .records()
            .iter()
            .map(|r| {
                format!(
                    "{} {} {}:{}",
                    r.rule, r.primary.file, r.primary.line, r.primary.column
                )
            })
            .collect(),
        other => panic!("{other:?}"),
    })
}

// Verifies: BH-HEALTH-010, BH-HEALTH-011
#[test]
fn every_error_has_a_reaction_by_default_or_as_written() {
    use bulkhead_abi::health::{Action, Error, Level};
    let overrides = [
        "partitions.cluster.health={serror: global-safe-state}",
        "health={core: {crash: global-safe-state}}",
    ];
    let system = reference(&overrides).unwrap();
    let of_partitions = system.partitions.iter().map(|p| (Level::Partition, p.health));
    let above = [
        (Level::Core, system.health.core),
        (Level::System, system.health.system),
    ];
    for (level, table) in of_partitions.chain(above) {
        for (code, entry) in (0u8..).zip(table) {
            let error = Error::from_code(code).filter(|error| error.occurs_on(level));
            let action = Action::from_code(entry);
            match error {
                Some(error) => assert!(action.is_some_and(|a| a.answers(error, level)), "{error:?}"),
                None => assert_eq!(entry, 0),
            }
        }
    }
    let action = |partition: usize, error: Error| {
        Action::from_code(system.partitions[partition].health[usize::from(error.code())]).unwrap()
    };
    // What a driver did wrong restarts a partition from ASIL B on, and is noted of Linux and of the cluster.
    let dma: Vec<Action> = (0..4).map(|p| action(p, Error::DmaFault)).collect();
    let (restart, log) = (Action::RestartPartition, Action::Log);
    assert_eq!(dma, [restart, restart, log, log]);
    assert_eq!(action(2, Error::MemoryFault), restart);
    assert_eq!(action(2, Error::SError), restart);
    assert_eq!(action(3, Error::SError), Action::GlobalSafeState);
    assert_eq!(system.health.core[10], Action::GlobalSafeState.code());
    assert_eq!(system.health.core[9], Action::StopCore.code());
}

// Verifies: BH-CFG-001
#[test]
fn the_reference_system_resolves_to_what_it_says() {
    let system = reference(&[]).unwrap();
    assert_eq!(
        (
            system.name.as_str(),
            system.board.id.value,
            system.board.cores.len()
        ),
        ("adas-infotainment", 1, 4)
    );
    let names: Vec<&str> = system.partitions.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["adas", "vehicle", "infotainment", "cluster"]);

    let adas = &system.partitions[0];
    assert_eq!(
        (adas.criticality.value, adas.console.value),
        (Criticality::AsilD, Console::Defmt)
    );
    assert_eq!(
        (adas.memory.size.value, adas.restart_limit, adas.autostart),
        (2 << 20, 3, true)
    );
    let Cores::Dedicated { cores, interrupts } = &adas.cores else {
        panic!("{:?}", adas.cores)
    };
    assert_eq!((cores[0].value, interrupts.value), (3, Interrupts::Direct));
    let Payload::Elf(elf) = &adas.payload else {
        panic!("{:?}", adas.payload)
    };
    assert_eq!(
        (&elf.origin, elf.path.file_name().unwrap().to_str()),
        (&Origin::Image, Some("adas.elf"))
    );

    let Payload::Linux(linux) = &system.partitions[2].payload else {
        panic!()
    };
    assert_eq!(
        linux.kernel.origin,
        Origin::Debian("linux-image-cloud-arm64".to_owned())
    );
    assert!(linux.kernel.path.ends_with("boot/vmlinuz-6.1.0-cloud-arm64"));
    let Some(Initrd::Build { programs, .. }) = &linux.initrd else {
        panic!()
    };
    assert!(programs[0].path.ends_with("images/vehicle-state"));
    assert!(programs[1].path.ends_with("images/settings"));

    let can1 = &system.board.devices[system.partitions[1].devices[0].value];
    assert_eq!(
        (can1.name.as_str(), can1.kind, can1.bdf()),
        ("can1", DeviceKind::CtuCanFd, Some(0x10))
    );
    let function = can1.pci.as_ref().unwrap();
    assert_eq!((function.vendor, function.device), (0x1760, 0xff00));
    assert_eq!(
        (function.bars.map(|size| size.value), can1.registers.clone()),
        ([32 << 10, 64 << 10, 0, 0, 0, 0], Registers::Bar(1))
    );
    let [interrupt] = &can1.interrupts[..] else {
        panic!("{can1:?}")
    };
    assert_eq!(
        (interrupt.value.intid, interrupt.value.trigger),
        (37, Trigger::Level)
    );
    assert_eq!(
        (system.bus_of(0), system.bus_of(1), system.buses.len()),
        (Some(0), Some(0), 1)
    );

    let channel = &system.channels[0];
    let ChannelKind::Sampling { message } = channel.kind else {
        panic!("{channel:?}")
    };
    assert_eq!((message.value, channel.writer.value), (40, 0));
    assert_eq!(
        channel.readers.iter().map(|r| r.value).collect::<Vec<_>>(),
        [3, 2]
    );

    let schedule = &system.schedule;
    assert_eq!(
        (
            schedule.major_frame.value,
            schedule.system_core,
            schedule.standby_core
        ),
        (10_000_000, 0, Some(1))
    );
    let slots = &schedule.core(1).unwrap().slots;
    assert_eq!(
        slots[0].run.value,
        Run::Vcpu {
            partition: 2,
            vcpu: 1
        }
    );
    assert_eq!(
        slots[1].run.value,
        Run::Vcpu {
            partition: 3,
            vcpu: 0
        }
    );
    assert_eq!((slots[1].offset, slots[1].length.value), (8_000_000, 1_500_000));
    assert_eq!(
        (slots[2].run.value, slots[2].length.value),
        (Run::Standby, 500_000)
    );
    assert_eq!((system.expect.len(), system.never[0].partition.value), (5, 1));
    let lock = &system.locks[0];
    let participants = lock.participants.iter().map(|p| (p.partition.value, p.priority));
    assert_eq!((lock.name.value.as_str(), lock.hold.value), ("settings", 100_000));
    assert_eq!(participants.collect::<Vec<_>>(), [(3, 0), (2, 1)]);
}

// Verifies: BH-CFG-001
#[test]
fn every_value_remembers_where_it_was_written() {
    let system = reference(&[]).unwrap();
    let text = fs::read_to_string(root().join(REFERENCE)).unwrap();
    let written = |part: &str| text.lines().position(|l| l.contains(part)).unwrap() + 1;
    let adas = &system.partitions[0];
    let place = system.sources.position(adas.criticality.span);
    assert_eq!((place.line, place.column), (written("criticality: asil-d"), 18));
    assert_eq!(system.sources.text(adas.criticality.span), "asil-d");
    let interrupt = &system.board.devices[0].interrupts[0];
    assert!(
        system
            .sources
            .get(interrupt.span)
            .unwrap()
            .name
            .ends_with("qemu-virt.yaml")
    );
    assert_eq!(system.sources.text(interrupt.span), "interrupt");
}

// Verifies: BH-CFG-004
#[test]
fn overrides_change_add_and_reach_into_lists() {
    let system = reference(&[
        "partitions.adas.args=crc=broken",
        "partitions.adas.autostart=false",
        "partitions.vehicle.args=\"seed=7\"",
        "wiring.can1=other-bus",
        "schedule.cores.1.0.for=7ms",
        "schedule.cores.0.0.for=7ms",
        "schedule.cores.0.1.for=3ms",
        "schedule.cores.1.1={ run: cluster, for: 2500us }",
    ])
    .unwrap();
    let args = |p: usize| system.partitions[p].args.as_ref().map(|a| a.value.as_str());
    assert_eq!((args(0), args(1)), (Some("crc=broken"), Some("seed=7")));
    assert!(!system.partitions[0].autostart);
    assert_eq!(system.buses, ["vehicle-bus", "other-bus"]);
    assert_eq!(system.schedule.cores[1].slots[1].offset, 7_000_000);
}

// Verifies: BH-CFG-004
#[test]
fn overrides_that_lead_nowhere_are_refused_where_they_go_wrong() {
    let refused = |o: &str| reference(&[o]).unwrap_err();
    assert_eq!(
        refused("partitions.adas.arg=x"),
        ["document/unknown-key --set 1:17"]
    );
    assert_eq!(
        refused("partitions.ads.args=x"),
        ["document/no-such-path --set 1:12"]
    );
    assert_eq!(
        refused("partitions.adas.memory.size=2MiB"),
        ["document/no-such-path --set 1:24"]
    );
    assert_eq!(
        refused("schedule.cores.0.7.for=1ms"),
        ["document/no-such-path --set 1:18"]
    );
    assert_eq!(
        refused("partitions.adas.autostart"),
        ["document/no-such-path --set 1:1"]
    );
    assert_eq!(
        refused("partitions.adas.autostart=maybe"),
        ["document/choice --set 1:27"]
    );
    assert_eq!(
        refused("partitions.adas.devices=[can0"),
        ["document/syntax --set 1:25"]
    );
    assert_eq!(refused("=x"), ["document/no-such-path --set 1:1"]);
}

// Verifies: BH-LANG-006, BH-LANG-007
#[test]
fn a_spec_is_laid_over_what_it_includes() {
    let overrides = ["partitions.linux.restart_limit=7".to_owned()];
    let system = load(&Fixture::new().paths("tests/systems/every-key.yaml"), &overrides).unwrap();
    let panel = system
        .partitions
        .iter()
        .find(|p| p.name.value == "panel")
        .unwrap();
    // The fragment adds `args`; the spec, which comes later, replaces the fragment's `criticality`.
    assert_eq!(
        (panel.restart_limit, panel.criticality.value),
        (2, Criticality::AsilA)
    );
    let file = |span| system.sources.file(span).unwrap().to_owned();
    assert!(file(panel.criticality.span).ends_with("systems/every-key.yaml"));

    let from = |path: &str| {
        let origin = system.origins.iter().find(|o| o.path == path).unwrap();
        (origin.value.as_str(), origin.from.as_str())
    };
    let (value, place) = from("partitions.panel.restart_limit");
    assert_eq!(value, "2");
    assert!(place.ends_with("every-key/panel.yaml:5"), "{place}");
    assert_eq!(
        from("partitions.linux.restart_limit"),
        ("7", "--set partitions.linux.restart_limit=7")
    );
    let (value, place) = from("include.0");
    assert!(
        value.ends_with("panel.yaml") && place.contains("every-key.yaml:"),
        "{value} {place}"
    );
    assert!(!system.origins.iter().any(|o| o.path == "include"));
    assert_eq!(from("partitions.panel.console").0, "text");
    assert_eq!(from("partitions.panel.seed"), ("board", "default"));
    assert!(from("schedule.cores.1.1.for").1.contains("every-key.yaml:"));
    let paths: Vec<&str> = system.origins.iter().map(|o| o.path.as_str()).collect();
    let unique: std::collections::BTreeSet<&&str> = paths.iter().collect();
    assert_eq!(unique.len(), paths.len());
}

// Verifies: BH-LANG-006
#[test]
fn files_are_relative_to_the_file_that_names_them() {
    let fixture = Fixture::new();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let valid = fs::read_to_string(root().join("tests/invalid/valid.yaml")).unwrap();
    let including = valid.replace("bulkhead: 1\n", "bulkhead: 1\ninclude: [parts/panel.yaml]\n");
    put(
        "spec.yaml",
        &including.replace("    payload: { elf: cluster }\n", ""),
    );
    let part =
        "bulkhead: 1\ninclude: [more/empty.yaml]\npartitions: { panel: { payload: { raw: flat.bin } } }\n";
    put("parts/panel.yaml", part);
    put("parts/more/empty.yaml", "bulkhead: 1\n");
    put("parts/flat.bin", "code");
    let mut paths = fixture.paths("");
    paths.spec = folder.path().join("spec.yaml");
    let system = load(&paths, &[]).unwrap();
    let included = system.origins.iter().filter(|o| o.path.starts_with("include"));
    let included: Vec<_> = included.map(|o| (&*o.path, &*o.value, &*o.from)).collect();
    let wanted = [
        ("include.0", "parts/panel.yaml", "spec.yaml:3"),
        ("include.1", "more/empty.yaml", "parts/panel.yaml:2"),
    ];
    assert_eq!(included, wanted);
    // What is included comes first, also in the order of the partitions.
    let panel = &system.partitions[0];
    let Payload::Raw(file) = &panel.payload else {
        panic!("{panel:?}")
    };
    assert!(file.path.ends_with("parts/flat.bin"));
    let late = load(&paths, &["include=[parts/panel.yaml]".to_owned()]);
    let Err(LoadError::Invalid(found)) = late else {
        panic!("{late:?}")
    };
    assert_eq!(found.records()[0].rule, "document/no-such-path");
}
