// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A virtio function on PCI as a bus master: what it reads and writes of its queue and its buffer passes the SMMU. Without
//! the runner's `iommu_platform=on` the function does not offer it, and the attack ends with nothing tried.

use std::time::Duration;

use bulkhead_on_target::{System, partition, says};
use bulkhead_runner::command::Timing;

use super::SYSTEM;
use super::attack::{Outcome, attack};
use super::victims::{hex, ram, range};

/// The system with a virtio function instead of `edu`; `store` lies where the attacker has it written.
const WITH_VIRTIO: [&str; 2] = [
    "partitions.attacker.devices=[rng0]",
    "partitions.store.memory={ size: 4MiB, at: 0x4200_0000 }",
];
/// The attacker's constants are only read.
const SEGMENTS: &str = "partitions.attacker.memory={ size: 2MiB, rights: segments }";
/// Each part of the queue in two pages of its own RAM, in ten places of others, in a constant, behind its RAM.
const ATTEMPTS: u64 = 4 * (2 + 10 + 2);
/// Where the attacker has the RAM of `store`, EL2's image and the blob.
const OF_OTHERS: [u64; 3] = [0x4200_0000, 0x4020_0000, 0x4033_0000];

fn granted(offset: u64, size: u64) -> String {
    format!("partitions.attacker.dma={{ rng0: [{{ offset: {offset}KiB, size: {size}KiB }}] }}")
}

fn with_virtio<'a>(further: &[&'a str]) -> Vec<&'a str> {
    [&WITH_VIRTIO, further].concat()
}

fn lands(outcome: &Outcome) -> usize {
    let console = &partition(&outcome.report, "attacker").console_tail;
    console.matches("granted DMA: lands").count()
}

/// Verifies: BH-ATK-001, BH-DMA-010, BH-DMA-011, BH-DMA-022, BH-DMA-025, BH-QEMU-010.
#[test]
fn virtio() {
    let system = System::build(SYSTEM, &with_virtio(&[]));
    let places = [
        ram(&system, "store").0,
        range(&system, &["image"]).0,
        range(&system, &["blob"]).0,
    ];
    assert_eq!(places, OF_OTHERS, "where the attacker has others");
    let outcome = attack("virtio", &with_virtio(&[SEGMENTS, &granted(1536, 4)]));
    let attacker = partition(&outcome.report, "attacker");
    assert_eq!(lands(&outcome), 2, "before and after: {}", attacker.console_tail);
    assert_eq!(outcome.attempts, ATTEMPTS);
    outcome.fails(attacker.dma_faults.get("rng0").copied().unwrap_or(0));
    outcome.blamed("dma-fault", "log");
    let dma = outcome.report.dma;
    assert_eq!((dma.unowned, dma.stream_failures, attacker.restarts), (0, 0, 0));
    assert!(partition(&outcome.report, "store").dma_faults.is_empty());
    let control = attack("virtio", &with_virtio(&[SEGMENTS, &granted(1532, 12)]));
    assert_eq!(
        (control.attempts, control.succeeded),
        (ATTEMPTS, 8),
        "with both pages beside it"
    );
}

/// A request that was granted is served 50 ms after its partition has ended: it does not land. Verifies: BH-ATK-001,
/// BH-DMA-023.
#[test]
fn revoked_virtio() {
    const MARK: u64 = 0x5EED_0000_D0D0_5EED;
    /// Slot 18 of bus 0.
    const STREAM: u64 = 0x90;
    /// The used ring, and the buffer, by their places in the page of the second request.
    const USED: u64 = 0x200;
    const BUFFER: u64 = 0x400;
    let ends = |then: &str| {
        let arguments = format!("partitions.attacker.args=\"attack=late then={then}\"");
        let system = System::build(SYSTEM, &with_virtio(&[&arguments]));
        let (ram, _) = ram(&system, "attacker");
        let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
        let line = says(&mut session, "attacker", " served", super::PATIENCE);
        assert!(line.contains("not yet served"), "{line}");
        let buffer = hex(line.split([' ', ':']).nth(1).expect("address")) - 0x4000_0000 + ram;
        session
            .run_for(Duration::from_millis(300))
            .expect("the machine runs");
        let mut word = |address| {
            let bytes = session.memory(address, 8).expect("memory");
            u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
        };
        let page = buffer - BUFFER;
        let served = (word(page + USED) >> 16 & 0xffff == 1, word(buffer) != MARK);
        let (table, _) = range(&system, &["stream-table"]);
        let valid = word(table + 64 * STREAM) & 1 == 1;
        let report = session.finish("seen").expect("report");
        (served, valid, partition(&report, "attacker").state.clone())
    };
    assert_eq!(ends("stop"), ((false, false), false, "off".to_owned()));
    assert_eq!(
        ends("stay"),
        ((true, true), true, "running".to_owned()),
        "served while it runs"
    );
}
