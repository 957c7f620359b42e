// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The TI J721E as a board: GICv3 with two security states, SMMUv3, a UART of the 8250 family. Not run on hardware.
//! Implements: BH-BRD-004.
//!
//! # References
//! Linux, "arch/arm64/boot/dts/ti/k3-j721e-main.dtsi": `serial@2800000`, `iommu@36600000`.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::{Board, Gic};
use bulkhead_devices::block::Mmio;
use bulkhead_devices::uart8250::{MmioUart8250, Uart8250, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct TiJ721e;

impl Board for TiJ721e {
    const NAME: &'static str = "ti-j721e";
    const ID: u32 = 6;
    // Its main UART 0, the console of TI's boot loader.
    const UART: usize = 0x0280_0000;
    const SMMU: Option<usize> = Some(0x3660_0000);
    const GIC: Gic = Gic::V3NonSecure;
    type Uart = MmioUart8250;

    fn uart() -> MmioUart8250 {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: the J721E has its main UART 0 here (k3-j721e-main.dtsi, serial@2800000); its registers are 4-byte
        // aligned, valid for ever, and accessed only as volatile cells; every EL2 root that runs this maps them as
        // Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        Uart8250::new(Mmio::new(registers))
    }
}
