// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a guest reads of its processor's features.
//!
//! `HCR_EL2.TID3` traps the ID registers. A field is shown only if what it names needs nothing that EL2 would have to
//! save, isolate or permit; all others, also those that are yet to be defined, read as zero: not implemented. So
//! hidden are EL2 and EL3, performance monitors, trace and profiling, SVE and SME, pointer authentication, MTE,
//! RAS, MPAM, activity monitors, LORegions, and what `HCRX_EL2` or the fine-grained traps would have to permit.
//! The architecture knows no processor without debug registers: the fewest are shown, and they are RAZ/WI.

use crate::sysreg::SysRegId;

/// Ones in the fields that are shown; then the lowest bits of those of which a larger value would promise what is
/// hidden, each with the largest that is shown.
type Fields = (u64, &'static [(u32, u64)]);

/// Ones in fields of four bits, by their lowest bits.
const fn all(fields: &[u32]) -> u64 {
    match fields {
        [] => 0,
        [at, rest @ ..] => match 15u64.checked_shl(*at) {
            Some(field) => field | all(rest),
            None => all(rest),
        },
    }
}

/// All fields of a register of 32 bits.
const WHOLE: Fields = (0xffff_ffff, &[]);

/// Fields of `S3_0_C0_C<crm>_<op2>` that are shown.
const fn fields(crm: u32, op2: u32) -> Fields {
    match (crm, op2) {
        // ID_PFR0_EL1: State0 to State3, CSV2, DIT.
        (1, 0) => (const { all(&[0, 4, 8, 12, 16, 24]) }, &[]),
        // ID_PFR1_EL1: ProgMod, MProgMod, GenTimer; GIC.
        (1, 1) => (const { all(&[0, 8, 16]) }, &[(28, 1)]),
        // ID_DFR0_EL1: CopDbg.
        (1, 2) => (0, &[(0, 6)]),
        // ID_MMFR0_EL1 to ID_MMFR3_EL1; ID_ISAR0_EL1 to ID_ISAR5_EL1, ID_MMFR4_EL1, ID_ISAR6_EL1; MVFR0_EL1 to
        // MVFR2_EL1, ID_MMFR5_EL1.
        (1, 4..=7) | (2, _) | (3, 0..=2 | 6) => WHOLE,
        // ID_PFR2_EL1: CSV3, SSBS.
        (3, 4) => (const { all(&[0, 4]) }, &[]),
        // ID_AA64PFR0_EL1: EL0, FP, AdvSIMD, DIT, CSV3; EL1 (AArch64 only), GIC, CSV2.
        (4, 0) => (const { all(&[0, 16, 20, 48, 60]) }, &[(4, 1), (24, 1), (56, 1)]),
        // ID_AA64PFR1_EL1: BT, SSBS.
        (4, 1) => (const { all(&[0, 4]) }, &[]),
        // ID_AA64DFR0_EL1: DebugVer, BRPs and WRPs (two of each).
        (5, 0) => (0, &[(0, 6), (12, 1), (20, 1)]),
        // ID_AA64ISAR0_EL1: all but TME.
        (6, 0) => (
            const { all(&[4, 8, 12, 16, 20, 28, 32, 36, 40, 44, 48, 52, 56, 60]) },
            &[],
        ),
        // ID_AA64ISAR1_EL1: DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, BF16, DGH, I8MM; SPECRES.
        (6, 1) => (const { all(&[0, 12, 16, 20, 32, 36, 44, 48, 52]) }, &[(40, 1)]),
        // ID_AA64ISAR2_EL1: WFxT, RPRES, BC, CLRBHB, RPRFM, CSSC.
        (6, 2) => (const { all(&[0, 4, 20, 28, 48, 52]) }, &[]),
        // ID_AA64MMFR0_EL1: PARange, ASIDBits, BigEnd, BigEndEL0, TGran16, TGran64, TGran4, ExS.
        (7, 0) => (const { all(&[0, 4, 8, 16, 20, 24, 28, 44]) }, &[]),
        // ID_AA64MMFR1_EL1: HPDS, PAN, ETS, AFP, nTLBPA; HAFDBS.
        (7, 1) => (const { all(&[12, 20, 36, 44, 48]) }, &[(0, 2)]),
        // ID_AA64MMFR2_EL1: CnP, UAO, LSM, VARange, CCIDX, ST, AT, TTL, BBM, E0PD.
        (7, 2) => (const { all(&[0, 4, 8, 16, 20, 28, 32, 48, 52, 60]) }, &[]),
        _ => (0, &[]),
    }
}

/// What a guest reads of an ID register that the processor answers with `raw`.
///
/// Implements: BH-TRAP-020.
///
/// # References
/// Arm DDI 0487, "HCR_EL2" (TID3), "AArch64 System register descriptions" (ID registers).
pub fn shown(register: SysRegId, raw: u64) -> u64 {
    let (_, _, _, crm, op2) = register.operands();
    let (any, limited) = fields(crm, op2);
    limited.iter().fold(raw & any, |shown, (at, most)| {
        let field = raw.checked_shr(*at).unwrap_or(0) & 15;
        shown | field.min(*most).checked_shl(*at).unwrap_or(0)
    })
}

/// Whether a register is one that `HCR_EL2.TID3` traps.
pub const fn is_identity(register: SysRegId) -> bool {
    matches!(register.operands(), (3, 0, 0, 1..=7, _))
}
