// SPDX-License-Identifier: Apache-2.0 OR MIT
//! template as a board: GICv3 with one security state, PL011, no SMMU.
//! Implements: BH-BRD-005.
//!
//! # References
//! QEMU, "hw/arm/virt.c", memory map.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::{Board, Gic};
use bulkhead_devices::block::Mmio;
use bulkhead_devices::pl011::{MmioPl011, Pl011, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct ThisBoard;

impl Board for ThisBoard {
    const NAME: &'static str = "template";
    const ID: u32 = 4095;
    // The UART that carries boot messages.
    const UART: usize = 0x0900_0000;
    // The SMMUv3, which EL2 closes before anything else.
    const SMMU: Option<usize> = None;
    const GIC: Gic = Gic::V3;
    type Uart = MmioPl011;

    fn uart() -> MmioPl011 {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: the board has a PL011 here (QEMU, hw/arm/virt.c, VIRT_UART); its registers are 4-byte aligned, valid
        // for ever, and accessed only as volatile cells; every EL2 root that runs this maps them as Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        Pl011::new(Mmio::new(registers))
    }
}
