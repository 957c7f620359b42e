// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bus masters at fixed addresses: one that nothing guards works by physical addresses, and reaches what the report says,
//! everything; the streams of one that the SMMU guards are open while its partition runs.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::System;
use bulkhead_on_target::gdb::Debugger;
use bulkhead_on_target::prober::{CALL, LOAD, LOAD_WORD, Machine, RAM, STORE, STORE_WORD};

/// Physical addresses of the driver's RAM; its mailbox (`tests/partitions/prober/README.md`) is 1 MiB behind.
const DRIVER: u64 = 0x5000_0000;
const MAILBOX: u64 = DRIVER + 0x10_0000;
/// Where in RAM it copies from and to.
const FROM: u64 = 0x20_0000;
const TO: u64 = 0x20_1000;
/// No page has it by chance.
const PATTERN: u64 = 0x5ca1_ab1e_0ddb_a115;

/// Commands by which a channel of the DMA controller copies 8 bytes.
///
/// # References
/// AMD UG1087, module "ZDMA": `ZDMA_CH_SRC_DSCR_WORD0`, `ZDMA_CH_DST_DSCR_WORD0`, `ZDMA_CH_CTRL2`.
fn copy(from: u64, to: u64) -> Vec<[u64; 3]> {
    let words = [
        (0x128, from),
        (0x12c, 0),
        (0x130, 8),
        (0x134, 0),
        (0x138, to),
        (0x13c, 0),
        (0x140, 8),
        (0x144, 0),
        (0x200, 1),
    ];
    words.map(|(at, value)| [STORE_WORD, GDMA + at, value]).to_vec()
}

/// Registers of the DMA channel: first, mask of its interrupts, their enable.
const GDMA: u64 = 0xfd50_0000;
const MASK: u64 = GDMA + 0x104;
const ENABLE: u64 = GDMA + 0x108;

/// By the addresses that `dma-ranges` gives, it copies in its partition's RAM; by those that its driver sees, in another's,
/// which the report names as lost; at a restart the loader resets it. Verifies: BH-LANG-016, BH-CFG-171, BH-CFG-172,
/// BH-CFG-174.
#[test]
fn a_device_at_fixed_addresses_reaches_everything() {
    let (system, mut machine) = Machine::start(System::build("tests/systems/master.yaml", &[]));
    let proof = std::fs::read_to_string(system.folder().join("certificate.json")).expect("certificate");
    assert!(
        proof.contains("device gdma0 at 0xfd500000-0xfd501000 of driver masters the bus"),
        "{proof}"
    );
    machine.until(MAILBOX, 1);
    let mut commands = vec![[STORE, RAM + FROM, PATTERN]];
    commands.extend(copy(DRIVER + FROM, DRIVER + TO));
    commands.push([LOAD, RAM + TO, 0]);
    let values = machine.run(MAILBOX, &commands);
    assert_eq!(values.last(), Some(&PATTERN), "it works");

    // What the driver calls its own address is another partition's memory for the bus.
    assert_ne!(machine.word(RAM + TO), PATTERN);
    machine.run(MAILBOX, &copy(DRIVER + FROM, RAM + TO));
    assert_eq!(
        machine.word(RAM + TO),
        PATTERN,
        "nothing guards the other partition"
    );

    // The first enables its interrupts, and ends the partition; the next life finds them masked.
    let enabled = machine.run(MAILBOX, &[[STORE_WORD, ENABLE, 0xfff], [LOAD_WORD, MASK, 0]]);
    assert_eq!(enabled.last(), Some(&0));
    machine.tell(MAILBOX, &[[LOAD, 0x7000_0000, 0]]);
    machine.until(MAILBOX, 1);
    let reset = machine.run(MAILBOX, &[[LOAD_WORD, MASK, 0]]);
    assert_eq!(reset, [0xfff]);
    let report = machine.session.finish("all was seen").expect("report");
    let lost = report.isolation_lost.iter();
    let accepted: Vec<_> = lost
        .filter_map(|loss| loss.partition.as_deref().zip(loss.reason.as_deref()))
        .collect();
    assert_eq!(
        accepted,
        [("driver", "what it reaches is the subject of the test")]
    );
    assert_eq!(bulkhead_on_target::partition(&report, "driver").restarts, 1);
    assert_eq!(bulkhead_on_target::partition(&report, "beside").restarts, 0);
}

/// The distributor of a partition on dedicated cores with a GICv2; SGIs that are pending, a byte each with a bit for each
/// sender.
const GICD: u64 = 0x0800_0000;
const PENDING: u64 = GICD + 0x200;
const SENDERS: u64 = GICD + 0xf20;

/// What was sent to one life of a partition is not pending in the next one. Verifies: BH-GIC-038.
#[test]
fn no_sgi_outlives_a_life_on_a_gicv2() {
    let (_system, mut machine) = Machine::start(System::build("tests/systems/master.yaml", &[]));
    machine.until(MAILBOX, 1);
    let look = [
        [LOAD_WORD, SENDERS, 0],
        [LOAD_WORD, SENDERS + 12, 0],
        [LOAD_WORD, PENDING, 0],
    ];
    let mut commands = vec![[STORE_WORD, SENDERS, 0x0302], [STORE_WORD, SENDERS + 12, 0x0100]];
    commands.extend(look);
    let values = machine.run(MAILBOX, &commands);
    assert_eq!(values[2..4], [0x0302, 0x0100]);
    // QEMU takes a zero byte for a sender, too.
    assert_eq!(values[4] & (1 << 13 | 0b11), 1 << 13 | 0b11);
    machine.tell(MAILBOX, &[[LOAD, 0x7000_0000, 0]]);
    machine.until(MAILBOX, 1);
    let values = machine.run(MAILBOX, &look);
    assert_eq!([values[0], values[1], values[2] & 0xffff], [0; 3]);
    let report = machine.session.finish("all was seen").expect("report");
    assert_eq!(bulkhead_on_target::partition(&report, "driver").restarts, 1);
}

/// The system whose board file gives devices at fixed addresses StreamIDs, and what it says of them.
const PLATFORM: &str = "tests/systems/platform.yaml";
const COPIER: u64 = 0x0901_0000;
const STREAMS: [u64; 2] = [0x80, 0x81];
const SPARE: u64 = 0x90;
/// The SMMU of QEMU virt: `SMMU_CMDQ_PROD`, `SMMU_EVENTQ_PROD`.
const CMDQ_PROD: u64 = 0x0905_0098;
const EVENTQ_PROD: u64 = 0x0906_00a8;
/// PSCI functions, the lower half.
const SYSTEM_OFF: u64 = 8;
const SYSTEM_RESET: u64 = 9;

/// Commands that put code into RAM and branch to it: `movz w0, 0x8400, lsl 16`, `movk w0, FUNCTION`, `hvc 0`, `ret`.
fn psci(function: u64) -> [[u64; 3]; 3] {
    let code = RAM + FROM;
    [
        [STORE, code, (0x7280_0000 | function << 5) << 32 | 0x52b0_8000],
        [STORE, code + 8, 0xd65f_03c0_d400_0002],
        [CALL, code, 0],
    ]
}

/// First address of the range in a field of the first record that begins so.
fn start(text: &str, head: &[&str], field: usize) -> u64 {
    let mut records = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let record = records.find(|r| r.starts_with(head)).expect("record");
    let range = record.get(field).expect("field");
    let first = range.split('-').next().and_then(|hex| hex.strip_prefix("0x"));
    u64::from_str_radix(first.expect("a range"), 16).expect("an address")
}

/// What EL2 does with the streams of a bus master at fixed addresses, read back from the memory that the SMMU reads. Verifies:
/// BH-DMA-022, BH-DMA-025, BH-DMA-026, BH-DMA-031.
#[test]
fn the_streams_of_a_device_at_fixed_addresses_live_with_its_partition() {
    let (system, mut machine) = Machine::start(System::build(PLATFORM, &[]));
    let text = std::fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let table = start(&text, &["stream-table"], 1);
    let queues = start(&text, &["grant", "el2:boot", "smmu-queues"], 3);
    let (live, blob) = (start(&text, &["live"], 1), start(&text, &["blob"], 1));
    // The blob says at byte 120 where its copy of the live area is.
    let pristine = table - live + blob + machine.word(blob + 120);
    let entry = |machine: &mut Machine, at: u64, stream: u64| -> Vec<u64> {
        (0..8).map(|n| machine.word(at + 64 * stream + 8 * n)).collect()
    };
    machine.until(MAILBOX, 1);
    let granted: Vec<Vec<u64>> = STREAMS.map(|id| entry(&mut machine, pristine, id)).into();
    assert!(granted.iter().all(|words| words[0] & 1 == 1), "{granted:x?}");
    assert_ne!(granted[0][3], granted[1][3], "each has a root");
    let now = |machine: &mut Machine| -> Vec<Vec<u64>> { STREAMS.map(|id| entry(machine, table, id)).into() };
    assert_eq!(now(&mut machine), granted, "open while it runs");
    assert_eq!(entry(&mut machine, pristine, SPARE)[0] & 1, 1, "granted");
    assert_eq!(
        entry(&mut machine, table, SPARE),
        [0; 8],
        "of a partition that never ran"
    );
    let values = machine.run(MAILBOX, &[[LOAD_WORD, COPIER + 0xfe0, 0]]);
    assert_eq!(values[0] & 0xff, 0x31, "its registers");

    // A record as the SMMU would write it, F_TRANSLATION of StreamID 0x81 (Arm IHI 0070, "Event records").
    let mut debugger = Debugger::connect(machine.port);
    let next = u64::from(debugger.read_physical(EVENTQ_PROD));
    for (word, at) in [0x81 << 32 | 0x10, 0, 0x1234_5000, 0]
        .into_iter()
        .zip((0..).step_by(8))
    {
        debugger.write_physical(queues + 0x1000 + 32 * next + at, word);
    }
    debugger.write_device(EVENTQ_PROD, u32::try_from(next + 1).expect("fits"));
    debugger.release();
    let step = machine.session.run_for(Duration::from_millis(50));
    step.expect("the machine runs");

    // Commands of the SMMU since boot that make it forget an entry: CMD_CFGI_STE, StreamID in the upper half.
    let forgotten = |machine: &mut Machine| {
        let producer = machine.session.memory(CMDQ_PROD, 4).expect("register");
        let end = u64::from(*producer.first().expect("a byte"));
        let commands: Vec<u64> = (0..end).map(|n| machine.word(queues + 16 * n)).collect();
        STREAMS.map(|id| {
            commands
                .iter()
                .filter(|c| **c & 0xff == 3 && **c >> 32 == id)
                .count()
        })
    };
    assert_eq!(forgotten(&mut machine), [1, 1]);
    machine.tell(MAILBOX, &psci(SYSTEM_RESET));
    machine.until(MAILBOX, 1);
    assert_eq!(forgotten(&mut machine), [3, 3], "closed and opened again");
    assert_eq!(now(&mut machine), granted);
    machine.tell(MAILBOX, &psci(SYSTEM_OFF));
    let step = machine.session.run_for(Duration::from_millis(50));
    step.expect("the machine runs");
    assert_eq!(forgotten(&mut machine), [4, 4]);
    let closed = now(&mut machine);
    assert!(closed.iter().all(|words| words[0] & 1 == 0), "{closed:x?}");
    let report = machine.session.finish("all was seen").expect("report");
    let party = |name| bulkhead_on_target::partition(&report, name);
    assert_eq!(party("driver").state, "off");
    let faults: Vec<_> = party("driver").dma_faults.iter().collect();
    assert_eq!(faults, [(&"copier".to_owned(), &1)]);
    assert!(party("other").dma_faults.is_empty());
}
