// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reset of a partition's machine and root page before its loader runs: a job of bounded steps that each core
//! of the partition carries on (design decision D7, inside EL2).
//!
//! The job is that of vCPU 0's core, which enters the loader when it is done. A core that has the slot of another
//! vCPU of the partition meanwhile has nothing else to do: it executes the steps that are left. All steps may be
//! executed again: a job that a failed core left in the middle of a step is begun anew by the next one.
//! Implements: BH-LOCK-024, BH-LIFE-009.

use core::sync::atomic::Ordering;

use bulkhead_abi::stats::{JobStats, RELOAD};
use bulkhead_arch::lock::FAILED_CORES;
use bulkhead_policy::lock::helped::Turn;
use bulkhead_policy::psci::Power;
use bulkhead_policy::root;
use bulkhead_policy::vgic::direct::Owner;
use bulkhead_types::tables::core_mode;

use crate::core_state::{LocalVcpu, Running};
use crate::lifecycle::{GUEST_PPIS, vgic_config};
use crate::stats::count_job;
use crate::{direct, gic_cpu, physical, view};

/// The machine, then the root page.
const STEPS: u8 = 2;

/// Carries the job on; whether it is done. `starts` was read before the life that says that the partition is to be
/// loaded, so that it numbers this load.
///
/// # Timing
/// At most all steps, and for each the wait for one step of another core, cut off at the bound of polls.
pub fn carry_on(vcpu: &LocalVcpu, running: &Running, starts: u32) -> bool {
    let first = running.system.vcpus_of_partition(vcpu.partition).first();
    let owner = first.map_or(running.index, |v| v.core);
    let owner = u8::try_from(owner).unwrap_or(u8::MAX);
    let own = u8::try_from(running.index).unwrap_or(u8::MAX);
    let [low, high, ..] = starts.wrapping_add(1).to_le_bytes();
    let job = &vcpu.shared.reload;
    if job.begin_once(owner, STEPS, u16::from_le_bytes([low, high])) {
        count_job(running, RELOAD, core::mem::offset_of!(JobStats, acquired));
    }
    for _ in 0..running.system.board.poll_bound {
        match job.claim(own, FAILED_CORES.load(Ordering::SeqCst)) {
            Turn::Execute(step) => {
                execute(vcpu, running, step.number);
                if step.helps {
                    count_job(running, RELOAD, core::mem::offset_of!(JobStats, helped_steps));
                }
                if job.finish(step) {
                    return true;
                }
            }
            Turn::Wait => core::hint::spin_loop(),
            Turn::Done => return true,
            Turn::Poisoned => {
                if job.begin_anew() {
                    count_job(running, RELOAD, core::mem::offset_of!(JobStats, revoked));
                }
            }
        }
    }
    false
}

fn execute(vcpu: &LocalVcpu, running: &Running, step: u8) {
    if step == 0 {
        return reset_machine(vcpu, running);
    }
    let live = view::live_root(vcpu.partition);
    root::restore(
        live.words(),
        view::pristine_root(vcpu.partition),
        &vcpu.shared.root,
    );
}

fn reset_machine(vcpu: &LocalVcpu, running: &Running) {
    let partition = vcpu.partition;
    let _ = vcpu.shared.machine.with(running.index, |machine| {
        machine.uart = bulkhead_policy::uart::Pl011::new();
        if running.core.mode == core_mode::SLICED {
            gic_cpu::configure(machine, &vgic_config(partition));
            physical::reset_spis(&running.distributor, vcpu, running.system.board.poll_bound);
        } else {
            let owner = Owner {
                spis: partition.spis,
                ppis: GUEST_PPIS,
                vcpu_count: usize::try_from(partition.vcpu_count).unwrap_or(1),
                spi_lines: partition.spi_lines,
            };
            direct::configure(machine, &owner);
        }
    });
    vcpu.shared.refresh.store(0, Ordering::SeqCst);
    for slot in &vcpu.shared.power {
        slot.set(Power::Off);
    }
}
