// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Systems that mutations start from, built in process by the compiler, and the checker as a call.

#[allow(
    dead_code,
    unused_imports,
    reason = "what the compiler's tests share is more than is needed here"
)]
#[path = "../../../../config/compiler/tests/compiler/support/mod.rs"]
pub(crate) mod support;

use std::fs;
use std::path::Path;

use bulkhead_checker::{Failure, Inputs, Proof};
use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_model::system::System;
use bulkhead_mutants::files::Files;

use support::{ONE, Workshop, hypervisor_bin, partition_elf, repository};

/// The files of a compiled system.
pub(crate) fn files(compiled: &Compiled, hypervisor: &[u8]) -> Files {
    Files {
        hypervisor: hypervisor.into(),
        blob: compiled.blob.clone(),
        text: compiled.text.clone().into_bytes(),
    }
}

/// The system with two bus masters.
pub(crate) fn masters(workshop: &Workshop) -> System {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(
        folder.join("boards/virt-edu.yaml"),
        workshop.path("virt-edu.yaml"),
    )
    .unwrap();
    workshop.load(&fs::read_to_string(folder.join("systems/masters.yaml")).unwrap())
}

/// The system in page colours, with bus masters and a partition that has any colour.
fn coloured(workshop: &Workshop) -> System {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(
        folder.join("boards/virt-edu.yaml"),
        workshop.path("virt-edu.yaml"),
    )
    .unwrap();
    workshop.load(&fs::read_to_string(folder.join("systems/coloured.yaml")).unwrap())
}

/// The same with the second of them on another bus.
fn other_bus(workshop: &Workshop) -> System {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut board = fs::read_to_string(folder.join("boards/virt-edu.yaml")).unwrap();
    for (old, new) in [
        ("stream_bits: 8", "stream_bits: 9"),
        ("buses: 1,", "buses: 2,"),
        ("slot: 3, id: \"1234", "bus: 1, slot: 3, id: \"1234"),
    ] {
        assert!(board.contains(old));
        board = board.replace(old, new);
    }
    fs::write(workshop.path("two-buses.yaml"), board).unwrap();
    let spec = fs::read_to_string(folder.join("systems/masters.yaml")).unwrap();
    workshop.load(&spec.replace("./virt-edu.yaml", "./two-buses.yaml"))
}

/// The system with bus masters at fixed addresses, of which one has two streams.
pub(crate) fn platform(workshop: &Workshop) -> System {
    let board = "virt-platform.yaml";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(folder.join("boards").join(board), workshop.path(board)).unwrap();
    fs::write(workshop.path("images/prober.elf"), partition_elf(9)).unwrap();
    let spec = fs::read_to_string(repository().join("tests/systems/platform.yaml")).unwrap();
    workshop.load(&spec.replace("../mutants/boards/", "./"))
}

/// The system with doorbells.
fn doorbells(workshop: &Workshop) -> System {
    fs::write(workshop.path("images/channels.elf"), partition_elf(7)).unwrap();
    workshop.load(&fs::read_to_string(repository().join("tests/systems/doorbells.yaml")).unwrap())
}

/// The system with locks with and without inheritance, of partitions on shared cores.
fn locks(workshop: &Workshop) -> System {
    fs::write(workshop.path("images/inversion.elf"), partition_elf(8)).unwrap();
    workshop.load(&fs::read_to_string(repository().join("tests/systems/inversion.yaml")).unwrap())
}

/// The system with queues of both kinds, of which one holds its writer up, and shared memory.
fn queues(workshop: &Workshop) -> System {
    workshop.load(&fs::read_to_string(repository().join("tests/systems/channels.yaml")).unwrap())
}

/// The system with every key: shared slots, calls of the firmware, a dump, a traffic budget, a watchdog, an unguarded master.
fn every_key(workshop: &Workshop) -> System {
    workshop.put_beside_every_key();
    workshop.load(&fs::read_to_string(repository().join("tests/systems/every-key.yaml")).unwrap())
}

/// The system with slots that several partitions share.
fn sharing(workshop: &Workshop) -> System {
    fs::write(workshop.path("images/sharers.elf"), partition_elf(10)).unwrap();
    workshop.load(&fs::read_to_string(repository().join("tests/systems/sharing.yaml")).unwrap())
}

/// The reference system and those above, with one of a single partition.
pub(crate) fn all() -> Vec<Files> {
    let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
    let systems = [
        masters(&workshop),
        other_bus(&workshop),
        platform(&workshop),
        workshop.reference(),
        doorbells(&workshop),
        locks(&workshop),
        queues(&workshop),
        workshop.load(ONE),
        coloured(&workshop),
        every_key(&workshop),
        sharing(&workshop),
    ];
    systems
        .iter()
        .map(|s| files(&compile(s, &hypervisor).unwrap(), &hypervisor))
        .collect()
}

/// Calls the checker.
pub(crate) fn prove(files: &Files) -> Result<Proof, Vec<Failure>> {
    let inputs = Inputs {
        hypervisor: &files.hypervisor,
        blob: &files.blob,
        grants: std::str::from_utf8(&files.text).unwrap(),
    };
    bulkhead_checker::prove(&inputs)
}
