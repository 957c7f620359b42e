// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Errors, levels and actions of the health monitor, and the log of events in the statistics area.
//!
//! The words are those of the language; the codes are those of the blob, of the log and of notices. Each core has
//! a [`HealthLog`] of its own at [`HEALTH_OFFSET`] of its block, which it alone writes, so that a partition's
//! restart leaves it as it is. Implements: BH-HEALTH-001.
//!
//! # References
//! ARINC 653 Part 1, "Health Monitor".

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! coded {
    ($(#[$meta:meta])* $name:ident { $($(#[$item_meta:meta])* $item:ident = $code:literal, $word:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$item_meta])* $item,)+
        }

        impl $name {
            /// All, by code.
            pub const ALL: &'static [Self] = &[$(Self::$item,)+];

            /// As blob and log say it.
            pub const fn code(self) -> u8 {
                match self { $(Self::$item => $code,)+ }
            }

            /// As the language says it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$item => $word,)+ }
            }

            /// The one of a code.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$item),)+ _ => None }
            }
        }
    };
}

coded! {
    /// What went wrong.
    Error {
        /// An access that stage 2 does not allow, or an instruction that no rule covers.
        MemoryFault = 0, "memory-fault";
        /// A call that no partition may make, or that this one may not make.
        IllegalCall = 1, "illegal-call";
        /// DMA that the SMMU refused.
        DmaFault = 2, "dma-fault";
        /// Partition: its own count of missed deadlines grew, or its call of the firmware took longer than declared. Core: a slot began later than allowed, or not at all.
        DeadlineOverrun = 3, "deadline-overrun";
        /// A lock was held longer than declared, and was taken away.
        LockHeld = 4, "lock-held";
        /// A sign of life is overdue.
        Heartbeat = 5, "heartbeat";
        /// More interrupts of its devices in a slot than declared.
        InterruptStorm = 6, "interrupt-storm";
        /// An asynchronous error of the hardware.
        SError = 7, "serror";
        /// A hardware poll reached its bound.
        HardwarePoll = 8, "hardware-poll";
        /// EL2 found its own state impossible.
        Assertion = 9, "assertion";
        /// EL2 took an exception of its own.
        Crash = 10, "crash";
    }
}

coded! {
    /// Whose error it is.
    Level {
        /// Of one partition.
        Partition = 0, "partition";
        /// Of EL2 on one core.
        Core = 1, "core";
        /// Of nobody who is known.
        System = 2, "system";
    }
}

coded! {
    /// What is done about an error.
    Action {
        /// It is recorded, as with every other action.
        Log = 1, "log";
        /// The monitor partition is told.
        Notify = 2, "notify";
        /// The partition starts again, within its restart limit; beyond it, its safe state.
        RestartPartition = 3, "restart-partition";
        /// The partition stays stopped.
        StopPartition = 4, "stop-partition";
        /// The core parks.
        StopCore = 5, "stop-core";
        /// The partition goes to its safe state.
        SafeState = 6, "safe-state";
        /// Every partition goes to its safe state.
        GlobalSafeState = 7, "global-safe-state";
    }
}

/// Places for errors in a table of reactions; those beyond [`Error::ALL`] are zero.
pub const ERRORS: usize = 16;
/// Offset of a core's [`HealthLog`] in its statistics block.
pub const HEALTH_OFFSET: usize = 0x4000;
/// Events that a log keeps; a newer one replaces the oldest.
pub const EVENTS: usize = 48;
/// "Nobody" in [`HealthEvent::partition`] and [`HealthEvent::vcpu`].
pub const NOBODY: u32 = u32::MAX;
/// Rows of [`HealthLog::counts`]: one for each partition, then one for the core, one for the system.
pub const ROWS: usize = 34;
/// Row of the core level.
pub const CORE_ROW: usize = 32;
/// Row of the system level.
pub const SYSTEM_ROW: usize = 33;

/// An event. Times are ticks since the epoch, 0 before it.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthEvent {
    /// 1 for the first event of the core; 0 while the entry is empty or being written.
    pub number: u64,
    /// When it happened first.
    pub time: u64,
    /// When it happened last.
    pub last_time: u64,
    /// [`Error::code`].
    pub error: u32,
    /// [`Level::code`].
    pub level: u32,
    /// [`Action::code`].
    pub action: u32,
    /// Partition that is to blame, or [`NOBODY`].
    pub partition: u32,
    /// Its vCPU, or [`NOBODY`].
    pub vcpu: u32,
    /// Times that it happened: one entry is kept of all that have the same error, level, action and culprit.
    pub times: u32,
    /// What the error says of itself, the first time: memory faults and SErrors `ESR_EL2`, PC, IPA; illegal calls `ESR_EL2`, PC,
    /// `x0`; calls of the firmware that took too long the ticks that they took, PC, `x0`; core errors the vector, `ESR_EL2`, `ELR_EL2`; others as their reporter documents.
    pub detail: [u64; 3],
}
const _: () = assert!(size_of::<HealthEvent>() == 72);

/// What one core has reported.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct HealthLog {
    /// Events ever begun; event *n* lies at (*n* − 1) mod [`EVENTS`].
    pub recorded: u64,
    /// The newest.
    pub events: [HealthEvent; EVENTS],
    /// How often each error (column, by code) was blamed on each row.
    pub counts: [[u32; ERRORS]; ROWS],
}
const _: () = assert!(HEALTH_OFFSET + size_of::<HealthLog>() <= crate::stats::CORE_STATS_SIZE);
const _: () = assert!(Error::ALL.len() <= ERRORS);

/// Offset of the notices in the window of the monitor partition.
pub const NOTICES: usize = 0x6800;
/// Events of which the window shows the newest.
pub const NOTICE_COUNT: usize = 8;

/// What the monitor partition finds in its window: written by EL2's system slot only.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Notices {
    /// Notices ever written, after their text; notice *n* lies at (*n* − 1) mod [`NOTICE_COUNT`].
    pub written: u64,
    /// The newest.
    pub events: [HealthEvent; NOTICE_COUNT],
}
const _: () = assert!(NOTICES + size_of::<Notices>() <= crate::window::WINDOW_SIZE);

impl Error {
    /// Whether it can happen on a level: a table of reactions has an action there, and nowhere else.
    pub const fn occurs_on(self, level: Level) -> bool {
        match level {
            Level::Partition => match self {
                Self::MemoryFault
                | Self::IllegalCall
                | Self::DmaFault
                | Self::DeadlineOverrun
                | Self::LockHeld
                | Self::Heartbeat
                | Self::InterruptStorm
                | Self::SError => true,
                Self::HardwarePoll | Self::Assertion | Self::Crash => false,
            },
            Level::Core => matches!(
                self,
                Self::DeadlineOverrun | Self::SError | Self::HardwarePoll | Self::Assertion | Self::Crash
            ),
            Level::System => matches!(self, Self::DmaFault | Self::HardwarePoll),
        }
    }

    /// Whether EL2 cannot go on with the core on which it happened.
    const fn ends_core(self) -> bool {
        matches!(self, Self::SError | Self::Assertion | Self::Crash)
    }
}

impl Action {
    /// Whether it can be the reaction to an error on a level.
    pub const fn answers(self, error: Error, level: Level) -> bool {
        if !error.occurs_on(level) {
            return false;
        }
        match (self, level) {
            (Self::Log | Self::Notify, Level::Core) => !error.ends_core(),
            (Self::Log | Self::Notify | Self::GlobalSafeState, _) => true,
            (Self::RestartPartition | Self::StopPartition | Self::SafeState, Level::Partition) => true,
            (Self::StopCore, Level::Core) => true,
            (Self::RestartPartition | Self::StopPartition | Self::SafeState | Self::StopCore, _) => false,
        }
    }

    /// The reaction of a table, by the error's code. A place that holds no answer, which the checker excludes, gives
    /// the safest one.
    pub fn of(table: &[u8; ERRORS], error: Error, level: Level) -> Self {
        let code = table.get(usize::from(error.code())).copied().unwrap_or(0);
        match Self::from_code(code) {
            Some(action) if action.answers(error, level) => action,
            Some(_) | None => match level {
                Level::Partition => Self::SafeState,
                Level::Core => Self::StopCore,
                Level::System => Self::GlobalSafeState,
            },
        }
    }
}
