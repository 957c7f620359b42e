// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Trapped system registers: every encoding against a table written from the Arm ARM and Arm IHI 0069.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use bulkhead_policy::sysreg::{
    Direction, IccRegister, Interrupts, SysRegAccess, SysRegAction, SysRegId, decide,
};
use bulkhead_policy::trap::Register;

/// What the table says of a register.
#[derive(Clone, Copy)]
enum Rule {
    /// Reads as the value, ignores writes.
    Value(u64),
    /// Reads as the value; a write is undefined.
    ReadOnly(u64),
    /// Reads as the ID register that EL2 shows; a write is undefined.
    Identity,
    /// Ignores writes; a read is undefined.
    WriteOnly,
    /// Carried out in direct mode, undefined else.
    Direct(IccRegister, &'static str),
    /// Carried out always, write-only.
    Always(IccRegister),
}

/// op0, op1, CRn, CRm, op2 in the spelling of the Arm ARM, `S<op0>_<op1>_C<CRn>_C<CRm>_<op2>`; ranges as `a-b`.
const TABLE: &[(&str, Rule)] = &[
    // ICC_PMR_EL1, ICC_DIR_EL1, ICC_RPR_EL1, ICC_CTLR_EL1.
    ("3 0 4 6 0", Rule::Direct(IccRegister::Pmr, "rw")),
    ("3 0 12 11 1", Rule::Always(IccRegister::Dir)),
    ("3 0 12 11 3", Rule::Direct(IccRegister::Rpr, "r")),
    ("3 0 12 12 4", Rule::Direct(IccRegister::Ctlr, "rw")),
    // ICC_SRE_EL1: system registers always, bypass never.
    ("3 0 12 12 5", Rule::Value(7)),
    // ICC_SGI1R_EL1, ICC_ASGI1R_EL1, ICC_SGI0R_EL1.
    ("3 0 12 11 5", Rule::Always(IccRegister::Sgi1r)),
    ("3 0 12 11 6", Rule::WriteOnly),
    ("3 0 12 11 7", Rule::WriteOnly),
    // ICC_IAR0_EL1, ICC_EOIR0_EL1, ICC_HPPIR0_EL1, ICC_BPR0_EL1, ICC_AP0R<n>_EL1, ICC_IGRPEN0_EL1.
    ("3 0 12 8 0", Rule::ReadOnly(1023)),
    ("3 0 12 8 1", Rule::WriteOnly),
    ("3 0 12 8 2", Rule::ReadOnly(1023)),
    ("3 0 12 8 3-7", Rule::Value(0)),
    ("3 0 12 12 6", Rule::Value(0)),
    // ACTLR_EL1.
    ("3 0 1 0 1", Rule::Value(0)),
    // PMINTENSET_EL1, PMINTENCLR_EL1, PMMIR_EL1.
    ("3 0 9 14 1-2", Rule::Value(0)),
    ("3 0 9 14 6", Rule::Value(0)),
    // PMCR_EL0 … PMCEID1_EL0, PMCCNTR_EL0 … PMXEVCNTR_EL0, PMUSERENR_EL0, PMOVSSET_EL0, PMEVCNTR<n>, PMEVTYPER<n>.
    ("3 3 9 12 0-7", Rule::Value(0)),
    ("3 3 9 13 0-2", Rule::Value(0)),
    ("3 3 9 14 0", Rule::Value(0)),
    ("3 3 9 14 3", Rule::Value(0)),
    ("3 3 14 8-15 0-7", Rule::Value(0)),
    // ID_PFR0_EL1 to ID_AA64MMFR4_EL1 and what is reserved among them (HCR_EL2.TID3); MIDR_EL1, MPIDR_EL1 do not trap.
    ("3 0 0 1-7 0-7", Rule::Identity),
    // DC ISW, DC CSW, DC CISW.
    ("1 0 7 6 2", Rule::WriteOnly),
    ("1 0 7 10 2", Rule::WriteOnly),
    ("1 0 7 14 2", Rule::WriteOnly),
    // OSLSR_EL1 before the space of debug registers that it lies in: OSLM = 0b10, OSLK = 0.
    ("2 0 1 1 4", Rule::ReadOnly(0b1000)),
    ("2 0 0-1 0-15 0-7", Rule::Value(0)),
    ("2 0 7 0-15 0-7", Rule::Value(0)),
    ("2 3 0 0-15 0-7", Rule::Value(0)),
];

fn matches(pattern: &str, operands: [u32; 5]) -> bool {
    pattern.split(' ').zip(operands).all(|(part, operand)| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        (low.parse().unwrap()..=high.parse().unwrap()).contains(&operand)
    })
}

fn expected(operands: [u32; 5], read: bool, direct: bool) -> SysRegAction {
    let rule = TABLE.iter().find(|(p, _)| matches(p, operands)).map(|(_, r)| *r);
    match (rule, read) {
        (Some(Rule::Value(v) | Rule::ReadOnly(v)), true) => SysRegAction::Value(v),
        (Some(Rule::Identity), true) => SysRegAction::Identity,
        (Some(Rule::Value(_) | Rule::WriteOnly), false) => SysRegAction::Ignore,
        (Some(Rule::Direct(r, rights)), _) if direct && rights.contains(if read { 'r' } else { 'w' }) => {
            SysRegAction::Icc(r)
        }
        (Some(Rule::Always(r)), false) => SysRegAction::Icc(r),
        _ => SysRegAction::InjectUndefined,
    }
}

/// Verifies: BH-TRAP-002.
#[test]
fn every_encoding() {
    for n in 0..1u32 << 16 {
        let operands = [n >> 14, n >> 11 & 7, n >> 7 & 15, n >> 3 & 15, n & 7];
        let [op0, op1, crn, crm, op2] = operands;
        let register = SysRegId::new(op0, op1, crn, crm, op2);
        assert_eq!(register.operands(), (op0, op1, crn, crm, op2));
        for read in [false, true] {
            for direct in [false, true] {
                let access = SysRegAccess {
                    register,
                    rt: Register::new(0),
                    direction: if read { Direction::Read } else { Direction::Write },
                };
                let mode = if direct {
                    Interrupts::Direct
                } else {
                    Interrupts::Sliced
                };
                let action = decide(access, mode);
                assert_eq!(
                    action,
                    expected(operands, read, direct),
                    "{operands:?} read {read} direct {direct}"
                );
            }
        }
    }
}

/// Implementation-defined registers (CRn 11 and 15, trapped by `HCR_EL2.TIDCP`) stay out of reach.
#[test]
fn implementation_defined_is_undefined() {
    for crn in [11, 15] {
        for n in 0..1 << 10 {
            let register = SysRegId::new(3, n >> 7, crn, n >> 3 & 15, n & 7);
            for direction in [Direction::Read, Direction::Write] {
                let access = SysRegAccess {
                    register,
                    rt: Register::new(0),
                    direction,
                };
                assert_eq!(decide(access, Interrupts::Direct), SysRegAction::InjectUndefined);
            }
        }
    }
}
