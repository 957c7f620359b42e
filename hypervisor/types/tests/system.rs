// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What [`System::parse`] refuses: indices out of range and slot tables with holes.
//!
//! Verifies: BH-CFG-010.
#![allow(clippy::unwrap_used, reason = "tests")]

use bulkhead_abi::health::{Action, ERRORS, Error, Level};
use bulkhead_types::blob::{BlobHeader, MAGIC, MAJOR, MINOR, Section};
use bulkhead_types::system::{BlobError, System};
use bulkhead_types::tables::{
    BoardDevices, Channel, Core, CoreVcpu, LAYOUT_HASH, Partition, PciFunction, PlatformStream, RamBank,
    Share, Slot, Spi, Vcpu, core_mode, share_kind, slot_kind,
};
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// The tables of a blob; a test changes one of them.
struct Tables {
    cores: Vec<Core>,
    partitions: Vec<Partition>,
    vcpus: Vec<Vcpu>,
    core_vcpus: Vec<CoreVcpu>,
    slots: Vec<Slot>,
    spis: Vec<Spi>,
    pci_functions: Vec<PciFunction>,
    streams: Vec<PlatformStream>,
    board: BoardDevices,
}

/// An entry of a slot's shares.
fn share(kind: u32, vcpu: u32, budget_ns: u64) -> Share {
    Share {
        budget_ns,
        vcpu,
        kind,
    }
}

/// A reaction to each error of a level.
fn reactions(level: Level) -> [u8; ERRORS] {
    let mut table = [0; ERRORS];
    for error in Error::ALL.iter().filter(|error| error.occurs_on(level)) {
        table[usize::from(error.code())] = Action::GlobalSafeState.code();
    }
    table
}

/// One partition whose vCPU has all of one sliced core, an SPI, a PCI function and a stream of its own.
fn good() -> Tables {
    let mut core = Core::new_zeroed();
    core.mode = core_mode::SLICED;
    core.vcpu_count = 1;
    core.slot_count = 1;
    core.major_frame_ns = 1_000;
    let mut partition = Partition::new_zeroed();
    partition.vcpu_count = 1;
    partition.health = reactions(Level::Partition);
    let mut board = BoardDevices::new_zeroed();
    (board.smmu, board.stream_bits) = (1, 3);
    board.health_core = reactions(Level::Core);
    board.health_system = reactions(Level::System);
    let mut slot = Slot::new_zeroed();
    slot.length_ns = 1_000;
    slot.kind = slot_kind::VCPU;
    let mut spi = Spi::new_zeroed();
    spi.intid = 32;
    Tables {
        cores: vec![core],
        partitions: vec![partition],
        vcpus: vec![Vcpu::new_zeroed()],
        core_vcpus: vec![CoreVcpu::new_zeroed()],
        slots: vec![slot],
        spis: vec![spi],
        pci_functions: vec![PciFunction::new_zeroed()],
        streams: vec![PlatformStream {
            stream: 7,
            partition: 0,
        }],
        board,
    }
}

fn put<T: IntoBytes + Immutable>(bytes: &mut Vec<u8>, entries: &[T]) -> Section {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let offset = u32::try_from(bytes.len()).unwrap();
    bytes.extend_from_slice(entries.as_bytes());
    let count = u32::try_from(entries.len()).unwrap();
    Section { offset, count }
}

/// What the parser says of the good tables after a change.
fn verdict(change: impl FnOnce(&mut Tables)) -> Result<(), BlobError> {
    let mut tables = good();
    change(&mut tables);
    let mut header = BlobHeader::new_zeroed();
    header.magic = MAGIC;
    (header.major, header.minor) = (MAJOR, MINOR);
    header.layout_hash = LAYOUT_HASH;
    let mut bytes = vec![0; size_of::<BlobHeader>()];
    header.cores = put(&mut bytes, &tables.cores);
    header.partitions = put(&mut bytes, &tables.partitions);
    header.vcpus = put(&mut bytes, &tables.vcpus);
    header.core_vcpus = put(&mut bytes, &tables.core_vcpus);
    header.slots = put(&mut bytes, &tables.slots);
    header.spis = put(&mut bytes, &tables.spis);
    header.pci_functions = put(&mut bytes, &tables.pci_functions);
    header.ram = put::<RamBank>(&mut bytes, &[]);
    header.board = put(&mut bytes, &[tables.board]);
    header.channels = put::<Channel>(&mut bytes, &[]);
    header.streams = put(&mut bytes, &tables.streams);
    bytes[..size_of::<BlobHeader>()].copy_from_slice(header.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let words: Vec<u64> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .collect();
    System::parse(words.as_bytes()).map(|_| ())
}

#[test]
fn an_index_out_of_range_is_refused() {
    type Change = fn(&mut Tables);
    assert_eq!(verdict(|_| ()), Ok(()));
    let cases: [(Change, &str); 25] = [
        (|t| t.board.system_core = 1, "board"),
        (|t| t.cores[0].vcpu_first = 1, "cores"),
        (|t| t.cores[0].vcpu_first = u32::MAX, "cores"),
        (|t| t.cores[0].mode = 99, "cores"),
        (|t| t.cores[0].predictors = 4, "cores"),
        (|t| t.core_vcpus[0].vcpu = 1, "core_vcpus"),
        (|t| t.partitions[0].vcpu_count = 2, "partitions"),
        (|t| t.partitions[0].vcpu_count = 0, "partitions"),
        (|t| t.vcpus[0].partition = 1, "vcpus"),
        (|t| t.vcpus[0].index = 1, "vcpus"),
        (|t| t.vcpus[0].core = 1, "vcpus"),
        (|t| t.spis[0].intid = 31, "spis"),
        (|t| t.spis[0].core = 1, "spis"),
        (|t| t.spis[0].partition = 1, "spis"),
        (|t| t.pci_functions[0].partition = 1, "pci_functions"),
        // Verifies: BH-DMA-030.
        (|t| t.streams[0].partition = 1, "streams"),
        (|t| t.streams[0].stream = 8, "streams"),
        (|t| t.board.smmu = 0, "streams"),
        (|t| t.slots[0].vcpu = 1, "slots"),
        // Verifies: BH-HEALTH-002: no place of a table is empty, holds what is no action there, or is beyond it.
        (|t| t.partitions[0].health[0] = 0, "health"),
        (|t| t.partitions[0].health[7] = Action::StopCore.code(), "health"),
        (|t| t.partitions[0].health[15] = Action::Log.code(), "health"),
        (|t| t.board.health_core[10] = Action::Log.code(), "health"),
        (
            |t| t.board.health_system[2] = Action::StopPartition.code(),
            "health",
        ),
        (|t| t.board.monitor = 1, "health"),
    ];
    for (number, (change, table)) in cases.into_iter().enumerate() {
        assert_eq!(verdict(change), Err(BlobError::Index(table)), "case {number}");
    }
}

// Verifies: BH-SCHED-020
#[test]
fn shares_that_do_not_fit_their_slot_are_refused() {
    use share_kind::{BUDGET, SLACK};
    type Change = fn(&mut Slot);
    let good: [Change; 3] = [
        |s| s.shares[0] = share(BUDGET, 0, 1_000),
        |s| (s.shares[0], s.shares[1]) = (share(BUDGET, 0, 1), share(SLACK, 0, 0)),
        |_| (),
    ];
    for (number, change) in good.into_iter().enumerate() {
        assert_eq!(verdict(|t| change(&mut t.slots[0])), Ok(()), "case {number}");
    }
    let bad: [Change; 10] = [
        |s| s.shares[0] = share(BUDGET, 0, 1_001),
        |s| s.shares[0] = share(BUDGET, 0, 0),
        |s| s.shares[0] = share(BUDGET, 1, 1),
        |s| s.shares[0] = share(SLACK, 0, 0),
        |s| (s.shares[0], s.shares[1]) = (share(BUDGET, 0, 1), share(BUDGET, 0, 1)),
        |s| (s.shares[0], s.shares[1]) = (share(BUDGET, 0, 1), share(SLACK, 0, 1)),
        |s| (s.shares[0], s.shares[1]) = (share(SLACK, 0, 0), share(BUDGET, 0, 1)),
        |s| (s.shares[0], s.shares[2]) = (share(BUDGET, 0, 1), share(SLACK, 0, 0)),
        |s| (s.shares[0], s.shares[1].kind) = (share(BUDGET, 0, 1), 3),
        |s| (s.kind, s.vcpu, s.shares[0]) = (slot_kind::IDLE, u32::MAX, share(BUDGET, 0, 1)),
    ];
    for (number, change) in bad.into_iter().enumerate() {
        let refused = Err(BlobError::Index("slots"));
        assert_eq!(verdict(|t| change(&mut t.slots[0])), refused, "case {number}");
    }
}

/// A system core of its own beside the core of [`good`], whose slot is turned into a standby slot, and the successors.
// Verifies: BH-SCHED-026
#[test]
fn the_system_core_has_one_successor_at_most() {
    let standby_on = |cores: &[usize]| {
        verdict(|t| {
            let (core, slot) = (t.cores[0], t.slots[0]);
            for index in 1..4 {
                let idle = Core {
                    vcpu_count: 0,
                    slot_first: index,
                    ..core
                };
                t.cores.push(idle);
                let (kind, vcpu) = (slot_kind::IDLE, u32::MAX);
                t.slots.push(Slot { kind, vcpu, ..slot });
            }
            t.board.system_core = 1;
            for at in cores {
                t.slots[*at].kind = slot_kind::STANDBY;
            }
        })
    };
    assert_eq!(standby_on(&[]), Ok(()));
    assert_eq!(standby_on(&[2]), Ok(()));
    assert_eq!(standby_on(&[3]), Ok(()));
    for bad in [&[1][..], &[2, 3], &[1, 2]] {
        assert_eq!(standby_on(bad), Err(BlobError::Slots), "{bad:?}");
    }
}

#[test]
fn a_slot_table_with_a_hole_is_refused() {
    type Change = fn(&mut Tables);
    let cases: [Change; 4] = [
        |t| t.slots[0].offset_ns = 1,
        |t| t.slots[0].length_ns = 0,
        |t| t.slots[0].length_ns = 999,
        |t| t.cores[0].major_frame_ns = 999,
    ];
    for (number, change) in cases.into_iter().enumerate() {
        assert_eq!(verdict(change), Err(BlobError::Slots), "case {number}");
    }
}
