// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters that a boot loader left running: `tests/chain-loader` orders a transfer of each function, and enters EL2
//! half a millisecond before the first one ends. The others end a millisecond apart: some before EL2 has come to
//! the functions, so that the SMMU alone is in their way, some after it has taken the bus from them. And one that ends
//! after its partition has.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bulkhead_on_target::{System, images, partition, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;

use super::SYSTEM;
use super::victims::{hex, ram};

/// Configuration space, where EL2 is linked and entered, where it looks for the device tree, on QEMU virt.
const CONFIGURATION: u64 = 0x40_1000_0000;
const IMAGE: u64 = 0x4020_0000;
const TREE: (u64, u64) = (0x4800_0000, 0x20_0000);
/// Where `chain-loader` has its orders.
const ORDERS: u64 = 0x7001_0000;
/// Slots of the functions: two of the board, and those that are added.
const SLOTS: std::ops::Range<u64> = 2..16;
/// Entry to the end of the first transfer, µs; bytes of each.
const AHEAD: u64 = 500;
const BYTES: u64 = 64;
/// What lies in the RAM of a partition where the transfers would put zeros.
const MARK: u8 = 0xA5;
/// Host time in which the machine executes 200 ms of a loop.
const PATIENCE: Duration = Duration::from_secs(120);

/// A place that a transfer goes to, and what lies there.
type Place = (u64, Vec<u8>);

/// RAM of a partition that does not run, and EL2's image: its first code, and its run-time part.
fn places(system: &System) -> Vec<Place> {
    let (store, _) = ram(system, "store");
    let image = fs::read(system.folder().join(system.manifest().image)).expect("the image");
    let of_image = |offset: u64| {
        let at = usize::try_from(offset).expect("offset");
        let bytes = image.get(at..at + 64).expect("the image").to_vec();
        assert!(bytes.iter().any(|byte| *byte != 0), "{offset:#x}");
        (IMAGE + offset, bytes)
    };
    let place = |(n, _)| match n % 3 {
        0 => (store + n * BYTES, vec![MARK; 64]),
        1 => of_image(0x3200 + n * BYTES),
        _ => of_image(0x5_1000 + n * BYTES),
    };
    (0..).zip(SLOTS).map(place).collect()
}

/// A machine that enters `chain-loader`, which enters `entry`.
fn chained(system: &System, folder: &Path, places: &[Place], entry: u64) -> Session {
    let orders = [entry, TREE.0, TREE.1, AHEAD];
    let targets = places.iter().map(|(address, _)| *address);
    let words = orders.into_iter().chain(targets).chain([0; 3]);
    let orders = folder.join("orders");
    fs::write(&orders, words.flat_map(u64::to_le_bytes).collect::<Vec<_>>()).expect("orders");
    let marks = folder.join("marks");
    fs::write(&marks, [MARK; 4096]).expect("marks");
    let (store, _) = ram(system, "store");
    let image = system.folder().join(system.manifest().image);
    let file = |file: &Path, at: u64| {
        let file = file.display();
        [
            "-device".to_owned(),
            format!("loader,file={file},addr={at:#x},force-raw=on"),
        ]
    };
    let kernel = images().join("chain-loader.elf").display().to_string();
    let added = SLOTS.skip(2);
    let added = added.flat_map(|slot| {
        [
            "-device".to_owned(),
            format!("edu,addr={slot:x},dma_mask=0xffffffffffff"),
        ]
    });
    let mut extra = vec!["-kernel".to_owned(), kernel];
    extra.extend([file(&image, IMAGE), file(&orders, ORDERS), file(&marks, store)].concat());
    extra.extend(added);
    system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.extra = extra;
    })
}

/// Numbers of the transfers that have landed.
fn landed(session: &mut Session, places: &[Place]) -> Vec<usize> {
    let mut changed = |(address, content): &Place| session.memory(*address, 64).expect("memory") != *content;
    let numbered = places.iter().enumerate();
    numbered
        .filter_map(|(n, place)| changed(place).then_some(n))
        .collect()
}

/// Verifies: BH-DMA-001, BH-DMA-004.
#[test]
fn transfers_that_a_boot_loader_left_running() {
    let system = System::build(SYSTEM, &["partitions.attacker.args=\"attack=none\""]);
    let folder = tempfile::tempdir().expect("folder");
    let places = places(&system);
    let mut session = chained(&system, folder.path(), &places, IMAGE);
    let said = session.wait_for("beside", "ready", Duration::from_secs(20));
    let went_on = said.and_then(|_| session.run_for(Duration::from_millis(100)));
    assert_eq!(landed(&mut session, &places), [0; 0], "these landed");
    went_on.expect("the system runs");
    for slot in SLOTS {
        let command = session
            .memory(CONFIGURATION + (slot << 15) + 4, 4)
            .expect("register");
        assert_eq!(
            command.first().map(|byte| byte & 4),
            Some(u8::from(slot == 2) << 2),
            "slot {slot}"
        );
    }
    drop(session);

    // The control: the chain loader enters nothing, and all of them land.
    let mut session = chained(&system, folder.path(), &places, 0);
    let begin = Instant::now();
    while landed(&mut session, &places).len() < places.len() {
        assert!(begin.elapsed() < PATIENCE, "they do not land without EL2 either");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A transfer that was granted ends 100 ms after its partition has: it does not land. Verifies: BH-ATK-001, BH-DMA-023.
#[test]
fn revoked_dma() {
    /// Configuration space, the SMMU, and in it `SMMU_CMDQ_PROD`, on QEMU virt.
    const ECAM: u64 = 0x40_1000_0000;
    const CMDQ_PROD: u64 = 0x0905_0098;
    const POISON: u64 = 0x0BAD_CAFE_0BAD_CAFE;
    let system = System::build(SYSTEM, &["partitions.attacker.args=\"attack=revoked\""]);
    let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let field = |head: &[&str], n: usize| {
        let mut records = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let record = records.find(|r| r.starts_with(head)).expect("record");
        record.get(n).expect("field").to_string()
    };
    let (ram, _) = ram(&system, "attacker");
    let stream = hex(&field(&["stream"], 1));
    let table = field(&["stream-table"], 1);
    let table = hex(table.split('-').next().expect("range"));
    let queue = field(&["grant", "el2:boot", "smmu-queues"], 3);
    let queue = hex(queue.split('-').next().expect("range"));
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    let line = says(&mut session, "attacker", " succeeded", super::PATIENCE);
    let landing = hex(line.split([' ', ':']).nth(1).expect("address")) - 0x4000_0000 + ram;
    session
        .run_for(Duration::from_millis(500))
        .expect("the machine runs");
    let producer = session.memory(CMDQ_PROD, 4).expect("register");
    let mut word = |address| {
        let bytes = session.memory(address, 8).expect("memory");
        u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
    };
    assert_eq!(
        word(landing),
        POISON,
        "the transfer of a partition that is off has landed"
    );
    assert_eq!(
        word(table + 64 * stream) & 1,
        0,
        "its stream table entry is valid"
    );
    let command = word(ECAM + (stream << 12)) >> 32;
    assert_eq!(
        command & 0b110,
        0b010,
        "its function masters the bus: command {command:#x}"
    );
    // CMD_CFGI_STE of its stream, once at the start and once at the end; then CMD_TLBI_S12_VMALL, CMD_SYNC.
    let end = u64::from(*producer.first().expect("a byte"));
    let codes: Vec<u64> = (0..end).map(|n| word(queue + n * 16) & 0xff).collect();
    let forgotten = codes.windows(3).filter(|three| *three == [0x03, 0x28, 0x46]);
    assert_eq!(forgotten.count(), 2, "the SMMU was told to forget: {codes:x?}");
    let report = session.finish("seen").expect("report");
    assert_eq!(partition(&report, "attacker").state, "off");
}
