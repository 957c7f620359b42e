// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The statistics area: EL2's own counts, which the host reads from memory while the system runs.
//!
//! One [`CORE_STATS_SIZE`]-byte block per core, written by that core only: a [`CoreStats`] followed, at
//! offset [`VCPU_STATS_OFFSET`] + *k* × [`VCPU_STATS_SIZE`], by the [`VcpuStats`] of the *k*-th vCPU of that
//! core in blob order. The core's trace ([`crate::trace`]) and its [`crate::health::HealthLog`] follow them. All
//! counts only grow; each is a single-copy atomic 8-byte store. Times are counter
//! ticks since the epoch; [`CoreStats::frequency`] converts.

use crate::lock::MAX_LOCKS;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes per core.
pub const CORE_STATS_SIZE: usize = 0x8000;
/// Offset of the first vCPU's block.
pub const VCPU_STATS_OFFSET: usize = 0x400;
/// Bytes per vCPU.
pub const VCPU_STATS_SIZE: usize = 0x400;
/// vCPUs that a core can have.
pub const MAX_VCPUS_PER_CORE: usize = 7;
/// vCPUs that a system can have.
pub const MAX_VCPUS: usize = 64;
/// Value of [`CoreStats::magic`].
pub const MAGIC: u32 = 0x5453_4b42;
/// Version of this layout.
pub const VERSION: u32 = 5;

/// Counters in [`VcpuStats::entries`]: one for each exception class of `ESR_EL2.EC` (synchronous), then
/// [`ENTRY_IRQ`], [`ENTRY_FIQ`], [`ENTRY_SERROR`].
pub const ENTRY_COUNTERS: usize = 68;
/// Index of IRQ entries.
pub const ENTRY_IRQ: usize = 64;
/// Index of FIQ entries.
pub const ENTRY_FIQ: usize = 65;
/// Index of SError entries.
pub const ENTRY_SERROR: usize = 66;

/// State of a core in [`CoreStats::state`].
pub mod core_state {
    /// Not started.
    pub const OFF: u64 = 0;
    /// Running its partitions.
    pub const RUNNING: u64 = 1;
    /// EL2 failed on this core and parked it.
    pub const FAILED: u64 = 2;
}

/// State of a partition in [`VcpuStats::partition_state`], as the core of its vCPU 0 sees it.
pub mod partition_state {
    /// Being loaded by its loader.
    pub const LOADING: u64 = 1;
    /// Running.
    pub const RUNNING: u64 = 2;
    /// Waiting for its vCPUs to stop before it is loaded again.
    pub const RESTARTING: u64 = 3;
    /// Stopped by its own request.
    pub const OFF: u64 = 4;
    /// Stopped because of an error.
    pub const FAILED: u64 = 5;
    /// In its safe state: its payload gives its safe output.
    pub const SAFE: u64 = 6;
}

/// Snapshot taken by [`crate::hypercall::MARK_STEADY`].
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct Mark {
    /// Counter at the mark, ticks since the epoch, 0 before it.
    pub time: u64,
    /// Total EL2 entries of each vCPU, by global vCPU index, at the mark and including the marking call.
    pub entries: [u64; MAX_VCPUS],
}

/// PCI functions, and streams of bus masters at fixed addresses, whose faults are counted apart.
pub const MAX_DMA_FUNCTIONS: usize = 32;

/// What the SMMU reported (kept by the cores that do the housekeeping; zero on others). `u32` counts wrap.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct DmaStats {
    /// Fault records by PCI function, then by stream of a bus master at fixed addresses, each in blob order.
    pub faults: [u32; MAX_DMA_FUNCTIONS],
    /// Fault records of StreamIDs that no partition has, and of those after [`MAX_DMA_FUNCTIONS`].
    pub unowned: u64,
    /// Times that the event queue was found to have lost records.
    pub overflows: u64,
    /// Times that `SMMU_GERROR` had an active error, and the bits that were ever active.
    pub global_errors: [u64; 2],
    /// The newest record, as the SMMU wrote it.
    pub last: [u64; 4],
}

/// One core's block.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct CoreStats {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Index of the core.
    pub core: u32,
    /// vCPU blocks in use.
    pub vcpu_count: u32,
    /// One of [`core_state`].
    pub state: u64,
    /// Counter frequency in Hz.
    pub frequency: u64,
    /// Counter value of the epoch.
    pub epoch: u64,
    /// Ticks since the epoch when this block was last updated (sliced cores: at least once a major frame).
    pub now: u64,
    /// Major frames begun (sliced cores).
    pub frames: u64,
    /// Ticks in EL2: from a vector's first reading of the counter to the last before the return.
    pub el2_ticks: u64,
    /// Ticks asleep in EL2 because no vCPU of the current slot could run, or no slot was due.
    pub idle_ticks: u64,
    /// Slot begins that were late, largest lateness seen, in ticks.
    pub worst_slot_lateness: u64,
    /// Bytes that the console drainer moved to the UART.
    pub drained: u64,
    /// Times that the core spent its budget of memory traffic before the period ended.
    pub budget_spent: u64,
    /// Ticks of `idle_ticks` in which it stood still for that reason.
    pub budget_ticks: u64,
    /// When `state` is [`core_state::FAILED`]: vector number, `ESR_EL2`, `ELR_EL2`, `FAR_EL2`.
    pub failure: [u64; 4],
    /// Snapshot at the steady-state mark.
    pub mark: Mark,
    /// Locks between partitions by number, as the core that does the housekeeping publishes them, each time all: the
    /// largest of all cores' is the newest.
    pub locks: [LockStats; MAX_LOCKS],
    /// What this core did of EL2's own jobs: [`RELOAD`], [`HOUSEKEEPING`].
    pub jobs: [JobStats; 2],
    /// Faults of bus masters.
    pub dma: DmaStats,
    /// Times that the streams of a partition could not be closed or opened on this core.
    pub stream_failures: u64,
    /// Events ever written into the core's trace ring ([`crate::trace`]).
    pub traced: u64,
    /// Slots begun (sliced cores).
    pub slots: u64,
    /// Times that this core petted the watchdog.
    pub pets: u64,
}

/// Entry of [`CoreStats::jobs`] of the reload of partitions.
pub const RELOAD: usize = 0;
/// Entry of [`CoreStats::jobs`] of EL2's housekeeping.
pub const HOUSEKEEPING: usize = 1;

/// Counts of a lock with priority inheritance.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
pub struct LockStats {
    /// Takings; those that EL2 did not see as the lock's word numbers them, which its participants write.
    pub acquired: u32,
    /// Waits that began.
    pub contended: u32,
    /// Times that an owner was put ahead of the slot table.
    pub boosts: u32,
    /// Owners that lost the lock.
    pub revoked: u32,
}

/// Counts of a job inside EL2.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
pub struct JobStats {
    /// Jobs that the core began.
    pub acquired: u32,
    /// Steps that it executed in the stead of the core whose job it is.
    pub helped_steps: u32,
    /// Jobs that it began anew, as another core had failed in a step.
    pub revoked: u32,
}
const _: () = assert!(size_of::<CoreStats>() <= VCPU_STATS_OFFSET);
const _: () = assert!(VCPU_STATS_OFFSET + MAX_VCPUS_PER_CORE * VCPU_STATS_SIZE <= crate::trace::RING_OFFSET);
const _: () = assert!(crate::trace::RING_OFFSET + crate::trace::RING_SIZE <= crate::health::HEALTH_OFFSET);

/// One vCPU's block.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
pub struct VcpuStats {
    /// EL2 entries by exception class, counted in the vectors' first instructions.
    pub entries: [u64; ENTRY_COUNTERS],
    /// Global vCPU index.
    pub vcpu: u64,
    /// Partition index.
    pub partition: u64,
    /// Slots that began for this vCPU.
    pub slots_granted: u64,
    /// Slots in which it executed at least one instruction.
    pub slots_used: u64,
    /// Slots that began later than the spec's bound, or not at all.
    pub slots_missed: u64,
    /// Ticks that it executed.
    pub run_ticks: u64,
    /// Ticks that its core slept in its slots because it was waiting for an interrupt.
    pub idle_ticks: u64,
    /// Restarts of its partition (kept by the core of vCPU 0).
    pub restarts: u64,
    /// One of [`partition_state`] (kept by the core of vCPU 0).
    pub partition_state: u64,
    /// Why the partition last failed: `ESR_EL2` of the trap, 0 when it never did.
    pub fault_syndrome: u64,
    /// `ELR_EL2` of that trap.
    pub fault_pc: u64,
    /// IPA of that trap.
    pub fault_ipa: u64,
    /// Ticks for which it could have executed and did not ([`crate::steal`]).
    pub stolen_ticks: u64,
    /// Doorbells that it rang.
    pub rings: u64,
    /// Rings that were refused because they came too early.
    pub rings_refused: u64,
    /// Slots in which it used its budget up.
    pub budgets_used_up: u64,
    /// Reserved, zero.
    pub reserved: [u64; 4],
}
const _: () = assert!(size_of::<VcpuStats>() <= VCPU_STATS_SIZE);
