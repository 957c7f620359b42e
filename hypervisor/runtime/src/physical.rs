// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The physical interrupts of sliced partitions: who owns them, and when they are enabled.

use bulkhead_drivers::gic::{Distributor, gicd, gicr};
use bulkhead_policy::vgic::{PhysicalChange, PhysicalOperation};

use crate::core_state::{LocalVcpu, Running};
use crate::gic::GUEST_PPIS;
use crate::shared::Machine;
use crate::supervise;

/// Offset of word `word` of a register with a bit an interrupt.
pub fn spi_word(base: usize, word: usize) -> usize {
    base.wrapping_add(word.wrapping_mul(4))
}

/// Whether the partition of the vCPU owns a physical interrupt.
pub fn owns(vcpu: &LocalVcpu, intid: u32) -> bool {
    let owned = match usize::try_from(intid >> 5).unwrap_or(usize::MAX).checked_sub(1) {
        None => GUEST_PPIS,
        Some(word) => vcpu.partition.spis.get(word).copied().unwrap_or(0),
    };
    owned >> (intid & 31) & 1 != 0
}

/// The words of SPIs in which the vCPU's partition owns any, and what it owns there.
fn owned_words(vcpu: &LocalVcpu) -> impl Iterator<Item = (usize, u32)> {
    let mut words = vcpu.spi_words;
    core::iter::from_fn(move || {
        let n = usize::try_from(words.checked_ilog2()?).ok()?;
        words ^= 1u32.checked_shl(u32::try_from(n).ok()?)?;
        Some((n, vcpu.partition.spis.get(n).copied().unwrap_or(0)))
    })
}

/// Leaves no physical SPI of the vCPU's partition enabled, pending or active: one that was active when the partition
/// stopped would never come again. Implements: BH-IRQ-007.
pub fn reset_spis(distributor: &Distributor, vcpu: &LocalVcpu, bound: u64) {
    set_spis(distributor, vcpu, |_| 0, bound);
    for (n, owned) in owned_words(vcpu) {
        let word = n.wrapping_add(1);
        distributor.write32(spi_word(gicd::ICPENDR, word), owned);
        distributor.write32(spi_word(gicd::ICACTIVER, word), owned);
    }
}

/// Sets which physical SPIs of the vCPU's partition may fire: all owned bits are written, so what is not in
/// `enabled` is off.
pub fn set_spis(distributor: &Distributor, vcpu: &LocalVcpu, enabled: impl Fn(usize) -> u32, bound: u64) {
    let mut cleared = false;
    for (n, owned) in owned_words(vcpu) {
        let on = enabled(n) & owned;
        let word = n.wrapping_add(1);
        distributor.write32(spi_word(gicd::ISENABLER, word), on);
        distributor.write32(spi_word(gicd::ICENABLER, word), owned & !on);
        cleared |= owned & !on != 0;
    }
    // A timeout here leaves an interrupt that EL2 then finds without an owner and masks again.
    if cleared && distributor.wait(bound).is_err() {
        supervise::poll_failed();
    }
}

/// Does to the physical GIC what an access implies; gives bits to OR into what a load returns.
///
/// While vCPU 0 is not loaded no SPI is enabled: it would interrupt another partition's slot. It is enabled
/// with the others when vCPU 0 is loaded.
pub fn change(running: &Running, vcpu: &LocalVcpu, machine: &Machine, change: PhysicalChange) -> u64 {
    let word = usize::from(change.word);
    let write = |ppi: usize, spi: usize| {
        if word == 0 {
            running.redistributor.write32(ppi, change.bits);
        } else {
            running.distributor.write32(spi_word(spi, word), change.bits);
        }
    };
    match change.operation {
        PhysicalOperation::None => {}
        PhysicalOperation::SetEnable if word != 0 && !machine.takes_spis => {}
        PhysicalOperation::SetEnable => write(gicr::ISENABLER0, gicd::ISENABLER),
        PhysicalOperation::ClearEnable => write(gicr::ICENABLER0, gicd::ICENABLER),
        PhysicalOperation::ClearPending => write(gicr::ICPENDR0, gicd::ICPENDR),
        PhysicalOperation::ReadPending => {
            let raw = if word == 0 {
                running.redistributor.read32(gicr::ISPENDR0)
            } else {
                running.distributor.read32(spi_word(gicd::ISPENDR, word))
            };
            return u64::from(raw & change.bits);
        }
        PhysicalOperation::ReloadEnables => {
            let enabled = machine.vgic.ppi_enables(vcpu.index()) & GUEST_PPIS;
            running.redistributor.write32(gicr::ISENABLER0, enabled);
            running
                .redistributor
                .write32(gicr::ICENABLER0, GUEST_PPIS & !enabled);
            if machine.takes_spis {
                let spis = machine.vgic.physical_spi_enables();
                let enabled = |n| spis.get(n).copied().unwrap_or(0);
                set_spis(
                    &running.distributor,
                    vcpu,
                    enabled,
                    running.system.board.poll_bound,
                );
            }
        }
    }
    0
}
