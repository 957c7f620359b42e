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

/// The system with doorbells.
fn doorbells(workshop: &Workshop) -> System {
    fs::write(workshop.path("images/channels.elf"), partition_elf(7)).unwrap();
    workshop.load(&fs::read_to_string(repository().join("tests/systems/doorbells.yaml")).unwrap())
}

/// The reference system, one with two bus masters, one with doorbells, one of one partition.
pub(crate) fn all() -> Vec<Files> {
    let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
    let systems = [
        masters(&workshop),
        workshop.reference(),
        doorbells(&workshop),
        workshop.load(ONE),
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
