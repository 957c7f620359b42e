// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What locks between partitions take from tasks, by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../model/tests/common/mod.rs"]
mod common;

use bulkhead_analysis::{Analysis, VcpuAnalysis, Verdict};
use bulkhead_model::bounds::{Bound, Bounds, CostPath};
use bulkhead_model::load_text;
use bulkhead_model::span::{Span, Spanned};
use common::Fixture;

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// `panel` has the slot from 8 to 10 ms on core 1, `mate` and `third` the rest of it; `other` is on core 0.
const SPEC: &str = "\
bulkhead: 1
name: locks
board: qemu-virt
partitions:
  panel:
    criticality: qm
    cores: { sliced: [1] }
    memory: 2MiB
    payload: { elf: cluster }
    tasks:
      draw: { period: 200ms, wcet: WCET }
  other:
    criticality: qm
    cores: { sliced: [0] }
    memory: 2MiB
    payload: { elf: cluster }
  mate:
    criticality: qm
    cores: { sliced: [1] }
    memory: 2MiB
    payload: { elf: cluster }
  third:
    criticality: qm
    cores: { sliced: [1] }
    memory: 2MiB
    payload: { elf: cluster }
locks:
  settings:
    hold: 100us
    inheritance: priority
    participants: { PARTICIPANTS }
schedule:
  major_frame: 10ms
  cores:
    0:
      - { run: other, for: 8ms }
      - { run: system, for: 2ms }
    1:
      - { run: mate, for: 7ms }
      - { run: third, for: 1ms }
      - { run: panel, for: 2ms }
";

/// The vCPU of `panel` when a world switch takes `switch` ns and EL2 nothing else.
fn panel(wcet: &str, participants: &str, inheritance: &str, switch: u64) -> VcpuAnalysis {
    let text = SPEC.replace("WCET", wcet).replace("PARTICIPANTS", participants);
    let text = text.replace("inheritance: priority", inheritance);
    let fixture = Fixture::new();
    let system = load_text(&text, &fixture.paths("tests/invalid/valid.yaml"), &[]).unwrap();
    let entry = |path: CostPath| Bound {
        path,
        instructions: None,
        ns: Some(if path == CostPath::WorldSwitch { switch } else { 0 }),
        measured: true,
        source: String::new(),
    };
    let entries = CostPath::ALL.into_iter().map(entry);
    let bounds = Bounds {
        picoseconds_per_instruction: None,
        entries: entries.map(|e| Spanned::new(e, Span::default())).collect(),
    };
    let mut analysis = Analysis::of(&system, &bounds);
    let shown = analysis.table(&system).contains("at any place of each frame");
    assert_eq!(shown, analysis.vcpus[0].locks.wcet > 0);
    analysis.vcpus.remove(0)
}

fn response(vcpu: &VcpuAnalysis) -> u64 {
    vcpu.tasks[0].response.unwrap().time
}

const WAITS: &str = "other: { priority: 1, acquisitions: 2 }, panel: { priority: 0, acquisitions: 3 }";
const BOOSTS: &str = "other: { priority: 1, acquisitions: 1 }, mate: { priority: 0, acquisitions: 1 }";

// Verifies: BH-LOCK-029.
#[test]
fn waits_come_back_in_each_frame() {
    let vcpu = panel("5ms", WAITS, "inheritance: priority", 0);
    // Three waits, each a hold and what `other` may take twice.
    assert_eq!(vcpu.locks.wcet, 3 * (100 + 200) * US);
    // By hand: released when 900 us of the slot are left, it loses them and 900 us of each further slot, which leaves
    // it 1.1 ms; it ends in the fifth.
    let possible = 900 * US + 48 * MS + 900 * US + 600 * US;
    let bound = response(&vcpu);
    assert!(bound >= possible, "{bound}");
    // Seven frames meet the busy window, which begins where a slot ends.
    assert_eq!(bound, 50 * MS + 8 * MS + 1_300 * US);
    // Without waits, in the third slot.
    let free = panel("5ms", BOOSTS, "inheritance: none", 0);
    assert_eq!(response(&free), 29 * MS);
}

// Verifies: BH-LOCK-025.
#[test]
fn boosts_at_the_end_of_a_slot_and_at_the_begin_of_the_next_count_twice() {
    let vcpu = panel("100us", BOOSTS, "inheritance: priority", 0);
    // Nothing comes off the slot itself: that of one frame may lose the boosts of two.
    assert_eq!(vcpu.supply.list()[0].begin, 8 * MS);
    // Released 100 us before the slot ends.
    assert_eq!(response(&vcpu), 100 * US + 8 * MS + 100 * US + 100 * US);
    // The switch back from a boost is in no budget.
    assert_eq!(
        panel("100us", BOOSTS, "inheritance: priority", 10 * US)
            .locks
            .wcet,
        110 * US
    );
}

// Verifies: BH-LOCK-025, BH-LOCK-029.
#[test]
fn without_inheritance_nothing_bounds_a_wait() {
    let vcpu = panel("100us", WAITS, "inheritance: none", 0);
    assert_eq!(vcpu.tasks[0].verdict, Verdict::NotSchedulable);
}

// Verifies: BH-LOCK-029.
#[test]
fn an_owner_may_itself_be_kept_from_running_by_boosts() {
    let own = "panel: { priority: 1, acquisitions: 1 }";
    let waits = |first: &str, second: &str| {
        let more = format!("{own}, {first} }}\n  second:\n    hold: 50us\n    participants: {{ {second}");
        panel("100us", &more, "inheritance: priority", 0).locks.wcet
    };
    let (other, mate) = (
        "other: { priority: 0, acquisitions: 1 }",
        "mate: { priority: 2, acquisitions: 4 }",
    );
    let third = "third: { priority: 1, acquisitions: 3 }";
    // No owner of the second lock is on the core of `other`; all of them take from `panel`'s.
    assert_eq!(
        waits(other, &format!("{mate}, {third}")),
        (100 + 100 + 7 * 50) * US
    );
    // `mate` may have to wait for seven boosts.
    let wait = 100 + 400 + 3 * 50 + 4 * 50;
    let boosts = 400 + 7 * 50;
    assert_eq!(waits(mate, &format!("{mate}, {third}")), (wait + boosts) * US);
}
