// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Paths through EL2 with an SError. The emulator raises none: a debugger does what one would.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bulkhead_benches::bounds::Bounds;
use bulkhead_benches::counts::{self, Histogram};
use bulkhead_benches::statics::Statics;
use bulkhead_benches::{Place, plugin};
use bulkhead_on_target::gdb::{Debugger, PC, X0, free_port, symbol};
use bulkhead_on_target::{System, images, in_tree};
use bulkhead_runner::Session;
use bulkhead_runner::command::{Start, Timing};
use tempfile::TempDir;

/// `ESR_EL2` of an SError: EC, IL.
const SYNDROME: u64 = 0x2f << 26 | 1 << 25;

/// An attacker that keeps its core busy beside others, counted from the first instruction on.
struct Counted {
    system: System,
    session: Session,
    debugger: Debugger,
    out: PathBuf,
    _folder: TempDir,
}

impl Counted {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let library = plugin::build(&in_tree("."), folder.path()).expect("a C compiler");
        let out = folder.path().join("counts");
        let system = System::build(
            "tests/systems/attackers.yaml",
            &[r#"partitions.attacker.args="attack=hog""#],
        );
        let port = free_port();
        let session = system.start(|options| {
            options.launch.timing = Timing::Deterministic;
            options.launch.start = Start::WaitForDebugger;
            options.launch.gdb = Some(port);
            let plugin = format!("file={},out={}", library.display(), out.display());
            options.launch.extra = ["-plugin".to_owned(), plugin].into();
        });
        Self {
            system,
            session,
            debugger: Debugger::connect(port),
            out,
            _folder: folder,
        }
    }

    /// The paths, when an error of each of these partitions was found.
    fn paths(mut self, partitions: [&str; 2]) -> BTreeMap<String, Histogram> {
        self.debugger.release();
        self.session
            .run_for(Duration::from_millis(100))
            .expect("time passes");
        let report = self.session.finish("two errors were found").expect("report");
        for name in partitions {
            let found = report.health.iter().filter(|event| event.error == "serror");
            let mut of = found.filter(|event| event.partition.as_deref() == Some(name));
            assert!(of.next().is_some(), "{name}: {:?}", report.health);
        }
        counts::read(&self.out).expect("counts").paths
    }
}

/// What of the gate the paths breach; of what alone tells of a bound if that is `whole`.
fn breaches(paths: &BTreeMap<String, Histogram>, whole: bool) -> Vec<String> {
    let (root, images) = (in_tree("."), images());
    let place = Place {
        root: &root,
        images: &images,
    };
    let statics = Statics::of(place, paths.keys()).expect("the run-time part");
    println!("{statics:?}");
    let bounds = Bounds::read(&in_tree("tests/benches/bounds.toml")).expect("bounds.toml");
    let breaches = bounds.judge(paths, &statics.longest).into_iter();
    let breaches = breaches.filter(|breach| whole || !breach.is_of_the_bound());
    breaches.map(|breach| breach.to_string()).collect()
}

/// What an SError of a partition on a sliced and on a dedicated core costs. The debugger has a core that comes to its
/// vector of traps go on at that of SErrors, whose first instruction is the first that counts.
///
/// Verifies: BH-BENCH-003, BH-BENCH-010.
#[test]
fn the_paths_of_an_serror_keep_their_bounds() {
    /// Offsets from the vectors: of a trap and of an SError of a lower level.
    const TRAP: u64 = 0x400;
    const SERROR: u64 = 0x580;
    let mut counted = Counted::new();
    let vectors = symbol(&["bulkhead_vectors"]);
    for core in [2, 0] {
        let debugger = &mut counted.debugger;
        debugger.run_to(core, vectors + TRAP);
        debugger.set(PC, vectors + SERROR);
        debugger.run_to(core, symbol(&["bulkhead_on_serror"]));
        debugger.set(X0, SYNDROME);
    }
    let mut paths = counted.paths(["attacker", "beside"]);
    paths.retain(|id, _| id.starts_with("serror"));
    println!("{paths:?}");
    assert_eq!(paths.values().map(Histogram::samples).sum::<u64>(), 2);
    assert_eq!(breaches(&paths, true), [""; 0]);
}

/// What a path costs that finds an SError in its window, at the end of a slot and before a sleep. The debugger gives the
/// window's answer; what it leaves out is added.
///
/// Verifies: BH-BENCH-003, BH-CORE-006.
#[test]
fn paths_that_find_an_serror_keep_their_bounds() {
    /// Instructions of the window, and of the vector that an SError enters from it.
    const LEFT_OUT: u64 = 6 + 15;
    let mut counted = Counted::new();
    let manifest = counted.system.manifest();
    let whose = |name: &str| {
        let partition = manifest.partitions.iter().position(|p| p.name == name);
        let mut vcpus = manifest.vcpus.iter();
        let found = vcpus.position(|vcpu| Some(vcpu.partition as usize) == partition);
        u32::try_from(found.expect("a vCPU")).expect("small")
    };
    let running = symbol(&["runtime", "shared", "RUNNING"]);
    // The attacker holds its core until its slot ends; the cluster waits for its next period.
    for (name, vector, visits) in [
        ("attacker", "bulkhead_on_fiq", 20),
        ("cluster", "bulkhead_on_sync", 200),
    ] {
        let (vcpu, mut visit) = (whose(name), 0);
        let debugger = &mut counted.debugger;
        debugger.run_until(0, symbol(&[vector]), |d| {
            visit += u32::from(d.read_physical(running) == vcpu);
            visit == visits
        });
        debugger.run_to(0, symbol(&["bulkhead_synchronise_errors"]));
        debugger.set(X0, SYNDROME);
        debugger.set(PC, symbol(&["bulkhead_error_window_end"]));
    }
    let paths = counted.paths(["attacker", "cluster"]);
    let longest = |id: &str| paths.get(id).and_then(Histogram::max).unwrap_or(0) + LEFT_OUT;
    // What ends a life is logged, reported and recorded: paths without take two thirds of that.
    let found = ["fiq_sleep", "wfi_sleep"].map(longest);
    println!("{found:?}");
    assert!(found.iter().all(|length| *length > 3600), "{paths:?}");
    let with_window = paths.keys().map(|id| {
        let mut path = Histogram::default();
        path.add(longest(id), 1);
        (id.clone(), path)
    });
    assert_eq!(breaches(&with_window.collect(), false), [""; 0]);
}
