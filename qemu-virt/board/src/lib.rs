// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU virt (GICv3, SMMUv3, PL011) as a board.
//!
//! # References
//! QEMU, "hw/arm/virt.c", memory map.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::Board;
use bulkhead_devices::block::Mmio;
use bulkhead_devices::pl011::{MmioPl011, Pl011, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct QemuVirt;

impl Board for QemuVirt {
    const NAME: &'static str = "qemu-virt";
    const ID: u32 = 1;
    // Its PL011.
    const UART: usize = 0x0900_0000;
    const SMMU: Option<usize> = Some(0x0905_0000);
    type Uart = MmioPl011;

    fn uart() -> MmioPl011 {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: QEMU virt has a PL011 here (hw/arm/virt.c, VIRT_UART); its registers are 4-byte aligned, valid
        // for ever, and accessed only as volatile cells; every EL2 root that runs this maps them as Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        Pl011::new(Mmio::new(registers))
    }
}
