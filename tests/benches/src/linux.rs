// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Debian's Linux, alone on a core, against the same Linux without a hypervisor.
//!
//! Implements: BH-BENCH-009.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::counts::Moment;
use crate::report::Spread;
use crate::rows::Found;
use crate::run::{Bench, System};
use crate::{Error, native};

/// What the plugin counts: all levels, and the first instruction of a process.
const COUNT: [&str; 2] = ["lower=on", "mark=process:0:any"];

/// Instructions from the kernel's first to the first process, EL2's on that core among them.
fn boot(marks: &BTreeMap<String, Moment>) -> Option<u64> {
    Some(marks.get("process")?.since(*marks.get("entry")?))
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
    let (own, counts) = found.ran(ran, bench.guest);
    let bare = native::run("native-linux", &memory, bench.plugin, &COUNT)?;
    found.runs.push(bare.run);
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
        found.time(id, bare.printed.get(id), own.get(id));
        found.note(id, note);
    }
    if let (Some(counts), Some(bare)) = (counts, bare.counts) {
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
