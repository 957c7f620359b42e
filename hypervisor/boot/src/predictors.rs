// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a core has the means by which the blob keeps predictions of its vCPUs apart.
//!
//! # References
//! Arm DDI 0487, "ID_AA64PFR0_EL1", CSV2; "ID_AA64ISAR1_EL1", SPECRES. Arm DEN0070, "SMCCC_ARCH_WORKAROUND_1".

use bulkhead_types::tables::predictors;

/// What a core says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// `ID_AA64PFR0_EL1`.
    pub pfr0: u64,
    /// `ID_AA64ISAR1_EL1`.
    pub isar1: u64,
    /// Whether the firmware knows `SMCCC_ARCH_WORKAROUND_1`.
    pub firmware: bool,
}

/// A four-bit ID field that is zero where the feature is missing.
const fn field(register: u64, shift: u32) -> u64 {
    (register >> shift) & 0xf
}

impl Means {
    /// Whether the core has what the blob names. Implements: BH-BOOT-022.
    pub const fn suffice(self, wanted: u32) -> bool {
        match wanted {
            predictors::NONE => true,
            predictors::ISOLATED => field(self.pfr0, 56) != 0,
            predictors::RESTRICTED => field(self.isar1, 40) != 0,
            predictors::FIRMWARE => self.firmware,
            _ => false,
        }
    }
}

/// What the blob names, in words.
pub const fn name(wanted: u32) -> &'static str {
    match wanted {
        predictors::NONE => "none",
        predictors::ISOLATED => "isolated",
        predictors::RESTRICTED => "restricted",
        predictors::FIRMWARE => "firmware",
        _ => "unknown",
    }
}
