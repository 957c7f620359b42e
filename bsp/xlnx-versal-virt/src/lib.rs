// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU's Xilinx Versal as a board: GICv3 with two security states, PL011; no SMMU is modelled.
//!
//! # References
//! QEMU, "include/hw/arm/xlnx-versal.h", memory map: `MM_UART0`.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::{Board, Gic, Uart};
use bulkhead_devices::block::Mmio;
use bulkhead_devices::pl011::{MmioPl011, Pl011, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct XlnxVersalVirt;

/// Its first PL011.
pub struct BoardUart(MmioPl011);

/// Readings for which a byte on its way may keep the UART busy.
const BUSY_POLLS: u32 = 1_000_000;

impl Uart for BoardUart {
    fn enable(&mut self) {
        // A UART that stays busy is used as it is.
        let _ = self.0.enable(BUSY_POLLS);
    }

    fn try_put(&mut self, byte: u8) -> bool {
        self.0.try_write(byte)
    }

    fn get(&mut self) -> Option<u8> {
        self.0.read()
    }
}

impl Board for XlnxVersalVirt {
    const NAME: &'static str = "xlnx-versal-virt";
    const ID: u32 = 4;
    const UART: usize = 0xff00_0000;
    const SMMU: Option<usize> = None;
    const GIC: Gic = Gic::V3NonSecure;
    type Uart = BoardUart;

    fn uart() -> BoardUart {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: the Versal has a PL011 here (xlnx-versal.h, MM_UART0); its registers are 4-byte aligned, valid for
        // ever, and accessed only as volatile cells; every EL2 root that runs this maps them as Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        BoardUart(Pl011::new(Mmio::new(registers)))
    }
}
