// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices at fixed addresses with several register blocks and interrupts, and a UART that is a partition's own.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::time::Duration;

use bulkhead_on_target::prober::{CALL, LOAD, LOAD_WORD, Machine, RAM, STORE, STORE_WORD};
use bulkhead_on_target::{FIXED_SEEDS, REFERENCE, System, partition, says};
use bulkhead_runner::command::Timing;

/// Mailboxes of the owner and of its neighbour.
const OWNER: u64 = 0x5010_0000;
const BESIDE: u64 = 0x5050_0000;
/// Registers of the UART, of the device's first block (a PL031) and of its second (a PL061), and their interrupts.
const UART: u64 = 0x0904_0000;
const CLOCK: u64 = 0x0901_0000;
const PINS: u64 = 0x0903_0000;
const UART_INTID: u64 = 40;
const CLOCK_INTID: u64 = 34;
const PINS_INTID: u64 = 39;
/// `GICD_CTLR` and `GICD_ISENABLER1` of a partition's distributor, and the bits of the three interrupts.
const CONTROL: u64 = 0x0800_0000;
const ENABLE: u64 = 0x0800_0104;
const ALL: u64 = 1 << (UART_INTID - 32) | 1 << (CLOCK_INTID - 32) | 1 << (PINS_INTID - 32);
/// What `ICC_IAR1_EL1` says when nothing is pending.
const NOTHING: u64 = 1023;
/// Where the owner has code, and where that leaves what it acknowledged.
const CODE: u64 = RAM + 0x20_0000;
const TAKEN: u64 = RAM + 0x20_2000;

/// Commands that put code into RAM, call it, and read what it left.
fn call(code: &[u32]) -> Vec<[u64; 3]> {
    let mut words = code.to_vec();
    // `ret`, twice: whole words of 64 bits.
    words.extend([0xd65f_03c0, 0xd65f_03c0]);
    let pairs = words.chunks_exact(2).zip((CODE..).step_by(8));
    let store = |(pair, at): (&[u32], u64)| [STORE, at, u64::from(pair[1]) << 32 | u64::from(pair[0])];
    let mut commands: Vec<_> = pairs.map(store).collect();
    commands.extend([[CALL, CODE, 0], [LOAD, TAKEN, 0]]);
    commands
}

/// `ICC_PMR_EL1` = 0xff, `ICC_IGRPEN1_EL1` = 1, `isb`.
const OPEN: [u32; 6] = [
    0x5280_1fe0,
    0xd518_4600,
    0x5280_0020,
    0xd518_cce0,
    0xd503_3fdf,
    0xd503_3f9f,
];
/// Takes an interrupt: `ICC_IAR1_EL1` into `TAKEN`, `ICC_EOIR1_EL1`, `dsb sy`.
const TAKE: [u32; 6] = [
    0xd538_cc00,
    0xd2a8_0401,
    0xf284_0001,
    0xf900_0020,
    0xd518_cc20,
    0xd503_3f9f,
];

/// The interrupt that the owner takes after `cause`, and then what quiets it.
fn taken(machine: &mut Machine, cause: &[[u64; 3]], quiet: &[[u64; 3]]) -> u64 {
    machine.run(OWNER, cause);
    let found = *machine.run(OWNER, &call(&TAKE)).last().expect("a value");
    machine.run(OWNER, quiet);
    found
}

/// Each register block and each interrupt is the owner's, and reset before each of its lives; its neighbour reaches none.
/// Verifies: BH-CFG-254, BH-QEMU-011.
#[test]
fn a_partition_has_each_block_and_interrupt_of_its_devices() {
    let system = System::build("tests/systems/devices.yaml", &[]);
    let (system, mut machine) = Machine::start(system);
    machine.until(OWNER, 1);
    machine.until(BESIDE, 1);

    // PrimeCell identification.
    let parts = [UART, CLOCK, PINS].map(|base| [LOAD_WORD, base + 0xfe0, 0]);
    assert_eq!(machine.run(OWNER, &parts), [0x11, 0x31, 0x61]);
    // A data abort from a translation that is not there, which EL2 gives as an external one.
    let aborts = machine.aborts(BESIDE, &parts);
    assert!(
        aborts
            .iter()
            .all(|esr| esr >> 26 == 0b10_0101 && esr & 0x3f == 0x10),
        "{aborts:x?}"
    );

    let enable = [[STORE_WORD, ENABLE, ALL], [LOAD_WORD, ENABLE, 0]];
    assert_eq!(
        machine.run(BESIDE, &enable)[1] & ALL,
        0,
        "nothing that is not its own"
    );
    let mut begin = vec![[STORE_WORD, CONTROL, 2]];
    begin.extend(enable);
    assert_eq!(machine.run(OWNER, &begin)[2] & ALL, ALL);
    machine.run(OWNER, &call(&OPEN));
    assert_eq!(taken(&mut machine, &[], &[]), NOTHING);

    // UARTLCR_H, UARTCR, UARTIMSC (transmit), two bytes; then the interrupt off and cleared.
    let send = [
        [STORE_WORD, UART + 0x2c, 0x60],
        [STORE_WORD, UART + 0x30, 0x301],
        [STORE_WORD, UART + 0x38, 0x20],
        [STORE_WORD, UART, b'h'.into()],
        [STORE_WORD, UART, b'i'.into()],
    ];
    let quiet = [[STORE_WORD, UART + 0x38, 0], [STORE_WORD, UART + 0x44, 0x7ff]];
    assert_eq!(taken(&mut machine, &send, &quiet), UART_INTID);
    assert_eq!(taken(&mut machine, &[], &[]), NOTHING);

    // GPIOIS, GPIOIEV, GPIOIE: pin 0 interrupts as long as it is low, and it is.
    let low = [
        [STORE_WORD, PINS + 0x404, 1],
        [STORE_WORD, PINS + 0x40c, 0],
        [STORE_WORD, PINS + 0x410, 1],
    ];
    let quiet = [[STORE_WORD, PINS + 0x410, 0]];
    assert_eq!(taken(&mut machine, &low, &quiet), PINS_INTID);
    assert_eq!(taken(&mut machine, &[], &[]), NOTHING);

    // RTCMR one second ahead of RTCDR, RTCIMSC.
    let now = machine.run(OWNER, &[[LOAD_WORD, CLOCK, 0]])[0];
    let alarm = [[STORE_WORD, CLOCK + 4, now + 1], [STORE_WORD, CLOCK + 0x10, 1]];
    machine.run(OWNER, &alarm);
    let second = machine.session.run_for(Duration::from_millis(1100));
    second.expect("the machine runs");
    let quiet = [[STORE_WORD, CLOCK + 0x10, 0], [STORE_WORD, CLOCK + 0x1c, 1]];
    assert_eq!(taken(&mut machine, &[], &quiet), CLOCK_INTID);
    assert_eq!(taken(&mut machine, &[], &[]), NOTHING);

    // An access elsewhere ends the partition; its next life finds everything reset.
    let left = [
        [STORE_WORD, PINS + 0x410, 1],
        [STORE_WORD, CLOCK + 0x10, 1],
        [STORE_WORD, UART + 0x38, 0x20],
    ];
    machine.run(OWNER, &left);
    machine.tell(OWNER, &[[LOAD, 0x7000_0000, 0]]);
    machine.until(OWNER, 1);
    let masks = left.map(|[_, at, _]| [LOAD_WORD, at, 0]);
    assert_eq!(machine.run(OWNER, &masks), [0; 3]);

    let report = machine.session.finish("all was seen").expect("report");
    assert_eq!(partition(&report, "owner").restarts, 1);
    assert_eq!(partition(&report, "beside").restarts, 0);
    let sent = fs::read(system.folder().join("uart1")).expect("what the UART sent");
    assert_eq!(sent, b"hi");
}

/// A stock Linux finds the UART in its device tree, drives it and has its interrupt. Verifies: BH-CFG-254, BH-QEMU-011.
#[test]
fn linux_drives_a_uart_of_its_own() {
    const LINUX: &str = "infotainment";
    let mut overrides = FIXED_SEEDS.to_vec();
    overrides.push("partitions.infotainment.devices=[uart1]");
    let system = System::build(REFERENCE, &overrides);
    let mut session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.uarts = Some(system.folder().to_owned());
    });
    says(&mut session, LINUX, "infotainment: ready", 120);
    // The driver has the interrupt as long as somebody has the line open; QEMU's FIFO is never full, so none comes.
    session
        .send(
            LINUX,
            b"exec 3>/dev/ttyAMA1; (echo own line; seq 60) >&3; sleep 1\n",
        )
        .expect("typed");
    session
        .send(
            LINUX,
            b"awk '/ 40 Level/ {print \"bound\", $NF}' /proc/interrupts\n",
        )
        .expect("typed");
    says(&mut session, LINUX, "bound uart-pl011\r\n", 20);
    session.finish("all was seen").expect("report");
    let sent = fs::read(system.folder().join("uart1")).expect("what the UART sent");
    let sent = String::from_utf8(sent).expect("text");
    assert!(
        sent.starts_with("own line\r\n1\r\n2\r\n") && sent.ends_with("60\r\n"),
        "{sent}"
    );
}
