// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The report of a run: stable keys, described in `REPORT.md`.

use std::collections::BTreeMap;

use bulkhead_model::loss::Loss;
use serde::{Deserialize, Serialize};

use crate::health::{Counts, Event};
use crate::judge::Watch;
use crate::tolerance::Reaction;

/// Version of the keys.
pub const FORMAT: u32 = 1;

/// Whether the system did what its spec expects.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every expectation was met.
    Pass,
    /// One was not.
    Fail,
}

/// A whole run.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the system.
    pub system: String,
    /// Name of the board.
    pub board: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why the verdict is `fail`; empty on `pass`.
    pub reasons: Vec<String>,
    /// Why the run ended.
    pub ended: String,
    /// SHA-256 of the blob as EL2 told it; `null` when it told none.
    pub blob_hash: Option<String>,
    /// Virtual time at the end, ns since the epoch.
    pub virtual_ns: u64,
    /// Bounds of the steady state; `null` when it was never marked.
    pub steady: Option<Bounds>,
    /// Lines that had to be seen.
    pub expect: Vec<Expected>,
    /// Lines that had not to be seen.
    pub never: Vec<Expected>,
    /// Partitions by name.
    pub partitions: BTreeMap<String, Partition>,
    /// Cores by index.
    pub cores: Vec<CoreReport>,
    /// Locks between partitions, then EL2's own jobs.
    pub pi_locks: Vec<LockReport>,
    /// Queuing channels, as their writers and readers say.
    #[serde(default)]
    pub queues: Vec<QueueReport>,
    /// The newest events of the health monitor, by time.
    pub health: Vec<Event>,
    /// How often each error was blamed on whom.
    pub health_counts: Counts,
    /// From faults to reactions, where the spec declares a fault-tolerant time.
    #[serde(default)]
    pub reactions: Vec<Reaction>,
    /// What the system does not isolate.
    #[serde(default)]
    pub isolation_lost: Vec<Loss>,
    /// What the SMMU reported beside the faults of the partitions' devices.
    pub dma: Dma,
    /// End of EL2's boot messages and log, as text.
    pub hypervisor_tail: String,
    /// Bytes of the serial line on channels that nobody owns.
    pub stray_bytes: u64,
}

/// Bounds in virtual time, ns since the epoch.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Begin.
    pub from_ns: u64,
    /// End.
    pub to_ns: u64,
}

/// A line that was looked for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its text.
    pub text: String,
    /// Whose console.
    pub partition: String,
    /// Whether it was seen.
    pub matched: bool,
    /// When, in virtual time; `null` when it was not.
    pub at_ns: Option<u64>,
}

impl From<&Watch> for Expected {
    fn from(watch: &Watch) -> Self {
        Self {
            text: watch.line.text.clone(),
            partition: watch.line.partition.clone(),
            matched: watch.seen,
            at_ns: watch.at_ns,
        }
    }
}

/// One partition.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Partition {
    /// `none`, `loading`, `running`, `restarting`, `off` or `failed`.
    pub state: String,
    /// Restarts since boot.
    pub restarts: u64,
    /// Entries to EL2 that its vCPUs caused or suffered.
    pub el2_entries: Entries,
    /// Slots of all its vCPUs.
    pub slots: Slots,
    /// Doorbells that it rang.
    #[serde(default)]
    pub doorbells: Doorbells,
    /// Activations after their deadline, as the partition observed them.
    pub deadline_misses: u64,
    /// CAN traffic, as the partition counts it.
    pub can: Can,
    /// Whether the partition published the counts above (`deadline_misses`, `can`); they are 0 when not.
    pub metrics: bool,
    /// Fault records of each of its devices, by name; devices without any are left out.
    pub dma_faults: BTreeMap<String, u64>,
    /// Its last fault; `null` when it never failed.
    pub fault: Option<Fault>,
    /// End of its console as text.
    pub console_tail: String,
}

/// Entries to EL2.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// Since boot.
    pub total: u64,
    /// Since the steady state was marked; `null` when it was not.
    pub steady: Option<u64>,
    /// Since boot, by cause; causes that never occurred are left out.
    pub by_reason: BTreeMap<String, u64>,
}

/// Slots.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// That began.
    pub granted: u64,
    /// In which it executed.
    pub used: u64,
    /// That began too late or not at all.
    pub missed: u64,
    /// In which it used its budget up.
    #[serde(default)]
    pub budgets_used_up: u64,
}

/// CAN traffic.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Can {
    /// Frames sent.
    pub tx: u64,
    /// Frames received.
    pub rx: u64,
    /// Frames lost in the controller.
    pub overrun: u64,
    /// Frames whose counter or CRC was wrong.
    pub e2e_errors: u64,
}

/// What the SMMU reported of nobody's device, and of itself.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dma {
    /// Fault records of StreamIDs that no partition has.
    pub unowned: u64,
    /// Times that it lost fault records because its queue was full.
    pub overflows: u64,
    /// Times that it had a global error.
    pub global_errors: u64,
    /// Times that a core could not close or open a partition's streams.
    pub stream_failures: u64,
}

/// A fault that stopped a partition.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `ESR_EL2`.
    pub syndrome: u64,
    /// `ELR_EL2`.
    pub pc: u64,
    /// Intermediate physical address.
    pub ipa: u64,
}

/// What EL2 counted of a lock with priority inheritance.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct LockReport {
    /// Its name in the spec, or `el2:reload`.
    pub name: String,
    /// Takings. Those without contention are counted as the lock's word numbers them, which participants write.
    pub acquired: u32,
    /// Waits that began.
    pub contended: u32,
    /// Times that an owner was put ahead of the slot table.
    pub boosts: u32,
    /// Steps that a core executed in the stead of the one that began the job.
    pub helped_steps: u32,
    /// Owners that lost the lock: held too long, or died.
    pub revoked: u32,
}

/// What EL2 counted of the doorbells that a partition rang.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doorbells {
    /// Rings that were delivered.
    pub rings: u64,
    /// Rings that came too early and were refused.
    pub refused: u64,
}

/// What writer and reader of a queuing channel say of it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct QueueReport {
    /// Its name in the spec.
    pub name: String,
    /// Messages that the writer sent.
    pub sent: u64,
    /// Messages that the writer could not send because the queue was full.
    pub refused: u64,
    /// Number of the last message that the reader took.
    pub taken: u64,
    /// Messages that were dropped before the reader took them.
    pub lost: u64,
}

/// One core's time.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct CoreReport {
    /// Index.
    pub core: u32,
    /// `off`, `running` or `failed`.
    pub state: String,
    /// Major frames begun.
    pub frames: u64,
    /// Since the epoch, when the core last noted it.
    pub elapsed_ns: u64,
    /// In EL2.
    pub el2_ns: u64,
    /// Asleep.
    pub idle_ns: u64,
    /// Executing, by vCPU.
    pub used: Vec<Used>,
    /// `elapsed_ns` − `el2_ns` − `idle_ns` − all of `used`.
    pub unaccounted_ns: i64,
    /// Whether `unaccounted_ns` is within a thousandth of `elapsed_ns`.
    pub adds_up: bool,
    /// Largest lateness of a slot.
    pub worst_slot_lateness_ns: u64,
    /// Times that its budget of memory traffic was spent before the period ended.
    pub budget_spent: u64,
    /// Part of `idle_ns` in which it stood still for that reason.
    pub budget_ns: u64,
}

/// One vCPU's time on its core.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its partition.
    pub partition: String,
    /// Its index in the partition.
    pub vcpu: u32,
    /// Executing.
    pub ns: u64,
}
