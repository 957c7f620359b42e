// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where an injected fault strikes: one bit, of a place that a seed chooses.

use std::fs;

use bulkhead_on_target::System;
use bulkhead_on_target::gdb::{Debugger, PC, X0, symbol};

use super::judgement::Struck;
use super::victims::{hex, ram};

/// xorshift64.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % end
    }

    fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("small")]
    }

    /// A word of 32 bits in one of the ranges.
    fn within(&mut self, ranges: &[(u64, u64)]) -> u64 {
        let (start, end) = self.one(ranges);
        start + self.below((end - start) / 4) * 4
    }
}

/// Where a fault hit.
pub(super) struct Hit {
    pub(super) class: &'static str,
    pub(super) place: String,
    pub(super) struck: Struck,
}

/// Number of `CPSR` among the registers of the debugger's stub; those before it are `X0` to `X30`, `SP` and `PC`.
const STATE: u32 = 33;
const CORES: u64 = 4;
/// The core of the attacker, of the cluster and of the system slot.
const BUSY: u32 = 0;
/// Where EL2 begins and ends what it does.
const PATHS: [&str; 5] = [
    "bulkhead_on_sync",
    "bulkhead_on_irq",
    "bulkhead_on_fiq",
    "bulkhead_synchronise_errors",
    "bulkhead_resume",
];
/// EL2 registers, and others that EL2 alone writes: name, op1, CRn, CRm, op2; op0 is 3.
const REGISTERS: [(&str, [u32; 4]); 32] = [
    ("VPIDR_EL2", [4, 0, 0, 0]),
    ("VMPIDR_EL2", [4, 0, 0, 5]),
    ("SCTLR_EL2", [4, 1, 0, 0]),
    ("HCR_EL2", [4, 1, 1, 0]),
    ("MDCR_EL2", [4, 1, 1, 1]),
    ("CPTR_EL2", [4, 1, 1, 2]),
    ("HSTR_EL2", [4, 1, 1, 3]),
    ("TTBR0_EL2", [4, 2, 0, 0]),
    ("TCR_EL2", [4, 2, 0, 2]),
    ("VTTBR_EL2", [4, 2, 1, 0]),
    ("VTCR_EL2", [4, 2, 1, 2]),
    ("SPSR_EL2", [4, 4, 0, 0]),
    ("ELR_EL2", [4, 4, 0, 1]),
    ("ESR_EL2", [4, 5, 2, 0]),
    ("FAR_EL2", [4, 6, 0, 0]),
    ("HPFAR_EL2", [4, 6, 0, 4]),
    ("MAIR_EL2", [4, 10, 2, 0]),
    ("VBAR_EL2", [4, 12, 0, 0]),
    ("TPIDR_EL2", [4, 13, 0, 2]),
    ("CNTVOFF_EL2", [4, 14, 0, 3]),
    ("CNTHCTL_EL2", [4, 14, 1, 0]),
    ("CNTHP_CTL_EL2", [4, 14, 2, 1]),
    ("CNTHP_CVAL_EL2", [4, 14, 2, 2]),
    ("ICH_HCR_EL2", [4, 12, 11, 0]),
    ("ICH_VMCR_EL2", [4, 12, 11, 7]),
    ("ICH_AP1R0_EL2", [4, 12, 9, 0]),
    ("ICH_LR0_EL2", [4, 12, 12, 0]),
    ("ICH_LR1_EL2", [4, 12, 12, 1]),
    ("ICH_LR2_EL2", [4, 12, 12, 2]),
    ("ICH_LR3_EL2", [4, 12, 12, 3]),
    ("ICC_PMR_EL1", [0, 4, 6, 0]),
    ("ICC_IGRPEN0_EL1", [0, 12, 12, 6]),
];

/// First redistributor on QEMU virt, from one to the next, and from its first frame to that of SGIs and PPIs.
const REDISTRIBUTORS: u64 = 0x080a_0000;
const REDISTRIBUTOR: u64 = 0x2_0000;
const PRIVATE: u64 = 0x1_0000;
/// Of both frames: `GICR_CTLR`, `GICR_WAKER`, then group, enable, pending, active, priorities and configuration.
const OF_REDISTRIBUTOR: [u64; 10] = [
    0x0,
    0x14,
    PRIVATE + 0x80,
    PRIVATE + 0x100,
    PRIVATE + 0x200,
    PRIVATE + 0x300,
    PRIVATE + 0x400,
    PRIVATE + 0x418,
    PRIVATE + 0x41c,
    PRIVATE + 0xc04,
];
const DISTRIBUTOR: u64 = 0x0800_0000;
const SMMU: u64 = 0x0905_0000;
/// Base, producer and consumer of the command queue and of the event queue.
const QUEUES: [u64; 9] = [0x90, 0x94, 0x98, 0x9c, 0xa0, 0xa4, 0x100a8, 0x100ac, 0x20];

/// Flips a bit of a word of 32 bits of physical memory, or of a device.
fn flip(debugger: &mut Debugger, address: u64, bit: u64) {
    let value = debugger.read_physical(address) ^ 1 << bit;
    debugger.write_device(address, value);
}

/// Flips a bit of a register of the GIC. Of a register in which a one sets (`0x100` to `0x3ff` of its frame, the upper half
/// of each `0x100` clears) that one bit is set or cleared.
fn flip_gic(debugger: &mut Debugger, frame: u64, offset: u64, bit: u64) {
    if !(0x100..0x400).contains(&offset) {
        return flip(debugger, frame + offset, bit);
    }
    let set = offset & !0x80;
    let is_set = debugger.read_physical(frame + set) >> bit & 1 == 1;
    let register = if is_set { set | 0x80 } else { set };
    debugger.write_device(frame + register, 1 << bit);
}

/// Flips a bit of a system register of a core that is in EL2: it executes a read and a write of it in the place of what
/// comes next there.
fn flip_system_register(debugger: &mut Debugger, core: u32, [op1, n, m, op2]: [u32; 4], bit: u64) {
    /// `MSR` and `MRS` of op0 3 by `X0`.
    const WRITE: u32 = 0xd518_0000;
    const READ: u32 = WRITE | 1 << 21;
    let register = op1 << 16 | n << 12 | m << 8 | op2 << 5;
    let (at, held) = (debugger.get(PC), debugger.get(X0));
    let instruction = debugger.read_physical(at);
    debugger.write_device(at, READ | register);
    debugger.step(core);
    let value = debugger.get(X0);
    debugger.write_device(at, WRITE | register);
    debugger.set(X0, value ^ 1 << bit);
    debugger.set(PC, at);
    debugger.step(core);
    debugger.write_device(at, instruction);
    debugger.set(PC, at);
    debugger.set(X0, held);
}

/// Flips a bit of a general register of a core where it stands.
fn flip_register(debugger: &mut Debugger, random: &mut Random, core: u32, system: &System) -> Hit {
    let (register, bit) = (u32::try_from(random.below(33)).expect("small"), random.below(64));
    debugger.choose(core);
    let level = debugger.get(STATE) >> 2 & 3;
    let value = debugger.get(register);
    debugger.set(register, value ^ 1 << bit);
    let (class, struck) = match executes(debugger, core, system) {
        Some(partition) if level < 2 => ("guest registers", Struck::Partition(partition)),
        // A core that nobody uses has not left its reset state.
        None if level != 2 => ("registers of an unused core", Struck::Below),
        Some(_) | None => ("EL2 registers", Struck::Below),
    };
    Hit {
        class,
        place: format!("core {core} register {register} bit {bit} EL{level}"),
        struck,
    }
}

/// The partition in whose slot a core is.
fn executes(debugger: &mut Debugger, core: u32, system: &System) -> Option<String> {
    let running = symbol(&["runtime", "shared", "RUNNING"]) + 4 * u64::from(core);
    let vcpu = usize::try_from(debugger.read_physical(running)).expect("a number");
    let manifest = system.manifest();
    let vcpu = manifest.vcpus.get(vcpu)?;
    let partition = usize::try_from(vcpu.partition).ok()?;
    Some(manifest.partitions.get(partition)?.name.clone())
}

/// Ranges of the text form: records that `wanted` accepts, the range in field `field`.
fn ranges(text: &str, field: usize, wanted: impl Fn(&[&str]) -> bool) -> Vec<(u64, u64)> {
    let records = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let range = |record: Vec<&str>| {
        let (start, end) = record.get(field)?.split_once('-')?;
        Some((hex(start), hex(end)))
    };
    records
        .filter(|record| wanted(record))
        .filter_map(range)
        .collect()
}

/// Memory that EL2 alone writes, its tables apart: what all cores share, each core's state and stack, its statistics.
fn el2_data(text: &str) -> Vec<(u64, u64)> {
    ranges(text, 3, |record| {
        let is_core = record.get(1).is_some_and(|root| root.starts_with("el2:core:"));
        let is_own = |name: &&str| matches!(*name, "shared" | "stats:own" | "per-core:own");
        record.first() == Some(&"grant") && is_core && record.get(2).is_some_and(is_own)
    })
}

/// Brings the busy core to a place inside one of EL2's paths.
fn into_el2(debugger: &mut Debugger, random: &mut Random) {
    debugger.run_to(BUSY, symbol(&[random.one(&PATHS)]));
    for _ in 0..random.below(120) {
        debugger.step(BUSY);
        if debugger.get(STATE) >> 2 & 3 != 2 {
            break;
        }
    }
}

/// Flips one bit.
pub(super) fn strike(random: &mut Random, debugger: &mut Debugger, system: &System) -> Hit {
    let text = || fs::read_to_string(system.folder().join("grants.txt")).expect("text form");
    let bit = random.below(32);
    let kind = random.below(10);
    // Any core as it stands, or the busy one inside EL2.
    if kind < 2 {
        let mut core = u32::try_from(random.below(CORES)).expect("small");
        if kind == 1 {
            into_el2(debugger, random);
            core = BUSY;
        }
        let mut hit = flip_register(debugger, random, core, system);
        if kind == 1 && hit.struck == Struck::Below {
            hit.class = "EL2 paths";
        }
        return hit;
    }
    if kind == 2 {
        into_el2(debugger, random);
        let (name, register) = random.one(&REGISTERS);
        let bit = random.below(64);
        // Where its last step led out of EL2, it is struck at the begin of the next path.
        if debugger.get(STATE) >> 2 & 3 != 2 {
            debugger.run_to(BUSY, symbol(&["bulkhead_on_sync"]));
        }
        flip_system_register(debugger, BUSY, register, bit);
        return Hit {
            class: "EL2 system registers",
            place: format!("core {BUSY} {name} bit {bit}"),
            struck: Struck::Below,
        };
    }
    if kind == 3 {
        let name = random.one(&["attacker", "cluster", "beside"]);
        let (start, size) = ram(system, name);
        let address = random.within(&[(start, start + size as u64)]);
        flip(debugger, address, bit);
        return Hit {
            class: "guest memory",
            place: format!("{name} {address:#x} bit {bit}"),
            struck: Struck::Partition(name.to_owned()),
        };
    }
    let (class, address) = match kind {
        4 | 5 => ("EL2 data", random.within(&el2_data(&text()))),
        6 => {
            let live = ranges(&text(), 1, |record| record.starts_with(&["live"]));
            ("table entries", random.within(&live))
        }
        7 => {
            let offset = random.below(0x2000) * 4;
            flip_gic(debugger, DISTRIBUTOR, offset, bit);
            ("GICD", DISTRIBUTOR + offset)
        }
        8 => {
            let core = random.below(CORES);
            let (frame, offset) = (
                REDISTRIBUTORS + core * REDISTRIBUTOR,
                random.one(&OF_REDISTRIBUTOR),
            );
            let (frame, offset) = if offset < PRIVATE {
                (frame, offset)
            } else {
                (frame + PRIVATE, offset - PRIVATE)
            };
            flip_gic(debugger, frame, offset, bit);
            ("GICR", frame + offset)
        }
        _ => {
            let offset = match random.below(2) {
                0 => random.below(0x40) * 4,
                _ => random.one(&QUEUES),
            };
            ("SMMU", SMMU + offset)
        }
    };
    if !matches!(class, "GICD" | "GICR") {
        flip(debugger, address, bit);
    }
    Hit {
        class,
        place: format!("{address:#x} bit {bit}"),
        struck: Struck::Below,
    }
}
