// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The figures, and the runs that they come from.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::bounds::Bounds;
use crate::counts::{Counts, Histogram};
use crate::native::Native;
use crate::report::{Missing, Path as PathRow, Report, Row, Run, Spread};
use crate::run::{Builder, GUEST, Printed, Ran, System, hash, printed};
use crate::statics::Statics;
use crate::{Error, Place, elsewhere, linux, plugin, sizes, table, waits};

const INSTRUCTIONS: &str = "instructions";
/// What has been found so far.
pub(crate) struct Found {
    rows: Vec<Row>,
    missing: Vec<Missing>,
    paths: BTreeMap<String, Histogram>,
    /// EL2's largest share of a core's time in each run, ppm.
    shares: Histogram,
    pub(crate) runs: Vec<Run>,
}

impl Found {
    pub(crate) fn row(&mut self, id: &'static str, native: Option<&Histogram>, values: Option<&Histogram>) {
        match values.and_then(|v| Some((v.samples(), Spread::of(v)?))) {
            Some((samples, bulkhead)) => self.rows.push(Row {
                id,
                unit: INSTRUCTIONS,
                samples,
                native: native.and_then(Spread::of),
                bulkhead,
                longest: None,
                note: None,
                bounds: None,
            }),
            None => self.lacks(id, "the run gave no such figure"),
        }
    }

    pub(crate) fn one(&mut self, id: &'static str, unit: &'static str, value: u64, note: Option<String>) {
        self.rows.push(Row {
            id,
            unit,
            samples: 1,
            native: None,
            bulkhead: Spread::one(value),
            longest: None,
            note,
            bounds: None,
        });
    }

    /// What a figure is natively.
    pub(crate) fn natively(&mut self, id: &str, native: Spread) {
        if let Some(row) = self.rows.iter_mut().find(|r| r.id == id) {
            row.native = Some(native);
        }
    }

    /// A figure in ns of virtual time.
    pub(crate) fn time(&mut self, id: &'static str, native: Option<&Histogram>, values: Option<&Histogram>) {
        self.row(id, native, values);
        if let Some(row) = self.rows.iter_mut().find(|r| r.id == id) {
            row.unit = "ns";
        }
    }

    pub(crate) fn note(&mut self, id: &str, note: &str) {
        if let Some(row) = self.rows.iter_mut().find(|r| r.id == id) {
            row.note = Some(note.to_owned());
        }
    }

    pub(crate) fn lacks(&mut self, id: &'static str, reason: &str) {
        self.missing.push(Missing {
            id,
            reason: reason.to_owned(),
        });
    }

    /// Keeps a run, and takes its paths into the sum.
    pub(crate) fn ran(&mut self, ran: Ran, guest: &str) -> (Printed, Option<Counts>) {
        self.runs.push(Run {
            guest: Some(guest.to_owned()),
            ..ran.run.clone()
        });
        self.paths_of(&ran);
        (ran.printed, ran.counts)
    }

    /// Takes EL2's share of the time of the core in a run that has the largest.
    pub(crate) fn shares_of(&mut self, ran: &Ran) {
        let share = |(el2, elapsed): &(u64, u64)| el2.saturating_mul(1_000_000).div_ceil(*elapsed);
        if let Some(largest) = ran.cores.iter().map(share).max() {
            self.shares.add(largest.next_multiple_of(SHARE_STEP), 1);
        }
    }

    /// Takes the paths of a run into the sum.
    pub(crate) fn paths_of(&mut self, ran: &Ran) {
        for (id, lengths) in ran.counts.iter().flat_map(|c| &c.paths) {
            self.paths.entry(id.clone()).or_default().merge(lengths);
        }
    }
}

/// Runs all and collects.
pub(crate) fn all(place: Place<'_>, builder: &Builder<'_>) -> Result<Report, Error> {
    let folder = tempfile::tempdir().map_err(|e| Error::file(&std::env::temp_dir(), e))?;
    let built = plugin::build(place.root, folder.path());
    let library = built.as_deref().ok();
    let guest = hash(&place.images.join(GUEST))?;
    let bounds = Bounds::read(&place.root.join("tests/benches/bounds.toml"))?;
    let mut found = Found {
        rows: Vec::new(),
        missing: Vec::new(),
        paths: BTreeMap::new(),
        shares: Histogram::default(),
        runs: Vec::new(),
    };
    primitives(place, builder, library, &guest, &mut found)?;
    boot(place, builder, library, &guest, &mut found)?;
    linux::rows(place, builder, library, &mut found)?;
    if library.is_some() {
        elsewhere::run(place, builder, library, &mut found)?;
    }
    waits::inversion(place, builder, library, &mut found)?;
    waits::answer(place, builder, &mut found)?;
    share(&mut found);
    size(place, &mut found)?;
    if let Err(reason) = &built {
        for id in [
            "timer_irq_shared_el2",
            "world_switch",
            "metering",
            "longest_el2_path",
            "boot_to_guest",
            "boot_verify",
            "linux_first_user",
        ] {
            found.missing.retain(|m| m.id != id);
            found.lacks(id, reason);
        }
    }
    let statics = Statics::of(place, bounds.path.iter().map(|p| &p.id).chain(found.paths.keys()))?;
    if let Some(row) = found.rows.iter_mut().find(|r| r.id == "longest_el2_path") {
        row.longest = statics.longest.values().max().copied();
    }
    for row in &mut found.rows {
        row.bounds = bounds.figure.iter().find(|b| b.id == row.id).cloned();
    }
    let absent = |id: &str| built.is_err() && found.missing.iter().any(|m| m.id == id);
    let mut breaches = bounds.judge(&found.paths, &statics.longest);
    breaches.extend(bounds.judge_figures(&found.rows, absent));
    let breaches = breaches.iter().map(ToString::to_string);
    Ok(Report {
        bench: 1,
        hypervisor: hash(&place.images.join("qemu-virt/hypervisor.bin"))?,
        no_plugin: built.err(),
        breaches: breaches.chain(statics.breaches.iter().cloned()).collect(),
        paths: path_rows(&found.paths, &bounds, &statics),
        table: table::markdown(&found.rows, &bounds),
        rows: found.rows,
        missing: found.missing,
        runs: found.runs,
    })
}

fn path_rows(paths: &BTreeMap<String, Histogram>, bounds: &Bounds, statics: &Statics) -> Vec<PathRow> {
    let row = |(id, lengths): (&String, &Histogram)| {
        Some(PathRow {
            id: id.clone(),
            samples: lengths.samples(),
            measured: Spread::of(lengths)?,
            longest: statics.longest.get(id).copied(),
            bounds: bounds.path.iter().find(|b| b.id == *id).cloned(),
        })
    };
    paths.iter().filter_map(row).collect()
}

/// The spec of a run of this folder's own.
fn spec_of(name: &str) -> String {
    format!("tests/benches/systems/{name}.yaml")
}

/// The primitives natively, on a dedicated and on a shared core, and the world switch.
fn primitives(
    place: Place<'_>,
    builder: &Builder<'_>,
    library: Option<&Path>,
    guest: &str,
    found: &mut Found,
) -> Result<(), Error> {
    let bare = Native {
        name: "native",
        kernel: &place.images.join(GUEST),
        guest: guest.to_owned(),
        memory: 128,
        arguments: ["-append", "bench primitives"].map(str::to_owned).to_vec(),
    };
    let (text, run) = bare.run()?;
    let bare = printed(text.lines());
    found.runs.push(run);
    let system = |name, partition, text, then| System {
        name,
        spec: spec_of(name),
        overrides: &[],
        until: (partition, text, Duration::from_secs(60)),
        then,
        count: &[],
        memory: false,
    };
    let done = |name| system(name, "guest", "bench done", Duration::ZERO).run(place, builder, library);
    let (direct, _) = found.ran(done("dedicated")?, guest);
    found.row(
        "timer_irq_dedicated",
        bare.get("timer_irq"),
        direct.get("timer_irq"),
    );
    found.note(
        "timer_irq_dedicated",
        "compare value to the handler's first instruction",
    );
    let (sliced, counts) = found.ran(done("sliced")?, guest);
    let path = |counts: &Option<Counts>, id| counts.as_ref().and_then(|c| c.paths.get(id).cloned());
    found.row("timer_irq_shared_el2", None, path(&counts, "irq").as_ref());
    found.row(
        "null_hypercall",
        None,
        path(&counts, "hvc_null")
            .or(sliced.get("null_hypercall").cloned())
            .as_ref(),
    );
    let (bell, counts) = found.ran(done("bell")?, guest);
    found.row(
        "doorbell",
        None,
        path(&counts, "hvc_doorbell")
            .or(bell.get("doorbell").cloned())
            .as_ref(),
    );
    found.note(
        "doorbell",
        "EL2's part of the ring; a reader on a dedicated core takes the interrupt without EL2",
    );
    for id in ["gicd_read", "gicd_enable_write", "self_sgi"] {
        found.row(id, bare.get(id), sliced.get(id));
    }
    let spinning = System {
        count: &["lower=on".to_owned()],
        ..system("switch", "other", "bench spins", Duration::from_secs(1))
    };
    let ran = spinning.run(place, builder, library)?;
    let charged = ran.charged;
    found.shares_of(&ran);
    let (_, counts) = found.ran(ran, guest);
    if let Some(counts) = &counts {
        let [el0, el1, _] = counts.total;
        found.rows.push(Row {
            id: "metering",
            unit: INSTRUCTIONS,
            samples: 1,
            native: Some(Spread::one(el0 + el1)),
            bulkhead: Spread::one(charged),
            longest: None,
            bounds: None,
            note: Some("executed below EL2, as counted by the emulator; charged to vCPUs by EL2".to_owned()),
        });
    }
    found.row("world_switch", None, path(&counts, "fiq_switch").as_ref());
    let periods = [format!(
        "partitions.periodic.args=bench periodic {}",
        place.periods()
    )];
    let late = System {
        overrides: &periods,
        ..system("late", "periodic", "bench done", Duration::ZERO)
    };
    let ran = late.run(place, builder, library)?;
    found.shares_of(&ran);
    let (late, _) = found.ran(ran, guest);
    found.time("sliced_timer_lateness", None, late.get("sliced_timer_lateness"));
    if let Some(worst) = late.get("worst").and_then(Histogram::max) {
        found.note(
            "sliced_timer_lateness",
            "of a 1 ms timer beside a Linux that boots and then spins, whose slot is the one before, rounded down to 4096 ns but for the worst; slot bound: 700000 ns of other slots and a world switch; --long takes 10000 periods",
        );
        if let Some(row) = found.rows.iter_mut().find(|r| r.id == "sliced_timer_lateness") {
            row.bulkhead.max = worst;
        }
    }
    found.note(
        "world_switch",
        "slot timer's vector to the ERET into the next slot's partition",
    );
    Ok(())
}

/// From reset to the first partition on one core.
fn boot(
    place: Place<'_>,
    builder: &Builder<'_>,
    library: Option<&Path>,
    guest: &str,
    found: &mut Found,
) -> Result<(), Error> {
    let mut count = vec![
        "lower=on".to_owned(),
        "mark=loader:1:any".to_owned(),
        format!("mark=payload:1:{:#x}", 0x4020_0000_u64),
    ];
    for (start, end) in sizes::functions(place, sizes::EL2[0], "sha256")? {
        count.push(format!("range=verify:{start:#x}:{end:#x}"));
    }
    let system = System {
        name: "sliced",
        spec: spec_of("sliced"),
        overrides: &["board=../boards/qemu-virt.yaml".to_owned()],
        until: ("guest", "bench done", Duration::from_secs(60)),
        then: Duration::ZERO,
        count: &count,
        memory: false,
    };
    let (_, counts) = found.ran(system.run(place, builder, library)?, guest);
    let Some(counts) = counts else { return Ok(()) };
    let verify = counts.ranges.get("verify").copied().unwrap_or(0);
    let mark = |name: &str| counts.marks.get(name).copied();
    if let (Some(loader), Some(payload)) = (mark("loader"), mark("payload")) {
        let [_, _, el2] = loader.0;
        let note = "EL2's first instruction to the loader's first, one core, without boot_verify";
        found.one(
            "boot_to_guest",
            INSTRUCTIONS,
            el2.saturating_sub(verify),
            Some(note.to_owned()),
        );
        found.one(
            "boot_verify",
            INSTRUCTIONS,
            verify,
            Some("SHA-256 of the blob".to_owned()),
        );
        let note = "the loader's first instruction to the guest's, a payload of 4 MiB RAM";
        found.one(
            "payload_ready",
            INSTRUCTIONS,
            payload.since(loader),
            Some(note.to_owned()),
        );
    } else {
        found.lacks("boot_to_guest", "the marks were not reached");
    }
    Ok(())
}

/// What EL2's share is rounded up to, ppm: how long a run goes on behind its last line is up to the host.
const SHARE_STEP: u64 = 200;

/// EL2's share of the time of cores, in the runs in which they are busy. Implements: BH-BENCH-013.
fn share(found: &mut Found) {
    let id = "el2_share";
    let shares = std::mem::take(&mut found.shares);
    found.row(id, None, Some(&shares));
    found.note(
        id,
        "EL2's largest part of a core's time, by its own ledger, all of EL2's work and metering in it, in each of the runs switch, late and sensor_to_brake; rounded up to 200",
    );
    if let Some(row) = found.rows.iter_mut().find(|r| r.id == id) {
        row.unit = "ppm";
    }
}

fn size(place: Place<'_>, found: &mut Found) -> Result<(), Error> {
    let mut parts = Vec::new();
    for elf in sizes::EL2 {
        parts.push((elf, sizes::text(place, elf)?));
    }
    let note: Vec<String> = parts
        .iter()
        .map(|(elf, bytes)| format!("{elf} {bytes}"))
        .collect();
    found.one(
        "text_bytes",
        "bytes",
        parts.iter().map(|p| p.1).sum(),
        Some(note.join(", ")),
    );
    let sum = |folders: &[&str]| {
        folders
            .iter()
            .map(|f| sizes::lines(place, f))
            .sum::<Result<u64, Error>>()
    };
    let note = format!(
        "without {} lines of {}",
        sum(&sizes::APART)?,
        sizes::APART.join(", ")
    );
    found.one("source_lines", "lines", sum(&sizes::SOURCES)?, Some(note));
    let longest = found.paths.iter().max_by_key(|(_, l)| l.max());
    if let Some((id, length)) = longest.and_then(|(id, lengths)| Some((id.clone(), lengths.max()?))) {
        let names: Vec<&str> = found.runs.iter().map(|run| run.name.as_str()).collect();
        let note = format!("{id}; of the runs {}", names.join(", "));
        found.one("longest_el2_path", INSTRUCTIONS, length, Some(note));
    }
    Ok(())
}
