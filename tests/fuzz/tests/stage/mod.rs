// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the targets start from, made from the tree: nothing of it is committed.

mod programs;
mod seeds;
mod trees;

#[allow(
    dead_code,
    unused_imports,
    reason = "what the compiler's tests share is more than is needed here"
)]
#[path = "../../../../config/compiler/tests/compiler/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use bulkhead_compiler::compile::{Compiled, compile};

use support::{Workshop, hypervisor_bin};

pub(crate) use seeds::{dictionary, of};

/// The system that blobs and device trees are of, with the names of its files.
pub(crate) struct Stage {
    workshop: Workshop,
    compiled: Compiled,
}

impl Stage {
    /// Builds it, and writes the scene of the targets into a folder.
    pub(crate) fn set(folder: &Path) -> Self {
        let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
        let system = workshop.reference();
        let compiled = compile(&system, &hypervisor).expect("the reference system compiles");
        copy(&workshop.path("."), folder);
        let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a new file");
        put("hypervisor.bin", &hypervisor);
        put("system.blob", &compiled.blob);
        put("grants.txt", compiled.text.as_bytes());
        Self { workshop, compiled }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a new folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let there = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &there);
        } else {
            fs::copy(&path, &there).expect("a copy");
        }
    }
}
