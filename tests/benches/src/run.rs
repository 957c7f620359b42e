// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run of a system under Bulkhead, and what a guest prints of its measurements.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bulkhead_runner::command::{self, LaunchOptions, Line, Timing};
use bulkhead_runner::{Session, SessionOptions, manifest_of, qemu};
use sha2::{Digest, Sha256};

use crate::counts::{self, Counts, Histogram};
use crate::memory::{self, Memory};
use crate::report::Run;
use crate::{Error, Place};

/// Builds a spec with changed values into a folder, or says why not.
pub type Builder<'a> = dyn Fn(&Path, &[String], &Path) -> Result<(), String> + Sync + 'a;

/// The guest's program in the images folder.
pub(crate) const GUEST: &str = "conformance.elf";

/// Where EL2 enters a partition that starts, in each partition's address space.
const LOADER: u64 = 0x7f_0000_0000;

/// Rows that a guest printed, by name.
pub(crate) type Printed = BTreeMap<String, Histogram>;

/// SHA-256 of a file.
pub(crate) fn hash(path: &Path) -> Result<String, Error> {
    let bytes = fs::read(path).map_err(|e| Error::file(path, e))?;
    Ok(Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect())
}

/// Reads `bench ROW VALUE TIMES` lines, whatever is before that.
pub(crate) fn printed<'a>(lines: impl Iterator<Item = &'a str>) -> Printed {
    let mut rows = Printed::new();
    for line in lines {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if let [.., "bench", name, value, times] = words.as_slice()
            && let (Ok(value), Ok(times)) = (value.parse(), times.parse())
        {
            rows.entry((*name).to_owned()).or_default().add(value, times);
        }
    }
    rows
}

/// What all runs share.
#[derive(Clone, Copy)]
pub(crate) struct Bench<'a> {
    /// Where things are.
    pub(crate) place: Place<'a>,
    /// What builds systems.
    pub(crate) builder: &'a Builder<'a>,
    /// The plugin, if there is one.
    pub(crate) plugin: Option<&'a Path>,
    /// SHA-256 of [`GUEST`].
    pub(crate) guest: &'a str,
}

/// A system to run.
#[derive(Default)]
pub(crate) struct System<'a> {
    /// What the run is called.
    pub(crate) name: &'a str,
    /// Spec in the source tree.
    pub(crate) spec: String,
    /// Changed values.
    pub(crate) overrides: Vec<String>,
    /// Partition and text that end the run, within so much virtual time.
    pub(crate) until: (&'a str, &'a str, Duration),
    /// What is then typed there, how often, and the virtual time from one to the next.
    pub(crate) typed: (&'a str, u32, Duration),
    /// Virtual time that goes on after that.
    pub(crate) then: Duration,
    /// Additional arguments of the plugin.
    pub(crate) count: Vec<String>,
    /// Whether the memory of the partition of `until` is wanted, as its first instruction finds it; that is then
    /// the mark `entry`.
    pub(crate) memory: bool,
}

/// What a run of a system gave.
pub(crate) struct Ran {
    /// What the partition of `until` printed.
    pub(crate) printed: Printed,
    /// What EL2's ledger charged vCPUs with, in ns of virtual time.
    pub(crate) charged: u64,
    /// EL2's time and all time of each core that ran, by EL2's ledger, in ns of virtual time.
    pub(crate) cores: Vec<(u64, u64)>,
    /// The largest lateness of a slot's begin, ns.
    pub(crate) late: u64,
    /// Entries to EL2 by cause, as EL2 counted them.
    pub(crate) entries: BTreeMap<String, u64>,
    /// When `adas`, if there is one, took the first valid frames from its bus, by the counter, in ns of virtual time.
    pub(crate) first_frame: Option<u64>,
    /// What the plugin counted, if there is one.
    pub(crate) counts: Option<Counts>,
    /// The partition's memory as its own first instruction found it, if that was asked for.
    pub(crate) memory: Option<Memory>,
    /// The run.
    pub(crate) run: Run,
}

impl Ran {
    /// EL2's time on all cores, by its ledger, in ns of virtual time.
    pub(crate) fn el2(&self) -> u64 {
        self.cores.iter().map(|(el2, _)| el2).sum()
    }
}

impl System<'_> {
    /// Builds and runs it.
    pub(crate) fn run(&self, bench: Bench<'_>) -> Result<Ran, Error> {
        let Bench {
            place,
            builder,
            plugin,
            ..
        } = bench;
        let failed = |why: String| Error::Run(self.name.to_owned(), why);
        let folder = tempfile::tempdir().map_err(|e| failed(e.to_string()))?;
        let spec = place.root.join(&self.spec);
        let built = folder.path().join("built");
        builder(&spec, &self.overrides, &built).map_err(|why| Error::Build(self.name.to_owned(), why))?;
        let file = folder.path().join("counts");
        let (partition, text, within) = self.until;
        let memory = self.memory.then(|| memory::of(&built, partition)).transpose();
        let memory = memory.map_err(failed)?;
        let mut options = SessionOptions::new(place.images);
        options.launch = LaunchOptions {
            timing: Timing::Deterministic,
            extra: plugin.map_or_else(Vec::new, |library| {
                self.plugin_arguments(library, &file, memory.as_ref())
            }),
            ..LaunchOptions::default()
        };
        let run = describe(self.name, &built, &options.launch).map_err(failed)?;
        let mut session = Session::start(&built, options).map_err(|e| failed(e.to_string()))?;
        session
            .wait_for(partition, text, within)
            .map_err(|e| failed(e.to_string()))?;
        let (typed, times, apart) = self.typed;
        for _ in 0..times {
            session
                .send(partition, typed.as_bytes())
                .and_then(|()| session.run_for(apart))
                .map_err(|e| failed(e.to_string()))?;
        }
        session.run_for(self.then).map_err(|e| failed(e.to_string()))?;
        let said = session
            .transcript(partition)
            .map_err(|e| failed(e.to_string()))?
            .tail();
        let first_frame = session
            .transcript("adas")
            .ok()
            .and_then(|t| first_frame(&t.tail()));
        let report = session.finish("measured").map_err(|e| failed(e.to_string()))?;
        let used = report.cores.iter().flat_map(|core| &core.used);
        let ran = report.cores.iter().filter(|core| core.elapsed_ns > 0);
        let counts = plugin.map(|_| counts::read(&file)).transpose()?;
        let mut entries = BTreeMap::new();
        for (reason, times) in report.partitions.values().flat_map(|p| &p.el2_entries.by_reason) {
            *entries.entry(reason.clone()).or_default() += times;
        }
        Ok(Ran {
            entries,
            late: report
                .cores
                .iter()
                .map(|core| core.worst_slot_lateness_ns)
                .max()
                .unwrap_or(0),
            printed: printed(said.lines()),
            first_frame,
            cores: ran.map(|core| (core.el2_ns, core.elapsed_ns)).collect(),
            charged: used.map(|used| used.ns).sum(),
            counts,
            memory,
            run: Run {
                image: hash(&built.join("image.bin"))?,
                ..run
            },
        })
    }

    fn plugin_arguments(&self, library: &Path, file: &Path, memory: Option<&Memory>) -> Vec<String> {
        let mut words = vec![
            format!("file={}", library.display()),
            format!("out={}", file.display()),
            format!("loader={LOADER:#x}"),
        ];
        words.extend(self.count.iter().cloned());
        words.extend(memory.map(Memory::mark));
        vec!["-plugin".to_owned(), words.join(",")]
    }
}

/// The time of the line with which `adas` says that measurements arrive, in ns; a line begins with seconds.
fn first_frame(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains("measurements arrive"))?;
    let (seconds, micros) = line.split_whitespace().next()?.split_once('.')?;
    let micros = (micros.len() == 6).then(|| micros.parse::<u64>().ok())??;
    seconds
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)?
        .checked_mul(1000)
}

fn describe(name: &str, built: &Path, launch: &LaunchOptions) -> Result<Run, String> {
    let manifest = manifest_of(built).map_err(|e| e.to_string())?;
    let program = qemu::program().map_err(|e| e.to_string())?;
    let words = command::arguments(built, &manifest, launch, Line::Terminal).map_err(|e| e.to_string())?;
    Ok(Run {
        name: name.to_owned(),
        command: command::shell_line(&program, &words),
        image: String::new(),
        guest: None,
    })
}

#[cfg(test)]
mod tests {
    use super::first_frame;

    #[test]
    fn the_time_of_the_first_frame_is_that_of_its_line() {
        let said = "0.000100 INFO  adas: emergency braking every 10 ms\n0.001402 INFO  measurements arrive\n";
        assert_eq!(first_frame(said), Some(1_402_000));
        assert_eq!(first_frame("0.001402 INFO  adas: begins\n"), None);
    }
}
