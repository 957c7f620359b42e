// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A decoded trap against the registers that it was decoded from.
//!
//! From Arm DDI 0487, "ESR_EL2" and the descriptions of its ISS encodings, in the other direction than the decoder:
//! the syndrome is put together again.

use bulkhead_policy::sysreg::Direction;
use bulkhead_policy::trap::{DataAccess, Extend, Register, Size, Trap, Wait, Width};

fn number(register: Register) -> u64 {
    register.index().map_or(31, |index| u64::try_from(index).unwrap())
}

/// The ISS bits of a described data abort that say what was accessed.
fn described(access: &DataAccess) -> u64 {
    let size = match access.size {
        Size::Byte => 0,
        Size::Halfword => 1,
        Size::Word => 2,
        Size::Doubleword => 3,
    };
    1 << 24
        | size << 22
        | u64::from(access.extend == Extend::Sign) << 21
        | number(access.register) << 16
        | u64::from(access.width == Width::X64) << 15
        | u64::from(access.acquire_release) << 14
        | u64::from(access.direction == Direction::Write) << 6
}

/// Requires that a trap is what its registers say.
pub(super) fn agrees(trap: Trap, esr: u64, far: u64, hpfar: u64) {
    let class = esr >> 26 & 0x3f;
    let address = (hpfar >> 4 & 0xff_ffff_ffff) << 12 | far & 0xfff;
    let on_walk = esr >> 7 & 1 != 0;
    let emulated = esr >> 24 & 1 != 0 && esr >> 8 & 1 == 0 && esr >> 2 & 0xf == 1;
    let good = match (class, trap) {
        (0x16, Trap::Hypercall { immediate }) | (0x17, Trap::Smc { immediate }) => {
            u64::from(immediate) == esr & 0xffff
        }
        (0x01, Trap::Wait(wait)) => {
            let kinds = [
                Wait::Interrupt,
                Wait::Event,
                Wait::InterruptOrTime,
                Wait::EventOrTime,
            ];
            kinds[usize::try_from(esr & 3).unwrap()] == wait
        }
        (0x18, Trap::SystemRegister(access)) => {
            let (op0, op1, crn, crm, op2) = access.register.operands();
            let fields = op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1;
            let read = u64::from(access.direction == Direction::Read);
            u64::from(fields) | number(access.rt) << 5 | read == esr & 0x3f_ffff
        }
        (0x20 | 0x24, Trap::WalkAbort { ipa, .. }) => on_walk && ipa.0 == address,
        (0x24, Trap::DataAbort(access)) => {
            emulated && !on_walk && access.ipa.0 == address && described(&access) == esr & 0x1ff_c040
        }
        (0x24, Trap::DataAbortNoSyndrome { ipa, .. }) => !emulated && !on_walk && ipa.0 == address,
        (0x20, Trap::InstructionAbort { ipa, .. }) => !on_walk && ipa.0 == address,
        (0x07 | 0x19 | 0x1d, Trap::FloatingPoint)
        | (0x09 | 0x0a | 0x14, Trap::Hidden)
        | (0x0e, Trap::IllegalState)
        | (0x03..=0x06 | 0x08 | 0x0c | 0x11..=0x13, Trap::Aarch32) => true,
        (_, Trap::Other { class: said }) => {
            u64::from(said) == class && ![0x16, 0x17, 1, 0x18].contains(&class)
        }
        _ => false,
    };
    assert!(good, "{esr:#x} is not {trap:?}");
    let step = trap.instruction_length(esr);
    let calls = matches!(trap, Trap::Hypercall { .. });
    assert_eq!(step, if calls { 0 } else { 2 + 2 * (esr >> 25 & 1) });
}

/// What a load leaves in its register, by the machine's own integers.
pub(super) fn loaded(access: &DataAccess, value: u64) -> u64 {
    let [b0, b1, b2, b3, ..] = value.to_le_bytes();
    let extended = match (access.size, access.extend) {
        (Size::Byte, Extend::Zero) => u64::from(b0),
        (Size::Byte, Extend::Sign) => i64::from(i8::from_le_bytes([b0])).cast_unsigned(),
        (Size::Halfword, Extend::Zero) => u64::from(u16::from_le_bytes([b0, b1])),
        (Size::Halfword, Extend::Sign) => i64::from(i16::from_le_bytes([b0, b1])).cast_unsigned(),
        (Size::Word, Extend::Zero) => u64::from(u32::from_le_bytes([b0, b1, b2, b3])),
        (Size::Word, Extend::Sign) => i64::from(i32::from_le_bytes([b0, b1, b2, b3])).cast_unsigned(),
        (Size::Doubleword, _) => value,
    };
    match access.width {
        Width::W32 => extended & 0xffff_ffff,
        Width::X64 => extended,
    }
}
