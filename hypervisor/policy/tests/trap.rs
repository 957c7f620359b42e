// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The trap decoder against a table written from the Arm ARM, "ESR_EL2, Exception Syndrome Register (EL2)".
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_policy::fault::{AccessKind, Fault};
use bulkhead_policy::sysreg::{Direction, SysRegId};
use bulkhead_policy::trap::{DataAccess, Extend, Ipa, Register, Size, Trap, Wait, Width, decode};
use proptest::prelude::*;

/// Bits `hi`:`lo`.
fn field(value: u64, hi: u32, lo: u32) -> u64 {
    (0..=hi - lo).map(|i| (value >> (lo + i) & 1) << i).sum()
}

/// Exception classes that can come from EL1 or EL0 to EL2 and what they are called, from "EC, bits \[31:26\]".
const CLASSES: &[(u64, &str)] = &[
    (0b000001, "wait"),
    (0b000011, "aarch32"),
    (0b000100, "aarch32"),
    (0b000101, "aarch32"),
    (0b000110, "aarch32"),
    (0b000111, "fp"),
    (0b001000, "aarch32"),
    (0b001001, "hidden"),
    (0b001010, "hidden"),
    (0b001100, "aarch32"),
    (0b001110, "illegal"),
    (0b010001, "aarch32"),
    (0b010010, "aarch32"),
    (0b010011, "aarch32"),
    (0b010100, "hidden"),
    (0b010110, "hvc"),
    (0b010111, "smc"),
    (0b011000, "sysreg"),
    (0b011001, "fp"),
    (0b011101, "fp"),
    (0b100000, "fetch"),
    (0b100100, "data"),
];

/// Status codes from "DFSC, bits \[5:0\]" and "IFSC, bits \[5:0\]".
fn status(code: u64) -> Fault {
    match format!("{code:06b}").as_str() {
        "000000" => Fault::AddressSize(0),
        "000001" => Fault::AddressSize(1),
        "000010" => Fault::AddressSize(2),
        "000011" => Fault::AddressSize(3),
        "000100" => Fault::Translation(0),
        "000101" => Fault::Translation(1),
        "000110" => Fault::Translation(2),
        "000111" => Fault::Translation(3),
        "001000" => Fault::AccessFlag(0),
        "001001" => Fault::AccessFlag(1),
        "001010" => Fault::AccessFlag(2),
        "001011" => Fault::AccessFlag(3),
        "001100" => Fault::Permission(0),
        "001101" => Fault::Permission(1),
        "001110" => Fault::Permission(2),
        "001111" => Fault::Permission(3),
        "010000" => Fault::External,
        "010100" => Fault::ExternalOnWalk(0),
        "010101" => Fault::ExternalOnWalk(1),
        "010110" => Fault::ExternalOnWalk(2),
        "010111" => Fault::ExternalOnWalk(3),
        "100001" => Fault::Alignment,
        "110000" => Fault::TlbConflict,
        _ => Fault::Other(u8::try_from(code).unwrap()),
    }
}

fn expected(esr: u64, far: u64, hpfar: u64) -> Trap {
    let class = field(esr, 31, 26);
    let name = CLASSES.iter().find(|(c, _)| *c == class).map(|(_, n)| *n);
    let immediate = u16::try_from(field(esr, 15, 0)).unwrap();
    let ipa = Ipa(field(hpfar, 43, 4) * 4096 + field(far, 11, 0));
    let fault = status(field(esr, 5, 0));
    let walk = field(esr, 7, 7) == 1;
    match name {
        Some("wait") => Trap::Wait(
            [
                Wait::Interrupt,
                Wait::Event,
                Wait::InterruptOrTime,
                Wait::EventOrTime,
            ][usize::try_from(field(esr, 1, 0)).unwrap()],
        ),
        Some("aarch32") => Trap::Aarch32,
        Some("fp") => Trap::FloatingPoint,
        Some("hidden") => Trap::Hidden,
        Some("illegal") => Trap::IllegalState,
        Some("hvc") => Trap::Hypercall { immediate },
        Some("smc") => Trap::Smc { immediate },
        Some("sysreg") => {
            // Compared field by field in `system_register_fields`.
            let decoded = decode(esr, far, hpfar);
            assert!(matches!(decoded, Trap::SystemRegister(_)));
            decoded
        }
        Some("fetch" | "data") if walk => Trap::WalkAbort { ipa, fault },
        Some("fetch") => Trap::InstructionAbort { ipa, fault },
        Some("data") => {
            let maintenance = field(esr, 8, 8) == 1;
            let write = field(esr, 6, 6) == 1;
            let described = field(esr, 24, 24) == 1;
            if described && !maintenance && (4..8).contains(&field(esr, 5, 0)) {
                Trap::DataAbort(DataAccess {
                    ipa,
                    direction: if write { Direction::Write } else { Direction::Read },
                    size: [Size::Byte, Size::Halfword, Size::Word, Size::Doubleword]
                        [usize::try_from(field(esr, 23, 22)).unwrap()],
                    extend: [Extend::Zero, Extend::Sign][usize::try_from(field(esr, 21, 21)).unwrap()],
                    width: [Width::W32, Width::X64][usize::try_from(field(esr, 15, 15)).unwrap()],
                    register: Register::new(field(esr, 20, 16)),
                    acquire_release: field(esr, 14, 14) == 1,
                })
            } else {
                let access = match (maintenance, write) {
                    (true, _) => AccessKind::CacheMaintenance,
                    (false, true) => AccessKind::Write,
                    (false, false) => AccessKind::Read,
                };
                Trap::DataAbortNoSyndrome { ipa, access, fault }
            }
        }
        _ => Trap::Other {
            class: u8::try_from(class).unwrap(),
        },
    }
}

/// Verifies: BH-TRAP-001.
#[test]
fn every_class_with_every_low_syndrome() {
    for class in 0..64 {
        for low in 0..1 << 10 {
            for high in [0, 1 << 24, 0x2a5 << 14, 0x7fff << 10, 0x5555 << 10] {
                let esr = class << 26 | 1 << 25 | high | low;
                assert_eq!(
                    decode(esr, 0x1234, 0x5670),
                    expected(esr, 0x1234, 0x5670),
                    "{esr:#x}"
                );
            }
        }
    }
}

#[test]
fn every_register_and_size_of_a_described_access() {
    for bits in 0..1 << 11 {
        let esr = 0x24 << 26 | 1 << 25 | 1 << 24 | bits << 13 | 0b000111;
        assert_eq!(decode(esr, 0, 0), expected(esr, 0, 0), "{esr:#x}");
    }
}

/// Verifies: BH-TRAP-001.
#[test]
fn system_register_fields() {
    for iss in (0..1 << 22).step_by(7) {
        let Trap::SystemRegister(access) = decode(0x18 << 26 | iss, 0, 0) else {
            panic!("{iss:#x}")
        };
        let (op0, op1, crn, crm, op2) = access.register.operands();
        assert_eq!(
            access.register,
            SysRegId::new(op0, op1, crn, crm, op2),
            "nothing but the operands counts"
        );
        let operands = [op0, op2, op1, crn, crm].map(u64::from);
        let ranges = [(21, 20), (19, 17), (16, 14), (13, 10), (4, 1)];
        assert_eq!(operands, ranges.map(|(hi, lo)| field(iss, hi, lo)), "{iss:#x}");
        let rt = usize::try_from(field(iss, 9, 5)).unwrap();
        assert_eq!(access.rt.index(), (rt != 31).then_some(rt));
        assert_eq!(access.direction == Direction::Read, iss & 1 == 1);
    }
}

#[test]
fn instruction_lengths() {
    let length = |esr: u64| decode(esr, 0, 0).instruction_length(esr);
    assert_eq!(
        length(0x16 << 26 | 1 << 25),
        0,
        "the preferred return address of HVC is the next instruction"
    );
    assert_eq!(length(0x17 << 26 | 1 << 25), 4, "a trapped SMC has not executed");
    assert_eq!(length(0x18 << 26 | 1 << 25), 4);
    assert_eq!(length(0x03 << 26), 2, "T32");
}

#[test]
fn only_faults_with_an_address_say_so() {
    for code in 0..64 {
        let has = Fault::from_status(code).has_ipa();
        assert_eq!(has, code < 12, "{code:#x}");
    }
}

#[test]
fn known_syndromes() {
    // ldrsh w3, [x0] from the unmapped page 0x0900_0000 + 0x18.
    let esr = 0x24 << 26 | 1 << 25 | 1 << 24 | 1 << 22 | 1 << 21 | 3 << 16 | 0b000111;
    let Trap::DataAbort(access) = decode(esr, 0xffff_8000_0123_4018, 0x0009_0000) else {
        panic!()
    };
    assert_eq!(access.ipa, Ipa(0x0900_0018));
    assert_eq!(access.register.index(), Some(3));
    assert_eq!(access.loaded(0x1_8001), 0xffff_8001);
    assert_eq!(access.ipa.offset_in(Ipa(0x0900_0000), 0x1000), Some(0x18));
    assert_eq!(access.ipa.offset_in(Ipa(0x0900_0000), 0x18), None);
    assert_eq!(access.ipa.offset_in(Ipa(0x0900_0019), 0x1000), None);
}

/// What a load of `bytes` bytes leaves in a register, by Rust's own integers.
fn loaded(value: u64, size: Size, extend: Extend, width: Width) -> u64 {
    let bytes = value.to_le_bytes();
    let signed = match size {
        Size::Byte => i64::from(i8::from_le_bytes([bytes[0]])),
        Size::Halfword => i64::from(i16::from_le_bytes([bytes[0], bytes[1]])),
        Size::Word => i64::from(i32::from_le_bytes(bytes[..4].try_into().unwrap())),
        Size::Doubleword => i64::from_le_bytes(bytes),
    };
    let unsigned = match size {
        Size::Byte => u64::from(bytes[0]),
        Size::Halfword => u64::from(u16::from_le_bytes([bytes[0], bytes[1]])),
        Size::Word => u64::from(u32::from_le_bytes(bytes[..4].try_into().unwrap())),
        Size::Doubleword => value,
    };
    let extended = match extend {
        Extend::Zero => unsigned,
        Extend::Sign => u64::from_le_bytes(signed.to_le_bytes()),
    };
    match width {
        Width::W32 => extended % (1 << 32),
        Width::X64 => extended,
    }
}

proptest! {
    #[test]
    fn total_over_random_registers(esr: u64, far: u64, hpfar: u64) {
        prop_assert_eq!(decode(esr, far, hpfar), expected(esr, far, hpfar));
    }

    #[test]
    fn values_of_loads_and_stores(value: u64, size in 0..4usize, sign: bool, wide: bool) {
        let size = [Size::Byte, Size::Halfword, Size::Word, Size::Doubleword][size];
        let extend = if sign { Extend::Sign } else { Extend::Zero };
        let width = if wide { Width::X64 } else { Width::W32 };
        let access = DataAccess {
            ipa: Ipa(0), direction: Direction::Read, size, extend, width,
            register: Register::new(0), acquire_release: false,
        };
        prop_assert_eq!(access.loaded(value), loaded(value, size, extend, width));
        prop_assert_eq!(access.stored(value), loaded(value, size, Extend::Zero, Width::X64));
    }
}
