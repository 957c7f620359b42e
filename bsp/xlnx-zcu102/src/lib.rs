// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AMD (Xilinx) ZCU102 as a board: GIC-400, Cadence UART.
//!
//! Its SMMU is an MMU-500, which EL2 does not drive.
//!
//! # References
//! AMD UG1085 (Zynq UltraScale+ TRM), "System Addresses"; Linux, "arch/arm64/boot/dts/xilinx/zynqmp.dtsi".
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::{Board, Gic};
use bulkhead_devices::block::Mmio;
use bulkhead_devices::cadence_uart::{CadenceUart, MmioCadenceUart, WORDS};

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct XlnxZcu102;

impl Board for XlnxZcu102 {
    const NAME: &'static str = "xlnx-zcu102";
    const ID: u32 = 7;
    // Its UART 0.
    const UART: usize = 0xff00_0000;
    const SMMU: Option<usize> = None;
    // The pages of the GIC-400 lie 64 KiB apart and repeat in between: the last copy of the CPU interface's first page
    // and the first copy of its second are neighbours.
    const GIC: Gic = Gic::V2 {
        cpu: 0xf902_f000,
        control: 0xf904_0000,
    };
    type Uart = MmioCadenceUart;

    fn uart() -> MmioCadenceUart {
        let registers = core::ptr::with_exposed_provenance(Self::UART);
        // SAFETY: the SoC has UART 0 here (UG1085, "System Addresses"); its registers are 4-byte aligned, valid for
        // ever, and accessed only as volatile cells; every EL2 root that runs this maps them as Device.
        let registers: &'static [_; WORDS] = unsafe { &*registers };
        CadenceUart::new(Mmio::new(registers))
    }
}
