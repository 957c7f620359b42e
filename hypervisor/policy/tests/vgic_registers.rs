// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The registers of the virtual GIC read back and behave as Arm IHI 0069 describes them, for a GIC with one
//! security state and affinity routing. Verifies: BH-GIC-001, BH-GIC-005.
#![allow(missing_docs)]

use bulkhead_policy::vgic::direct::{Direct, Owner};
use bulkhead_policy::vgic::{
    Access, AccessSize, Frame, Outcome, PhysicalOperation, Register, Vgic, VgicConfig, decode, observes_state,
};
use proptest::prelude::*;

const VCPUS: usize = 2;
const SIZES: [AccessSize; 4] = [
    AccessSize::Byte,
    AccessSize::Half,
    AccessSize::Word,
    AccessSize::Double,
];
const GICD: Frame = Frame::Distributor;
const RD0: Frame = Frame::Redistributor(0);
const RD1: Frame = Frame::Redistributor(1);
const SGI0: Frame = Frame::RedistributorSgi(0);
const SGI1: Frame = Frame::RedistributorSgi(1);

fn vgic() -> Vgic {
    let mut vgic = Vgic::new();
    vgic.configure(&VgicConfig {
        vcpu_count: VCPUS,
        spi_lines: 64,
        physical_spis: [0x10, 0, u32::MAX, 0, 0, 0, 0, 0],
    });
    vgic
}

fn write(vgic: &mut Vgic, frame: Frame, offset: u32, value: u64) -> Outcome {
    let outcome = vgic.access(0, frame, offset, AccessSize::Word, Access::Write(value));
    assert_eq!(outcome.value, 0);
    outcome
}

fn read_sized(vgic: &mut Vgic, frame: Frame, offset: u32, size: AccessSize) -> u64 {
    vgic.access(0, frame, offset, size, Access::Read).value
}

fn read(vgic: &mut Vgic, frame: Frame, offset: u32) -> u64 {
    read_sized(vgic, frame, offset, AccessSize::Word)
}

#[test]
fn identification_is_that_of_a_gicv3_with_one_security_state() {
    let mut v = vgic();
    // GICD_TYPER: ITLinesNumber = 2 (INTIDs to 95), SecurityExtn, MBIS, LPIS = 0, IDbits = 9, No1N.
    assert_eq!(read(&mut v, GICD, 0x4), 2 | 9 << 19 | 1 << 25);
    // PIDR2.ArchRev = 3 in every frame that has it.
    for frame in [GICD, RD0, RD1] {
        assert_eq!(read(&mut v, frame, 0xffe8) >> 4 & 0xf, 3);
    }
    // GICR_TYPER: affinity 0.0.0.k, processor number, Last; 64 bits or two halves.
    assert_eq!(read_sized(&mut v, RD0, 0x8, AccessSize::Double), 0);
    assert_eq!(
        read_sized(&mut v, RD1, 0x8, AccessSize::Double),
        1 << 32 | 1 << 8 | 1 << 4
    );
    assert_eq!(read(&mut v, RD1, 0x8), 1 << 8 | 1 << 4);
    assert_eq!(read(&mut v, RD1, 0xc), 1);
    // No LPIs, no status register.
    for offset in [0x0, 0x4, 0x10, 0x70, 0x78] {
        write(&mut v, RD0, offset, 0xffff_ffff);
        assert_eq!(read(&mut v, RD0, offset), 0);
    }
}

#[test]
fn control_has_fixed_affinity_routing_and_one_security_state() {
    let mut v = vgic();
    assert_eq!(read(&mut v, GICD, 0), 1 << 6 | 1 << 4);
    let outcome = write(&mut v, GICD, 0, 0xffff_ffff);
    assert_eq!(outcome.physical.operation, PhysicalOperation::ReloadEnables);
    assert_eq!(read(&mut v, GICD, 0), 1 << 6 | 1 << 4 | 3);
    write(&mut v, GICD, 0, 0);
    assert_eq!(read(&mut v, GICD, 0), 1 << 6 | 1 << 4);
}

#[test]
fn waker_wakes_and_sleeps_with_its_children() {
    let mut v = vgic();
    assert_eq!(read(&mut v, RD0, 0x14), 6);
    write(&mut v, RD0, 0x14, 0);
    assert_eq!((read(&mut v, RD0, 0x14), read(&mut v, RD1, 0x14)), (0, 6));
    write(&mut v, RD0, 0x14, 2);
    assert_eq!(read(&mut v, RD0, 0x14), 6);
}

#[test]
fn set_and_clear_registers_act_on_the_bits_that_are_one() {
    let mut v = vgic();
    for (set, clear) in [(0x100, 0x180), (0x200, 0x280), (0x300, 0x380)] {
        for (frame, word) in [(GICD, 4), (GICD, 8), (SGI0, 0), (SGI1, 0)] {
            assert_eq!(read(&mut v, frame, set + word), 0);
            write(&mut v, frame, set + word, 0xf00f_0ff0);
            write(&mut v, frame, set + word, 0x0000_0001);
            assert_eq!(read(&mut v, frame, set + word), 0xf00f_0ff1);
            assert_eq!(read(&mut v, frame, clear + word), 0xf00f_0ff1);
            write(&mut v, frame, clear + word, 0x8000_0010);
            assert_eq!(read(&mut v, frame, set + word), 0x700f_0fe1);
            write(&mut v, frame, clear + word, 0xffff_ffff);
            assert_eq!(read(&mut v, frame, set + word), 0);
        }
    }
}

#[test]
fn groups_priorities_and_trigger_modes_read_back() {
    let mut v = vgic();
    write(&mut v, GICD, 0x84, 0x1234_5678);
    assert_eq!(read(&mut v, GICD, 0x84), 0x1234_5678);
    // Five bits of priority; bytes and words reach the same state.
    write(&mut v, GICD, 0x420, 0xffa5_0701);
    assert_eq!(read(&mut v, GICD, 0x420), 0xf8a0_0000);
    assert_eq!(read_sized(&mut v, GICD, 0x422, AccessSize::Byte), 0xa0);
    v.access(0, GICD, 0x421, AccessSize::Byte, Access::Write(0x9f));
    assert_eq!(read(&mut v, GICD, 0x420), 0xf8a0_9800);
    assert_eq!(v.priority(0, 33), 0x98);
    // GICR_ICFGR0 is fixed, the lower bit of each pair is RES0.
    assert_eq!(read(&mut v, SGI0, 0xc00), 0xaaaa_aaaa);
    write(&mut v, SGI0, 0xc00, 0);
    assert_eq!(read(&mut v, SGI0, 0xc00), 0xaaaa_aaaa);
    for (frame, offset) in [(SGI0, 0xc04), (GICD, 0xc08), (GICD, 0xc14)] {
        assert_eq!(read(&mut v, frame, offset), 0);
        write(&mut v, frame, offset, 0xdead_beef);
        assert_eq!(read(&mut v, frame, offset), 0xdead_beef & 0xaaaa_aaaa);
    }
    // 0xef: pairs 0 to 3 are 11, 11, 10, 11.
    assert!((32..36).all(|intid| !v.is_level(0, intid)));
    assert!(v.is_level(0, 36 + 4));
    // Banked: the other redistributor is untouched.
    assert_eq!(read(&mut v, SGI1, 0xc04), 0);
}

#[test]
fn routes_read_back_in_both_widths() {
    let mut v = vgic();
    assert_eq!(read_sized(&mut v, GICD, 0x6100, AccessSize::Double), 0);
    v.access(0, GICD, 0x6108, AccessSize::Double, Access::Write(1));
    assert_eq!(read_sized(&mut v, GICD, 0x6108, AccessSize::Double), 1);
    assert_eq!((read(&mut v, GICD, 0x6108), read(&mut v, GICD, 0x610c)), (1, 0));
    // Aff3 does not exist.
    write(&mut v, GICD, 0x610c, 0xff);
    assert_eq!(read_sized(&mut v, GICD, 0x6108, AccessSize::Double), 1);
    write(&mut v, GICD, 0x6108, 0);
    assert_eq!(read_sized(&mut v, GICD, 0x6108, AccessSize::Double), 0);
    // No vCPU has these affinities.
    for affinity in [2, 0x100, 0x01_0001] {
        write(&mut v, GICD, 0x6110, affinity);
        assert_eq!(read(&mut v, GICD, 0x6110), 0xff);
        v.set_line(34, true);
        assert!(!v.has_deliverable(0) && !v.has_deliverable(1));
    }
}

#[test]
fn what_is_not_there_reads_zero_and_ignores_writes() {
    let mut v = vgic();
    // SGIs and PPIs in the distributor; SPIs in a redistributor; SPIs that are not shown; vCPU 2.
    let places = [
        (GICD, 0x080),
        (GICD, 0x100),
        (GICD, 0x400),
        (GICD, 0x41c),
        (GICD, 0xc00),
        (GICD, 0xc04),
        (SGI0, 0x104),
        (SGI0, 0x420),
        (SGI0, 0xc08),
        (GICD, 0x10c),
        (GICD, 0x460),
        (GICD, 0xc18),
        (GICD, 0x6300),
        (GICD, 0x800),
        (GICD, 0xf00),
        (Frame::RedistributorSgi(2), 0x100),
        (Frame::Redistributor(2), 0x14),
    ];
    for (frame, offset) in places {
        write(&mut v, frame, offset, 0xffff_ffff);
        assert_eq!(read(&mut v, frame, offset), 0, "{frame:?} {offset:#x}");
    }
    // Widths that a register does not have.
    write(&mut v, GICD, 0x104, 0xffff_ffff);
    for size in [AccessSize::Byte, AccessSize::Half, AccessSize::Double] {
        assert_eq!(read_sized(&mut v, GICD, 0x108 - 8, size), 0);
        assert_eq!(v.access(0, GICD, 0x104, size, Access::Read).value, 0);
    }
}

#[test]
fn enables_reach_owned_physical_interrupts_only() {
    let mut v = vgic();
    write(&mut v, GICD, 0x84, 0xffff_ffff);
    write(&mut v, SGI0, 0x80, 0xffff_ffff);
    write(&mut v, GICD, 0x104, 0xffff_ffff);
    assert_eq!(v.physical_spi_enables(), &[0; 8], "Group 1 is off");
    write(&mut v, GICD, 0, 2);
    assert_eq!(v.physical_spi_enables(), &[0x10, 0, 0, 0, 0, 0, 0, 0]);
    let off = write(&mut v, GICD, 0x184, 0x30).physical;
    assert_eq!(
        (off.operation, off.word, off.bits),
        (PhysicalOperation::ClearEnable, 1, 0x10)
    );
    let on = write(&mut v, GICD, 0x104, 0xf0).physical;
    assert_eq!(
        (on.operation, on.word, on.bits),
        (PhysicalOperation::SetEnable, 1, 0x10)
    );
    assert_eq!(
        write(&mut v, GICD, 0x104, 0xf0).physical.operation,
        PhysicalOperation::None
    );
    let on = write(&mut v, SGI0, 0x100, 0xffff_ffff).physical;
    assert_eq!(
        (on.operation, on.word, on.bits),
        (PhysicalOperation::SetEnable, 0, 1 << 27 | 1 << 30)
    );
    assert_eq!((v.ppi_enables(0), v.ppi_enables(1)), (1 << 27 | 1 << 30, 0));
    // The other vCPU's physical redistributor is out of reach; its core is told.
    write(&mut v, SGI1, 0x80, 0xffff_ffff);
    let other = write(&mut v, SGI1, 0x100, 1 << 27);
    assert_eq!(other.physical.operation, PhysicalOperation::None);
    assert!(other.refresh.contains(1) && !other.refresh.contains(0));
    assert_eq!(v.ppi_enables(1), 1 << 27);
    // INTIDs beyond the lines shown are not owned.
    assert!(v.hardware(0, 32 + 64).is_empty() && v.next_deactivation(0).is_none());
}

#[test]
fn a_group_0_interrupt_is_not_generated_or_forwarded() {
    let mut v = vgic();
    write(&mut v, GICD, 0, 3);
    write(&mut v, SGI0, 0x100, 0xffff_ffff);
    write(&mut v, SGI0, 0x200, 1 << 20);
    assert!(v.sgi(1, 1).is_empty() && !v.has_deliverable(0));
    write(&mut v, SGI0, 0x80, 0xffff_ffff);
    assert!(v.has_deliverable(0), "PPI 20 was pending all the time");
    assert_eq!(v.sgi(1, 3 << 24 | 1).bits(), 1);
    // Another cluster, a range of targets beyond 15, a vCPU that does not exist.
    for value in [1 << 16 | 1, 1 << 32 | 1, 1 << 48 | 1, 1 << 44 | 1, 4] {
        assert!(v.sgi(1, value).is_empty());
    }
    assert_eq!(v.sgi(1, 1 << 40).bits(), 1, "all but self");
}

/// A list register that went to another interrupt meanwhile belongs to the one that it was given last.
/// Verifies: BH-GIC-008.
#[test]
fn the_fast_path_notices_a_list_register_that_changed_hands() {
    let mut v = vgic();
    write(&mut v, GICD, 0, 2);
    write(&mut v, SGI0, 0x80, 0xffff_ffff);
    write(&mut v, SGI0, 0x100, 0xffff_ffff);
    let timer = v.inject_now(0, 27, 1).unwrap();
    assert_eq!(timer, (0, 0x7000_001b_0000_001b));
    assert_eq!(
        v.inject_now(0, 27, 1),
        Some(timer),
        "ended by the guest, fired again"
    );
    assert_eq!(v.inject_now(0, 27, 0), None, "still there");
    assert_eq!(v.sgi(0, 1).bits(), 1);
    assert_eq!(v.list_now(0, 0, 1), Some((0, 0x5000_0000_0000_0000)));
    assert_eq!(v.inject_now(0, 27, 1), Some(timer));
    let mut lrs = [timer.1, 0, 0, 0];
    assert!(v.fold(0, &lrs).is_empty());
    v.fill(0, &mut lrs);
    assert_eq!(lrs, [timer.1, 0, 0, 0], "the timer alone");
    // Disabled, it goes back to the physical distributor.
    write(&mut v, SGI0, 0x180, 1 << 27);
    assert_eq!(v.inject_now(0, 27, 2), None);
    assert!(v.fold(0, &lrs).is_empty());
    v.fill(0, &mut lrs);
    assert_eq!(
        (lrs, v.next_deactivation(0), v.next_deactivation(0)),
        ([0; 4], Some(27), None)
    );
}

#[test]
fn redistributor_offsets_name_a_vcpu_and_a_frame() {
    assert_eq!(Frame::of_redistributor(0), (RD0, 0));
    assert_eq!(Frame::of_redistributor(0x1_0104), (SGI0, 0x104));
    assert_eq!(Frame::of_redistributor(0x2_ffe8), (RD1, 0xffe8));
    assert_eq!(Frame::of_redistributor(0x3_0c00), (SGI1, 0xc00));
}

/// Every offset of every frame, in every width, in both directions, in both models.
#[test]
fn every_access_has_an_answer() {
    let mut v = vgic();
    let mut direct = Direct::new();
    direct.configure(&Owner {
        spis: [u32::MAX; 31],
        ppis: u32::MAX,
        vcpu_count: 2,
        spi_lines: 992,
    });
    for frame in [
        GICD,
        RD0,
        SGI0,
        SGI1,
        Frame::Redistributor(9),
        Frame::RedistributorSgi(usize::MAX),
    ] {
        for offset in (0..0x2_0000).chain([u32::MAX - 7, u32::MAX]) {
            for size in SIZES {
                observes_state(frame, offset);
                if decode(frame, offset, size) == Register::Reserved {
                    v.access(1, frame, offset, size, Access::Write(u64::MAX));
                    assert_eq!(v.access(1, frame, offset, size, Access::Read).value, 0);
                    continue;
                }
                for access in [Access::Read, Access::Write(u64::MAX), Access::Write(0)] {
                    v.access(1, frame, offset, size, access);
                    v.access(usize::MAX, frame, offset, size, access);
                    direct.access(1, frame, offset, size, access);
                }
            }
        }
    }
}

proptest! {
    /// Arguments that no EL2 would pass are harmless too.
    #[test]
    fn every_call_has_an_answer(vcpu in any::<usize>(), intid in any::<u32>(), bits in any::<u64>(),
                                lrs in any::<[u64; 4]>(), calls in prop::collection::vec(0..11_u32, 1..40)) {
        let mut v = vgic();
        for frame in [SGI0, SGI1] {
            write(&mut v, frame, 0x80, 0xffff_ffff);
            write(&mut v, frame, 0x100, 0xffff_ffff);
        }
        write(&mut v, GICD, 0, 2);
        let (vcpu, intid) = (if bits & 1 == 0 { vcpu } else { vcpu % 3 }, if bits & 2 == 0 { intid } else { intid % 100 });
        let low = u32::try_from(bits >> 32).unwrap();
        for call in calls {
            match call {
                0 => { v.sgi(vcpu, bits); }
                1 => { v.set_line(intid, bits & 4 != 0); }
                2 => { v.pulse(intid); }
                3 => { v.hardware(vcpu, intid); }
                4 => { v.inject_now(vcpu, intid, low); }
                5 => { v.list_now(vcpu, intid, low); }
                6 => { let _ = v.fold(vcpu, &lrs); }
                7 => { v.fill(vcpu, &mut lrs.clone()); }
                8 => v.end_unlisted(vcpu, low),
                9 => { v.deactivate(vcpu, intid); }
                _ => { v.next_deactivation(vcpu); }
            }
            v.has_deliverable(vcpu);
            v.is_level(vcpu, intid);
            v.priority(vcpu, intid);
        }
    }
}
