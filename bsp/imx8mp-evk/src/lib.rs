// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The NXP i.MX8MP EVK as a board: GICv3, i.MX UART; no SMMU.
//!
//! # References
//! Linux, "arch/arm64/boot/dts/freescale/imx8mp.dtsi": `serial@30890000`; QEMU, "hw/arm/fsl-imx8mp.c", memory map.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::Board;
use bulkhead_devices::block::Mmio;
use bulkhead_devices::imx_uart::{ImxUart, MmioImxUart, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct Imx8mpEvk;

impl Board for Imx8mpEvk {
    const NAME: &'static str = "imx8mp-evk";
    const ID: u32 = 5;
    // Its UART2, which the EVK's debug connector carries.
    const UART: usize = 0x3089_0000;
    const SMMU: Option<usize> = None;
    type Uart = MmioImxUart;

    fn uart() -> MmioImxUart {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: the i.MX8MP has its UART2 here (imx8mp.dtsi, serial@30890000); its registers are 4-byte aligned,
        // valid for ever, and accessed only as volatile cells; every EL2 root that runs this maps them as Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        ImxUart::new(Mmio::new(registers))
    }
}
