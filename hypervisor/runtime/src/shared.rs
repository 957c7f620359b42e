// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What several cores may touch: one small section, writable in every root.
//!
//! No lock here is shared between a dedicated core and any other: a partition's state is used by its own
//! vCPUs' cores only. Implements: BH-CORE-005.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bulkhead_arch::lock::TicketLock;
use bulkhead_policy::lock::helped::Job;
use bulkhead_policy::psci::Power;
use bulkhead_policy::root::Used;
use bulkhead_policy::uart::Pl011;
use bulkhead_policy::vgic::direct::Direct;
use bulkhead_policy::vgic::v2::Extras;
use bulkhead_policy::vgic::{MAX_VCPUS, Vgic};
use bulkhead_types::tables::MAX_DOORBELLS;

/// Partitions for which there is room: as many as a spec may have.
pub const MAX_PARTITIONS: usize = bulkhead_types::image::MAX_PARTITIONS;
/// Cores for which there is room here, on every board; a board's linker script limits them to those for which it
/// has stacks and blocks.
pub const MAX_CORES: usize = 32;
/// In [`RUNNING`]: no vCPU's slot.
pub const NOBODY: u32 = u32::MAX;
/// In [`RUNNING`], and not [`NOBODY`]: bit *n* is the vCPU at place *n* of the core's list, which has the turn in a shared
/// slot, or takes it as soon as it can run.
pub const SHARED: u32 = 1 << 31;

/// Emulated hardware of one partition.
pub struct Machine {
    /// Interrupt controller of a sliced partition.
    pub vgic: Vgic,
    /// Where its SGIs come from, on a board with a GICv2.
    pub extras: Extras,
    /// What a dedicated partition sees of the physical interrupt controller.
    pub direct: Direct,
    /// Console of a partition with an emulated UART.
    pub uart: Pl011,
    /// Whether vCPU 0 of a sliced partition is loaded, or watched in a shared slot: its core takes the partition's
    /// physical SPIs, and they are enabled only then.
    pub takes_spis: bool,
}

/// Power state of a vCPU and the request that is to start it, see [`Power`].
pub struct PowerSlot {
    /// [`Power::bits`].
    pub state: AtomicU32,
    /// IPA of the first instruction.
    pub entry: AtomicU64,
    /// First argument.
    pub context: AtomicU64,
}

impl PowerSlot {
    /// The state. Ordered like [`RUNNING`]: who stores a state and then finds its core in no slot of the vCPU
    /// knows that the core will see the state when that slot begins.
    pub fn power(&self) -> Power {
        Power::from_bits(self.state.load(Ordering::SeqCst))
    }

    /// Replaces the state.
    pub fn set(&self, power: Power) {
        self.state.store(power.bits(), Ordering::SeqCst);
    }
}

/// One partition, as its cores share it.
pub struct PartitionState {
    /// Emulated hardware.
    pub machine: TicketLock<Machine>,
    /// Life of the partition ([`bulkhead_policy::lifecycle::Lifecycle::bits`]).
    pub life: AtomicU64,
    /// The reset of its machine and root page before each start.
    pub reload: Job,
    /// Entries of its root page.
    pub root: Used,
    /// Starts so far.
    pub starts: AtomicU32,
    /// 1 + the code of the error that ends its life; 0 while none does.
    pub crash: AtomicU32,
    /// Whether its streams are open, as 1 or 0: one of its own cores closes them, once for each stop.
    pub streams: AtomicU32,
    /// Bit *k*: vCPU *k* has something new in the model that its list registers do not show yet.
    pub refresh: AtomicU32,
    /// Bit *k*: the lock that vCPU *k* waits for is its own now.
    pub lock_wake: AtomicU32,
    /// vCPUs.
    pub power: [PowerSlot; MAX_VCPUS],
}

impl PartitionState {
    const fn new() -> Self {
        Self {
            machine: TicketLock::new(Machine {
                vgic: Vgic::new(),
                extras: Extras::new(),
                direct: Direct::new(),
                uart: Pl011::new(),
                takes_spis: false,
            }),
            life: AtomicU64::new(0),
            reload: Job::new(),
            root: Used::new(),
            starts: AtomicU32::new(0),
            crash: AtomicU32::new(0),
            streams: AtomicU32::new(0),
            refresh: AtomicU32::new(0),
            lock_wake: AtomicU32::new(0),
            power: [const {
                PowerSlot {
                    state: AtomicU32::new(0),
                    entry: AtomicU64::new(0),
                    context: AtomicU64::new(0),
                }
            }; MAX_VCPUS],
        }
    }
}

/// All partitions, by index.
pub static PARTITIONS: [PartitionState; MAX_PARTITIONS] = [const { PartitionState::new() }; MAX_PARTITIONS];

/// For each core the global index of the vCPU whose slot it is, whether it can run or not; a set of its vCPUs with
/// [`SHARED`]; else [`NOBODY`].
pub static RUNNING: [AtomicU32; MAX_CORES] = [const { AtomicU32::new(NOBODY) }; MAX_CORES];

/// For each doorbell the counter value before which it does not ring.
pub static DOORBELLS: [AtomicU64; MAX_DOORBELLS] = [const { AtomicU64::new(0) }; MAX_DOORBELLS];

/// Becomes 1 at the first accepted steady-state mark.
pub static MARKED: AtomicU32 = AtomicU32::new(0);

/// The vCPU whose slot it is on `core`.
pub fn running(core: u32) -> u32 {
    let index = usize::try_from(core).unwrap_or(usize::MAX);
    RUNNING.get(index).map_or(NOBODY, |r| r.load(Ordering::SeqCst))
}

/// Says whose slot it is on `core`.
pub fn set_running(core: u32, vcpu: u32) {
    let index = usize::try_from(core).unwrap_or(usize::MAX);
    if let Some(r) = RUNNING.get(index) {
        r.store(vcpu, Ordering::SeqCst);
    }
}
