// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of guests: PSCI, discovery, Bulkhead's own (`HVC #0`).

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use bulkhead_abi::health::Error;
use bulkhead_abi::hypercall::{self, BULKHEAD_UID, REVISION};
use bulkhead_abi::stats::{CoreStats, ENTRY_COUNTERS, MAX_VCPUS, Mark, VCPU_STATS_OFFSET, VCPU_STATS_SIZE};
use bulkhead_arch::barrier::counter;
use bulkhead_policy::lifecycle::Event;
use bulkhead_policy::psci::{self, CpuOn, Entry, Power, PsciCall};
use bulkhead_policy::smccc::{self, Call, VendorCall};
use bulkhead_policy::trap::Ipa;
use bulkhead_types::tables::partition_flag;

use crate::core_state::{LocalVcpu, PerCore, Readiness, Running};
use crate::doorbell::on_ring;
use crate::gic::kick_if_running;
use crate::shared::MARKED;
use crate::stats::on_ledger_read;
use crate::view;

/// Syndrome of `HVC #0`.
const HVC: u64 = 0x16 << 26 | 1 << 25;

/// The result as `x0` shows it.
fn encoded(result: i64) -> u64 {
    u64::from_ne_bytes(result.to_ne_bytes())
}

impl PerCore {
    /// Answers the call in the current vCPU's `x0` to `x3`.
    pub fn on_call(&mut self) {
        let Some((vcpu, running)) = self.current() else {
            return;
        };
        let [x0, x1, x2, x3, ..] = vcpu.context.x;
        let result = match smccc::decode(&[x0, x1, x2, x3]) {
            Call::Vendor(VendorCall::Null) => hypercall::SUCCESS,
            Call::Vendor(VendorCall::Uid) => {
                let [a, b, c, d] = BULKHEAD_UID.map(u64::from);
                set(vcpu, [a, b, c, d]);
                return;
            }
            Call::Vendor(VendorCall::Revision) => {
                set(vcpu, [u64::from(REVISION.0), u64::from(REVISION.1), 0, 0]);
                return;
            }
            Call::Vendor(VendorCall::LockWait { lock }) => {
                let (result, word) = self.lock_wait(lock);
                if let Some((vcpu, _)) = self.current() {
                    vcpu.context.set_register(1, word);
                }
                result
            }
            Call::Vendor(VendorCall::LockRelease { lock, word }) => self.lock_release(lock, word),
            Call::Vendor(VendorCall::LedgerRead { core }) => on_ledger_read(vcpu, running, core),
            Call::Vendor(VendorCall::Ring { doorbell }) => on_ring(vcpu, running, doorbell),
            Call::Vendor(VendorCall::MarkSteady) if vcpu.partition.flags & partition_flag::MAY_MARK == 0 => {
                self.blame(Error::IllegalCall, [HVC, 0, x0]);
                hypercall::DENIED
            }
            Call::Vendor(VendorCall::MarkSteady) => mark_steady(running),
            Call::Smccc(call) => call.result(vcpu.stolen_time_ipa()),
            Call::Psci(call) => match self.on_psci(call) {
                Some(result) => result,
                None => return,
            },
            Call::Unknown => hypercall::NOT_SUPPORTED,
        };
        if let Some((vcpu, _)) = self.current() {
            vcpu.context.set_register(0, encoded(result));
        }
    }

    /// Carries out a PSCI call; `None` when it does not return to its caller.
    fn on_psci(&mut self, call: PsciCall) -> Option<i64> {
        let (vcpu, running) = self.current()?;
        let count = vcpu.partition.vcpu_count;
        let power = |k: u32| {
            let slot = usize::try_from(k).ok().and_then(|k| vcpu.shared.power.get(k));
            slot.map_or(Power::Off, crate::shared::PowerSlot::power)
        };
        let result = match call {
            PsciCall::Version => Ok(psci::VERSION),
            PsciCall::MigrateInfoType => Ok(psci::MIGRATION_NOT_REQUIRED),
            PsciCall::Features { function } => Ok(psci::features(function)),
            PsciCall::AffinityInfo { target, level } => psci::affinity_info(target, level, count, power),
            PsciCall::CpuOn(request) => {
                let entry = entry_point(vcpu, request.entry);
                psci::cpu_on(&request, count, entry, power)
                    .and_then(|k| switch_on(vcpu, running, k, &request))
            }
            PsciCall::CpuSuspend { power_state } => psci::cpu_suspend(power_state).map(|()| {
                self.await_interrupt();
                hypercall::SUCCESS
            }),
            PsciCall::CpuOff => {
                if let Some(slot) = vcpu.shared.power.get(vcpu.index()) {
                    slot.set(Power::Off);
                }
                vcpu.readiness = Readiness::Off;
                self.unload();
                return None;
            }
            PsciCall::SystemOff => {
                self.end_of_life(Event::OffRequested);
                return None;
            }
            PsciCall::SystemReset => {
                self.end_of_life(Event::ResetRequested);
                return None;
            }
            PsciCall::SystemReset2 { reset_type } => match psci::system_reset2(reset_type) {
                Ok(()) => {
                    self.end_of_life(Event::ResetRequested);
                    return None;
                }
                Err(error) => Err(error),
            },
        };
        Some(result.unwrap_or_else(psci::PsciError::code))
    }
}

/// Sets `x0` to `x3`.
pub fn set(vcpu: &mut LocalVcpu, values: [u64; 4]) {
    let [x0, x1, x2, x3, ..] = &mut vcpu.context.x;
    [*x0, *x1, *x2, *x3] = values;
}

/// Whether the partition could fetch from an address: it lies in its RAM, as far as the blob says.
fn entry_point(vcpu: &LocalVcpu, entry: u64) -> Entry {
    let ram = vcpu.partition;
    match Ipa(entry).offset_in(Ipa(ram.ram_ipa), ram.ram_size) {
        Some(_) => Entry::Executable,
        None => Entry::NotExecutable,
    }
}

/// Claims a vCPU, hands it its entry point, and calls its core if it is that vCPU's slot.
fn switch_on(
    vcpu: &LocalVcpu,
    running: &Running,
    index: u32,
    request: &CpuOn,
) -> Result<i64, psci::PsciError> {
    let slot = usize::try_from(index).ok().and_then(|k| vcpu.shared.power.get(k));
    let slot = slot.ok_or(psci::PsciError::InvalidParameters)?;
    let old = slot.power();
    let claimed = old.claim()?;
    let swapped =
        slot.state
            .compare_exchange(old.bits(), claimed.bits(), Ordering::AcqRel, Ordering::Acquire);
    if swapped.is_err() {
        return Err(psci::PsciError::OnPending);
    }
    slot.entry.store(request.entry, Ordering::Relaxed);
    slot.context.store(request.context, Ordering::Relaxed);
    slot.set(Power::Pending);
    let target = usize::try_from(index)
        .ok()
        .and_then(|k| running.system.vcpus_of_partition(vcpu.partition).get(k));
    if let Some(target) = target {
        kick_if_running(running, vcpu.partition.vcpu_first, target.index, target.core);
    }
    Ok(hypercall::SUCCESS)
}

/// Notes counter and entry counts of all vCPUs. Implements: BH-STAT-001.
fn mark_steady(running: &Running) -> i64 {
    if MARKED.swap(1, Ordering::SeqCst) != 0 {
        return hypercall::DENIED;
    }
    let mark = offset_of!(CoreStats, mark);
    let entries = mark.wrapping_add(offset_of!(Mark, entries));
    for (index, core) in running.system.cores.iter().enumerate() {
        let block = view::core_stats(u32::try_from(index).unwrap_or(u32::MAX));
        for (local, listed) in running.system.vcpus_of(core).iter().enumerate() {
            let base = VCPU_STATS_OFFSET.wrapping_add(local.wrapping_mul(VCPU_STATS_SIZE));
            let counters = block.part(base, ENTRY_COUNTERS.wrapping_mul(8));
            let words = counters.words().iter();
            let total = words.fold(0u64, |sum, word| sum.wrapping_add(word.load(Ordering::Relaxed)));
            let global = usize::try_from(listed.vcpu).unwrap_or(usize::MAX);
            if global < MAX_VCPUS {
                running
                    .stats
                    .write64(entries.wrapping_add(global.wrapping_mul(8)), total);
            }
        }
    }
    let now = counter().wrapping_sub(view::handoff().epoch);
    running.stats.write64(mark, now);
    hypercall::SUCCESS
}
