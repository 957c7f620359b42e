// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seeded faults: one bit is flipped in a running system, and what becomes of it is counted.
//!
//! Registers of a core (a guest's or EL2's, as it stands when it is stopped), a guest's memory, EL2's data, live table
//! entries, the GIC, the SMMU. A fault is masked (nothing changes), contained (the partition that it hit, alone),
//! detected (EL2 stops a core or a partition, and says so), or silent: somebody else is harmed and nothing is told.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bulkhead_on_target::System;
use bulkhead_runner::Session;
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::Report;

use super::victims::{hex, ram};
use super::{SYSTEM, workers};

/// Host time without progress after which the machine hangs.
const STALL: Duration = Duration::from_secs(60);
/// Virtual time from a fault to its judgement.
const AFTER: Duration = Duration::from_millis(150);

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % end
    }
}

/// The emulator's debugger stub: connecting stops the machine.
///
/// # References
/// GDB manual, "Remote Protocol"; QEMU, "GDB usage".
pub(super) struct Stub(TcpStream);

impl Stub {
    pub(super) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the stub");
        stream.set_read_timeout(Some(STALL)).expect("socket");
        let mut stub = Self(stream);
        stub.ask("?");
        stub
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("the stub answers");
        byte[0]
    }

    pub(super) fn ask(&mut self, packet: &str) -> String {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}").expect("sent");
        while self.byte() != b'$' {}
        let text = std::iter::from_fn(|| Some(self.byte()).filter(|byte| *byte != b'#')).collect();
        let _sum = [self.byte(), self.byte()];
        self.0.write_all(b"+").expect("sent");
        String::from_utf8(text).expect("text")
    }

    /// A number that the stub gives as bytes in memory's order.
    fn number(&mut self, packet: &str) -> u64 {
        let text = self.ask(packet);
        let bytes = text.as_bytes().chunks(2).rev();
        let digits: String = bytes
            .flat_map(|two| two.iter().map(|digit| char::from(*digit)))
            .collect();
        u64::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("{packet}: {text}"))
    }

    /// Flips a bit of a register of a core; gives the exception level in which the core was.
    fn flip_register(&mut self, core: u64, register: u64, bit: u64) -> u64 {
        /// Number of `CPSR` among the registers.
        const STATE: u64 = 33;
        self.ask(&format!("Hg{:x}", core + 1));
        let level = self.number(&format!("p{STATE:x}")) >> 2 & 3;
        let value = self.number(&format!("p{register:x}")) ^ 1 << bit;
        assert_eq!(
            self.ask(&format!("P{register:x}={:016x}", value.swap_bytes())),
            "OK"
        );
        level
    }

    /// Writes 32 bits of physical memory, or of a device, in the stub's physical mode.
    pub(super) fn write(&mut self, address: u64, value: u32) {
        let answer = self.ask(&format!("M{address:x},4:{:08x}", value.swap_bytes()));
        assert_eq!(answer, "OK", "{address:#x}");
    }

    /// Flips a bit of a word of 32 bits of physical memory, or of a device.
    fn flip(&mut self, address: u64, bit: u64) {
        self.ask("Qqemu.PhyMemMode:1");
        let value = self.number(&format!("m{address:x},4")) ^ 1 << bit;
        let value = u32::try_from(value & 0xffff_ffff).expect("32 bits");
        self.write(address, value);
        self.ask("Qqemu.PhyMemMode:0");
    }
}

/// A function that nobody owns is brought onto the bus past EL2, and copies over EL2's image: the SMMU refuses, and the
/// fault is counted as nobody's. Verifies: BH-DMA-022, BH-DMA-025.
#[test]
fn dma_of_a_function_that_nobody_owns() {
    /// Configuration space of slot 3 on QEMU virt, an address of its window for BAR 0, a page of EL2's image.
    const CONFIGURATION: u64 = 0x40_1001_8000;
    const BAR: u32 = 0x1800_0000;
    const TARGET: u64 = 0x4020_0000;
    let system = System::build(SYSTEM, &["partitions.store.devices=[can0]"]);
    let port = free_port();
    let mut session = start(&system, port);
    let before = session.memory(TARGET, 4096).expect("memory");
    assert!(before.iter().any(|byte| *byte != 0), "zeros would change nothing");
    let mut stub = Stub::connect(port);
    stub.ask("Qqemu.PhyMemMode:1");
    stub.write(CONFIGURATION + 0x10, BAR);
    // Memory space and bus master.
    stub.write(CONFIGURATION + 4, 6);
    // EDU: source (its own buffer), destination, count, command: start, to memory.
    for (at, value) in [(0x80, 0x4_0000), (0x88, 0x4020_0000), (0x90, 64), (0x98, 3)] {
        stub.write(u64::from(BAR) + at, value);
    }
    stub.ask("Qqemu.PhyMemMode:0");
    stub.ask("D");
    drop(stub);
    session
        .run_for(Duration::from_millis(300))
        .expect("the machine runs");
    assert!(
        session.memory(TARGET, 4096).expect("memory") == before,
        "it landed"
    );
    let report = session.finish("the transfer is over").expect("report");
    assert!(report.dma.unowned >= 1, "{:?}", report.dma);
    let event = report.health.iter().find(|event| event.error == "dma-fault");
    let event = event.map(|event| (event.level.as_str(), event.action.as_str()));
    assert_eq!(event, Some(("system", "log")));
    for (name, party) in &report.partitions {
        assert!(party.dma_faults.is_empty(), "{name}: {:?}", party.dma_faults);
    }
}

/// Ranges of the text form: records that begin with `head`, the range in field `field`.
fn ranges(text: &str, head: &[&str], field: usize) -> Vec<(u64, u64)> {
    let records = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mine = records.filter(|record| record.starts_with(head));
    let range = |record: Vec<&str>| {
        let (start, end) = record.get(field)?.split_once('-')?;
        Some((hex(start), hex(end)))
    };
    mine.filter_map(range).collect()
}

/// Memory that EL2 writes: what the roots of its cores map writable but for windows, channels and devices.
fn el2_data(text: &str) -> Vec<(u64, u64)> {
    let records = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mine = records.filter(|record| {
        let is_core = record.get(1).is_some_and(|root| root.starts_with("el2:core:"));
        record.first() == Some(&"grant") && is_core && record.get(4) == Some(&"rw-")
    });
    let range = |record: Vec<&str>| {
        let (start, end) = record.get(3)?.split_once('-')?;
        Some((hex(start), hex(end)))
    };
    // Devices lie below RAM.
    mine.filter_map(range)
        .filter(|(start, _)| *start >= 0x4000_0000)
        .collect()
}

/// Where a fault hit.
struct Hit {
    class: &'static str,
    place: String,
}

fn strike(random: &mut Random, stub: &mut Stub, text: &str, system: &System) -> Hit {
    let within = |random: &mut Random, ranges: &[(u64, u64)]| {
        let at = usize::try_from(random.below(ranges.len() as u64)).expect("small");
        let (start, end) = ranges[at];
        start + random.below((end - start) / 4) * 4
    };
    let bit = random.below(32);
    let (class, address) = match random.below(6) {
        0 => {
            let (core, register, bit) = (random.below(4), random.below(33), random.below(64));
            let level = stub.flip_register(core, register, bit);
            return Hit {
                class: if level == 2 {
                    "EL2 registers"
                } else {
                    "guest registers"
                },
                place: format!("core {core} register {register} bit {bit} EL{level}"),
            };
        }
        1 => {
            let name = ["attacker", "cluster", "beside"][usize::try_from(random.below(3)).expect("small")];
            let (start, size) = ram(system, name);
            ("guest memory", within(random, &[(start, start + size as u64)]))
        }
        2 => ("EL2 data", within(random, &el2_data(text))),
        3 => ("table entries", within(random, &ranges(text, &["live"], 1))),
        4 => ("GIC", 0x0800_0000 + random.below(0x2000) * 4),
        _ => ("SMMU", 0x0905_0000 + random.below(0x40) * 4),
    };
    stub.flip(address, bit);
    Hit {
        class,
        place: format!("{address:#x} bit {bit}"),
    }
}

/// What became of a fault.
fn judge(
    report: Option<&Report>,
    before: &[u8],
    after: Option<Vec<u8>>,
    alive: bool,
) -> (&'static str, String) {
    let Some(report) = report else {
        return ("silent", "the machine hangs".to_owned());
    };
    let parked = report.cores.iter().any(|core| core.state == "failed");
    let failed = |name: &str| {
        let party = report.partitions.get(name);
        party.is_none_or(|p| p.state != "running" || p.restarts > 0 || p.fault.is_some())
    };
    let hit: Vec<&str> = ["attacker", "cluster", "beside"]
        .into_iter()
        .filter(|name| failed(name))
        .collect();
    let kept = after.as_deref() == Some(before);
    let slots = report.partitions.get("cluster").map(|p| p.slots.missed);
    let adds_up = report.cores.iter().all(|core| core.adds_up);
    let harmed = !kept || !alive || slots != Some(0) || !adds_up;
    let what = format!(
        "hit {hit:?}, memory kept {kept}, beside alive {alive}, slots missed {slots:?}, time adds up {adds_up}"
    );
    let class = match (parked, hit.len(), harmed) {
        (true, _, _) => "detected",
        (false, 0, false) => "masked",
        (false, 1, false) => "contained",
        // A stopped partition is told of; who is dead by its own damage has harmed nobody else.
        (false, 1, true) if kept && slots == Some(0) && adds_up => "contained",
        (false, 2.., _) if kept => "detected",
        (false, _, _) => "silent",
    };
    (class, what)
}

/// A port of the loopback interface that nobody listens on.
pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A system that runs, with a stub; a machine without progress is noticed.
fn start(system: &System, port: u16) -> Session {
    let mut session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        options.launch.extra = ["-gdb".to_owned(), format!("tcp:127.0.0.1:{port}")].into();
        options.stall = Some(STALL);
    });
    let ready = session.wait_for("beside", "ready", Duration::from_secs(20));
    ready.unwrap_or_else(|error| panic!("{error}"));
    session
}

/// One system, one fault.
fn inject(seed: u64, system: &System, text: &str) -> (Hit, &'static str, String) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let port = free_port();
    let mut session = start(system, port);
    let delay = Duration::from_micros(random.below(30_000));
    session.run_for(delay).expect("it runs");
    let (store, size) = ram(system, "store");
    let before = session.memory(store, size).expect("memory");
    let mut stub = Stub::connect(port);
    let hit = strike(&mut random, &mut stub, text, system);
    stub.ask("D");
    drop(stub);
    let went_on = session.run_for(AFTER).is_ok();
    let asked = went_on && session.send("beside", b"x").is_ok();
    let alive = asked && session.wait_for("beside", "no letter of mine", AFTER * 4).is_ok();
    let after = session.memory(store, size).ok().filter(|_| went_on);
    let report = session.finish("the fault is judged").ok().filter(|_| went_on);
    let (class, what) = judge(report.as_ref(), &before, after, alive);
    (hit, class, what)
}

/// Injects with the seeds of a range, and says what came of it; every silent one with seed and place.
fn campaign(seeds: std::ops::Range<u64>) -> BTreeMap<&'static str, u64> {
    let system = System::build(
        SYSTEM,
        &["partitions.attacker.args=\"attack=fuzz programs=1000000\""],
    );
    let text = fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let judged = workers::each(seeds, |seed| {
        let (hit, class, what) = inject(seed, &system, &text);
        if class == "silent" {
            println!("silent: seed {seed}, {} at {}: {what}", hit.class, hit.place);
        }
        (hit.class, class)
    });
    let mut classes = BTreeMap::new();
    let mut places: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (place, class) in judged {
        *classes.entry(class).or_insert(0) += 1;
        *places.entry((place, class)).or_insert(0) += 1;
    }
    println!("{{\"injections\":{classes:?},\"by_place\":{places:?}}}");
    classes
}

/// A few seeds, so that the campaign itself is tried.
#[test]
fn some_injected_faults() {
    let classes = campaign(1..5);
    assert_eq!(classes.values().sum::<u64>(), 4);
}

#[test]
#[ignore = "takes many minutes: ./bulkhead test --long"]
fn a_thousand_injected_faults() {
    let classes = campaign(1..1001);
    assert_eq!(classes.values().sum::<u64>(), 1000);
    let silent = classes.get("silent").copied().unwrap_or(0);
    // Memory that neither EL2 nor hardware checks can be damaged unseen; more than this is a regression.
    assert!(silent <= 50, "{silent} silent");
}
