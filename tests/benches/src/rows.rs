// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The figures, and the runs that they come from.

use std::collections::BTreeMap;

use crate::bounds::Bounds;
use crate::counts::{Counts, Histogram};
use crate::jobs::{self, Job};
use crate::memory::Memory;
use crate::report::{Missing, Path, Report, Row, Run, Spread};
use crate::run::{Bench, Builder, GUEST, Printed, Ran, hash};
use crate::statics::Statics;
use crate::{Error, Place, elsewhere, linux, metering, plugin, primitives, sizes, table, waits};

pub(crate) const INSTRUCTIONS: &str = "instructions";

/// What has been found so far.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    missing: Vec<Missing>,
    paths: BTreeMap<String, Histogram>,
    /// EL2's largest share of a core's time in each run, ppm.
    shares: Histogram,
    /// What metering takes of a core's time in each run, ppm.
    metering: Histogram,
    /// The largest lateness of a slot in each run on one core, ns.
    late: Histogram,
    /// What EL2 counted otherwise than the plugin.
    breaches: Vec<String>,
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

    pub(crate) fn lacks(&mut self, id: &str, reason: &str) {
        self.missing.push(Missing {
            id: id.to_owned(),
            reason: reason.to_owned(),
        });
    }

    /// Keeps a run, and takes its paths into the sum. `program` is the hash of what the guest executes; of a guest whose
    /// memory is known it is the hash of that.
    pub(crate) fn ran(&mut self, ran: Ran, program: &str) -> (Printed, Option<Counts>) {
        let memory = ran.memory.as_ref().map(Memory::hash);
        self.runs.push(Run {
            guest: memory.or(Some(program.to_owned())),
            ..ran.run.clone()
        });
        self.paths_of(&ran);
        (ran.printed, ran.counts)
    }

    /// What has an entry and was not measured wants the plugin, and says why there is none. Implements: BH-BENCH-011.
    fn without_plugin(&mut self, bounds: &Bounds, reason: &str) {
        for id in bounds.figure.iter().map(|entry| entry.id.as_str()) {
            if !self.rows.iter().any(|row| row.id == id) {
                self.missing.retain(|m| m.id != id);
                self.lacks(id, reason);
            }
        }
    }

    /// Takes EL2's share of the time of the core in a run that has the largest.
    pub(crate) fn shares_of(&mut self, ran: &Ran) {
        let share = |(el2, elapsed): &(u64, u64)| el2.saturating_mul(1_000_000).div_ceil(*elapsed);
        if let Some(largest) = ran.cores.iter().map(share).max() {
            self.shares.add(largest.next_multiple_of(SHARE_STEP), 1);
        }
    }

    /// Takes what metering took of a core's time: the instructions of it on all cores, of the time of one.
    pub(crate) fn metering_of(&mut self, ran: &Ran) {
        let elapsed = ran.cores.iter().map(|(_, elapsed)| *elapsed).max().unwrap_or(0);
        let counted = ran.counts.as_ref().and_then(|counts| counts.ranges.get(METERING));
        if let Some(counted) = counted.filter(|_| elapsed > 0) {
            let share = counted.saturating_mul(1_000_000).div_ceil(elapsed);
            self.metering.add(share.next_multiple_of(METERING_STEP), 1);
        }
    }

    /// A row of parts of a million.
    fn parts(&mut self, id: &'static str, parts: &Histogram, note: &str) {
        self.row(id, None, Some(parts));
        self.note(id, note);
        if let Some(row) = self.rows.iter_mut().find(|r| r.id == id) {
            row.unit = "ppm";
        }
    }

    /// Holds EL2's own statistics against the plugin's counts, in a run that ended with all partitions off.
    pub(crate) fn audit(&mut self, ran: &Ran) {
        if let Some(counts) = &ran.counts {
            self.breaches.extend(counts.audit(&ran.entries, ran.el2()));
        }
    }

    /// Holds the latest slot against the longest path, in instructions of a ns: nothing else may be in a slot's way.
    /// Implements: BH-BENCH-015.
    fn late_slots(&mut self) {
        let most = |id| self.rows.iter().find(|r| r.id == id).map(|r| r.bulkhead.max);
        if let (Some(late), Some(longest)) = (most("slot_lateness"), most("longest_el2_path"))
            && late > longest
        {
            self.breaches.push(format!(
                "slot_lateness: {late} ns, and the longest path is {longest} instructions"
            ));
        }
    }

    /// How late a slot began in a run on one core: on more QEMU has them take turns, and the timer of one that waits for its
    /// turn is late by that.
    pub(crate) fn slots_of(&mut self, ran: &Ran) {
        self.late.add(ran.late, 1);
    }

    /// Takes all that another has found.
    fn merge(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.missing.extend(other.missing);
        for (id, lengths) in other.paths {
            self.paths.entry(id).or_default().merge(&lengths);
        }
        self.shares.merge(&other.shares);
        self.metering.merge(&other.metering);
        self.late.merge(&other.late);
        self.breaches.extend(other.breaches);
        self.runs.extend(other.runs);
    }

    /// Takes the paths of a run into the sum.
    pub(crate) fn paths_of(&mut self, ran: &Ran) {
        for (id, lengths) in ran.counts.iter().flat_map(|c| &c.paths) {
            self.paths.entry(id.clone()).or_default().merge(lengths);
        }
    }
}

/// All runs, the longest first.
fn measured(bench: Bench<'_>) -> Result<Found, Error> {
    let part = |run: fn(Bench<'_>, &mut Found) -> Result<(), Error>| -> Job<'_> {
        Box::new(move |found| run(bench, found))
    };
    let mut jobs: Vec<Job<'_>> = [
        linux::rows,
        primitives::late,
        waits::answer,
        waits::inversion,
        primitives::primitives,
        primitives::bell,
        primitives::switch,
        primitives::charges,
        primitives::boot,
    ]
    .map(part)
    .into();
    if bench.plugin.is_some() {
        let job = |system| -> Job<'_> { Box::new(move |found| elsewhere::run(&system, bench, found)) };
        jobs.extend(elsewhere::systems().map(job));
    }
    let mut found = Found::default();
    jobs::all(&jobs)?.into_iter().for_each(|part| found.merge(part));
    Ok(found)
}

/// Runs all and collects.
pub(crate) fn all(place: Place<'_>, builder: &Builder<'_>) -> Result<Report, Error> {
    let folder = tempfile::tempdir().map_err(|e| Error::file(&std::env::temp_dir(), e))?;
    let built = plugin::build(place.root, folder.path());
    let library = built.as_deref().ok();
    let guest = hash(&place.images.join(GUEST))?;
    let bounds = Bounds::read(&place.root.join("tests/benches/bounds.toml"))?;
    let bench = Bench {
        place,
        builder,
        plugin: library,
        guest: &guest,
    };
    let mut found = measured(bench)?;
    share(&mut found);
    metering_share(&mut found);
    slots(&mut found);
    size(place, &mut found)?;
    if let Err(reason) = &built {
        found.without_plugin(&bounds, reason);
    }
    let statics = Statics::of(place, bounds.path.iter().map(|p| &p.id).chain(found.paths.keys()))?;
    if let Some(row) = found.rows.iter_mut().find(|r| r.id == "longest_el2_path") {
        row.longest = statics.longest.values().max().copied();
    }
    for row in &mut found.rows {
        row.bounds = bounds.figure.iter().find(|b| b.id == row.id).cloned();
    }
    found.late_slots();
    let absent = |id: &str| built.is_err() && found.missing.iter().any(|m| m.id == id);
    let mut breaches = bounds.judge(&found.paths, &statics.longest);
    breaches.extend(bounds.judge_figures(&found.rows, absent));
    let (loose, breaches): (Vec<_>, Vec<_>) = breaches.iter().partition(|breach| breach.is_of_the_bound());
    let breaches = breaches.iter().map(ToString::to_string);
    Ok(Report {
        bench: 1,
        hypervisor: hash(&place.images.join("qemu-virt/hypervisor.bin"))?,
        no_plugin: built.err(),
        breaches: breaches
            .chain(statics.breaches.iter().cloned())
            .chain(found.breaches)
            .collect(),
        loose: loose.iter().map(ToString::to_string).collect(),
        paths: path_rows(&found.paths, &bounds, &statics),
        table: table::markdown(&found.rows, &bounds),
        rows: found.rows,
        missing: found.missing,
        runs: found.runs,
    })
}

fn path_rows(paths: &BTreeMap<String, Histogram>, bounds: &Bounds, statics: &Statics) -> Vec<Path> {
    let row = |(id, lengths): (&String, &Histogram)| {
        Some(Path {
            id: id.clone(),
            samples: lengths.samples(),
            measured: Spread::of(lengths)?,
            longest: statics.longest.get(id).copied(),
            bounds: bounds.path.iter().find(|b| b.id == *id).cloned(),
        })
    };
    paths.iter().filter_map(row).collect()
}

/// What EL2's share is rounded up to, ppm: how long a run goes on behind its last line is up to the host.
const SHARE_STEP: u64 = 200;
/// The same of metering's share.
const METERING_STEP: u64 = 20;
/// The plugin's count of instructions of the time ledger.
const METERING: &str = "metering";

/// Has the plugin count the instructions of the time ledger.
pub(crate) fn count_metering(place: Place<'_>) -> Result<Vec<String>, Error> {
    let ranges = metering::ranges(place, metering::LEDGER)?;
    let one = |(start, end): &(u64, u64)| format!("range={METERING}:{start:#x}:{end:#x}");
    Ok(ranges.iter().map(one).collect())
}

/// EL2's share of the time of cores, in the runs in which they are busy. Implements: BH-BENCH-013.
fn share(found: &mut Found) {
    let shares = std::mem::take(&mut found.shares);
    found.parts(
        "el2_share",
        &shares,
        "EL2's largest part of a core's time, by its own ledger, all of EL2's work and metering in it, in each of the runs switch, late and sensor_to_brake; rounded up to 200",
    );
}

/// What EL2's metering takes, part of EL2's share. Implements: BH-BENCH-013.
fn metering_share(found: &mut Found) {
    let shares = std::mem::take(&mut found.metering);
    found.parts(
        "metering_share",
        &shares,
        "instructions of EL2's time ledger, inlined ones too, on all cores, in parts of a million of one core's time, in each of the runs switch and late; rounded up to 20",
    );
}

/// How late slots begin.
fn slots(found: &mut Found) {
    let (id, late) = ("slot_lateness", std::mem::take(&mut found.late));
    found.time(id, None, Some(&late));
    found.note(
        id,
        "the slot's begin to the first reading of the counter in it, the largest of each of the runs on one core: switch, late and pi_inversion_*; at most the longest path",
    );
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-BENCH-011.
    #[test]
    fn without_a_plugin_each_figure_is_measured_or_missing() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("bounds.toml");
        let bounds = Bounds::read(&file).expect("bounds.toml");
        let mut found = Found::default();
        found.one("text_bytes", "bytes", 1, None);
        found.lacks("boot_verify", "another reason");
        found.without_plugin(&bounds, "no compiler");
        let missing = |id: &str| found.missing.iter().filter(|m| m.id == id).count();
        for entry in &bounds.figure {
            assert_eq!(
                missing(&entry.id),
                usize::from(entry.id != "text_bytes"),
                "{}",
                entry.id
            );
        }
    }

    /// Verifies: BH-BENCH-015.
    #[test]
    fn a_slot_later_than_the_longest_path_fails() {
        let breaches = |late| {
            let mut found = Found::default();
            found.one("slot_lateness", "ns", late, None);
            found.one("longest_el2_path", INSTRUCTIONS, 5000, None);
            found.late_slots();
            found.breaches
        };
        assert!(breaches(5000).is_empty());
        assert_eq!(
            breaches(5001),
            ["slot_lateness: 5001 ns, and the longest path is 5000 instructions"]
        );
    }
}
