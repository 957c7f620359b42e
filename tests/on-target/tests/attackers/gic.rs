// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attacks on the interrupt controller, judged in the physical one and by a partition that listens for SGIs.

use std::collections::BTreeMap;
use std::time::Duration;

use bulkhead_on_target::gdb::{Debugger, free_port};
use bulkhead_on_target::partition;
use bulkhead_runner::Session;

use super::attack::{Attack, Outcome, attack};
use super::frames::LINES;
use super::{LINE, SYSTEM};

/// INTID of `can0`, another's: a debugger has it pending and active.
pub(crate) const CAN: u32 = 36;
/// QEMU virt: distributor, redistributors.
const GICD: u64 = 0x0800_0000;
pub(crate) const GICR: u64 = 0x080a_0000;
const GICR_SIZE: u64 = 0x2_0000;
const SGI_BASE: u64 = 0x1_0000;
/// Words of SPIs, 32 each.
const WORDS: std::ops::Range<u64> = 1..8;
const SPIS: std::ops::Range<u64> = 32..256;
/// Registers with a bit for each interrupt: group, enable, pending, active; then priorities, configuration, routes.
const BITS: [u64; 4] = [0x80, 0x100, 0x200, 0x300];
/// The enables of the SPIs from 32.
pub(crate) const ENABLES: u64 = GICD + 0x104;
const PENDING: u64 = 0x200;
const ACTIVE: u64 = 0x300;
const PRIORITY: u64 = 0x400;
const CONFIG: u64 = 0xc00;
const ROUTE: u64 = 0x6000;
/// The attacker in a direct partition; the core that it leaves.
const DIRECT: [&str; 2] = [
    "partitions.attacker.cores={ dedicated: [1], interrupts: direct }",
    "schedule.cores.0=[{ run: cluster, for: 8ms }, { run: system, for: 2ms }]",
];

/// Everything that the physical interrupt controller has of SPIs that are not the attacker's, and what it has of the
/// private interrupts of cores on which the attacker does not execute: all of it of those where nobody has timers. What is
/// pending and active of the CAN frames' interrupts and timers comes and goes.
fn foreign(session: &mut Session, attackers_core: u64) -> BTreeMap<u64, u32> {
    let own = u64::from(LINE);
    let mut found = BTreeMap::new();
    let mut look = |address: u64, ours: u32| {
        let bytes = session.memory(address, 4).expect("register");
        let word = u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
        found.insert(address, word & !ours);
    };
    for word in WORDS {
        let bits = |spis: &[u32]| {
            let here = spis.iter().filter(|spi| u64::from(**spi) / 32 == word);
            here.fold(0, |bits, spi| bits | 1 << (spi % 32))
        };
        for register in BITS {
            let busy = if register < PENDING { 0 } else { bits(&LINES) };
            look(GICD + register + 4 * word, bits(&[LINE]) | busy);
        }
    }
    for intid in SPIS.step_by(4) {
        let ours = if intid == own / 4 * 4 {
            0xff << (own % 4 * 8)
        } else {
            0
        };
        look(GICD + PRIORITY + intid, ours);
    }
    for intid in SPIS.step_by(16) {
        let ours = if intid == own / 16 * 16 {
            3 << (own % 16 * 2)
        } else {
            0
        };
        look(GICD + CONFIG + intid / 4, ours);
    }
    for intid in SPIS.filter(|intid| *intid != own) {
        look(GICD + ROUTE + 8 * intid, 0);
    }
    // Core 0 has the slot timer and the timers of its partitions; the last two exchange CAN frames.
    for core in (0..6).filter(|core| *core != attackers_core) {
        let private = GICR + core * GICR_SIZE + SGI_BASE;
        let steady = match core {
            0 => 1,
            1..4 => 4,
            _ => 2,
        };
        for register in BITS.into_iter().take(steady) {
            look(private + register, 0);
        }
        let priorities = if core == 0 { 0..0 } else { 0..8 };
        for word in priorities {
            look(private + PRIORITY + 4 * word, 0);
        }
    }
    found
}

/// Looks at what [`foreign`] gives, and has an SPI of another pending and active before the first look.
pub(crate) fn looks_at_foreign(port: u16, core: u64) -> impl FnMut(&mut Session) -> BTreeMap<u64, u32> {
    let mut begun = false;
    move |session| {
        if !begun {
            begun = true;
            let mut debugger = Debugger::connect(port);
            debugger.write_device(GICD + PENDING + 4, 1 << (CAN % 32));
            debugger.write_device(GICD + ACTIVE + 4, 1 << (CAN % 32));
            debugger.release();
            session.debugger_left(Duration::from_secs(300));
        }
        foreign(session, core)
    }
}

/// That of others is as it was, an SPI of another pending and active.
pub(crate) fn foreign_is_kept([before, after]: &[BTreeMap<u64, u32>; 2]) {
    for register in [PENDING, ACTIVE] {
        let word = before.get(&(GICD + register + 4));
        assert_eq!(word.map(|word| word >> (CAN % 32) & 1), Some(1), "{register:#x}");
    }
    let changed: Vec<_> = before
        .iter()
        .filter(|(at, word)| after.get(at) != Some(word))
        .collect();
    assert!(
        changed.is_empty(),
        "the interrupt controller has changed: {changed:x?}"
    );
}

/// Attacks the interrupt controller beside one that listens on the same core, while an SPI of another is active.
fn interrupts(what: &str, core: u64, changes: &[&str]) -> Outcome {
    let port = free_port();
    let (outcome, looks) = Attack {
        system: SYSTEM,
        what,
        changes: &[
            &[
                "partitions.cluster.payload={ elf: attackers }",
                "partitions.cluster.args=\"attack=listen\"",
            ],
            changes,
        ]
        .concat(),
        cluster: ("attackers", "listening"),
        gdb: Some(port),
        looks: None,
        turn_us: None,
    }
    .run(looks_at_foreign(port, core));
    // What it did to active priorities and binary point it did with an interrupt active, too.
    let said = &partition(&outcome.report, "attacker").console_tail;
    assert!(
        said.contains("CPU interface, active 1023") && said.contains("CPU interface, active 4"),
        "{said}"
    );
    let heard = &partition(&outcome.report, "cluster").console_tail;
    assert!(!heard.contains("HEARD"), "SGIs of others: {heard}");
    foreign_is_kept(&looks);
    outcome
}

/// Verifies: BH-ATK-001.
#[test]
fn interrupt_controller() {
    let outcome = interrupts("gic", 0, &[]);
    outcome.is_seen(outcome.reason("data_abort") + outcome.reason("sysreg"));
    assert_eq!(outcome.spis, [LINE], "that of its own device");
    let granted = [
        "partitions.store.devices=[edu1]",
        "partitions.attacker.devices=[edu0, can0]",
    ];
    let control = attack("gic", &granted);
    assert_eq!(control.spis, [CAN, LINE], "with an SPI more");
}

/// EL2 itself writes the physical distributor for a partition on dedicated cores. Verifies: BH-ATK-001, BH-GIC-021.
#[test]
fn interrupt_controller_of_a_direct_partition() {
    let outcome = interrupts("gic direct", 1, &DIRECT);
    outcome.is_seen(outcome.reason("data_abort") + outcome.reason("sysreg"));
    assert_eq!(outcome.spis, [LINE], "that of its own device");
}

/// Verifies: BH-ATK-001.
#[test]
fn calls_and_registers_of_a_direct_partition() {
    let calls = attack("calls", &DIRECT);
    calls.fails(calls.reason("hvc") + calls.reason("smc"));
    assert_eq!(attack("registers", &DIRECT).succeeded, 0);
    let trapped = attack("trapped", &DIRECT);
    trapped.is_seen(trapped.reason("sysreg"));
}
