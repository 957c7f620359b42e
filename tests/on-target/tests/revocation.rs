// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a partition whose second vCPU masks everything and writes memory for ever on another core: its letters
//! are in `tests/partitions/stubborn/README.md`.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::time::Duration;

use bulkhead_abi::stats::{ENTRY_FIQ, VcpuStats, partition_state};
use bulkhead_on_target::{System, says};
use bulkhead_runner::Session;

/// Bytes of a stage-2 root page.
const PAGE: usize = 4096;
/// First IPA of every partition's RAM.
const RAM_IPA: u64 = 0x4000_0000;
/// `ESR_EL2.EC` of a data abort from a lower level.
const DATA_ABORT: usize = 0x24;
/// The same for an instruction abort.
const INSTRUCTION_ABORT: usize = 0x20;
/// Where the guest finds nothing.
const NOTHING: u64 = 0x1000_0000;

/// The partition, running.
struct Guest {
    session: Session,
    /// Physical address of its RAM.
    ram: u64,
    /// Physical address of its live root page.
    root: u64,
    /// The pristine copy of that page.
    pristine: Vec<u8>,
}

fn hex(text: &str) -> u64 {
    let digits = text.strip_prefix("0x").expect("a number in hex");
    u64::from_str_radix(digits, 16).expect("digits")
}

/// First address of a range.
fn start_of(range: &str) -> u64 {
    hex(range.split('-').next().unwrap_or_default())
}

impl Guest {
    /// Starts the system and waits for the guest's first word.
    fn start() -> Self {
        Self::with(&[])
    }

    /// The same with values of the spec replaced.
    fn with(overrides: &[&str]) -> Self {
        let system = System::build("tests/systems/stubborn.yaml", overrides);
        let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
        let records = || {
            text.lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>())
        };
        let field = |head: &[&str], number: usize| {
            let record = records().find(|record| record.starts_with(head));
            let field = record.and_then(|record| record.get(head.len() + number).copied());
            field.unwrap_or_else(|| panic!("no {head:?} in\n{text}"))
        };
        let offset = hex(field(&["root", "partition:guest"], 1)) - start_of(field(&["blob"], 0));
        let blob = fs::read(system.folder().join("system.blob")).expect("blob");
        let pristine = blob[usize::try_from(offset).expect("offset")..][..PAGE].to_vec();
        assert!(pristine.iter().any(|byte| *byte != 0), "the root maps something");
        let mut guest = Self {
            session: system.start(|_| {}),
            ram: start_of(field(&["grant", "partition:guest", "ram"], 0)),
            root: hex(field(&["root", "partition:guest"], 0)),
            pristine,
        };
        says(&mut guest.session, "guest", "ready", 20);
        assert_eq!(guest.root_page(), guest.pristine);
        guest
    }

    fn tell(&mut self, letter: &str) {
        self.session.send("guest", letter.as_bytes()).expect("typed");
    }

    /// Lets the second vCPU count; gives the physical address of what it counts in.
    fn count(&mut self, letter: &str) -> u64 {
        self.tell(letter);
        let line = says(&mut self.session, "guest", " counts", 20);
        let ipa = line.split_whitespace().next().expect("address");
        let address = self.ram + hex(ipa) - RAM_IPA;
        assert!(self.is_written(address), "it counts");
        address
    }

    /// Whether memory changes in a second.
    fn is_written(&mut self, address: u64) -> bool {
        let before = self.read(address, 8);
        self.pass(Duration::from_secs(1));
        before != self.read(address, 8)
    }

    fn read(&mut self, address: u64, length: usize) -> Vec<u8> {
        self.session.memory(address, length).expect("memory")
    }

    fn root_page(&mut self) -> Vec<u8> {
        self.read(self.root, PAGE)
    }

    fn pass(&mut self, time: Duration) {
        self.session.run_for(time).expect("the machine runs");
    }

    /// EL2's statistics of one of its vCPUs.
    fn vcpu(&mut self, number: u64) -> VcpuStats {
        let cores = self.session.stats().expect("statistics").cores.iter().flatten();
        let mut vcpus = cores.flat_map(|core| &core.vcpus);
        *vcpus.find(|vcpu| vcpu.vcpu == number).expect("vCPU")
    }

    /// The partition switches itself off, and writes no more.
    fn goes_off(&mut self, counter: u64) {
        self.tell("o");
        for _ in 0..100 {
            if self.vcpu(0).partition_state == partition_state::OFF {
                break;
            }
            self.pass(Duration::from_millis(200));
        }
        assert_eq!(self.vcpu(0).partition_state, partition_state::OFF);
        assert!(!self.is_written(counter), "memory is written after the end");
        assert_eq!(self.root_page(), [0; PAGE], "the root page maps something");
    }

    /// It restarted, with its own root page.
    fn came_back(&mut self) {
        says(&mut self.session, "guest", "ready", 20);
        assert_eq!(
            self.root_page(),
            self.pristine,
            "the root page is not the pristine one"
        );
        assert_eq!(self.vcpu(0).restarts, 1);
    }

    /// No kick brought the second vCPU's core back, but the abort of its next access, which is nobody's fault.
    fn was_revoked(&mut self) {
        let vcpu = self.vcpu(1);
        assert_eq!(vcpu.entries[ENTRY_FIQ], 0, "a kick arrived");
        assert_eq!(
            vcpu.entries[DATA_ABORT] + vcpu.entries[INSTRUCTION_ABORT],
            1,
            "{:?}",
            vcpu.entries
        );
        assert_eq!(vcpu.fault_syndrome, 0);
    }
}

/// Verifies: BH-LIFE-003, BH-LIFE-005.
#[test]
fn a_partition_that_is_off_writes_no_more() {
    let mut guest = Guest::start();
    let counter = guest.count("c");
    guest.goes_off(counter);
    assert_eq!(guest.vcpu(1).fault_syndrome, 0);
}

/// Verifies: BH-LIFE-003, BH-LIFE-005.
#[test]
fn a_core_that_keeps_kicks_out_is_revoked() {
    let mut guest = Guest::start();
    let counter = guest.count("k");
    guest.goes_off(counter);
    guest.was_revoked();
}

/// Verifies: BH-LIFE-002, BH-LIFE-004.
#[test]
fn a_restarted_partition_has_its_memory_on_all_cores() {
    let mut guest = Guest::start();
    guest.count("k");
    guest.tell("r");
    guest.came_back();
    guest.was_revoked();
    let counter = guest.count("c");
    guest.goes_off(counter);
}

/// Verifies: BH-LIFE-004, BH-LIFE-005.
#[test]
fn the_fault_is_that_of_the_vcpu_that_faulted() {
    let mut guest = Guest::start();
    guest.count("k");
    guest.tell("f");
    guest.came_back();
    guest.was_revoked();
    let faulted = guest.vcpu(0);
    assert_eq!(faulted.fault_syndrome >> 26, DATA_ABORT as u64);
    assert_eq!(faulted.fault_ipa, NOTHING);
}

/// EL2 has no interrupt on a dedicated core of a GICv2: the second vCPU's core hears an event when it is started, and
/// nothing but its revocation takes it back. Verifies: BH-GIC-023, BH-LIFE-003, BH-LIFE-004.
#[test]
fn a_dedicated_core_of_a_gicv2_is_started_and_revoked() {
    // QEMU's machine has no entropy for the device tree.
    let mut guest = Guest::with(&["board=xlnx-zcu102", "partitions.guest.seed=fixed"]);
    guest.count("c");
    guest.tell("r");
    guest.came_back();
    guest.was_revoked();
    let counter = guest.count("c");
    guest.goes_off(counter);
}
