// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PSCI 1.1 inside a partition: what each call answers, and the power states of vCPUs.
//!
//! A partition's vCPU *k* has affinity 0.0.0.*k*. All calls act on the calling partition only; its life is
//! [`crate::lifecycle`].
//!
//! # References
//! Arm DEN0022, Power State Coordination Interface, "PSCI functions".

use bulkhead_abi::hypercall;

use crate::bits::low32;

/// The version that PSCI_VERSION returns: 1.1.
pub const VERSION: i64 = 0x1_0001;
/// What MIGRATE_INFO_TYPE returns: the Trusted OS needs no migration, or there is none.
pub const MIGRATION_NOT_REQUIRED: i64 = 2;

/// Function identifiers.
#[allow(missing_docs)] // The name is the documentation.
pub mod function {
    /// Set in the identifiers of 64-bit functions.
    pub const SMC64: u32 = 1 << 30;
    pub const PSCI_VERSION: u32 = 0x8400_0000;
    pub const CPU_SUSPEND_32: u32 = 0x8400_0001;
    pub const CPU_SUSPEND_64: u32 = 0xC400_0001;
    pub const CPU_OFF: u32 = 0x8400_0002;
    pub const CPU_ON_32: u32 = 0x8400_0003;
    pub const CPU_ON_64: u32 = 0xC400_0003;
    pub const AFFINITY_INFO_32: u32 = 0x8400_0004;
    pub const AFFINITY_INFO_64: u32 = 0xC400_0004;
    pub const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
    pub const SYSTEM_OFF: u32 = 0x8400_0008;
    pub const SYSTEM_RESET: u32 = 0x8400_0009;
    pub const PSCI_FEATURES: u32 = 0x8400_000A;
    pub const SYSTEM_RESET2_32: u32 = 0x8400_0012;
    pub const SYSTEM_RESET2_64: u32 = 0xC400_0012;
}

/// Arguments of CPU_ON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuOn {
    /// Affinity of the vCPU to start, as in its `MPIDR_EL1`.
    pub target: u64,
    /// IPA of its first instruction.
    pub entry: u64,
    /// Value of its `x0`.
    pub context: u64,
}

/// A decoded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsciCall {
    /// PSCI_VERSION: [`VERSION`].
    Version,
    /// CPU_SUSPEND; see [`cpu_suspend`].
    CpuSuspend {
        /// The state that is asked for, original format.
        power_state: u32,
    },
    /// CPU_OFF: the vCPU becomes [`Power::Off`].
    CpuOff,
    /// CPU_ON; see [`cpu_on`].
    CpuOn(CpuOn),
    /// AFFINITY_INFO; see [`affinity_info`].
    AffinityInfo {
        /// Affinity of the vCPU, or of the group that contains it.
        target: u64,
        /// Lowest affinity level that `target` names.
        level: u32,
    },
    /// MIGRATE_INFO_TYPE: [`MIGRATION_NOT_REQUIRED`].
    MigrateInfoType,
    /// SYSTEM_OFF: stops the partition.
    SystemOff,
    /// SYSTEM_RESET: loads the partition again.
    SystemReset,
    /// SYSTEM_RESET2; see [`system_reset2`].
    SystemReset2 {
        /// 0 is SYSTEM_WARM_RESET.
        reset_type: u32,
    },
    /// PSCI_FEATURES; see [`features`].
    Features {
        /// Function that is asked for.
        function: u32,
    },
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsciError {
    /// INVALID_PARAMETERS.
    InvalidParameters,
    /// ALREADY_ON.
    AlreadyOn,
    /// ON_PENDING.
    OnPending,
    /// INVALID_ADDRESS.
    InvalidAddress,
}

impl PsciError {
    /// The value for `x0`.
    ///
    /// # References
    /// Arm DEN0022, "Return error codes".
    pub const fn code(self) -> i64 {
        match self {
            Self::InvalidParameters => hypercall::INVALID_PARAMETERS,
            Self::AlreadyOn => -4,
            Self::OnPending => -5,
            Self::InvalidAddress => -9,
        }
    }
}

/// Power state of a vCPU, kept in an atomic word.
///
/// Another core starts a vCPU in two steps, so that its core never sees a half-written request: [`Power::claim`]
/// by compare-and-swap, store entry and context, then a release store of [`Power::Pending`]. The vCPU's own
/// core takes it with an acquire load and stores [`Power::On`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Off; the state of every vCPU but the first when a partition is loaded.
    Off,
    /// A caller of CPU_ON has claimed the vCPU and is writing its request.
    Claimed,
    /// The request is complete; the vCPU has not started yet.
    Pending,
    /// On.
    On,
}

impl Power {
    /// The word that stands for the state.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Claimed => 1,
            Self::Pending => 2,
            Self::On => 3,
        }
    }

    /// The state that a word stands for; words that stand for none are [`Power::Off`].
    pub const fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Claimed,
            2 => Self::Pending,
            3 => Self::On,
            _ => Self::Off,
        }
    }

    /// The state after CPU_ON has claimed the vCPU.
    ///
    /// # Errors
    /// [`PsciError::AlreadyOn`], [`PsciError::OnPending`].
    pub const fn claim(self) -> Result<Self, PsciError> {
        match self {
            Self::Off => Ok(Self::Claimed),
            Self::Claimed | Self::Pending => Err(PsciError::OnPending),
            Self::On => Err(PsciError::AlreadyOn),
        }
    }

    /// What AFFINITY_INFO returns: 0 ON, 1 OFF, 2 ON_PENDING.
    pub const fn affinity_info(self) -> i64 {
        match self {
            Self::On => 0,
            Self::Off => 1,
            Self::Claimed | Self::Pending => 2,
        }
    }
}

/// Whether the partition can fetch instructions at an address, as far as its memory map tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It lies in the partition's RAM.
    Executable,
    /// It does not.
    NotExecutable,
}

/// Index of the vCPU that an affinity names.
fn vcpu_of(target: u64, vcpu_count: u32) -> Result<u32, PsciError> {
    if target < u64::from(vcpu_count) {
        Ok(low32(target))
    } else {
        Err(PsciError::InvalidParameters)
    }
}

/// Checks CPU_ON and names the vCPU to [`Power::claim`], whose errors are the remaining ones.
///
/// Implements: BH-PSCI-002.
///
/// # Errors
/// [`PsciError::InvalidParameters`] when the target is no vCPU of the partition; [`PsciError::InvalidAddress`]
/// when the entry point is misaligned or outside the partition's RAM; the errors of [`Power::claim`].
///
/// # References
/// Arm DEN0022, "CPU_ON".
pub fn cpu_on(
    request: &CpuOn,
    vcpu_count: u32,
    entry: Entry,
    power: impl FnOnce(u32) -> Power,
) -> Result<u32, PsciError> {
    let vcpu = vcpu_of(request.target, vcpu_count)?;
    power(vcpu).claim()?;
    match entry {
        Entry::Executable if request.entry & 3 == 0 => Ok(vcpu),
        Entry::Executable | Entry::NotExecutable => Err(PsciError::InvalidAddress),
    }
}

/// Answers AFFINITY_INFO.
///
/// Levels 1 to 3 name the only group that there is, which contains the caller and is therefore ON.
///
/// Implements: BH-PSCI-003.
///
/// # Errors
/// [`PsciError::InvalidParameters`] for a target or level that does not exist.
///
/// # References
/// Arm DEN0022, "AFFINITY_INFO".
pub fn affinity_info(
    target: u64,
    level: u32,
    vcpu_count: u32,
    power: impl FnOnce(u32) -> Power,
) -> Result<i64, PsciError> {
    match level {
        0 => Ok(power(vcpu_of(target, vcpu_count)?).affinity_info()),
        // Fields below the level are ignored.
        1..=3 if target >> 8 == 0 => Ok(Power::On.affinity_info()),
        _ => Err(PsciError::InvalidParameters),
    }
}

/// Checks CPU_SUSPEND. When it is good the vCPU waits for an interrupt and then gets SUCCESS.
///
/// A power-down state is treated as standby, which a caller has to expect: the entry point is not used, the
/// context is kept, and the call returns.
///
/// Implements: BH-PSCI-004.
///
/// # Errors
/// [`PsciError::InvalidParameters`] for reserved bits and for power levels above the vCPU.
///
/// # References
/// Arm DEN0022, "CPU_SUSPEND": "Parameters", "Caller responsibilities".
pub const fn cpu_suspend(power_state: u32) -> Result<(), PsciError> {
    // StateID 15:0, StateType 16, PowerLevel 25:24.
    if power_state & !0x1_ffff == 0 {
        Ok(())
    } else {
        Err(PsciError::InvalidParameters)
    }
}

/// Checks SYSTEM_RESET2. When it is good the partition is loaded again, as by SYSTEM_RESET.
///
/// # Errors
/// [`PsciError::InvalidParameters`] for every type but SYSTEM_WARM_RESET; no vendor-specific type exists.
///
/// # References
/// Arm DEN0022, "SYSTEM_RESET2".
pub const fn system_reset2(reset_type: u32) -> Result<(), PsciError> {
    if reset_type == 0 {
        Ok(())
    } else {
        Err(PsciError::InvalidParameters)
    }
}

/// Answers PSCI_FEATURES.
///
/// CPU_SUSPEND has flags 0: original format of `power_state`, platform-coordinated mode only.
///
/// Implements: BH-PSCI-005.
///
/// # References
/// Arm DEN0022, "PSCI_FEATURES".
pub const fn features(function_id: u32) -> i64 {
    use function as f;
    match function_id {
        f::PSCI_VERSION
        | f::CPU_SUSPEND_32
        | f::CPU_SUSPEND_64
        | f::CPU_OFF
        | f::CPU_ON_32
        | f::CPU_ON_64
        | f::AFFINITY_INFO_32
        | f::AFFINITY_INFO_64
        | f::MIGRATE_INFO_TYPE
        | f::SYSTEM_OFF
        | f::SYSTEM_RESET
        | f::SYSTEM_RESET2_32
        | f::SYSTEM_RESET2_64
        | f::PSCI_FEATURES
        | crate::smccc::function::SMCCC_VERSION => hypercall::SUCCESS,
        _ => hypercall::NOT_SUPPORTED,
    }
}
