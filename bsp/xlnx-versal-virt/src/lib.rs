// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU's Xilinx Versal as a board: GICv3 with two security states, PL011; no SMMU is modelled.
//!
//! # References
//! QEMU, "include/hw/arm/xlnx-versal.h", memory map: `MM_UART0`.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::{Board, Gic};
use bulkhead_devices::block::Mmio;
use bulkhead_devices::pl011::{MmioPl011, Pl011, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct XlnxVersalVirt;

impl Board for XlnxVersalVirt {
    const NAME: &'static str = "xlnx-versal-virt";
    const ID: u32 = 4;
    // Its first PL011.
    const UART: usize = 0xff00_0000;
    const SMMU: Option<usize> = None;
    const GIC: Gic = Gic::V3NonSecure;
    type Uart = MmioPl011;

    fn uart() -> MmioPl011 {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: the Versal has a PL011 here (xlnx-versal.h, MM_UART0); its registers are 4-byte aligned, valid for
        // ever, and accessed only as volatile cells; every EL2 root that runs this maps them as Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        Pl011::new(Mmio::new(registers))
    }
}
