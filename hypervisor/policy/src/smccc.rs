// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls that a guest makes with `HVC #0`: which function, with which arguments.
//!
//! # References
//! Arm DEN0028, SMC Calling Convention, "Function Identifiers", "Arm Architecture Calls"; Arm DEN0022, PSCI; Arm
//! DEN0057A, Paravirtualized Time for Arm-based Systems, "Stolen time".

use bulkhead_abi::hypercall;
use bulkhead_abi::steal::{PV_TIME_FEATURES, PV_TIME_ST};

use crate::bits::low32;
use crate::psci::{CpuOn, PsciCall};

/// Version of the calling convention that `SMCCC_VERSION` returns: 1.2, whose calls may return values in `x0` to `x17`, as
/// `LEDGER_READ` does, and leave every other register as it is (DEN0028, "SMC and HVC calls").
pub const VERSION: i64 = 0x1_0002;

/// Function identifiers of the Arm architecture calls.
pub mod function {
    /// `SMCCC_VERSION`.
    pub const SMCCC_VERSION: u32 = 0x8000_0000;
    /// `SMCCC_ARCH_FEATURES`.
    pub const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
}

/// A call of the Arm architecture range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmcccCall {
    /// `SMCCC_VERSION`.
    Version,
    /// `SMCCC_ARCH_FEATURES`.
    ArchFeatures {
        /// Function that is asked for.
        function: u32,
    },
    /// `PV_TIME_FEATURES`.
    TimeFeatures {
        /// Function that is asked for.
        function: u32,
    },
    /// `PV_TIME_ST`.
    StolenTime,
}

impl SmcccCall {
    /// The value for `x0`, for a vCPU that reads its stolen time at IPA `stolen_time`, if it does. No workaround call
    /// is offered: each is NOT_SUPPORTED. Implements: BH-STEAL-002.
    pub const fn result(self, stolen_time: Option<i64>) -> i64 {
        match (self, stolen_time) {
            (Self::StolenTime, Some(ipa)) => ipa,
            (
                Self::ArchFeatures {
                    function: PV_TIME_FEATURES,
                }
                | Self::TimeFeatures {
                    function: PV_TIME_FEATURES | PV_TIME_ST,
                },
                Some(_),
            ) => hypercall::SUCCESS,
            (
                Self::Version | Self::ArchFeatures { .. } | Self::TimeFeatures { .. } | Self::StolenTime,
                Some(_) | None,
            ) => self.always(),
        }
    }

    /// What every vCPU gets.
    const fn always(self) -> i64 {
        match self {
            Self::Version => VERSION,
            Self::ArchFeatures {
                function: function::SMCCC_VERSION | function::SMCCC_ARCH_FEATURES,
            } => hypercall::SUCCESS,
            Self::ArchFeatures { .. } | Self::TimeFeatures { .. } | Self::StolenTime => {
                hypercall::NOT_SUPPORTED
            }
        }
    }
}

/// A call of the vendor-specific hypervisor range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VendorCall {
    /// [`hypercall::VENDOR_HYP_UID`]: [`hypercall::BULKHEAD_UID`] into `w0` to `w3`.
    Uid,
    /// [`hypercall::VENDOR_HYP_REVISION`]: [`hypercall::REVISION`] into `w0` and `w1`.
    Revision,
    /// [`hypercall::NULL`].
    Null,
    /// [`hypercall::MARK_STEADY`].
    MarkSteady,
    /// [`hypercall::LEDGER_READ`].
    LedgerRead {
        /// Number of the core.
        core: u32,
    },
    /// [`hypercall::DOORBELL_RING`].
    Ring {
        /// Number of the doorbell.
        doorbell: u32,
    },
    /// [`hypercall::LOCK_WAIT`].
    LockWait {
        /// Number of the lock.
        lock: u32,
    },
    /// [`hypercall::LOCK_RELEASE`].
    LockRelease {
        /// Number of the lock.
        lock: u32,
        /// The word that taking it gave.
        word: u64,
    },
}

/// A decoded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Power state coordination.
    Psci(PsciCall),
    /// Discovery.
    Smccc(SmcccCall),
    /// Bulkhead's own.
    Vendor(VendorCall),
    /// Anything else: `x0` becomes [`hypercall::NOT_SUPPORTED`], all 64 bits.
    Unknown,
}

/// Decodes a call from `x0` to `x3`.
///
/// The identifier is `w0`; the arguments of a 32-bit function are `w1` to `w3`, those of a 64-bit function
/// `x1` to `x3`.
///
/// Implements: BH-PSCI-001.
#[inline]
pub const fn decode(registers: &[u64; 4]) -> Call {
    let [x0, x1, x2, x3] = *registers;
    let id = low32(x0);
    match id {
        function::SMCCC_VERSION => Call::Smccc(SmcccCall::Version),
        function::SMCCC_ARCH_FEATURES => Call::Smccc(SmcccCall::ArchFeatures { function: low32(x1) }),
        PV_TIME_FEATURES => Call::Smccc(SmcccCall::TimeFeatures { function: low32(x1) }),
        PV_TIME_ST => Call::Smccc(SmcccCall::StolenTime),
        hypercall::NULL => Call::Vendor(VendorCall::Null),
        hypercall::VENDOR_HYP_UID => Call::Vendor(VendorCall::Uid),
        hypercall::VENDOR_HYP_REVISION => Call::Vendor(VendorCall::Revision),
        hypercall::DOORBELL_RING => Call::Vendor(VendorCall::Ring { doorbell: low32(x1) }),
        hypercall::LOCK_WAIT => Call::Vendor(VendorCall::LockWait { lock: low32(x1) }),
        hypercall::LOCK_RELEASE => Call::Vendor(VendorCall::LockRelease {
            lock: low32(x1),
            word: x2,
        }),
        hypercall::LEDGER_READ => Call::Vendor(VendorCall::LedgerRead { core: low32(x1) }),
        hypercall::MARK_STEADY => Call::Vendor(VendorCall::MarkSteady),
        _ => psci(id, x1, x2, x3),
    }
}

const fn psci(id: u32, x1: u64, x2: u64, x3: u64) -> Call {
    use crate::psci::function as f;
    let (a1, a2, a3) = if id & f::SMC64 == 0 {
        (x1 & 0xffff_ffff, x2 & 0xffff_ffff, x3 & 0xffff_ffff)
    } else {
        (x1, x2, x3)
    };
    Call::Psci(match id {
        f::PSCI_VERSION => PsciCall::Version,
        f::CPU_SUSPEND_32 | f::CPU_SUSPEND_64 => PsciCall::CpuSuspend {
            power_state: low32(a1),
        },
        f::CPU_OFF => PsciCall::CpuOff,
        f::CPU_ON_32 | f::CPU_ON_64 => PsciCall::CpuOn(CpuOn {
            target: a1,
            entry: a2,
            context: a3,
        }),
        f::AFFINITY_INFO_32 | f::AFFINITY_INFO_64 => PsciCall::AffinityInfo {
            target: a1,
            level: low32(a2),
        },
        f::MIGRATE_INFO_TYPE => PsciCall::MigrateInfoType,
        f::SYSTEM_OFF => PsciCall::SystemOff,
        f::SYSTEM_RESET => PsciCall::SystemReset,
        f::SYSTEM_RESET2_32 | f::SYSTEM_RESET2_64 => PsciCall::SystemReset2 {
            reset_type: low32(a1),
        },
        f::PSCI_FEATURES => PsciCall::Features { function: low32(a1) },
        _ => return Call::Unknown,
    })
}
