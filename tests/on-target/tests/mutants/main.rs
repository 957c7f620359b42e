// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Mutated systems that are booted with a certificate that nobody's verdict stands behind: what a partition and its
//! bus master then reach is what the second opinion (`tests/mutants`) read in the tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod machine;
mod plan;
mod scene;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::machine::Machine;
use crate::plan::{Expected, Plan, carry_out, plan};
use crate::scene::Scene;

/// Boots of a usual run, and of a long one.
const USUAL: usize = 24;
const LONG: usize = 500;
/// What the boots of a usual run ask for at least.
const LEAST: [(&str, usize); 5] = [
    ("loads", 1),
    ("stores", 1),
    ("denied accesses", 1),
    ("copies by DMA", 1),
    ("denied copies by DMA", 1),
];
/// Seeds in which a mutation is looked for that asks for what no boot asked before.
const SEARCHED: usize = 10_000;
/// Emulators at a time: each runs one busy core.
const WORKERS: usize = 2;

fn boot(scene: &Scene, plan: &Plan) -> Result<(), String> {
    let image = scene.image_of(&plan.blob, &plan.certificate);
    let mut machine = Machine::start(&image, &scene.manifest, scene.ram, scene.core);
    carry_out(scene, plan, &mut machine)
}

/// What the plans ask for, to show that a run asked for everything.
fn kind(expected: &Expected) -> &'static str {
    match expected {
        Expected::Held(_) => "loads",
        Expected::Reached => "loads outside RAM",
        Expected::Stored(..) => "stores",
        Expected::Returned => "calls",
        Expected::Denied => "denied accesses",
        Expected::Copied(Some(_), Some(_)) => "copies by DMA",
        Expected::Copied(..) => "denied copies by DMA",
    }
}

/// Verifies: BH-MEM-010.
#[test]
fn a_running_system_reaches_what_its_tables_say() {
    boot_mutants(0, USUAL);
}

/// Other mutations, and more; with `BULKHEAD_MUTANT` that seed alone, as a failure names it. Verifies: BH-MEM-010.
#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn many_running_systems_reach_what_their_tables_say() {
    match std::env::var("BULKHEAD_MUTANT") {
        Ok(seed) => boot_mutants(seed.parse().expect("a seed"), 1),
        Err(_) => boot_mutants(1 << 32, LONG),
    }
}

fn boot_mutants(first: u64, boots: usize) {
    let begin = Instant::now();
    let scene = Scene::build();
    let (seed, planned) = (AtomicU64::new(first), AtomicUsize::new(0));
    let (failures, counts) = (
        Mutex::new(Vec::new()),
        Mutex::new(BTreeMap::<String, usize>::new()),
    );
    let try_out = |seed: u64, plan: &Plan| {
        let result = boot(&scene, plan);
        let mut counts = counts.lock().unwrap();
        *counts
            .entry(format!("boots: {:?} {:?}", plan.class, plan.verdict))
            .or_default() += 1;
        for probe in &plan.probes {
            *counts.entry(kind(&probe.expected).to_owned()).or_default() += 1;
        }
        if let Err(error) = result {
            let about = format!("seed {seed}, {:?}, {}", plan.class, plan.text);
            failures
                .lock()
                .unwrap()
                .push(format!("{about}\n  {error}\n  all: {:x?}", plan.probes));
        }
    };
    let work = || {
        loop {
            let seed = seed.fetch_add(1, Ordering::Relaxed);
            let Some(plan) = plan(&scene, seed) else { continue };
            if planned.fetch_add(1, Ordering::Relaxed) >= boots {
                return;
            }
            try_out(seed, &plan);
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    // Agreement on what was not asked shows nothing: what chance did not ask for is looked for. A single boot, by its seed,
    // asks for what it can.
    let mut further = seed.load(Ordering::Relaxed)..;
    for (what, least) in LEAST.into_iter().filter(|_| boots > 1) {
        while counts.lock().unwrap().get(what).copied().unwrap_or(0) < least * boots / USUAL {
            let mut plans = further.by_ref().take(SEARCHED);
            let asks = |plan: &Plan| plan.probes.iter().any(|probe| kind(&probe.expected) == what);
            let found = plans.find_map(|seed| Some((seed, plan(&scene, seed).filter(asks)?)));
            let (seed, plan) = found.unwrap_or_else(|| panic!("no mutation asks for {what}"));
            try_out(seed, &plan);
        }
    }
    let counts = counts.into_inner().unwrap();
    for (what, count) in &counts {
        println!("{what}: {count}");
    }
    println!("{boots} boots in {:?}", begin.elapsed());
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} boots differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
