// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The processor's own ID registers, those of which a field may be shown to a guest.
//!
//! # References
//! Arm DDI 0487, "AArch64 System register descriptions" (ID registers).

macro_rules! identity {
    ($($crm:literal $op2:literal),* $(,)?) => {
        /// `S3_0_C0_C<crm>_<op2>`; zero where no field of the register is ever shown.
        pub fn read(crm: u32, op2: u32) -> u64 {
            let value: u64;
            match (crm, op2) {
                $(($crm, $op2) => {
                    // SAFETY: an ID register; reading it changes nothing.
                    unsafe {
                        core::arch::asm!(
                            concat!("mrs {}, S3_0_C0_C", $crm, "_", $op2),
                            out(reg) value,
                            options(nomem, nostack, preserves_flags)
                        );
                    }
                })*
                _ => value = 0,
            }
            value
        }
    };
}

identity!(
    // ID_PFR0_EL1, ID_PFR1_EL1, ID_DFR0_EL1, ID_MMFR0_EL1 to ID_MMFR3_EL1.
    1 0, 1 1, 1 2, 1 4, 1 5, 1 6, 1 7,
    // ID_ISAR0_EL1 to ID_ISAR5_EL1, ID_MMFR4_EL1, ID_ISAR6_EL1.
    2 0, 2 1, 2 2, 2 3, 2 4, 2 5, 2 6, 2 7,
    // MVFR0_EL1 to MVFR2_EL1, ID_PFR2_EL1, ID_MMFR5_EL1.
    3 0, 3 1, 3 2, 3 4, 3 6,
    // ID_AA64PFR0_EL1, ID_AA64PFR1_EL1, ID_AA64DFR0_EL1.
    4 0, 4 1, 5 0,
    // ID_AA64ISAR0_EL1 to ID_AA64ISAR2_EL1, ID_AA64MMFR0_EL1 to ID_AA64MMFR2_EL1.
    6 0, 6 1, 6 2, 7 0, 7 1, 7 2,
);
