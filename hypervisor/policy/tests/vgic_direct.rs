// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition on dedicated cores reaches what it owns of the physical GIC and nothing else.
//! Verifies: BH-GIC-010, BH-GIC-011.
#![allow(missing_docs)]

use bulkhead_policy::vgic::direct::{
    Direct, DirectAction, Owner, PhysicalBank, PhysicalRegister, icc, route_value,
};
use bulkhead_policy::vgic::{Access, AccessSize, Frame, MAX_VCPUS};
use proptest::prelude::*;

const GICD: Frame = Frame::Distributor;
const SGI0: Frame = Frame::RedistributorSgi(0);
const SGI_WORD: u32 = 0x7fff;

fn size() -> impl Strategy<Value = AccessSize> {
    prop::sample::select(vec![
        AccessSize::Byte,
        AccessSize::Half,
        AccessSize::Word,
        AccessSize::Double,
    ])
}

fn owner() -> impl Strategy<Value = Owner> {
    (prop::array::uniform31(any::<u32>()), any::<u32>(), 1..=MAX_VCPUS).prop_map(
        |(spis, ppis, vcpu_count)| Owner {
            spis,
            ppis,
            vcpu_count,
            spi_lines: 992,
        },
    )
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        4 => Just(GICD),
        1 => (0..9_usize).prop_map(Frame::Redistributor),
        4 => (0..9_usize).prop_map(Frame::RedistributorSgi),
    ]
}

/// Offsets, most of them where registers are.
fn offset() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0x80..0xd00_u32, 2 => 0x6000..0x8000_u32, 1 => 0..0x1_0000_u32].prop_flat_map(
        |offset| prop_oneof![3 => Just(offset & !3), 1 => Just(offset), 1 => Just(offset & !7)],
    )
}

/// What the owner of a physical interrupt is, from the numbers alone.
fn owns(owner: &Owner, bank: PhysicalBank, intid: u32) -> bool {
    match bank {
        PhysicalBank::OwnSgi if intid < 15 => true,
        PhysicalBank::OwnSgi => (16..32).contains(&intid) && owner.ppis >> intid & 1 != 0,
        PhysicalBank::Distributor => {
            (32..1020).contains(&intid) && owner.spis[(intid as usize >> 5) - 1] >> (intid & 31) & 1 != 0
        }
    }
}

/// First INTID of a register and bits an interrupt.
fn layout(register: PhysicalRegister) -> (u32, u32) {
    match register.offset {
        0x80..=0x3ff => ((register.offset & 0x7f) * 8, 1),
        0x400..=0x7ff => (register.offset - 0x400, 8),
        0xc00..=0xcff => ((register.offset - 0xc00) * 4, 2),
        other => unreachable!("no register that a guest may reach: {other:#x}"),
    }
}

/// Bits of a register that belong to the owner.
fn owned_bits(owner: &Owner, register: PhysicalRegister) -> u32 {
    let (first, width) = layout(register);
    let field = if width == 32 { u32::MAX } else { (1 << width) - 1 };
    (0..32 / width)
        .filter(|n| owns(owner, register.bank, first + n))
        .fold(0, |bits, n| bits | field << (n * width))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_access_reaches_what_is_not_owned(
        owner in owner(),
        vcpu in 0..9_usize,
        accesses in prop::collection::vec((frame(), offset(), size(), any::<u64>(), any::<u32>()), 1..200),
    ) {
        let mut direct = Direct::new();
        direct.configure(&owner);
        for (frame, offset, size, value, raw) in accesses {
            let at_other = matches!(frame, Frame::RedistributorSgi(k) if k != vcpu);
            for access in [Access::Write(value), Access::Read] {
                let action = direct.access(vcpu, frame, offset, size, access);
                if access == Access::Read {
                    assert!(!matches!(action,
                        DirectAction::Write32 { .. } | DirectAction::WriteBytes { .. } | DirectAction::Route { .. }
                        | DirectAction::ReloadEnables | DirectAction::Ignore));
                } else {
                    assert!(!matches!(action, DirectAction::Value(_) | DirectAction::Read(_) | DirectAction::ReadRoute { .. }));
                }
                if at_other || vcpu >= owner.vcpu_count {
                    assert!(matches!(action, DirectAction::Value(0) | DirectAction::Ignore));
                }
                match action {
                    DirectAction::Write32 { register, value } => {
                        assert_eq!(value & !owned_bits(&owner, register), 0);
                        // Registers in which a 0 bit has no effect: not groups, not trigger modes.
                        assert!((0x100..0x400).contains(&register.offset));
                    }
                    DirectAction::WriteBytes { register, value, mask } => {
                        assert_eq!(mask & !owned_bits(&owner, register), 0);
                        assert!((0x400..0x800).contains(&register.offset));
                        for byte in 0..4 {
                            let (mask, value) = (mask >> (8 * byte) & 0xff, value >> (8 * byte) & 0xff);
                            assert!(mask == 0 || mask == 0xff);
                            // No guest is as urgent as EL2.
                            assert!(mask == 0 || value >= 0x80);
                        }
                    }
                    DirectAction::Read(read) => {
                        let foreign = !owned_bits(&owner, read.register);
                        assert_eq!(read.value(raw), read.value(raw ^ foreign));
                        assert_eq!(read.value(raw & foreign), 0);
                    }
                    DirectAction::Route { intid, vcpu } => {
                        assert!(owns(&owner, PhysicalBank::Distributor, intid));
                        assert!(vcpu < owner.vcpu_count);
                    }
                    DirectAction::ReadRoute { intid } => {
                        assert!(owns(&owner, PhysicalBank::Distributor, intid));
                    }
                    DirectAction::Value(_) | DirectAction::Ignore | DirectAction::ReloadEnables => {}
                }
            }
        }
        for word in 1..32 {
            let register = PhysicalRegister { bank: PhysicalBank::Distributor, offset: 0x100 + word * 4 };
            assert_eq!(direct.spi_enables(word as usize) & !owned_bits(&owner, register), 0);
        }
        for k in 0..9 {
            assert_eq!(direct.private_enables(k) & !(owner.ppis & 0xffff_0000 | SGI_WORD), 0);
        }
    }

    #[test]
    fn priorities_keep_their_order_and_read_back(a in any::<u8>(), b in any::<u8>()) {
        let physical = |p: u8| icc::pmr_to_physical(u64::from(p));
        assert!((0x80..=0xf8).contains(&physical(a)) && physical(a) & 7 == 0);
        assert_eq!(icc::pmr_to_guest(physical(a)), u64::from(a & 0xf0));
        assert_eq!(icc::rpr_to_guest(physical(a)), u64::from(a & 0xf0));
        assert_eq!((a & 0xf0).cmp(&(b & 0xf0)), physical(a).cmp(&physical(b)));
        // What the mask lets through is what it lets through natively.
        assert_eq!(a & 0xf0 < b & 0xf0, physical(a) < physical(b));
    }

    #[test]
    fn sgis_stay_in_the_partition(owner in owner(), from in 0..MAX_VCPUS, value in any::<u64>(), here in any::<bool>()) {
        // Most random values name another cluster.
        let value = if here { value & 0x0100_0f0f_00ff & !(0xff << 16) | value & 0xf00_0000 } else { value };
        if let Some(request) = icc::sgi(&owner, from, value) {
            assert!(request.intid < 15);
            assert_eq!(u64::from(request.intid), value >> 24 & 0xf);
            assert_eq!(u32::from(request.targets.bits()) >> owner.vcpu_count, 0);
            if value >> 40 & 1 != 0 {
                assert!(!request.targets.contains(from));
            } else {
                assert_eq!(u64::from(request.targets.bits()) & !value, 0);
            }
        }
    }
}

fn direct() -> Direct {
    let mut direct = Direct::new();
    let mut spis = [0; 31];
    spis[0] = 0b101;
    direct.configure(&Owner {
        spis,
        ppis: 1 << 27 | 1 << 30,
        vcpu_count: 2,
        spi_lines: 64,
    });
    direct
}

fn write(direct: &mut Direct, frame: Frame, offset: u32, value: u64) -> DirectAction {
    direct.access(0, frame, offset, AccessSize::Word, Access::Write(value))
}

fn read(direct: &mut Direct, frame: Frame, offset: u32) -> DirectAction {
    direct.access(0, frame, offset, AccessSize::Word, Access::Read)
}

#[test]
fn the_group_enable_acts_on_the_partition_alone() {
    let mut d = direct();
    let gicd = |offset| PhysicalRegister {
        bank: PhysicalBank::Distributor,
        offset,
    };
    assert_eq!(write(&mut d, GICD, 0x104, 0xff), DirectAction::Ignore);
    assert_eq!(read(&mut d, GICD, 0x104), DirectAction::Value(0b101));
    assert_eq!(write(&mut d, SGI0, 0x100, 0xffff_ffff), DirectAction::Ignore);
    assert_eq!((d.spi_enables(1), d.private_enables(0)), (0, 0));
    assert_eq!(write(&mut d, GICD, 0, 0x12), DirectAction::ReloadEnables);
    assert_eq!(read(&mut d, GICD, 0), DirectAction::Value(0x52));
    assert_eq!(
        (d.spi_enables(1), d.private_enables(0)),
        (0b101, 1 << 27 | 1 << 30 | SGI_WORD)
    );
    assert_eq!((d.private_enables(1), d.spi_enables(0)), (0, 0));
    assert_eq!(write(&mut d, GICD, 0, 0x12), DirectAction::Ignore);
    assert_eq!(
        write(&mut d, GICD, 0x184, 0xf),
        DirectAction::Write32 {
            register: gicd(0x184),
            value: 0b101
        }
    );
    assert_eq!(
        write(&mut d, GICD, 0x104, 4),
        DirectAction::Write32 {
            register: gicd(0x104),
            value: 4
        }
    );
    assert_eq!(write(&mut d, GICD, 0, 0), DirectAction::ReloadEnables);
    assert_eq!(d.spi_enables(1), 0);
}

#[test]
fn sgi_15_is_out_of_reach() {
    let mut d = direct();
    write(&mut d, GICD, 0, 2);
    for offset in [0x100, 0x180, 0x200, 0x280, 0x300, 0x380] {
        assert_eq!(write(&mut d, SGI0, offset, 1 << 15), DirectAction::Ignore);
    }
    assert_eq!(write(&mut d, SGI0, 0x080, 0), DirectAction::Ignore);
    for size in [AccessSize::Byte, AccessSize::Half] {
        assert_eq!(
            d.access(0, SGI0, 0x40f - 1, size, Access::Write(0)) == DirectAction::Ignore,
            size == AccessSize::Half
        );
        assert_eq!(
            d.access(0, SGI0, 0x40f, size, Access::Write(0)),
            DirectAction::Ignore
        );
        assert_eq!(
            d.access(0, SGI0, 0x40f, size, Access::Read),
            DirectAction::Value(0)
        );
    }
    let register = PhysicalRegister {
        bank: PhysicalBank::OwnSgi,
        offset: 0x40c,
    };
    let masked = DirectAction::WriteBytes {
        register,
        value: 0x00d0_d0d0,
        mask: 0x00ff_ffff,
    };
    assert_eq!(write(&mut d, SGI0, 0x40c, 0xa0a0_a0a0), masked);
    assert_eq!(icc::sgi(d.owner(), 0, 15 << 24 | 2), None);
    assert_eq!(icc::may_deactivate(d.owner(), 15), None);
    assert_eq!(icc::may_deactivate(d.owner(), 14), Some(14));
}

#[test]
fn priorities_are_mapped_in_registers() {
    let mut d = direct();
    let DirectAction::Read(word) = read(&mut d, SGI0, 0x400) else {
        unreachable!("not a load")
    };
    assert_eq!(word.value(0xf8d0_8800), 0xf0a0_1000);
    let byte = d.access(0, SGI0, 0x402, AccessSize::Byte, Access::Read);
    let DirectAction::Read(byte) = byte else {
        unreachable!("not a load")
    };
    assert_eq!((byte.register.offset, byte.value(0x88d0_8888)), (0x400, 0xa0));
}

#[test]
fn routes_name_vcpus() {
    let mut d = direct();
    let double = AccessSize::Double;
    assert_eq!(
        d.access(0, GICD, 0x6100, double, Access::Write(1)),
        DirectAction::Route { intid: 32, vcpu: 1 }
    );
    assert_eq!(
        write(&mut d, GICD, 0x6110, 0),
        DirectAction::Route { intid: 34, vcpu: 0 }
    );
    assert_eq!(
        d.access(0, GICD, 0x6100, double, Access::Read),
        DirectAction::ReadRoute { intid: 32 }
    );
    assert_eq!(route_value(1), 1);
    for affinity in [2, 0x100, 0x1_0000] {
        assert_eq!(write(&mut d, GICD, 0x6100, affinity), DirectAction::Ignore);
    }
    assert_eq!(
        write(&mut d, GICD, 0x6108, 1),
        DirectAction::Ignore,
        "SPI 33 is another's"
    );
    assert_eq!(read(&mut d, GICD, 0x6104), DirectAction::Value(0));
}

#[test]
fn other_redistributors_show_what_they_are() {
    let mut d = direct();
    let other = Frame::Redistributor(1);
    let typer = d.access(0, other, 8, AccessSize::Double, Access::Read);
    assert_eq!(typer, DirectAction::Value(1 << 32 | 1 << 8 | 1 << 4));
    assert_eq!(read(&mut d, other, 0xffe8), DirectAction::Value(0x30));
    assert_eq!(
        read(&mut d, Frame::Redistributor(0), 0x14),
        DirectAction::Value(0),
        "always awake"
    );
    assert_eq!(read(&mut d, GICD, 4), DirectAction::Value(2 | 9 << 19 | 1 << 25));
    assert_eq!(read(&mut d, GICD, 0x84), DirectAction::Value(0b101), "Group 1");
    assert_eq!(write(&mut d, GICD, 0xc08, 0xffff_ffff), DirectAction::Ignore);
    let DirectAction::Read(modes) = read(&mut d, GICD, 0xc08) else {
        unreachable!("not a load")
    };
    assert_eq!(modes.value(0xffff_ffff), 0b10_0010);
}

#[test]
fn the_cpu_interface_shows_four_bits_of_priority_and_the_guests_eoi_mode() {
    // QEMU's cortex-a72: PRIbits = 4, IDbits, A3V.
    assert_eq!(icc::ctlr_to_guest(0x8402), 0x8302);
    assert_eq!(
        (icc::ctlr_to_physical(0xffff_ffff), icc::ctlr_to_physical(0)),
        (2, 0)
    );
    assert_eq!(
        (
            icc::rpr_to_guest(0xff),
            icc::rpr_to_guest(0),
            icc::rpr_to_guest(0xf8)
        ),
        (0xff, 0, 0xf0)
    );
    // Aff3.Aff2.Aff1.Aff0 = 1.2.3.0x25: range 2, target 5.
    assert_eq!(
        icc::sgi1r(7, 0x01_8002_0325),
        1 << 48 | 2 << 44 | 2 << 32 | 7 << 24 | 3 << 16 | 1 << 5
    );
}
