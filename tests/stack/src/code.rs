// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One instruction: where it goes, and what it does to the stack pointer.
//!
//! # References
//! Arm DDI 0487, "Branches, Exception Generating and System instructions".

use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Instruction, Opcode, Operand};

/// Where an instruction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// To the next one.
    Next,
    /// To an address.
    Jump(u64),
    /// To an address or the next one.
    Branch(u64),
    /// Into a function, and then to the next one.
    Call(u64),
    /// Back to the caller.
    Return,
    /// To a lower exception level.
    ExceptionReturn,
    /// Sleeps, and then to the next one.
    Sleep,
    /// Nowhere.
    Stop,
    /// To an address that only a register knows.
    Indirect,
    /// Into a function that only a register knows.
    IndirectCall,
}

/// What an instruction does to the stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// Nothing, or adds this: negative when the stack grows.
    Add(i64),
    /// Sets it to what only a register knows.
    Set,
}

const SP: u16 = 31;
/// `CRm`:`op2` of WFI among the hints.
const WFI: (u16, u32) = (0, 3);

/// Decodes an instruction; none when it is not known.
pub(crate) fn decode(word: u32, address: u64) -> Option<(Flow, Stack)> {
    let bytes = word.to_le_bytes();
    let mut instruction = Instruction::default();
    let known = InstDecoder::default().decode_into(&mut instruction, &mut U8Reader::new(&bytes));
    if known.is_err() {
        return None;
    }
    let target = instruction.operands.iter().find_map(|operand| match operand {
        Operand::PCOffset(offset) => Some(address.wrapping_add_signed(*offset)),
        _ => None,
    });
    let flow = match instruction.opcode {
        Opcode::B => Flow::Jump(target?),
        Opcode::Bcc(_) | Opcode::CBZ | Opcode::CBNZ | Opcode::TBZ | Opcode::TBNZ => Flow::Branch(target?),
        Opcode::BL => Flow::Call(target?),
        Opcode::RET => Flow::Return,
        Opcode::ERET => Flow::ExceptionReturn,
        Opcode::UDF | Opcode::BRK | Opcode::HLT => Flow::Stop,
        Opcode::BR => Flow::Indirect,
        Opcode::BLR | Opcode::BRAA | Opcode::BRAAZ | Opcode::BLRAA | Opcode::DRPS => Flow::IndirectCall,
        Opcode::HINT => match instruction.operands {
            [Operand::ControlReg(crm), Operand::Immediate(op2), ..] if (crm, op2) == WFI => Flow::Sleep,
            _ => Flow::Next,
        },
        // Of this group remain system registers, barriers, hints, and what returns from a level or calls one.
        _ if word >> 26 & 7 == 5 && word >> 22 & 0x3ff != 0x354 && word >> 24 != 0xd4 => return None,
        _ => Flow::Next,
    };
    Some((flow, stack(&instruction)))
}

fn stack(instruction: &Instruction) -> Stack {
    let [first, second, third, _] = instruction.operands;
    if let Operand::RegisterOrSP(_, SP) = first {
        let amount = match (second, third) {
            (Operand::RegisterOrSP(_, SP), Operand::Immediate(n)) => Some(i64::from(n)),
            (Operand::RegisterOrSP(_, SP), Operand::Imm64(n)) => i64::try_from(n).ok(),
            (Operand::RegisterOrSP(_, SP), Operand::ImmShift(n, shift)) => Some(i64::from(n) << shift),
            _ => None,
        };
        return match (instruction.opcode, amount) {
            (Opcode::ADD, Some(n)) => Stack::Add(n),
            (Opcode::SUB, Some(n)) => Stack::Add(-n),
            // A comparison writes no register.
            (Opcode::SUBS | Opcode::ADDS, _) => Stack::Add(0),
            _ => Stack::Set,
        };
    }
    for operand in instruction.operands {
        match operand {
            Operand::RegPreIndex(SP, offset, true) | Operand::RegPostIndex(SP, offset) => {
                return Stack::Add(i64::from(offset));
            }
            Operand::RegPostIndexReg(SP, _) => return Stack::Set,
            _ => {}
        }
    }
    Stack::Add(0)
}

#[cfg(test)]
mod tests {
    use super::{Flow, Stack, decode};

    #[test]
    fn instructions_go_where_the_manual_says() {
        let at = 0x1000;
        for (word, flow, stack) in [
            (0x1400_0004, Flow::Jump(0x1010), 0),
            (0x97ff_fffc, Flow::Call(0xff0), 0),
            (0x5400_0041, Flow::Branch(0x1008), 0),
            (0xb4ff_ffe0, Flow::Branch(0xffc), 0),
            (0x3700_0040, Flow::Branch(0x1008), 0),
            (0xd65f_03c0, Flow::Return, 0),
            (0xd69f_03e0, Flow::ExceptionReturn, 0),
            (0xd503_207f, Flow::Sleep, 0),
            (0xd503_201f, Flow::Next, 0),
            (0xd503_205f, Flow::Next, 0),
            (0xd503_3f9f, Flow::Next, 0),
            (0xd538_4100, Flow::Next, 0),
            (0xd420_0020, Flow::Stop, 0),
            (0xd61f_0140, Flow::Indirect, 0),
            (0xd63f_0140, Flow::IndirectCall, 0),
            (0xd101_43ff, Flow::Next, -0x50),
            (0xd140_07ff, Flow::Next, -0x1000),
            (0x9101_43ff, Flow::Next, 0x50),
            (0xa9be_7bfd, Flow::Next, -32),
            (0xa8c2_7bfd, Flow::Next, 32),
            (0xf81f_0ffe, Flow::Next, -16),
            (0xf841_07fe, Flow::Next, 16),
            (0xa900_7bfd, Flow::Next, 0),
        ] {
            assert_eq!(decode(word, at), Some((flow, Stack::Add(stack))), "{word:#x}");
        }
    }

    #[test]
    fn a_stack_pointer_from_registers_is_not_followed() {
        for word in [0x9100_03bf, 0xcb29_63ff] {
            assert_eq!(decode(word, 0), Some((Flow::Next, Stack::Set)), "{word:#x}");
        }
    }
}
