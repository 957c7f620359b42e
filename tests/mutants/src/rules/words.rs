// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Control words: what isolates by the Arm ARM, DDI 0487, "AArch64 System register descriptions".

use crate::bytes::index;
use crate::judge::{Case, Found};

/// Sets bits by number.
const fn set(numbers: &[u32]) -> u64 {
    let (mut word, mut i) = (0, 0);
    while i < numbers.len() {
        word |= 1 << numbers[i];
        i += 1;
    }
    word
}

/// `HCR_EL2` of every vCPU: VM, FMO, AMO; TID3, TSC, TIDCP, TACR, TSW; RW; TLOR, TERR.
const HCR: u64 = set(&[0, 3, 5, 18, 19, 20, 21, 22, 31, 35, 36]);
const HCR_IMO: u64 = set(&[4]);
const HCR_TWI: u64 = set(&[13]);
/// T0SZ = 25, SL0 = level 1, IRGN0 = ORGN0 = Write-Back, SH0 = Inner, RES1; PS comes from the board.
const VTCR: u64 = 25 | set(&[6, 8, 10, 12, 13, 31]);
/// T0SZ, IRGN0, ORGN0, SH0, RES1 bits 23 and 31; PS from the board.
const TCR_EL2: u64 = 25 | set(&[8, 10, 12, 13, 23, 31]);
/// Write-Back, Device-nGnRE, Non-cacheable.
const MAIR_EL2: u64 = 0x44_04FF;
/// M, C, SA, I, WXN, and the bits that are RES1 without the extensions that define them.
const SCTLR_EL2: u64 = set(&[0, 2, 3, 12, 19]) | set(&[4, 5, 11, 16, 18, 22, 23, 28, 29]);
/// EL1PCTEN, EL1PCEN: counter and physical timer are the guest's.
const CNTHCTL: u64 = set(&[0, 1]);
/// TPMCR, TPM, TDA, TDOSA, TDRA, TPMS, TTRF.
const MDCR: u64 = set(&[5, 6, 9, 10, 11, 14, 19]);
/// TTA, TAM, and RES1.
const CPTR: u64 = set(&[30, 20, 13, 12, 9, 8]) | 0xFF;
/// TC and TALL0 where the physical interface is the guest's; En and TALL0 where EL2 delivers.
const ICH_DIRECT: u64 = set(&[10, 11]);
const ICH_SLICED: u64 = set(&[0, 11]);

/// `PS` of a number of physical address bits.
pub(crate) fn size_code(address_bits: u64) -> u64 {
    [32, 36, 40, 42, 44, 48]
        .iter()
        .zip(0..)
        .find(|(b, _)| **b == address_bits)
        .map_or(7, |(_, c)| c)
}

/// Every control word is the one that mode, partition, index and board determine.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let blob = &case.blob;
    let size = size_code(case.text.address_bits);
    let wanted = [TCR_EL2 | size << 16, MAIR_EL2, SCTLR_EL2];
    for ((found_word, wanted), name) in blob.el2_words.iter().zip(wanted).zip(["TCR", "MAIR", "SCTLR"]) {
        found.effect(*found_word == wanted, || {
            format!("{name}_EL2 {found_word:#x}, not {wanted:#x}")
        });
    }
    for (i, vcpu) in blob.vcpus.iter().enumerate() {
        let core = blob.cores.get(index(vcpu.core.into()));
        let partition = blob.partitions.get(index(vcpu.partition.into()));
        let (Some(core), Some(partition)) = (core, partition) else {
            found.form.push(format!("vCPU {i}: no such core or partition"));
            continue;
        };
        let (hcr, ich) = match core.mode {
            0 => (HCR, ICH_DIRECT),
            1 => (HCR | HCR_TWI, ICH_DIRECT),
            _ => (HCR | HCR_TWI | HCR_IMO, ICH_SLICED),
        };
        // HPMN: the last counters are EL2's; HPME: they run.
        let counter = match core.traffic {
            [0, ..] => 0,
            [_, what, counters, _] => set(&[7]) | u64::from(counters.wrapping_sub(what >> 16)),
        };
        let wanted = [
            set(&[31]) | u64::from(vcpu.index),
            core.midr,
            hcr,
            VTCR | size << 16,
            u64::from(partition.vmid) << 48 | partition.live_root,
            CNTHCTL,
            MDCR | counter,
            CPTR,
            0,
            ich,
            0,
        ];
        for (at, (word, wanted)) in vcpu.words.iter().zip(wanted).enumerate() {
            found.effect(*word == wanted, || {
                format!("vCPU {i}: control word {at} is {word:#x}, not {wanted:#x}")
            });
        }
    }
}
