// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The GIC CPU interface and the list registers of this core.
//!
//! # References
//! Arm IHI 0069, "AArch64 System register descriptions"; "Maintenance of virtual interrupts".

use crate::barrier::{dsb_sy, isb};
use crate::registers as r;

/// SGI with which EL2 calls another core (Group 0, an FIQ at EL2).
pub const KICK_SGI: u32 = 15;
/// PPI of EL2's physical timer.
pub const EL2_TIMER_PPI: u32 = 26;
/// First INTID that means "nothing to acknowledge" or "not for this group".
pub const SPECIAL: u32 = 1020;
/// `ICC_CTLR_EL1.EOImode`: EOI drops the priority only.
const EOI_MODE: u64 = 1 << 1;

/// Whose Group 0 interrupts are. Where they are the firmware's, an access to their registers may trap to EL3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group0 {
    /// EL2's: the interrupt controller has one security state.
    Own,
    /// The firmware's: it has two.
    Firmware,
}

/// Sets up the interface of a sliced core: EL2 takes all physical interrupts, EOI drops the priority only.
#[inline]
pub fn init_sliced(group0: Group0) {
    init(EOI_MODE, 0xff, 1, group0);
}

/// Sets up the interface of a dedicated core: Group 0 to EL2, if it is its, Group 1 is the guest's and starts disabled.
///
/// `pmr` is the physical priority mask that the guest starts with.
#[inline]
pub fn init_direct(pmr: u64, group0: Group0) {
    init(0, pmr, 0, group0);
}

fn init(ctlr: u64, pmr: u64, group1: u64, group0: Group0) {
    // Enable = 0: a guest's access to ICC_SRE_EL1 traps. The register is not switched, and with SRE = 0 the
    // next vCPU of the core would have no CPU interface.
    r::icc_sre_el2::write(7);
    isb();
    r::icc_sre_el1::write(7);
    isb();
    r::icc_igrpen1::write(0);
    r::icc_ctlr::write(ctlr);
    r::icc_pmr::write(pmr);
    r::icc_bpr1::write(0);
    r::icc_ap1r0::write(0);
    r::ich_hcr::write(0);
    if group0 == Group0::Own {
        r::icc_igrpen0::write(0);
        r::icc_bpr0::write(0);
        r::icc_ap0r0::write(0);
        r::icc_igrpen0::write(1);
    }
    r::icc_igrpen1::write(group1);
    isb();
}

/// Gives a dedicated core's guest the interface as it is at reset: nothing active, Group 1 off.
pub fn reset_direct(pmr: u64) {
    r::icc_igrpen1::write(0);
    r::icc_ap1r0::write(0);
    r::icc_bpr1::write(0);
    r::icc_ctlr::write(0);
    r::icc_pmr::write(pmr);
    isb();
}

fn real(intid: u64) -> Option<u32> {
    let intid = (intid & 0xff_ffff) as u32;
    if intid < SPECIAL { Some(intid) } else { None }
}

/// Acknowledges the most urgent Group 0 interrupt.
pub fn acknowledge0() -> Option<u32> {
    let intid = r::icc_iar0::read();
    dsb_sy();
    real(intid)
}

/// Acknowledges the most urgent Group 1 interrupt.
pub fn acknowledge1() -> Option<u32> {
    let intid = r::icc_iar1::read();
    dsb_sy();
    real(intid)
}

/// Ends a Group 0 interrupt of EL2; deactivates it too where EOI only drops the priority.
pub fn end0(intid: u32) {
    r::icc_eoir0::write(u64::from(intid));
    if r::icc_ctlr::read() & EOI_MODE != 0 {
        r::icc_dir::write(u64::from(intid));
    }
    isb();
}

/// Drops the priority of a Group 1 interrupt, which stays active until its guest deactivates it.
pub fn drop1(intid: u32) {
    r::icc_eoir1::write(u64::from(intid));
    isb();
}

/// Deactivates an interrupt.
pub fn deactivate(intid: u32) {
    r::icc_dir::write(u64::from(intid));
    isb();
}

/// Calls EL2 on the core with the given affinity (`MPIDR_EL1` fields; `Aff0` below 16).
pub fn kick(mpidr: u64) {
    let value = target(KICK_SGI, mpidr);
    // What the other core is to see must be visible before it is called.
    dsb_sy();
    r::icc_sgi0r::write(value);
    isb();
}

/// As [`kick`], by a Group 1 SGI: only for a sliced core, where EL2 takes it.
pub fn kick_group1(sgi: u32, mpidr: u64) {
    let value = target(sgi, mpidr);
    dsb_sy();
    r::icc_sgi1r::write(value);
    isb();
}

/// Value of an SGI register for one target.
fn target(sgi: u32, mpidr: u64) -> u64 {
    let aff0 = mpidr & 0xf;
    let aff1 = (mpidr >> 8) & 0xff;
    let aff2 = (mpidr >> 16) & 0xff;
    let aff3 = (mpidr >> 32) & 0xff;
    (1 << aff0) | (aff1 << 16) | (u64::from(sgi) << 24) | (aff2 << 32) | (aff3 << 48)
}

/// Reads the list registers.
pub fn list_registers() -> [u64; 4] {
    [
        r::ich_lr0::read(),
        r::ich_lr1::read(),
        r::ich_lr2::read(),
        r::ich_lr3::read(),
    ]
}

/// Writes the list registers.
pub fn set_list_registers(lr: &[u64; 4]) {
    let [a, b, c, d] = *lr;
    r::ich_lr0::write(a);
    r::ich_lr1::write(b);
    r::ich_lr2::write(c);
    r::ich_lr3::write(d);
}

/// Writes one list register.
pub fn set_list_register(index: usize, value: u64) {
    match index {
        0 => r::ich_lr0::write(value),
        1 => r::ich_lr1::write(value),
        2 => r::ich_lr2::write(value),
        3 => r::ich_lr3::write(value),
        _ => {}
    }
}

/// Active interrupts in no list register that the guest has deactivated by ending them (`ICH_HCR_EL2.EOIcount`).
///
/// While `ICH_VMCR_EL2.VEOIM` is one an end does not deactivate and a deactivation traps, so none is counted:
/// Arm IHI 0069, "ICH_HCR_EL2", EOIcount. QEMU counts ends in this mode too.
pub fn ended_unlisted() -> u32 {
    const VEOIM: u64 = 1 << 9;
    if r::ich_vmcr::read() & VEOIM != 0 {
        return 0;
    }
    ((r::ich_hcr::read() >> 27) & 0x1f) as u32
}

/// Bits of the list registers that are free.
pub fn free_list_registers() -> u32 {
    (r::ich_elrsr::read() & 0xf) as u32
}

/// Asks for a maintenance interrupt when at most one list register is in use, or stops asking (`ICH_HCR_EL2.UIE`).
pub fn set_underflow(hcr: u64, wanted: Underflow) {
    r::ich_hcr::write(match wanted {
        Underflow::Wanted => hcr | 2,
        Underflow::Off => hcr & !2,
    });
}

/// Whether more interrupts wait than list registers hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Underflow {
    /// Refill when the list registers run empty.
    Wanted,
    /// Everything is in the list registers.
    Off,
}
