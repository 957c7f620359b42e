// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU virt (GICv3, SMMUv3, PL011) as a board.
//!
//! # References
//! QEMU, "hw/arm/virt.c", memory map.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::{Board, Uart};
use bulkhead_devices::block::Mmio;
use bulkhead_devices::pl011::{MmioPl011, Pl011, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct QemuVirt;

/// Its PL011.
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

impl Board for QemuVirt {
    const NAME: &'static str = "qemu-virt";
    const ID: u32 = 1;
    const UART: usize = 0x0900_0000;
    const SMMU: Option<usize> = Some(0x0905_0000);
    type Uart = BoardUart;

    fn uart() -> BoardUart {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: QEMU virt has a PL011 here (hw/arm/virt.c, VIRT_UART); its registers are 4-byte aligned, valid
        // for ever, and accessed only as volatile cells; every EL2 root that runs this maps them as Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        BoardUart(Pl011::new(Mmio::new(registers)))
    }
}
