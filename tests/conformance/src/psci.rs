// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PSCI and SMCCC calls by HVC.
//!
//! # References
//! Arm DEN0022, "PSCI functions", "Return error codes"; Arm DEN0028, "Arm Architecture Calls".
#![forbid(unsafe_code)]

use crate::edge::call;

pub(crate) const PSCI_VERSION: u64 = 0x8400_0000;
pub(crate) const CPU_SUSPEND_32: u64 = 0x8400_0001;
pub(crate) const CPU_SUSPEND: u64 = 0xC400_0001;
pub(crate) const CPU_OFF: u64 = 0x8400_0002;
pub(crate) const CPU_ON_32: u64 = 0x8400_0003;
pub(crate) const CPU_ON: u64 = 0xC400_0003;
pub(crate) const AFFINITY_INFO_32: u64 = 0x8400_0004;
pub(crate) const AFFINITY_INFO: u64 = 0xC400_0004;
pub(crate) const MIGRATE_INFO_TYPE: u64 = 0x8400_0006;
pub(crate) const SYSTEM_OFF: u64 = 0x8400_0008;
pub(crate) const SYSTEM_RESET: u64 = 0x8400_0009;
pub(crate) const PSCI_FEATURES: u64 = 0x8400_000A;
pub(crate) const SMCCC_VERSION: u64 = 0x8000_0000;
pub(crate) const SMCCC_ARCH_FEATURES: u64 = 0x8000_0001;

pub(crate) const NOT_SUPPORTED: i32 = -1;
pub(crate) const INVALID_PARAMETERS: i32 = -2;
pub(crate) const ALREADY_ON: i32 = -4;
pub(crate) const ON_PENDING: i32 = -5;
pub(crate) const INVALID_ADDRESS: i32 = -9;

/// What AFFINITY_INFO returns.
pub(crate) const ON: i32 = 0;
/// What AFFINITY_INFO returns.
pub(crate) const OFF: i32 = 1;

/// Calls; gives `w0`, in which 32-bit and 64-bit functions alike return their code.
pub(crate) fn call(function: u64, arguments: [u64; 3]) -> i32 {
    let [a, b, c] = arguments;
    low(call::hvc([function, a, b, c]))
}

/// The low word as a signed number.
pub(crate) fn low(value: u64) -> i32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0).cast_signed()
}

/// A code as it is printed.
pub(crate) fn code(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

/// PSCI_FEATURES of a function.
pub(crate) fn features(function: u64) -> i32 {
    call(PSCI_FEATURES, [function, 0, 0])
}

/// AFFINITY_INFO of one CPU.
pub(crate) fn affinity_info(target: u64) -> i32 {
    call(AFFINITY_INFO, [target, 0, 0])
}
