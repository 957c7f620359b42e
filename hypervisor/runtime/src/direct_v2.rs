// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Dedicated cores with a GICv2: the guest's distributor accesses applied to the physical distributor, owned bits only.
//!
//! Its CPU interface is the physical one, in its stage 2. Implements: BH-GIC-021.

use bulkhead_arch::barrier;
use bulkhead_drivers::gicv2::{gicd2, interface_bit};
use bulkhead_policy::vgic::direct::DirectAction;
use bulkhead_policy::vgic::v2::direct::Action;
use bulkhead_policy::vgic::{Access, AccessSize, VcpuSet};

use crate::core_state::{LocalVcpu, Running};
use crate::direct::{core_of, perform};
use crate::gic_cpu::send_sgi;

/// CPU interfaces of vCPUs, as a target list.
fn interfaces(vcpu: &LocalVcpu, running: &Running, vcpus: VcpuSet) -> u32 {
    vcpus.fold(0, |list, k| {
        list | core_of(running, vcpu, k).map_or(0, interface_bit)
    })
}

/// vCPUs on the cores of a target list.
fn vcpus(vcpu: &LocalVcpu, running: &Running, list: u32) -> u8 {
    let all = VcpuSet::from_bits(u8::MAX);
    let here = all.filter(|k| core_of(running, vcpu, *k).is_some_and(|m| interface_bit(m) & list != 0));
    here.fold(0, |set, k| set | VcpuSet::only(k).bits())
}

/// INTIDs from `first` whose bits are set in `owned`, with their place.
fn owned_of(first: u32, owned: u32) -> impl Iterator<Item = (usize, u32)> {
    (0..4u32)
        .filter(move |n| owned >> n & 1 != 0)
        .filter_map(move |n| Some((usize::try_from(n).ok()?, first.wrapping_add(n))))
}

/// A guest's access to its distributor; gives what a load returns.
pub(crate) fn access(vcpu: &LocalVcpu, running: &Running, at: u32, size: AccessSize, access: Access) -> u64 {
    let action = vcpu.shared.machine.with(running.index, |machine| {
        machine.direct.access_v2(vcpu.index(), at, size, access)
    });
    match action.unwrap_or(Action::Common(DirectAction::Ignore)) {
        Action::Common(action) => perform(vcpu, running, action),
        Action::Sgi(request) => {
            let targets = interfaces(vcpu, running, request.targets);
            send_sgi(&running.distributor, request.intid, targets);
            barrier::dsb_sy();
            0
        }
        Action::ReadTargets { first, owned } => {
            let word = usize::try_from(first & !3).unwrap_or(0);
            let lists = running
                .distributor
                .read32(gicd2::ITARGETSR.wrapping_add(word))
                .to_le_bytes();
            let mut answer = [0; 8];
            for (place, intid) in owned_of(first, owned) {
                let lane = usize::try_from(intid & 3).unwrap_or(0);
                if let (Some(byte), Some(list)) = (answer.get_mut(place), lists.get(lane)) {
                    *byte = vcpus(vcpu, running, u32::from(*list));
                }
            }
            u64::from_le_bytes(answer)
        }
        Action::WriteTargets { first, owned, vcpus } => {
            for (place, intid) in owned_of(first, owned) {
                let set = vcpus.get(place).copied().unwrap_or(VcpuSet::EMPTY);
                let [list, ..] = interfaces(vcpu, running, set).to_le_bytes();
                let at = usize::try_from(intid).unwrap_or(usize::MAX);
                running
                    .distributor
                    .write8(gicd2::ITARGETSR.wrapping_add(at), list);
            }
            0
        }
    }
}
