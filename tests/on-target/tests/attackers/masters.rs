// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bus master that a boot loader left running: its transfer ends 100 ms after EL2's first instruction.

use std::time::{Duration, Instant};

use bulkhead_on_target::{System, says};
use bulkhead_runner::Session;
use bulkhead_runner::command::{Start, Timing};

use super::injection::{Stub, free_port};
use super::{SYSTEM, ram};

/// Configuration space of slot 3 on QEMU virt, an address of its window for BAR 0.
const CONFIGURATION: u64 = 0x40_1001_8000;
const BAR: u32 = 0x1800_0000;
/// What lies where the transfer would put zeros.
const MARK: u32 = 0xA5A5_5A5A;
/// Host time in which the machine executes 100 ms of a loop.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where the loop of the control lies, and `b .`.
const LOOP: u64 = 0x7000_0000;
const BRANCH: u32 = 0x1400_0000;
/// Number of the program counter among the registers.
const PC: u32 = 32;

/// A machine before its first instruction, with a transfer of zeros to `target` under way.
fn loaded(system: &System, target: u64) -> (Session, Stub) {
    let port = free_port();
    let session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.start = Start::WaitForDebugger;
        options.launch.extra = ["-gdb".to_owned(), format!("tcp:127.0.0.1:{port}")].into();
    });
    let mut stub = Stub::connect(port);
    stub.ask("Qqemu.PhyMemMode:1");
    for at in (0..64).step_by(4) {
        stub.write(target + at, MARK);
    }
    stub.write(CONFIGURATION + 0x10, BAR);
    // Memory space and bus master.
    stub.write(CONFIGURATION + 4, 6);
    let target = u32::try_from(target).expect("below 4 GiB");
    // EDU: source (its own buffer), destination, count, command: start, to memory.
    for (at, value) in [(0x80, 0x4_0000), (0x88, target), (0x90, 64), (0x98, 3)] {
        stub.write(u64::from(BAR) + at, value);
    }
    stub.ask("Qqemu.PhyMemMode:0");
    (session, stub)
}

/// Verifies: BH-DMA-004.
#[test]
fn a_transfer_that_a_boot_loader_left_running() {
    let system = System::build(SYSTEM, &[]);
    let (store, _) = ram(&system, "store");
    let marked = |session: &mut Session| {
        let bytes = session.memory(store, 64).expect("memory");
        let words = bytes.as_chunks::<4>().0;
        words.iter().all(|word| u32::from_le_bytes(*word) == MARK)
    };
    let (mut session, mut stub) = loaded(&system, store);
    stub.ask("D");
    says(&mut session, "beside", "ready", 20);
    session
        .run_for(Duration::from_millis(300))
        .expect("the machine runs");
    assert!(marked(&mut session), "it landed");
    let command = session.memory(CONFIGURATION + 4, 4).expect("register");
    assert_eq!(
        command.first().map(|byte| byte & 4),
        Some(0),
        "it masters the bus"
    );
    drop(session);

    // The control: EL2 never runs, and it lands.
    let (mut session, mut stub) = loaded(&system, store);
    stub.ask("Qqemu.PhyMemMode:1");
    stub.write(LOOP, BRANCH);
    stub.ask("Qqemu.PhyMemMode:0");
    let answer = stub.ask(&format!("P{PC:x}={:016x}", LOOP.swap_bytes()));
    assert_eq!(answer, "OK");
    assert!(marked(&mut session), "not yet");
    stub.ask("D");
    let begin = Instant::now();
    while marked(&mut session) {
        assert!(begin.elapsed() < PATIENCE, "it does not land without EL2 either");
        std::thread::sleep(Duration::from_millis(200));
    }
}
