// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Control words and tables beside the translation tables: each value that does not isolate is refused.

use crate::attacks::refused;
use crate::model::*;

/// Verifies: BH-CHK-040, BH-CHK-041.
#[test]
fn control_words() {
    for register in 0..3 {
        for bit in 0..64 {
            refused("BH-CHK-040", |model| model.el2_words[register] ^= 1 << bit);
        }
    }
    for vcpu in [0, 1, 4] {
        for register in 0..11 {
            for bit in (0..64).step_by(3).map(|bit| (bit + register) % 64) {
                refused("BH-CHK-041", |model| {
                    model.vcpus[vcpu].words[register] ^= 1 << bit
                });
            }
        }
    }
}

/// Verifies: BH-CHK-073.
#[test]
fn health_tables() {
    refused("BH-CHK-073", |model| model.partitions[0].health[0] = 0);
    refused("BH-CHK-073", |model| model.partitions[0].health[1] = 5);
    refused("BH-CHK-073", |model| model.partitions[3].health[7] = 8);
    refused("BH-CHK-073", |model| model.partitions[3].health[8] = 1);
    refused("BH-CHK-073", |model| model.health[0][10] = 1);
    refused("BH-CHK-073", |model| model.health[0][9] = 2);
    refused("BH-CHK-073", |model| model.health[0][8] = 3);
    refused("BH-CHK-073", |model| model.health[1][2] = 5);
    refused("BH-CHK-073", |model| model.health[1][15] = 1);
    refused("BH-CHK-073", |model| model.monitor = 4);
}

/// Text and words agree on each of these doorbells; none of them is one.
/// Verifies: BH-CHK-052.
#[test]
fn doorbells() {
    let rung = |bell: (u32, u32, u64)| refused("BH-CHK-052", |model| model.spis[2].bell = Some(bell));
    rung((0, 0, 500_000));
    rung((3, 16, 500_000));
    rung((3, 0, 9_999));
    rung((3, 0, 0));
    refused("BH-CHK-052", |model| model.spis[2].edge = 0);
    refused("BH-CHK-052", |model| {
        model.spis.push(spi(41, 0, 1, 1, Some((2, 0, 500_000))));
        model.partitions[0].spis.push(41);
    });
}

/// Verifies: BH-CHK-004, BH-CHK-050, BH-CHK-051, BH-CHK-052, BH-CHK-053.
#[test]
fn tables() {
    refused("BH-CHK-004", |model| model.partitions[1].vmid = 1);
    refused("BH-CHK-004", |model| model.partitions[1].vmid = 0);
    refused("BH-CHK-004", |model| model.partitions[1].vmid = 256);
    refused("BH-CHK-050", |model| model.core_vcpus[1].1 = vec![0, 4]);
    refused("BH-CHK-050", |model| model.core_vcpus[2].1 = vec![0]);
    refused("BH-CHK-050", |model| model.vcpus[0].core = 2);
    refused("BH-CHK-050", |model| {
        let template = model.vcpus[1].clone();
        model.vcpus.extend((1..6).map(|index| Vcpu {
            partition: 3,
            index,
            ..template.clone()
        }));
        model.partitions[3].vcpus.1 = 6;
        model.core_vcpus[0].1.extend(5..10);
    });
    refused("BH-CHK-051", |model| model.slots[1].1 -= 1);
    refused("BH-CHK-051", |model| model.slots[1].3 = 0);
    refused("BH-CHK-051", |model| model.slots.truncate(4));
    // The system core cannot be its own successor.
    refused("BH-CHK-051", |model| model.slots[4].2 = 3);
    refused("BH-CHK-051", |model| model.slots[2].3 = 1);
    refused("BH-CHK-051", |model| model.shares[0].2 = 1);
    refused("BH-CHK-051", |model| model.shares[0].2 = 4);
    refused("BH-CHK-051", |model| model.shares[0].3 = 4001);
    refused("BH-CHK-051", |model| model.shares[0].3 = 0);
    refused("BH-CHK-051", |model| model.shares[1].2 = 3);
    refused("BH-CHK-051", |model| model.shares[2].3 = 1);
    refused("BH-CHK-051", |model| model.shares.swap(1, 2));
    refused("BH-CHK-051", |model| model.shares[2].1 = 3);
    refused("BH-CHK-051", |model| model.shares.push((9500, 1, 1, 500)));
    refused("BH-CHK-052", |model| model.spis[1].intid = 36);
    refused("BH-CHK-052", |model| model.spis[1].core = 1);
    refused("BH-CHK-052", |model| model.partitions[3].spis.push(36));
    refused("BH-CHK-052", |model| {
        model.spis.insert(0, spi(33, 3, 2, 0, None));
        model.partitions[3].spis.push(33);
    });
    refused("BH-CHK-053", |model| model.functions[1].bdf = 8);
    refused("BH-CHK-053", |model| model.functions[1].bdf = 0x108);
    refused("BH-CHK-053", |model| model.functions[1].master = true);
    for bar in [
        BARS,
        0x4300_0000,
        GICD,
        UART & !0x7fff,
        ECAM + 0x8000,
        BARS + 0x1000,
        0,
    ] {
        refused("BH-CHK-053", |model| model.functions[1].bars[0] = (bar, 0x8000));
    }
}
