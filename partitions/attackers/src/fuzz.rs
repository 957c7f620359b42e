// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Traps of every kind in an order that a seed decides: calls, system registers, the interrupt controller, timers, SGIs.
//!
//! It writes programs and executes them. What could end or blind itself is left out: other attacks try that. Its
//! oracle is outside: memory, slots and state of the others, and that it comes to its end.

use bulkhead_partition::el1::Partition;

use crate::Tried;
use crate::code::{Code, run_at};
use crate::edge::mask;
use crate::random::Random;

/// Steps of a program; each has at most [`STEP`] instructions.
const STEPS: u64 = 140;
const STEP: usize = 7;

static CODE: Code = Code::new();

/// Up to [`STEP`] instructions.
#[derive(Default)]
struct Step {
    instructions: [u32; STEP],
    length: usize,
}

impl Step {
    fn push(&mut self, instruction: u32) {
        if let Some(place) = self.instructions.get_mut(self.length) {
            *place = instruction;
            self.length += 1;
        }
    }

    /// MOVZ, MOVK: `halves` halfwords of a value.
    fn set(&mut self, register: u32, value: u64, halves: u32) {
        for half in 0..halves {
            let immediate = u32::try_from(value >> (16 * half) & 0xffff).unwrap_or(0);
            let operation = if half == 0 { 0xd280_0000 } else { 0xf280_0000 };
            self.push(operation | half << 21 | immediate << 5 | register);
        }
    }
}

/// `ICC_SGI1R_EL1`, `ICC_ASGI1R_EL1`, `ICC_SGI0R_EL1`; `CNTV_CVAL_EL0`, `CNTV_CTL_EL0`, `CNTP_CVAL_EL0`, `CNTP_CTL_EL0`; set/way
/// maintenance; written from `x0`.
const WRITTEN: [u32; 10] = [
    0xd518_cba0,
    0xd518_cbc0,
    0xd518_cbe0,
    0xd51b_e340,
    0xd51b_e320,
    0xd51b_e240,
    0xd51b_e220,
    0xd508_7640,
    0xd508_7a40,
    0xd508_7e40,
];

fn program_step(random: &mut Random, gic: [(u64, u64); 2]) -> Step {
    let mut step = Step::default();
    match random.below(8) {
        0 | 1 => {
            // HVC #0 with a function that does not end the caller, or another immediate, or SMC.
            let base = random.of([
                0x8400_0000,
                0xc400_0000,
                0x8600_ff00,
                0xc600_0000,
                0x8000_0000,
                0xb000_0000,
            ]);
            let mut offset = random.of([0, 3, 4, 5, 6, 7, 10, 11, 13, 15, 16, 17, 20, 24, 32, 48, 63]);
            if base & 0x3fff_ffff == 0x400_0000 && offset == 0 {
                offset = 3;
            }
            step.set(0, u64::from(base + offset), 2);
            step.set(1, random.value(), 3);
            let call = random.of([0xd400_0002, 0xd400_0002, 0xd400_0003]);
            let immediate = if random.below(4) == 0 {
                random.of([1, 0xff, 0xffff])
            } else {
                0
            };
            step.push(call | immediate << 5);
        }
        2 | 3 => {
            // MRS and MSR of groups that are trapped, or are not there.
            let low = u32::try_from(random.below(1 << 8)).unwrap_or(0) << 5;
            let crm = low & 0xf00;
            let group = match random.below(7) {
                // ID registers; ICC Group 0 and common ones; debug; DCC; performance monitors; implementation-defined.
                0 => 0xd510_0000 | 1 << 19 | low & 0x7e0 | (crm & 0x700),
                1 => 0xd518_c800 | low & 0xe0,
                2 => 0xd510_0000 | low,
                3 => 0xd513_0000 | low,
                4 => 0xd51b_9c00 | low & 0x2e0,
                5 => 0xd51b_e800 | low & 0x7e0,
                _ => 0xd518_f000 | low & 0xfe0,
            };
            step.set(0, random.value(), 4);
            step.push(group);
            step.push(group | 1 << 21);
        }
        4..=6 => {
            // STRB to STR, LDRB to LDR of x0 at x1.
            let (base, size) = gic[usize::from(random.below(2) == 1)];
            let width = random.below(4);
            let offset = random.below(size >> width) << width;
            step.set(0, random.value(), 4);
            step.set(1, base + offset, 2);
            let load = if random.below(2) == 0 { 0x0040_0000 } else { 0 };
            let operation = [0x3900_0020, 0x7900_0020, 0xb900_0020, 0xf900_0020];
            step.push(operation[usize::try_from(width).unwrap_or(0)] | load);
        }
        _ => {
            step.set(0, random.value(), 4);
            step.push(random.of(WRITTEN));
        }
    }
    step
}

/// Executes `programs` programs; one that comes back has given nothing.
pub(crate) fn attack(partition: &Partition, seed: u64, programs: u64) -> Tried {
    mask();
    let machine = &partition.machine;
    let others = machine.gic.others();
    let gic = [
        (machine.distributor.start, machine.distributor.size),
        (others.start, others.size),
    ];
    let mut random = Random(seed | 1);
    let mut tried = Tried::default();
    for _ in 0..programs {
        let steps = (0..STEPS).flat_map(|_| {
            let step = program_step(&mut random, gic);
            step.instructions.into_iter().take(step.length)
        });
        CODE.put(steps);
        let _ = run_at(CODE.address(), 0, 0);
        tried.note(false);
    }
    tried
}
