// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One core's state, and what dedicated and sliced cores share.

use bulkhead_abi::health::Error;
use bulkhead_abi::stats::{self, MAX_VCPUS_PER_CORE, VCPU_STATS_OFFSET, VCPU_STATS_SIZE, core_state};
use bulkhead_abi::trace::{CLASS_START, NO_VCPU};
use bulkhead_arch::barrier::counter;
use bulkhead_arch::context::{Control, VcpuContext};
use bulkhead_arch::registers;
use bulkhead_arch::words::SharedBlock;
use bulkhead_drivers::gic::{Distributor, Redistributor};
use bulkhead_policy::bandwidth::Regulator;
use bulkhead_policy::schedule::{Position, Timetable};
use bulkhead_policy::steal::Stolen;
use bulkhead_types::system::System;
use bulkhead_types::tables::{Core, Partition, Vcpu, core_mode};

use crate::housekeeping::Work;
use crate::park::park;
use crate::path::Path;
use crate::shared::{self, PARTITIONS, PartitionState};
use crate::sharing::SlotShares;
use crate::stats::Ledger;
use crate::{core_field, dma, entry, gic_cpu, vcpu_field, view};

/// Slots of a major frame for which a core has room.
pub const MAX_SLOTS: usize = 32;

/// Whether a vCPU could execute if its core were free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Powered off, or its partition is stopped.
    Off,
    /// It has instructions to execute.
    Ready,
    /// It waits for an interrupt (WFI).
    Waiting,
}

/// A vCPU on its core.
pub struct LocalVcpu {
    /// Registers while it does not run.
    pub context: VcpuContext,
    /// Global index.
    pub global: u32,
    /// Its entry in the blob.
    pub entry: &'static Vcpu,
    /// Its partition's entry in the blob.
    pub partition: &'static Partition,
    /// Bit *n*: its partition owns SPIs of word *n* of `Partition::spis`.
    pub spi_words: u32,
    /// What its partition's cores share.
    pub shared: &'static PartitionState,
    /// Its statistics.
    pub stats: SharedBlock,
    /// Whether it can execute.
    pub readiness: Readiness,
    /// Whether it executed in the current slot.
    pub used: bool,
    /// Number of the lock that it waits for.
    pub waits: Option<usize>,
    /// Number of the lock for which it began to wait and which it has not got.
    pub waited: Option<usize>,
    /// What its last release of a lock through a register came to.
    pub lock_status: u64,
    /// For how long it could have executed and did not.
    pub stolen: Stolen,
    /// Where its guest reads that; empty on a core of its own.
    pub stolen_time: SharedBlock,
}

impl LocalVcpu {
    /// Index inside its partition.
    pub fn index(&self) -> usize {
        usize::try_from(self.entry.index).unwrap_or(0)
    }

    /// Bit of this vCPU in sets of its partition's vCPUs.
    pub fn bit(&self) -> u32 {
        1u32.checked_shl(self.entry.index).unwrap_or(0)
    }
}

/// What a core needs once it has started.
pub struct Running {
    /// Index of the core.
    pub index: u32,
    /// Tables of the blob.
    pub system: System<'static>,
    /// This core's entry.
    pub core: &'static Core,
    /// This core's statistics.
    pub stats: SharedBlock,
    /// Time ledger.
    pub ledger: Ledger,
    /// The path through EL2 that the core is on.
    pub path: Path,
    /// Slot table (sliced cores).
    pub timetable: Option<Timetable<MAX_SLOTS>>,
    /// Budget of memory traffic (sliced cores that have one).
    pub regulator: Option<Regulator>,
    /// Current slot (sliced cores).
    pub position: Option<Position>,
    /// Index in `PerCore::vcpus` of the vCPU whose turn it is: that of the slot, or the owner of a lock.
    pub owner: Option<usize>,
    /// Index of the vCPU whose slot it is (sliced cores); in a shared slot that which has the turn, `None` while it is to
    /// be decided.
    pub slot: Option<usize>,
    /// Who shares the current slot, when somebody does.
    pub sharing: Option<SlotShares>,
    /// The owner of a contended lock whose time is measured.
    pub clock: Option<crate::locks::Clock>,
    /// Index of the vCPU whose registers are loaded.
    pub loaded: Option<usize>,
    /// GIC distributor.
    pub distributor: Distributor,
    /// This core's redistributor.
    pub redistributor: Redistributor,
    /// What the console drainer does in the current slot (where housekeeping is done).
    pub drainer: crate::console::Drainer,
    /// Its part in keeping the board's watchdog quiet (sliced cores).
    pub keeper: Option<crate::watchdog::Keeper>,
    /// Counter at which the slot's housekeeping goes on; `None` when there is none left, and in other slots.
    pub step: Option<u64>,
    /// What is done then.
    pub work: Work,
    /// What the slot has taken from the SMMU.
    pub faults: dma::Slot,
    /// Physical SPIs taken in the current slot (sliced cores).
    pub interrupts: u32,
}

/// One core.
#[repr(align(16))]
pub struct PerCore {
    /// vCPUs of this core, in the blob's order.
    pub vcpus: [Option<LocalVcpu>; MAX_VCPUS_PER_CORE],
    /// Everything else; `None` until the core has started.
    pub running: Option<Running>,
    index: u32,
}

impl PerCore {
    /// The state of core `index` before it starts.
    pub const fn new(index: u32) -> Self {
        Self {
            vcpus: [const { None }; MAX_VCPUS_PER_CORE],
            running: None,
            index,
        }
    }

    /// Index of the core.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Starts the core: its own root, its interrupts, its vCPUs, its first slot.
    pub fn start(&mut self) -> ! {
        if self.set_up().is_none() {
            let index = usize::try_from(self.index).unwrap_or(0);
            park(index, Some(Error::Assertion), u64::MAX, [0; 3]);
        }
        let context = self.first();
        entry::enter(context)
    }

    fn set_up(&mut self) -> Option<()> {
        let system = view::system()?;
        let core = system.cores.get(usize::try_from(self.index).ok()?)?;
        entry::use_root(core);
        let handoff = view::handoff();
        let stats = view::core_stats(self.index);
        for (local, listed) in system.vcpus_of(core).iter().enumerate() {
            let slot = self.vcpus.get_mut(local)?;
            *slot = Some(local_vcpu(&system, stats, local, listed.vcpu)?);
        }
        stats.write32(core_field!(version), stats::VERSION);
        stats.write32(core_field!(core), self.index);
        stats.write32(core_field!(vcpu_count), core.vcpu_count);
        stats.write64(core_field!(frequency), handoff.frequency);
        stats.write64(core_field!(epoch), handoff.epoch);
        stats.write64(core_field!(state), core_state::RUNNING);
        // Last: whoever finds it finds the rest.
        stats.write32_release(core_field!(magic), stats::MAGIC);
        let timetable = Timetable::new(system.slots_of(core), core.major_frame_ns, handoff.frequency);
        if core.mode == core_mode::SLICED && timetable.is_none() {
            return None;
        }
        let (distributor, redistributor) = entry::gic_frames(system.board, core);
        let keeper = crate::watchdog::Keeper::of(&system, self.index);
        self.running = Some(Running {
            index: self.index,
            system,
            core,
            stats,
            ledger: Ledger::open(stats, handoff.epoch),
            path: Path {
                begin: counter(),
                from: NO_VCPU,
                class: CLASS_START,
            },
            timetable,
            regulator: Regulator::new(core, handoff.frequency),
            position: None,
            owner: None,
            slot: None,
            sharing: None,
            clock: None,
            loaded: None,
            distributor,
            redistributor,
            drainer: crate::console::Drainer::new(),
            keeper,
            step: None,
            work: Work::Consoles,
            faults: dma::Slot::NEW,
            interrupts: 0,
        });
        Some(())
    }

    /// What the core does first; gives the context to enter.
    fn first(&mut self) -> &VcpuContext {
        // Reset leaves both UNKNOWN, and no guest can reach them: debug exceptions, EL2's timer.
        registers::mdscr::write(0);
        registers::cnthp_ctl::write(0);
        let mode = self.running.as_ref().map_or(core_mode::SLICED, |r| r.core.mode);
        if mode == core_mode::SLICED {
            gic_cpu::init_sliced();
            self.start_own_partitions();
            self.start_slots();
        } else {
            gic_cpu::init_direct();
            self.start_own_partitions();
            if let (Some(running), Some(Some(vcpu))) = (self.running.as_mut(), self.vcpus.first()) {
                running.owner = Some(0);
                running.slot = Some(0);
                shared::set_running(running.index, vcpu.global);
            }
        }
        self.resume()
    }

    /// Starts the partitions whose vCPU 0 lives here.
    fn start_own_partitions(&mut self) {
        for local in 0..self.vcpus.len() {
            self.auto_start(local);
        }
    }

    /// The vCPU whose registers are loaded, with the core's own state.
    pub fn current(&mut self) -> Option<(&mut LocalVcpu, &mut Running)> {
        let running = self.running.as_mut()?;
        let vcpu = self.vcpus.get_mut(running.loaded?)?.as_mut()?;
        Some((vcpu, running))
    }
}

fn local_vcpu(system: &System<'static>, stats: SharedBlock, local: usize, global: u32) -> Option<LocalVcpu> {
    let entry = system.vcpus.get(usize::try_from(global).ok()?)?;
    let partition = system.partitions.get(usize::try_from(entry.partition).ok()?)?;
    let shared = PARTITIONS.get(usize::try_from(entry.partition).ok()?)?;
    let block = stats.part(
        VCPU_STATS_OFFSET.wrapping_add(local.wrapping_mul(VCPU_STATS_SIZE)),
        VCPU_STATS_SIZE,
    );
    block.write64(vcpu_field!(vcpu), u64::from(global));
    block.write64(vcpu_field!(partition), u64::from(entry.partition));
    let mut context = VcpuContext::ZERO;
    context.counters = u64::try_from(block.address()).ok()?;
    context.control = Control {
        hcr: entry.hcr,
        vtcr: entry.vtcr,
        vttbr: entry.vttbr,
        vmpidr: entry.vmpidr,
        vpidr: entry.vpidr,
        cnthctl: entry.cnthctl,
        mdcr: entry.mdcr,
        cptr: entry.cptr,
        hstr: entry.hstr,
        ich_hcr: entry.ich_hcr,
        cntvoff: entry.cntvoff,
        reserved: 0,
    };
    let spi_words = (0..32)
        .zip(&partition.spis)
        .fold(0, |words, (n, spis)| words | u32::from(*spis != 0) << n);
    Some(LocalVcpu {
        context,
        spi_words,
        global,
        entry,
        partition,
        shared,
        stats: block,
        readiness: Readiness::Off,
        used: false,
        waits: None,
        waited: None,
        lock_status: 0,
        stolen: Stolen::new(view::handoff().frequency),
        stolen_time: view::stolen_time(entry),
    })
}
