// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a partition whose second vCPU masks everything on another core, and writes memory for ever or sleeps:
//! its letters are in `tests/partitions/stubborn/README.md`.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::time::Duration;

use bulkhead_abi::stats::{ENTRY_COUNTERS, ENTRY_FIQ, VcpuStats, partition_state};
use bulkhead_on_target::gdb::{Debugger, free_port};
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
/// The same for a WFI.
const WAIT: usize = 0x01;
/// Cores of the board, and that of the second vCPU.
const CORES: u32 = 4;
const SECOND: u32 = 2;
/// `GICR_ISPENDR0` of that core: the distance of redistributors, the frame of SGIs, the register.
const SECOND_PENDING: u64 = 0x080a_0000 + SECOND as u64 * 0x2_0000 + 0x1_0000 + 0x200;
/// The SGI of a kick.
const KICK_SGI: u32 = 15;
/// The global index of the neighbour's vCPU.
const NEIGHBOUR: u64 = 2;
/// WFI goes past EL2.
const DIRECT: &str = "partitions.guest.cores.interrupts=direct";
/// WFI traps.
const GUARDED: &str = "partitions.guest.cores.interrupts=guarded";
/// Where the guest finds nothing.
const NOTHING: u64 = 0x1000_0000;

/// The partition, running.
struct Guest {
    session: Session,
    /// Where the emulator's debugger stub listens.
    port: u16,
    /// Physical address of its RAM.
    ram: u64,
    /// Physical address of its live root page.
    root: u64,
    /// The pristine copy of that page.
    pristine: Vec<u8>,
    /// What the neighbour's vCPU entered EL2 for before anything happened beside it.
    neighbour: [u64; ENTRY_COUNTERS],
}

fn hex(text: &str) -> u64 {
    let digits = text.strip_prefix("0x").expect("a number in hex");
    u64::from_str_radix(digits, 16).expect("digits")
}

/// First address of a range.
fn start_of(range: &str) -> u64 {
    hex(range.split('-').next().unwrap_or_default())
}

/// Entries to EL2 by which a vCPU's core was taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ends {
    /// Interrupts of EL2.
    kicks: u64,
    /// Accesses that its withdrawn memory refused.
    aborts: u64,
}

const KICK: Ends = Ends { kicks: 1, aborts: 0 };
const ABORT: Ends = Ends { kicks: 0, aborts: 1 };

fn ends(vcpu: &VcpuStats) -> Ends {
    Ends {
        kicks: vcpu.entries[ENTRY_FIQ],
        aborts: vcpu.entries[DATA_ABORT] + vcpu.entries[INSTRUCTION_ABORT],
    }
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
        let port = free_port();
        let mut guest = Self {
            session: system.start(|options| options.launch.gdb = Some(port)),
            port,
            ram: start_of(field(&["grant", "partition:guest", "ram"], 0)),
            root: hex(field(&["root", "partition:guest"], 0)),
            pristine,
            neighbour: [0; ENTRY_COUNTERS],
        };
        says(&mut guest.session, "guest", "ready", 20);
        says(&mut guest.session, "neighbour", "ready", 20);
        guest.neighbour_answers();
        guest.neighbour = guest.vcpu(NEIGHBOUR).entries;
        assert_eq!(guest.root_page(), guest.pristine);
        guest
    }

    fn tell(&mut self, letter: &str) {
        self.session.send("guest", letter.as_bytes()).expect("typed");
    }

    /// Starts the second vCPU; gives the physical address of what it counts in.
    fn begin(&mut self, letter: &str) -> u64 {
        self.tell(letter);
        let line = says(&mut self.session, "guest", " counts", 20);
        let ipa = line.split_whitespace().next().expect("address");
        self.ram + hex(ipa) - RAM_IPA
    }

    /// The same for one that goes on counting.
    fn count(&mut self, letter: &str) -> u64 {
        let address = self.begin(letter);
        assert!(self.is_written(address), "{letter}: it counts");
        address
    }

    /// The same for one that falls asleep.
    fn sleep(&mut self, letter: &str) -> u64 {
        let address = self.begin(letter);
        self.pass(Duration::from_millis(100));
        assert!(!self.is_written(address), "{letter}: it sleeps");
        address
    }

    /// Whether memory changes in a third of a second.
    fn is_written(&mut self, address: u64) -> bool {
        let before = self.read(address, 8);
        (0..3).any(|_| {
            self.pass(Duration::from_millis(120));
            before != self.read(address, 8)
        })
    }

    /// The neighbour obeys its console.
    fn neighbour_answers(&mut self) {
        self.session.send("neighbour", b"?").expect("typed");
        says(&mut self.session, "neighbour", "no letter of mine: 63", 20);
    }

    /// The neighbour does what it did, and entered EL2 for nothing.
    fn neighbour_is_untouched(&mut self) {
        self.neighbour_answers();
        let neighbour = self.vcpu(NEIGHBOUR);
        assert_eq!(neighbour.partition_state, partition_state::RUNNING);
        assert_eq!(neighbour.restarts, 0);
        assert_eq!(neighbour.entries, self.neighbour);
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
        self.reaches(partition_state::OFF);
        self.is_quiet(counter);
    }

    fn reaches(&mut self, state: u64) {
        for _ in 0..100 {
            if self.vcpu(0).partition_state == state {
                return;
            }
            self.pass(Duration::from_millis(200));
        }
        panic!("its state is {}, not {state}", self.vcpu(0).partition_state);
    }

    /// It writes no more, and could not.
    fn is_quiet(&mut self, counter: u64) {
        assert!(!self.is_written(counter), "memory is written after the end");
        assert_eq!(self.root_page(), [0; PAGE], "the root page maps something");
    }

    /// It restarted, with its own root page.
    fn came_back(&mut self) {
        self.came_back_in(1);
    }

    /// The same, for the given time.
    fn came_back_in(&mut self, restarts: u64) {
        says(&mut self.session, "guest", "ready", 20);
        assert_eq!(
            self.root_page(),
            self.pristine,
            "the root page is not the pristine one"
        );
        assert_eq!(self.vcpu(0).restarts, restarts);
    }

    /// No kick brought the second vCPU's core back, but the abort of its next access, which is nobody's fault.
    fn was_revoked(&mut self) {
        let vcpu = self.vcpu(1);
        assert_eq!(ends(&vcpu), ABORT);
        assert_eq!(vcpu.fault_syndrome, 0);
    }

    /// It restarts from what a letter made of its second vCPU; gives what took that off its core.
    fn restarts_from(&mut self, letter: &str, restarts: u64) -> Ends {
        self.restarts_by(|guest| guest.tell("r"), letter, restarts)
    }

    /// The same, and the second vCPU executes nothing until its memory is withdrawn and the kick is at its core.
    fn restarts_held(&mut self, letter: &str, restarts: u64) -> Ends {
        self.restarts_by(Self::reset_with_second_held, letter, restarts)
    }

    fn reset_with_second_held(&mut self) {
        let mut debugger = Debugger::connect(self.port);
        self.tell("r");
        let kicked = (0..100).any(|_| {
            debugger.hold(SECOND, CORES, Duration::from_millis(50));
            debugger.read_physical(SECOND_PENDING) & 1 << KICK_SGI != 0
        });
        assert!(kicked, "no kick is at the second vCPU's core");
        debugger.release();
    }

    fn restarts_by(&mut self, reset: impl FnOnce(&mut Self), letter: &str, restarts: u64) -> Ends {
        let sleeps = letter != "K" && letter.chars().all(char::is_uppercase);
        let counter = if sleeps {
            self.sleep(letter)
        } else {
            self.count(letter)
        };
        let before = ends(&self.vcpu(1));
        reset(self);
        self.came_back_in(restarts);
        assert!(!self.is_written(counter), "{letter}: its last life writes");
        let after = self.vcpu(1);
        assert_eq!(after.fault_syndrome, 0, "{letter}");
        let after = ends(&after);
        Ends {
            kicks: after.kicks - before.kicks,
            aborts: after.aborts - before.aborts,
        }
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

/// Its next access ends it, or a kick that comes first; where no kick reaches it, the access. Its core serves the next
/// life. Verifies: BH-LIFE-002, BH-LIFE-003, BH-LIFE-005, BH-GIC-011.
#[test]
fn a_vcpu_that_spins_is_taken_back_whatever_it_masks() {
    for interrupts in [DIRECT, GUARDED] {
        let mut guest = Guest::with(&[interrupts]);
        for (restarts, letter) in (1..).zip(["c", "p", "e", "k"]) {
            let ends = guest.restarts_from(letter, restarts);
            let possible: &[Ends] = if letter == "k" { &[ABORT] } else { &[KICK, ABORT] };
            assert!(possible.contains(&ends), "{interrupts}, {letter}: {ends:?}");
        }
        guest.neighbour_is_untouched();
    }
}

/// A kick that is at its core comes before its next access, unless it keeps kicks out.
/// Verifies: BH-LIFE-002, BH-LIFE-003, BH-LIFE-005, BH-GIC-011.
#[test]
fn a_kick_takes_a_vcpu_back_that_spins() {
    for interrupts in [DIRECT, GUARDED] {
        let mut guest = Guest::with(&[interrupts]);
        for (restarts, (letter, end)) in (1..).zip([("c", KICK), ("p", KICK), ("e", KICK), ("k", ABORT)]) {
            let ends = guest.restarts_held(letter, restarts);
            assert_eq!(ends, end, "{interrupts}, {letter}");
        }
    }
}

/// The kick ends its sleep at EL1, and its next life has the interrupt again that the last one left active.
/// Verifies: BH-LIFE-002, BH-LIFE-003, BH-LIFE-005, BH-GIC-011.
#[test]
fn a_direct_vcpu_that_sleeps_is_taken_back_whatever_it_masks() {
    let mut guest = Guest::with(&[DIRECT]);
    for (restarts, letter) in (1..).zip(["C", "E", "E"]) {
        assert_eq!(guest.restarts_from(letter, restarts), KICK, "{letter}");
    }
    assert_eq!(guest.vcpu(1).entries[WAIT], 0, "a WFI trapped");
    let counter = guest.sleep("P");
    guest.goes_off(counter);
    guest.neighbour_is_untouched();
}

/// It sleeps in EL2, which looks when the kick ends that. One that keeps kicks out and says that it sleeps gets no
/// sleep. Verifies: BH-LIFE-002, BH-LIFE-003, BH-LIFE-005, BH-GIC-011, BH-GIC-040.
#[test]
fn a_guarded_vcpu_that_sleeps_is_taken_back_whatever_it_does() {
    let mut guest = Guest::with(&[GUARDED]);
    for (restarts, letter) in (1..).zip(["C", "P", "E"]) {
        assert_eq!(
            guest.restarts_from(letter, restarts),
            Ends { kicks: 0, aborts: 0 },
            "{letter}"
        );
    }
    let ends = guest.restarts_from("K", 4);
    assert!(ends.kicks == 0 && ends.aborts <= 1, "{ends:?}");
    let counter = guest.count("K");
    guest.goes_off(counter);
    guest.neighbour_is_untouched();
}

/// Nothing wakes it: it keeps its core until a reset, and its partition is shown as one that waits for its vCPUs to
/// stop. Its memory is gone all the same. Verifies: BH-LIFE-001, BH-LIFE-003.
#[test]
fn a_direct_guest_that_sleeps_past_kicks_keeps_its_core_alone() {
    let mut guest = Guest::with(&[DIRECT]);
    let counter = guest.sleep("K");
    let before = guest.vcpu(1).entries;
    guest.tell("o");
    guest.reaches(partition_state::RESTARTING);
    guest.pass(Duration::from_secs(2));
    assert_eq!(guest.vcpu(0).partition_state, partition_state::RESTARTING);
    assert_eq!(guest.vcpu(1).entries, before, "it entered EL2");
    guest.is_quiet(counter);
    guest.neighbour_is_untouched();
}

/// EL2 has no interrupt on a dedicated core of a GICv2: the second vCPU's core hears an event when it is started, and
/// nothing but its revocation takes it back. Verifies: BH-GIC-023, BH-LIFE-003, BH-LIFE-004.
#[test]
fn a_dedicated_core_of_a_gicv2_is_started_and_revoked() {
    // QEMU's machine has no entropy for the device tree.
    let mut guest = Guest::with(&[
        "board=xlnx-zcu102",
        "partitions.guest.seed=fixed",
        "partitions.neighbour.seed=fixed",
    ]);
    guest.count("c");
    guest.tell("r");
    guest.came_back();
    guest.was_revoked();
    let counter = guest.count("c");
    guest.goes_off(counter);
}
