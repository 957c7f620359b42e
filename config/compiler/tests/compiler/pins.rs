// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pinned memory lies where the spec says.

use bulkhead_compiler::compile::compile;
use bulkhead_model::span::Spanned;
use bulkhead_types::image::Range;

use crate::support::{Workshop, hypervisor_bin};

/// Verifies: BH-CFG-227.
#[test]
fn what_is_pinned_lies_there_and_nothing_else_does() {
    let workshop = Workshop::new();
    let mut system = workshop.load(&std::fs::read_to_string(locks()).unwrap());
    let span = system.board.name.span;
    let pin = |address: u64| Some(Spanned::new(address, span));
    system.channels[0].at = pin(0x6000_0000);
    system.locks[0].at = pin(0x6020_3000);
    system.partitions[2].window_at = pin(0x6100_8000);
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let plan = &compiled.plan;
    let lock = system.channel_memories().len();
    let sized = |start: u64, size: u64| Range {
        start,
        end: start + size,
    };
    assert_eq!(plan.channels[0], sized(0x6000_0000, 0x1_0000));
    assert_eq!(plan.channels[lock], sized(0x6020_3000, 0x1000));
    assert_eq!(plan.windows[2], sized(0x6100_8000, 0x8000));
    let areas = plan.map.areas();
    for pair in areas.windows(2) {
        assert!(pair[0].range.end <= pair[1].range.start, "{pair:?}");
    }
    for (place, who) in [
        ("0x60000000-0x60010000", "channel:"),
        ("0x60203000-0x60204000", "channel:"),
        ("0x61008000-0x61010000", "partition:"),
    ] {
        let placed = |line: &str| line.starts_with("memory ") && line.contains(place) && line.contains(who);
        let granted = |line: &str| line.starts_with("grant partition:") && line.contains(place);
        assert!(compiled.text.lines().any(placed), "{place}");
        assert!(compiled.text.lines().any(granted), "{place}");
    }
}

fn locks() -> std::path::PathBuf {
    crate::support::repository().join("tests/invalid/valid.pins.yaml")
}
