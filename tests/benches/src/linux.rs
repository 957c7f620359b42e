// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian's Linux, alone on a core, against the same Linux without a hypervisor.
//!
//! Implements: BH-BENCH-009.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Error;
use crate::counts::{self, Counts, Moment};
use crate::memory::Memory;
use crate::native::Native;
use crate::report::Spread;
use crate::rows::Found;
use crate::run::{Bench, Printed, System, printed};

const MEBIBYTE: u64 = 1 << 20;

/// What the plugin counts: all levels, and the first instruction of a process.
const COUNT: [&str; 2] = ["lower=on", "mark=process:0:any"];

/// Instructions from the kernel's first to the first process, EL2's on that core among them.
fn boot(marks: &BTreeMap<String, Moment>) -> Option<u64> {
    Some(marks.get("process")?.since(*marks.get("entry")?))
}

/// The same memory at EL1 of the machine, and what it gave.
fn native(
    memory: &Memory,
    plugin: Option<&Path>,
    found: &mut Found,
) -> Result<(Printed, Option<Counts>), Error> {
    let folder = tempfile::tempdir().map_err(|e| Error::file(&std::env::temp_dir(), e))?;
    let (kernel, file) = (folder.path().join("linux.elf"), folder.path().join("counts"));
    let elf = memory
        .elf()
        .map_err(|e| Error::Run("native-linux".to_owned(), e.to_string()))?;
    fs::write(&kernel, elf).map_err(|e| Error::file(&kernel, e))?;
    let mut arguments = vec!["-no-reboot".to_owned()];
    if let Some(library) = plugin {
        let mut words = vec![
            format!("file={}", library.display()),
            format!("out={}", file.display()),
        ];
        words.extend(COUNT.map(str::to_owned));
        words.push(memory.mark());
        arguments.extend(["-plugin".to_owned(), words.join(",")]);
    }
    let run = Native {
        name: "native-linux",
        kernel: &kernel,
        guest: memory.hash(),
        memory: memory.size() / MEBIBYTE,
        arguments,
    };
    let (text, run) = run.run()?;
    found.runs.push(run);
    let counts = plugin.map(|_| counts::read(&file)).transpose()?;
    Ok((printed(text.lines()), counts))
}

/// The rows of Linux.
pub(crate) fn rows(bench: Bench<'_>, found: &mut Found) -> Result<(), Error> {
    let system = System {
        name: "linux",
        spec: "tests/benches/systems/linux.yaml".to_owned(),
        until: ("linux", "bench done", Duration::from_secs(60)),
        count: COUNT.map(str::to_owned).into(),
        memory: true,
        ..System::default()
    };
    let ran = system.run(bench)?;
    let Some(memory) = ran.memory.clone() else {
        return Err(Error::Run("linux".to_owned(), "no memory".to_owned()));
    };
    let (own, counts) = found.ran(ran, &memory.hash());
    let (bare, bare_counts) = native(&memory, bench.plugin, found)?;
    for (id, note) in [
        (
            "linux_cpu_bound",
            "ns by its counter of a process that computes on 32 KiB without a system call",
        ),
        (
            "cyclictest",
            "ns from a timer's due time to the process of the highest priority, 1 ms apart: cyclictest's measurement by a program of this project",
        ),
    ] {
        found.time(id, bare.get(id), own.get(id));
        found.note(id, note);
    }
    if let (Some(counts), Some(bare)) = (counts, bare_counts) {
        let id = "linux_first_user";
        match (boot(&counts.marks), boot(&bare.marks)) {
            (Some(own), Some(bare)) => {
                let note = "the kernel's first instruction to its first process, with EL2's on its core";
                found.one(id, "instructions", own, Some(note.to_owned()));
                found.natively(id, Spread::one(bare));
            }
            _ => found.lacks(id, "the marks were not reached"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-BENCH-009.
    #[test]
    fn what_was_executed_before_the_kernel_does_not_count() {
        let at = |name: &str, counts| (name.to_owned(), Moment(counts));
        let marks = BTreeMap::from([at("entry", [0, 60, 5]), at("process", [1, 960, 25])]);
        assert_eq!(boot(&marks), Some(1 + 900 + 20));
        assert_eq!(boot(&BTreeMap::from([at("process", [1, 960, 25])])), None);
    }
}
