// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Start, restart and stop of partitions (design decision D13).
//!
//! The word in [`PartitionState::life`] is the only truth; each core acts on it for its own vCPUs when it
//! looks (`follow_life`), and changes it by compare-and-swap. Implements: BH-LIFE-002.

use core::sync::atomic::Ordering;

use bulkhead_abi::health::{Action, Error};
use bulkhead_abi::start;
use bulkhead_abi::stats::partition_state;
use bulkhead_abi::trace::Kind;
use bulkhead_arch::barrier::invalidate_current_vmid;
use bulkhead_arch::guest::inject_abort;
use bulkhead_arch::registers;
use bulkhead_arch::revocation::revoke;
use bulkhead_policy::lifecycle::{Event, Lifecycle, Phase, SafeState, Then};
use bulkhead_policy::psci::Power;
use bulkhead_policy::root;
use bulkhead_policy::vgic::{SPI_WORDS, VgicConfig};
use bulkhead_types::load::{LIST_IPA, LOADER_IPA};
use bulkhead_types::tables::{Partition, core_mode, partition_flag};

use crate::core_state::{PerCore, Readiness, Running};
use crate::gic::kick_if_running;
use crate::health::{self, Blame};
use crate::shared::{PARTITIONS, PartitionState};
use crate::{crash, direct, gic_cpu, reload, streams, supervise, vcpu_field, view};

/// PPIs that the guest of a dedicated core owns: maintenance is not among them, nor EL2's timer.
pub(crate) const GUEST_PPIS: u32 = (1 << 27) | (1 << 30);
/// `ESR_EL2.EC` of an SError.
const SERROR: u64 = 0x2f;
/// Tries of a compare-and-swap: each failure means that another core of the partition changed the word.
const TRIES: u32 = 64;

/// Where a partition stands.
pub fn life(state: &PartitionState) -> Lifecycle {
    Lifecycle::from_bits(state.life.load(Ordering::SeqCst))
}

/// Applies an event; gives the state before and after if it changed anything.
fn apply(state: &PartitionState, event: Event) -> Option<(Lifecycle, Lifecycle)> {
    for _ in 0..TRIES {
        let old = state.life.load(Ordering::SeqCst);
        let before = Lifecycle::from_bits(old);
        let new = before.after(event)?;
        if state
            .life
            .compare_exchange(old, new.bits(), Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            return Some((before, new));
        }
    }
    None
}

fn shown(phase: Phase) -> u64 {
    match phase {
        Phase::Off => partition_state::OFF,
        Phase::Loading => partition_state::LOADING,
        Phase::Running => partition_state::RUNNING,
        Phase::Stopping(Then::Reload | Then::Off | Then::Safe | Then::Fail) => partition_state::RESTARTING,
        Phase::Failed => partition_state::FAILED,
    }
}

pub(crate) fn vgic_config(partition: &Partition) -> VgicConfig {
    let mut physical_spis = [0; SPI_WORDS];
    for (to, from) in physical_spis.iter_mut().zip(partition.spis) {
        *to = from;
    }
    VgicConfig {
        vcpu_count: usize::try_from(partition.vcpu_count).unwrap_or(1),
        spi_lines: partition.spi_lines,
        physical_spis,
    }
}

impl PerCore {
    /// Initialises the partition of `local` and starts it, if its vCPU 0 is here and the spec starts it.
    pub fn auto_start(&mut self, local: usize) {
        let Some(Some(vcpu)) = self.vcpus.get(local) else {
            return;
        };
        if vcpu.entry.index != 0 {
            return;
        }
        let partition = vcpu.partition;
        vcpu.shared.root.note(view::pristine_root(partition));
        let safe_state = if partition.flags & partition_flag::SAFE_OUTPUT != 0 {
            SafeState::Output
        } else {
            SafeState::Silent
        };
        let first = Lifecycle::new(partition.vcpu_count, partition.restart_limit, safe_state);
        vcpu.shared.life.store(first.bits(), Ordering::SeqCst);
        if partition.flags & partition_flag::AUTOSTART != 0 {
            let _ = apply(vcpu.shared, Event::Start);
        }
        // A core that failed in its start may have sent everybody there before this one was.
        if let Some(running) = self.running.as_ref().filter(|_| health::is_global()) {
            end(running, vcpu.entry.partition, Event::SafeState);
        }
        vcpu.stats
            .write64(vcpu_field!(partition_state), shown(life(vcpu.shared).phase()));
    }

    /// Acts on the life of the partition whose vCPU `local` is about to run.
    #[inline(always)]
    pub fn follow_life(&mut self, local: usize) {
        let Some(Some(vcpu)) = self.vcpus.get(local) else {
            return;
        };
        let state = life(vcpu.shared);
        if state.is_running() && vcpu.readiness != Readiness::Off {
            return;
        }
        if state.must_stop(vcpu.entry.index) {
            self.stop_vcpu(local);
            // What follows is another path: this core is called, and takes what else is pending first.
            if let Some(running) = self.running.as_ref() {
                gic_cpu::kick(&running.distributor, running.core);
            }
            return;
        }
        let starts = vcpu.shared.starts.load(Ordering::SeqCst);
        let state = life(vcpu.shared);
        if vcpu.readiness == Readiness::Off && vcpu.entry.index == 0 {
            // The core of another vCPU may have taken the last step.
            vcpu.stats
                .write64(vcpu_field!(partition_state), shown(state.phase()));
        }
        if state.phase() == Phase::Loading && vcpu.entry.index == 0 {
            self.load_partition(local);
        } else if state.phase() == Phase::Loading {
            if let Some(running) = self.running.as_ref() {
                let _ = reload::carry_on(vcpu, running, starts);
            }
        } else if state.phase() == Phase::Running && vcpu.readiness == Readiness::Off {
            self.take_power_on(local);
        }
    }

    /// Takes a vCPU off for good and says so.
    fn stop_vcpu(&mut self, local: usize) {
        if self.running.as_ref().is_some_and(|r| r.loaded == Some(local)) {
            self.unload();
        }
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        if vcpu.readiness != Readiness::Off {
            crash::record(running.index, local, vcpu);
        }
        vcpu.readiness = Readiness::Off;
        vcpu.stolen.reset();
        if running.core.mode == core_mode::SLICED {
            self.locks_died(local);
        }
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        if running.core.mode != core_mode::SLICED {
            direct::reset(vcpu, running);
        }
        // Where another core's decision stops it, this is the first that can.
        close(running, vcpu.partition, vcpu.shared);
        let after = apply(
            vcpu.shared,
            Event::Stopped {
                vcpu: vcpu.entry.index,
            },
        );
        if let Some((_, after)) = after {
            vcpu.stats
                .write64(vcpu_field!(partition_state), shown(after.phase()));
            call_members(running, vcpu.partition);
        }
    }

    /// Brings the partition into its reset state and its vCPU 0 to the loader. Implements: BH-LIFE-010.
    fn load_partition(&mut self, local: usize) {
        // The reset must not meet registers or list registers of the previous life.
        if self.running.as_ref().is_some_and(|r| r.loaded == Some(local)) {
            self.unload();
        }
        let Some(running) = self.running.as_mut() else {
            return;
        };
        // The new life has a limit of its own.
        running.interrupts = 0;
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        let partition = vcpu.partition;
        let starts = vcpu.shared.starts.load(Ordering::SeqCst);
        if !reload::carry_on(vcpu, running, starts) {
            return;
        }
        let ended = vcpu.shared.crash.swap(0, Ordering::SeqCst);
        if let Some(own) = vcpu.shared.power.first() {
            own.set(Power::On);
        }
        vcpu.context.reset(LOADER_IPA, LIST_IPA);
        let secret = usize::try_from(vcpu.entry.partition)
            .ok()
            .and_then(|p| view::handoff().seeds.get(p));
        let (state, told) = if life(vcpu.shared).gives_safe_output() {
            (partition_state::SAFE, start::SAFE_OUTPUT)
        } else {
            (partition_state::RUNNING, start::ORDINARY)
        };
        let [_, x1, x2, x3, x4, x5, x6, x7, ..] = &mut vcpu.context.x;
        if let Some([a, b, c, d]) = secret {
            (*x1, *x2, *x3, *x4) = (*a, *b, *c, *d);
        }
        (*x5, *x6, *x7) = (u64::from(starts), u64::from(ended), told);
        vcpu.readiness = Readiness::Ready;
        vcpu.stats.write64(vcpu_field!(restarts), u64::from(starts));
        vcpu.stats.write64(vcpu_field!(partition_state), state);
        running.note(Kind::Restart, vcpu.global, 0, u64::from(starts));
        let _ = apply(vcpu.shared, Event::Entered);
        // After the life: who reads them the other way round numbers the load right.
        vcpu.shared.starts.fetch_add(1, Ordering::SeqCst);
        if starts > 0 {
            defmt::info!(
                "partition {=u32} restarts, start {=u32}",
                vcpu.entry.partition,
                starts
            );
        }
        // The reload restored the root page while all vCPUs were off; the barrier before the invalidation
        // publishes its entries.
        vcpu.shared.streams.store(1, Ordering::SeqCst);
        if streams::open_streams(running, partition).is_err() {
            // Without its devices it does not start: an error like any other, within its restart limit.
            supervise::poll_failed();
            end(running, vcpu.entry.partition, Event::Fault);
            return self.stop_vcpu(local);
        }
        self.make_loaded(local);
        // With its VMID current: nothing of the previous life stays in any TLB or instruction cache.
        invalidate_current_vmid();
    }

    /// Starts a vCPU that another one has switched on.
    fn take_power_on(&mut self, local: usize) {
        let direct = self
            .running
            .as_ref()
            .is_some_and(|r| r.core.mode != core_mode::SLICED);
        let Some(Some(vcpu)) = self.vcpus.get_mut(local) else {
            return;
        };
        let Some(slot) = vcpu.shared.power.get(vcpu.index()) else {
            return;
        };
        if slot.power() == Power::Pending {
            let entry = slot.entry.load(Ordering::Relaxed);
            let context = slot.context.load(Ordering::Relaxed);
            vcpu.context.reset(entry, context);
            if direct {
                // Its CPU interface is the physical one, as its last life left it.
                gic_cpu::reset_direct();
            }
            vcpu.readiness = Readiness::Ready;
            slot.set(Power::On);
        }
    }

    /// The current vCPU's partition asked for something.
    pub fn end_of_life(&mut self, event: Event) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        end(running, vcpu.entry.partition, event);
        vcpu.stats
            .write64(vcpu_field!(partition_state), shown(life(vcpu.shared).phase()));
    }

    /// The current vCPU did what no rule allows: it is reported. Where that is all that the spec wants, the guest
    /// takes an abort of its own.
    pub fn fault(&mut self, esr: u64) {
        let Some((vcpu, _)) = self.current() else { return };
        // An SError has no address.
        let (error, ipa) = if (esr >> 26) & 0x3f == SERROR {
            (Error::SError, 0)
        } else {
            let ipa = (registers::hpfar_el2::read() & 0xfff_ffff_fff0) << 8;
            (Error::MemoryFault, ipa | registers::far_el2::read() & 0xfff)
        };
        vcpu.stats.write64(vcpu_field!(fault_syndrome), esr);
        vcpu.stats.write64(vcpu_field!(fault_pc), vcpu.context.pc);
        vcpu.stats.write64(vcpu_field!(fault_ipa), ipa);
        defmt::error!(
            "partition {=u32} vCPU {=u32}: fault, ESR {=u64:x}, PC {=u64:x}, IPA {=u64:x}",
            vcpu.entry.partition,
            vcpu.entry.index,
            esr,
            vcpu.context.pc,
            ipa
        );
        let action = self.blame(error, [esr, 0, ipa]);
        if error == Error::MemoryFault
            && matches!(action, Some(Action::Log | Action::Notify))
            && let Some((vcpu, _)) = self.current()
        {
            inject_abort(&mut vcpu.context, esr, registers::far_el2::read());
        }
    }

    /// Reports an error of the current vCPU; the second word of `detail` becomes its PC.
    pub fn blame(&mut self, error: Error, [first, _, last]: [u64; 3]) -> Option<Action> {
        let (vcpu, running) = self.current()?;
        let event = health::Event {
            error,
            blame: Blame::Partition {
                partition: vcpu.entry.partition,
                vcpu: vcpu.entry.index,
            },
            detail: [first, vcpu.context.pc, last],
        };
        let action = health::report(running, &event);
        vcpu.stats
            .write64(vcpu_field!(partition_state), shown(life(vcpu.shared).phase()));
        Some(action)
    }
}

/// Moves partition `index` to its stop, whichever core this is, and takes its memory away from it.
pub fn end(running: &Running, index: u32, event: Event) {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let (Some(partition), Some(state)) = (running.system.partitions.get(index), PARTITIONS.get(index)) else {
        return;
    };
    if let Some((before, after)) = apply(state, event)
        && matches!(after.phase(), Phase::Stopping(_))
        && !matches!(before.phase(), Phase::Stopping(_))
    {
        withdraw(running, partition, state);
        close(running, partition, state);
        let _ = apply(state, Event::Withdrawn);
    }
    call_members(running, partition);
}

/// Closes the streams of a partition that stops, on a core that can; its other cores find them closed.
fn close(running: &Running, partition: &Partition, state: &PartitionState) {
    if streams::is_here(running, partition)
        && state.streams.swap(0, Ordering::SeqCst) != 0
        && streams::close_streams(running, partition).is_err()
    {
        // A stream that cannot be opened again stops the next start.
        supervise::poll_failed();
    }
}

/// Ends the memory accesses of a partition that stops, when it has vCPUs on other cores: a core that no kick
/// reaches takes an abort at its next access.
///
/// The life says that the partition stops before the first entry goes, so the abort finds `must_stop`. Only the
/// core that moved the partition to its stop comes here, and the life waits for it: the next start, which restores
/// the page, comes after this.
fn withdraw(running: &Running, partition: &Partition, state: &PartitionState) {
    let members = running.system.vcpus_of_partition(partition);
    if let Some(elsewhere) = members.iter().find(|vcpu| vcpu.core != running.index) {
        bulkhead_arch::barrier::dmb_ish();
        revoke(elsewhere.vttbr, || {
            root::withdraw(view::live_root(partition).words(), &state.root)
        });
    }
}

/// Makes the cores of a partition look at its life.
fn call_members(running: &Running, partition: &Partition) {
    bulkhead_arch::barrier::dmb_ish();
    for member in running.system.vcpus_of_partition(partition) {
        kick_if_running(running, partition.vcpu_first, member.index, member.core);
    }
}
