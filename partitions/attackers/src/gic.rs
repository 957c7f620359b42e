// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every register of the interrupt controller, SGIs to everybody, ends of interrupts that never were, every SPI enabled; in the
//! registers of the CPU interface, active priorities and binary point among them, other values, with an interrupt active and without.
//!
//! What is not its own is judged outside, in the physical interrupt controller and by a partition that listens.

use bulkhead_partition::el1::{Partition, console, time};
use bulkhead_partition::machine::{Gic, Range};

use crate::Tried;
use crate::edge::{Operation, acknowledge, attempt, end, mask, read, wait, write};
use crate::random::Random;

/// `MSR ICC_SGI1R_EL1, X0` and its siblings `ICC_ASGI1R_EL1`, `ICC_SGI0R_EL1`.
const SGI: [u64; 3] = [0xd518_cba0, 0xd518_cbc0, 0xd518_cbe0];
/// `MSR ICC_EOIR1_EL1, X0`, `ICC_DIR_EL1`, `ICC_EOIR0_EL1`, `ICC_CTLR_EL1`, `ICC_PMR_EL1`; the bit that makes it `MRS`.
const EOIR1: u64 = 0xd518_cc20;
const DIR: u64 = 0xd518_cb20;
const EOIR0: u64 = 0xd518_c820;
const CTLR_EL1: u64 = 0xd518_cc80;
const PMR: u64 = 0xd518_4600;
const MRS: u64 = 1 << 21;
/// `ICC_CTLR_EL1.EOImode`: off, on.
const EOI_MODES: [u64; 2] = [0, 2];
/// Registers of the CPU interface, and what is written there: `ICC_BPR1_EL1`, `ICC_AP1R0_EL1`, `ICC_PMR_EL1`,
/// `ICC_CTLR_EL1`, `ICC_IGRPEN1_EL1`.
const INTERFACE: [(u64, &[u64]); 5] = [
    (0xd518_cc60, &[0, 1, 2, 3, 4, 5, 6, 7]),
    (0xd518_c900, &[0, 1, 0x8000_0000, 0x5555_5555, 0xffff_ffff]),
    (PMR, &[0, 0x08, 0x80, 0xf8, 0xff]),
    (CTLR_EL1, &[0, 2, 0xffff_ffff]),
    (0xd518_cce0, &[0, 1, 0xffff_ffff]),
];
/// How long each value stays: slots begin and end meanwhile.
const HELD_NS: u64 = 3_000_000;
/// Values beside those that [`INTERFACE`] names, of each register, and the seed that decides them.
const MORE: u64 = 4;
const SEED: u64 = 0x0bad_5eed_0bad_5eed;
/// The SGI that is active meanwhile: those before it may still be, which end in the wrong order.
const ACTIVE: u64 = 4;
/// INTIDs: none; all but the special ones, and the first LPI.
const NOTHING: u64 = 1023;
const INTIDS: u64 = 1020;
const LPI: u64 = 8192;
/// Distributor: `GICD_CTLR` and its EnableGrp bits, `GICD_IGROUPR<0>`, `GICD_ISENABLER<0>`; words of SPIs.
const CTLR: u64 = 0;
const BOTH_GROUPS: u64 = 3;
const GROUP: u64 = 0x80;
const ENABLE: u64 = 0x100;
const PENDING: u64 = 0x200;
const NOT_PENDING: u64 = 0x280;
const PRIORITY: u64 = 0x400;
const SPI_WORDS: core::ops::Range<u64> = 1..32;
/// Distributor: `GICD_IROUTER<32>`, and where the identification registers begin.
const IROUTER: u64 = 0x6100;
const IDENTIFICATION: u64 = 0xffd0;
/// Distributor of a GICv2: `GICD_SGIR`, and where the identification registers begin.
const SGIR: u64 = 0xf00;
const PERIPHERAL_ID: u64 = 0xfd0;
/// Redistributor: SGI_base.
const SGI_BASE: u64 = 0x1_0000;
/// INTIDs of SGIs.
const SGIS: u64 = 0xffff;
/// From look to look for SGIs.
const PAUSE_NS: u64 = 1_000_000;

/// What was tried. An attempt is what EL2 sees.
struct Attacker {
    tried: Tried,
    /// Its interrupts are its own, past EL2.
    direct: bool,
    /// Accesses that its CPU interface takes: the virtual one of a sliced partition, the physical one of a direct one.
    quiet: u64,
}

impl Attacker {
    fn store<const BYTES: u8>(&mut self, address: u64, value: u64) {
        write::<BYTES>(address, value);
        self.tried.note(false);
    }

    fn load<const BYTES: u8>(&mut self, address: u64) {
        let _ = read::<BYTES>(address);
        self.tried.note(false);
    }

    /// Writes ones and zeros to a register, and reads it.
    fn hammer(&mut self, address: u64) {
        for value in [u64::MAX, 0, 0x5555_5555_5555_5555] {
            self.store::<4>(address, value);
            self.load::<4>(address);
        }
    }

    /// Executes `MSR` of a register of the CPU interface, or `MRS`; gives what was read.
    fn register(&mut self, instruction: u64, value: u64) -> u64 {
        let traps = match instruction & !MRS {
            PMR | CTLR_EL1 | DIR => self.direct,
            EOIR0 => true,
            other => SGI.contains(&other),
        };
        if traps {
            self.tried.note(false);
        } else {
            self.quiet += 1;
        }
        attempt(Operation::Execute, instruction, value).0
    }

    /// GICv2: every register of the distributor, and `GICD_SGIR` with every filter. The CPU interface is its own.
    fn older(&mut self, distributor: Range) {
        for offset in (0..PERIPHERAL_ID).step_by(4) {
            self.hammer(distributor.start + offset);
        }
        for intid in 0..16u64 {
            for filter in 0..4u64 {
                for targets in [1, 0x02, 0x0e, 0xf0, 0xff] {
                    self.store::<4>(distributor.start + SGIR, filter << 24 | targets << 16 | intid);
                }
            }
        }
    }

    /// GICv3: every register of distributor and redistributors.
    fn newer(&mut self, distributor: Range, redistributors: Range) {
        for offset in (0..IDENTIFICATION).step_by(4) {
            self.hammer(distributor.start + offset);
        }
        for route in (IROUTER..0x8000).step_by(8) {
            self.store::<8>(distributor.start + route, 3);
            self.load::<8>(distributor.start + route);
        }
        for offset in (0..redistributors.size).step_by(4) {
            // WAKER may wait for its answer: it is read only.
            if offset % (2 * SGI_BASE) != 0x14 {
                self.hammer(redistributors.start + offset);
            }
        }
        console::line(format_args!(
            "gic: {} accesses to registers in memory",
            self.tried.attempts
        ));
        // The last value that was written there has Group 1 off.
        self.store::<4>(distributor.start + CTLR, BOTH_GROUPS);
    }

    /// Every SGI to each core, to all, by each range of affinities, in other clusters.
    fn interrupts_to_everybody(&mut self) {
        const LISTS: [u64; 6] = [1, 2, 4, 8, 0xfffe, 0xffff];
        let before = self.tried.attempts;
        let ranges = (0..16u64).map(|range| range << 44);
        let clusters = [1 << 16, 0xff << 16, 1 << 32, 0xff << 32, 1 << 48, 0xff << 48];
        for register in SGI {
            for intid in (0..16u64).map(|intid| intid << 24) {
                for place in ranges.clone().chain(clusters) {
                    for list in LISTS {
                        self.register(register, place | intid | list);
                    }
                }
                // To all but itself, whatever else is said.
                for more in [0, 0xffff, 1 << 16 | 1] {
                    self.register(register, 1 << 40 | intid | more);
                }
            }
        }
        console::line(format_args!(
            "gic: {} SGIs to everybody",
            self.tried.attempts - before
        ));
    }

    /// Ends and deactivates what was never acknowledged, twice, and four of its own in the wrong order.
    fn ends(&mut self, redistributors: Range) {
        let before = self.tried.attempts;
        let control = self.register(CTLR_EL1 | MRS, 0);
        for mode in EOI_MODES {
            self.register(CTLR_EL1, mode);
            for intid in (0..INTIDS).chain([LPI]) {
                for register in [EOIR1, EOIR1, DIR, DIR, EOIR0, EOIR0] {
                    self.register(register, intid);
                }
            }
        }
        self.register(CTLR_EL1, 0);
        let private = redistributors.start + SGI_BASE;
        self.store::<4>(private + GROUP, SGIS);
        self.store::<4>(private + PRIORITY, 0x40_60_80_a0);
        self.store::<4>(private + NOT_PENDING, SGIS);
        self.store::<4>(private + ENABLE, 0xf);
        // SGI 0 to 3, each more urgent than the one before.
        let mut acknowledged = [0; 4];
        for (intid, place) in (0..4u64).zip(&mut acknowledged) {
            self.register(SGI[0], intid << 24 | 1);
            wait();
            *place = acknowledge();
        }
        for intid in acknowledged.into_iter().filter(|intid| *intid < INTIDS) {
            end(intid);
            self.register(DIR, intid);
        }
        self.register(CTLR_EL1, control);
        console::line(format_args!(
            "gic: {} ends of interrupts that trap, {} that do not; {acknowledged:?} end in the wrong order",
            self.tried.attempts - before,
            self.quiet
        ));
    }

    /// Other values than were read in the registers of the CPU interface, for some time each: while nothing is active, and while
    /// an SGI is, of which all that the registers then hold is put back before it ends.
    fn interface(&mut self, redistributors: Range) {
        let private = redistributors.start + SGI_BASE;
        let (mut values, mut random) = (0u64, Random(SEED));
        for with_active in [false, true] {
            let mut active = NOTHING;
            if with_active {
                self.store::<4>(private + PRIORITY + ACTIVE, 0x80);
                self.store::<4>(private + ENABLE, 1 << ACTIVE);
                self.register(SGI[0], ACTIVE << 24 | 1);
                wait();
                active = acknowledge();
            }
            for (register, patterns) in INTERFACE {
                let found = self.register(register | MRS, 0);
                let more = (0..MORE).map(|_| random.next() & 0xffff_ffff);
                for pattern in patterns.iter().copied().chain(more) {
                    self.register(register, pattern);
                    values += 1;
                    let until = time::now() + HELD_NS;
                    while time::now() < until {
                        core::hint::spin_loop();
                    }
                }
                self.register(register, found);
            }
            if active < INTIDS {
                end(active);
            }
            console::line(format_args!(
                "gic: {values} values in 5 registers of the CPU interface, active {active}"
            ));
        }
    }
}

/// `direct`: its interrupts are its own, past EL2.
pub(crate) fn attack(partition: &Partition, direct: bool) -> Tried {
    mask();
    let mut attacker = Attacker {
        tried: Tried::default(),
        direct,
        quiet: 0,
    };
    let distributor = partition.machine.distributor;
    match partition.machine.gic {
        Gic::V2 { .. } => attacker.older(distributor),
        Gic::V3 { redistributors } => {
            attacker.newer(distributor, redistributors);
            attacker.interrupts_to_everybody();
            attacker.ends(redistributors);
            attacker.interface(redistributors);
        }
    }
    // All of them on: which ones the physical distributor then lets through is seen from outside.
    attacker.store::<4>(distributor.start + CTLR, BOTH_GROUPS);
    for word in SPI_WORDS {
        for register in [GROUP, ENABLE] {
            attacker.store::<4>(distributor.start + register + 4 * word, u64::MAX);
        }
    }
    attacker.tried
}

/// No attempt: says which SGIs come that nobody may send.
pub(crate) fn listen(partition: &Partition) -> ! {
    let Gic::V3 { redistributors } = partition.machine.gic else {
        bulkhead_partition::el1::stop()
    };
    let private = redistributors.start + SGI_BASE;
    write::<4>(private + GROUP, u64::from(u32::MAX));
    console::line(format_args!("listening"));
    let mut heard = 0;
    loop {
        let pending = read::<4>(private + PENDING) & SGIS;
        if pending & !heard != 0 {
            heard |= pending;
            console::line(format_args!("HEARD {pending:#x}"));
        }
        time::sleep_until(time::now() + PAUSE_NS);
    }
}
