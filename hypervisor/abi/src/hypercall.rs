// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Function identifiers of calls that a guest makes with `HVC #0`.
//!
//! # References
//! Arm DEN0028 (SMC Calling Convention), "Function Identifiers"; Arm DEN0022 (PSCI), "PSCI functions".

/// `Call UID Query` of the vendor-specific hypervisor service range.
pub const VENDOR_HYP_UID: u32 = 0x8600_FF01;
/// `Revision Query` of the vendor-specific hypervisor service range: major in `w0`, minor in `w1`.
pub const VENDOR_HYP_REVISION: u32 = 0x8600_FF03;
/// The UID that [`VENDOR_HYP_UID`] returns in `w0`..`w3`.
pub const BULKHEAD_UID: [u32; 4] = [0x6b9f_3a51, 0x4e42_c04d, 0x11b8_61a4, 0x0b57_4c48];
/// Revision of the hypercalls in this file.
pub const REVISION: (u32, u32) = (1, 0);

/// Does nothing and returns [`SUCCESS`] in `x0`.
pub const NULL: u32 = 0xC600_0001;
/// Marks the begin of the steady state.
///
/// EL2 notes the counter and the EL2-entry counts of every vCPU of the system in the statistics page of the
/// calling core ([`crate::stats::Mark`]). The first call of a run counts, from a partition that the spec
/// entitles; any other returns [`DENIED`].
pub const MARK_STEADY: u32 = 0xC600_0002;

/// Waits for the lock with the number in `w1`, until the next interrupt at most.
///
/// [`SUCCESS`]: it is the caller's, `x1` is the word ([`crate::lock::Word`]) that gives it back.
/// [`LOCK_AGAIN`]: call again. [`DENIED`]: the caller is no participant, or owns this or another lock.
pub const LOCK_WAIT: u32 = 0xC600_0010;
/// Gives back the lock with the number in `w1` that was taken as the word in `x2`: [`SUCCESS`], or [`DENIED`] when
/// it is no longer the caller's.
pub const LOCK_RELEASE: u32 = 0xC600_0011;
/// Of [`LOCK_WAIT`]: the lock is another's still.
pub const LOCK_AGAIN: i64 = 1;

/// Rings the doorbell with the number in `w1`, which the device tree states: an interrupt in the partition at its other
/// end. What the caller wrote before is visible there when the interrupt is taken; rings that are not yet taken merge.
///
/// [`SUCCESS`]; [`DOORBELL_EARLY`]: sooner after the last ring than the spec allows, and so refused and counted;
/// [`DENIED`]: the caller does not ring this doorbell.
pub const DOORBELL_RING: u32 = 0xC600_0020;
/// Of [`DOORBELL_RING`]: refused, try again later.
pub const DOORBELL_EARLY: i64 = 1;

/// Reads the time ledger of the core with the number in `w1`.
///
/// [`SUCCESS`]: the time since the epoch that the ledger covers in `x1`, of which EL2 had `x2`, sleep `x3`, and the core's
/// vCPUs in blob order `x4` to `x10`; `x11` to `x17` say whose those are: the partition's index in bits 63 to 32, the
/// vCPU's inside it below, or [`LEDGER_NOBODY`]. `x1` is the sum of the others, and is as old as EL2's last work on that core
/// (at most a major frame on a sliced one; on a dedicated one whatever follows is its vCPU's).
/// [`LEDGER_AGAIN`]: that core was in the middle of a charge, call again. [`INVALID_PARAMETERS`]: there is no such core.
/// [`NOT_SUPPORTED`]: the spec does not entitle the caller (`reads_ledger`).
///
/// # Units
/// Ticks of the counter; `CNTFRQ_EL0` converts.
pub const LEDGER_READ: u32 = 0xC600_0030;
/// Of [`LEDGER_READ`]: nothing was read, try again.
pub const LEDGER_AGAIN: i64 = 1;
/// Of [`LEDGER_READ`]: there is no such vCPU.
pub const LEDGER_NOBODY: u64 = u64::MAX;

/// `SUCCESS` of SMCCC and PSCI.
pub const SUCCESS: i64 = 0;
/// `NOT_SUPPORTED` of SMCCC and PSCI: also the answer to every unknown function.
pub const NOT_SUPPORTED: i64 = -1;
/// `INVALID_PARAMETERS` of PSCI.
pub const INVALID_PARAMETERS: i64 = -2;
/// `DENIED` of PSCI.
pub const DENIED: i64 = -3;
