// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers of the distributor of a GICv2: of sliced partitions, and of those on dedicated cores.
#![allow(missing_docs)]

use bulkhead_policy::vgic::direct::{Direct, DirectAction, Owner, PhysicalBank, PhysicalRegister};
use bulkhead_policy::vgic::v2::direct::Action;
use bulkhead_policy::vgic::v2::{Extras, Register, VgicV2, decode};
use bulkhead_policy::vgic::{Access, AccessSize, VcpuSet, Vgic, VgicConfig};
use proptest::prelude::*;

const WORD: AccessSize = AccessSize::Word;
const BYTE: AccessSize = AccessSize::Byte;

fn with(vcpu_count: usize, test: impl FnOnce(&mut VgicV2<'_>)) {
    let (mut vgic, mut extras) = (Vgic::new(), Extras::new());
    let mut gic = VgicV2::new(&mut vgic, &mut extras);
    gic.configure(&VgicConfig {
        vcpu_count,
        spi_lines: 64,
        physical_spis: [0; 8],
    });
    test(&mut gic);
}

fn read(gic: &mut VgicV2<'_>, vcpu: usize, offset: u32, size: AccessSize) -> u64 {
    gic.access(vcpu, offset, size, Access::Read).value
}

fn write(gic: &mut VgicV2<'_>, vcpu: usize, offset: u32, size: AccessSize, value: u64) -> VcpuSet {
    let outcome = gic.access(vcpu, offset, size, Access::Write(value));
    assert_eq!(outcome.value, 0);
    outcome.refresh
}

/// Verifies: BH-GIC-034, BH-GIC-035.
#[test]
fn what_it_is_and_what_is_fixed() {
    with(3, |gic| {
        // 96 interrupts, three CPU interfaces, no Security Extensions; architecture version 2.
        assert_eq!(read(gic, 0, 0x004, WORD), 2 | 2 << 5);
        assert_eq!(read(gic, 0, 0xfe8, WORD), 0x20);
        for fixed in [0x004, 0x008, 0x080, 0x084, 0xc00, 0xf00, 0xfe8] {
            let before = read(gic, 0, fixed, WORD);
            if fixed != 0xf00 {
                write(gic, 0, fixed, WORD, u64::from(u32::MAX));
            }
            assert_eq!(read(gic, 0, fixed, WORD), before, "{fixed:#x}");
        }
        // SGIs are edges and stay enabled; their pending state has registers of its own.
        assert_eq!(read(gic, 0, 0xc00, WORD), 0xaaaa_aaaa);
        write(gic, 0, 0x180, WORD, u64::from(u32::MAX));
        assert_eq!(read(gic, 0, 0x100, WORD), 0xffff);
        write(gic, 0, 0x200, WORD, 1 << 20 | 1);
        assert_eq!(read(gic, 0, 0x200, WORD), 1 << 20);
        assert_eq!(decode(0x800, AccessSize::Half), Register::Reserved);
        assert_eq!(decode(0x100, BYTE), Register::Reserved);
        assert_eq!(decode(0x402, WORD), Register::Reserved);
        assert_eq!(decode(0x6100, WORD), Register::Reserved);
    });
}

/// Verifies: BH-GIC-035.
#[test]
fn targets_are_those_that_exist() {
    with(3, |gic| {
        assert_eq!(read(gic, 2, 0x800, WORD), 0x0404_0404);
        assert_eq!(read(gic, 1, 0x81f, BYTE), 2);
        assert_eq!(read(gic, 1, 0x820, WORD), 0x0101_0101);
        write(gic, 1, 0x820, WORD, 0xff06_0004);
        assert_eq!(read(gic, 1, 0x820, WORD), 0x0706_0004);
        assert_eq!(read(gic, 1, 0x822, BYTE), 6);
        write(gic, 0, 0x800, WORD, 0);
        assert_eq!(read(gic, 0, 0x800, WORD), 0x0101_0101);
        // Beyond the 64 SPIs there is nothing.
        write(gic, 0, 0x860, WORD, 0x0707_0707);
        assert_eq!(read(gic, 0, 0x860, WORD), 0);
    });
    // One processor: they read as zero.
    with(1, |gic| {
        write(gic, 0, 0x820, WORD, 0x0101_0101);
        assert_eq!((read(gic, 0, 0x800, WORD), read(gic, 0, 0x820, WORD)), (0, 0));
    });
}

/// Verifies: BH-GIC-033, BH-GIC-035.
#[test]
fn an_sgi_goes_to_the_targets_of_its_filter_and_each_source_is_shown() {
    with(3, |gic| {
        write(gic, 0, 0x000, WORD, 3);
        assert_eq!(read(gic, 0, 0x000, WORD), 1);
        assert_eq!(write(gic, 0, 0xf00, WORD, 0xff_0005).bits(), 7);
        assert_eq!(write(gic, 1, 0xf00, WORD, 1 << 24 | 5).bits(), 5);
        assert_eq!(write(gic, 2, 0xf00, WORD, 2 << 24 | 0xff_0006).bits(), 4);
        assert!(write(gic, 2, 0xf00, WORD, 3 << 24 | 0xff_0007).is_empty());
        assert_eq!(read(gic, 0, 0xf25, BYTE), 0b011);
        assert_eq!(read(gic, 2, 0xf14, WORD), 0x0004_0300);
        assert_eq!(read(gic, 2, 0x200, WORD), 1 << 5 | 1 << 6);
        write(gic, 2, 0xf15, BYTE, 0b001);
        assert_eq!(read(gic, 2, 0x200, WORD), 1 << 5 | 1 << 6);
        write(gic, 2, 0xf15, BYTE, 0b010);
        assert_eq!(read(gic, 2, 0x200, WORD), 1 << 6);
        // A source that does not exist sends nothing.
        write(gic, 2, 0xf28, WORD, 0xf8);
        assert_eq!(read(gic, 2, 0x200, WORD), 1 << 6);
    });
}

fn direct(vcpu_count: usize) -> Direct {
    let mut direct = Direct::new();
    let mut spis = [0; 31];
    // INTID 55.
    spis[0] = 1 << 23;
    direct.configure_v2(&Owner {
        spis,
        ppis: 1 << 27 | 1 << 30,
        vcpu_count,
        spi_lines: 64,
    });
    direct
}

fn distributor(offset: u32) -> PhysicalRegister {
    let bank = PhysicalBank::Distributor;
    PhysicalRegister { bank, offset }
}

/// Verifies: BH-GIC-036.
#[test]
fn a_direct_partition_changes_what_it_owns() {
    let mut d = direct(1);
    let store = |d: &mut Direct, at, size, value| d.access_v2(0, at, size, Access::Write(value));
    let all = u64::from(u32::MAX);
    // While its GIC is off an enable is only remembered.
    assert_eq!(
        store(&mut d, 0x104, WORD, all),
        Action::Common(DirectAction::Ignore)
    );
    assert_eq!(
        store(&mut d, 0x000, WORD, 1),
        Action::Common(DirectAction::ReloadEnables)
    );
    assert_eq!((d.spi_enables(1), d.private_enables(0)), (1 << 23, 0x7fff));
    let expected = DirectAction::Write32 {
        register: distributor(0x184),
        value: 1 << 23,
    };
    assert_eq!(store(&mut d, 0x184, WORD, all), Action::Common(expected));
    let expected = DirectAction::WriteBytes {
        register: distributor(0x434),
        value: 0x9000_0000,
        mask: 0xff00_0000,
    };
    assert_eq!(store(&mut d, 0x434, WORD, 0x9080_7060), Action::Common(expected));
    assert_eq!(store(&mut d, 0x437, BYTE, 0x90), Action::Common(expected));
    assert_eq!(
        store(&mut d, 0x436, BYTE, 0x90),
        Action::Common(DirectAction::Ignore)
    );
    // Alone it has no targets; SGI 15 and others' cores are not its own.
    assert_eq!(
        store(&mut d, 0x837, BYTE, 1),
        Action::Common(DirectAction::Ignore)
    );
    assert_eq!(
        store(&mut d, 0xf00, WORD, 0xff_000f),
        Action::Common(DirectAction::Ignore)
    );
    assert_eq!(
        store(&mut d, 0xf00, WORD, 0xfe_0003),
        Action::Common(DirectAction::Ignore)
    );
}

/// Verifies: BH-GIC-036.
#[test]
fn targets_of_a_direct_partition_are_its_own_cores() {
    let mut d = direct(2);
    let write = Access::Write(0xff00_0000);
    let expected = Action::WriteTargets {
        first: 52,
        owned: 8,
        vcpus: [
            VcpuSet::EMPTY,
            VcpuSet::EMPTY,
            VcpuSet::EMPTY,
            VcpuSet::from_bits(3),
        ],
    };
    assert_eq!(d.access_v2(1, 0x834, WORD, write), expected);
    let expected = Action::ReadTargets { first: 55, owned: 1 };
    assert_eq!(d.access_v2(1, 0x837, BYTE, Access::Read), expected);
    let own = Action::Common(DirectAction::Value(0x0202_0202));
    assert_eq!(d.access_v2(1, 0x81c, WORD, Access::Read), own);
}

proptest! {
    /// Whatever is written where: only bits and bytes of owned interrupts reach a physical register. Verifies: BH-GIC-036.
    #[test]
    fn nothing_but_owned_interrupts_is_written(
        accesses in prop::collection::vec((0..0x1000_u32, any::<u32>(), any::<bool>()), 1..40)
    ) {
        let mut d = direct(2);
        for (offset, value, word) in accesses {
            let size = if word { WORD } else { BYTE };
            match d.access_v2(0, offset, size, Access::Write(value.into())) {
                Action::Common(DirectAction::Write32 { register, value }) => {
                    let owned = match register.bank {
                        PhysicalBank::OwnSgi => 1 << 27 | 1 << 30 | 0x7fff,
                        PhysicalBank::Distributor if register.offset & 0x7c == 4 => 1 << 23,
                        PhysicalBank::Distributor => 0,
                    };
                    prop_assert!((0x100..0x400).contains(&register.offset));
                    prop_assert_eq!(value & !owned, 0);
                }
                Action::Common(DirectAction::WriteBytes { register, mask, value }) => {
                    prop_assert_eq!(value & !mask, 0);
                    let first = match register.offset {
                        at @ 0x400..0x800 => at - 0x400,
                        at @ 0xf10..0xf20 => at - 0xf10,
                        at => at - 0xf20,
                    };
                    for lane in (0..4).filter(|lane| mask >> (lane * 8) & 0xff != 0) {
                        let intid = first + lane;
                        prop_assert!(matches!(intid, 0..15 | 27 | 30 | 55), "{}", intid);
                    }
                }
                Action::WriteTargets { first, owned, vcpus } => {
                    prop_assert!(owned == 0 || first + owned.trailing_zeros() == 55);
                    prop_assert!(vcpus.iter().all(|set| set.bits() & !3 == 0));
                }
                Action::Sgi(request) => prop_assert!(request.intid < 15 && request.targets.bits() & !3 == 0),
                Action::Common(DirectAction::Ignore | DirectAction::ReloadEnables) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
