// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bus master that nothing guards works by physical addresses, and reaches what the report says, everything.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use bulkhead_on_target::System;
use bulkhead_on_target::gdb::{Debugger, free_port};
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;

/// Physical addresses of the driver's RAM; its mailbox (`tests/partitions/prober/README.md`) is 1 MiB behind.
const DRIVER: u64 = 0x5000_0000;
const MAILBOX: u64 = DRIVER + 0x10_0000;
/// The same RAM as the driver sees it.
const RAM: u64 = 0x4000_0000;
/// Where in RAM it copies from and to.
const FROM: u64 = 0x20_0000;
const TO: u64 = 0x20_1000;
/// No page has it by chance.
const PATTERN: u64 = 0x5ca1_ab1e_0ddb_a115;

/// Operations of the mailbox.
const LOAD: u64 = 0;
const STORE: u64 = 1;
const LOAD_WORD: u64 = 5;
const STORE_WORD: u64 = 6;

struct Machine {
    session: Session,
    port: u16,
}

impl Machine {
    fn start(spec: &str) -> (System, Self) {
        let system = System::build(spec, &[]);
        let port = free_port();
        let session = system.start(|options| {
            options.launch.timing = Timing::Deterministic;
            options.launch.extra = ["-gdb".to_owned(), format!("tcp:127.0.0.1:{port}")].into();
        });
        (system, Self { session, port })
    }

    fn word(&mut self, address: u64) -> u64 {
        let bytes = self.session.memory(address, 8).expect("memory");
        u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
    }

    fn until(&mut self, mailbox: u64, state: u64) {
        for _ in 0..200 {
            if self.word(mailbox) == state {
                return;
            }
            let step = self.session.run_for(Duration::from_millis(20));
            step.expect("the machine runs");
        }
        panic!("the mailbox at {mailbox:#x} never says {state}");
    }

    /// Says what to do: operation, address, value each. The driver need not survive it.
    fn tell(&mut self, commands: &[[u64; 3]]) {
        let mut debugger = Debugger::connect(self.port);
        let mut write = |at: u64, value: u64| debugger.write_physical(MAILBOX + at, value);
        for (command, at) in commands.iter().zip((64..).step_by(32)) {
            for (word, offset) in command.iter().chain([&0]).zip((0..).step_by(8)) {
                write(at + offset, *word);
            }
        }
        write(8, u64::try_from(commands.len()).expect("fits"));
        write(0, 2);
        debugger.release();
    }

    /// Has it done; the values that were read.
    fn run(&mut self, commands: &[[u64; 3]]) -> Vec<u64> {
        self.tell(commands);
        self.until(MAILBOX, 3);
        let read = |(k, _)| {
            let at = MAILBOX + 64 + 32 * u64::try_from(k).expect("fits");
            assert_eq!(self.word(at + 24), 2, "command {k} of {commands:x?}");
            self.word(at + 16)
        };
        commands.iter().enumerate().map(read).collect()
    }
}

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
    let (system, mut machine) = Machine::start("tests/systems/master.yaml");
    let proof = std::fs::read_to_string(system.folder().join("certificate.json")).expect("certificate");
    assert!(
        proof.contains("device gdma0 at 0xfd500000-0xfd501000 of driver masters the bus"),
        "{proof}"
    );
    machine.until(MAILBOX, 1);
    let mut commands = vec![[STORE, RAM + FROM, PATTERN]];
    commands.extend(copy(DRIVER + FROM, DRIVER + TO));
    commands.push([LOAD, RAM + TO, 0]);
    let values = machine.run(&commands);
    assert_eq!(values.last(), Some(&PATTERN), "it works");

    // What the driver calls its own address is another partition's memory for the bus.
    assert_ne!(machine.word(RAM + TO), PATTERN);
    machine.run(&copy(DRIVER + FROM, RAM + TO));
    assert_eq!(
        machine.word(RAM + TO),
        PATTERN,
        "nothing guards the other partition"
    );

    // The first enables its interrupts, and ends the partition; the next life finds them masked.
    let enabled = machine.run(&[[STORE_WORD, ENABLE, 0xfff], [LOAD_WORD, MASK, 0]]);
    assert_eq!(enabled.last(), Some(&0));
    machine.tell(&[[LOAD, 0x7000_0000, 0]]);
    machine.until(MAILBOX, 1);
    let reset = machine.run(&[[LOAD_WORD, MASK, 0]]);
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
    let (_system, mut machine) = Machine::start("tests/systems/master.yaml");
    machine.until(MAILBOX, 1);
    let look = [
        [LOAD_WORD, SENDERS, 0],
        [LOAD_WORD, SENDERS + 12, 0],
        [LOAD_WORD, PENDING, 0],
    ];
    let mut commands = vec![[STORE_WORD, SENDERS, 0x0302], [STORE_WORD, SENDERS + 12, 0x0100]];
    commands.extend(look);
    let values = machine.run(&commands);
    assert_eq!(values[2..4], [0x0302, 0x0100]);
    // QEMU takes a zero byte for a sender, too.
    assert_eq!(values[4] & (1 << 13 | 0b11), 1 << 13 | 0b11);
    machine.tell(&[[LOAD, 0x7000_0000, 0]]);
    machine.until(MAILBOX, 1);
    let values = machine.run(&look);
    assert_eq!([values[0], values[1], values[2] & 0xffff], [0; 3]);
    let report = machine.session.finish("all was seen").expect("report");
    assert_eq!(bulkhead_on_target::partition(&report, "driver").restarts, 1);
}
