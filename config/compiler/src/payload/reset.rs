// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device resets: the register writes and bounded polls that the loader does before each start of a partition.
//!
//! # References
//! CTU CAN FD IP core datasheet, "Control registers memory region", register MODE.
//! Bosch M_CAN User's Manual 3.3.0, "CC Control Register", "Interrupt Enable".
//! AMD UG1087 ("Zynq UltraScale+ Device Register Reference"), modules "CAN", "GEM", "ZDMA"; PG223, "Status Register".
//! SD Host Controller Simplified Specification, "Software Reset Register".
//! Virtio 1.2, "Common configuration structure layout", "Device Status Field".
//! i.MX 8M Plus reference manual, "System Control (SYS_CTRL)" of the uSDHC, "Reset Register (RESET)" of the SDMA,
//! "UART Control Register 2 (UART_UCR2)", "UART Test Register (UART_UTS)".
//! Arm DDI 0183, "Summary of registers". UG1087, module "UART". TI TL16C550C, "Principles of operation".

use bulkhead_model::board::DeviceKind;
use bulkhead_model::reset::{ResetAction, ResetStep, TRIES};
use bulkhead_types::image::Range;
use bulkhead_types::load::{Step, step};

use super::area::Registers;

/// Offset of the MODE register of a CTU CAN FD core; bit 0 (RST) resets the core and clears itself.
const CTUCANFD_MODE: u64 = 0x4;
/// Distance of the two cores of the PCI card.
const CTUCANFD_STRIDE: u64 = 0x4000;
/// Offset of the status register of a Xilinx CAN controller; bit 0 (CONFIG) is set after a reset.
const XILINX_CAN_STATUS: u64 = 0x18;
/// Offsets of `CCCR`, whose bit 0 (INIT) is set after a reset, and of `IE` of an M_CAN.
const M_CAN_CONTROL: u64 = 0x18;
const M_CAN_INTERRUPT_ENABLE: u64 = 0x54;
/// Offsets of `network_control` and `int_disable` of a GEM. Without receive and transmit enable nothing is transferred.
const GEM_CONTROL: u64 = 0x0;
const GEM_INT_DISABLE: u64 = 0x2c;
const GEM_INTERRUPTS: u64 = 0x3fff_ffff;
/// Offsets of `ZDMA_CH_IDS` and `ZDMA_CH_CTRL2` of a DMA channel; bit 0 (EN) begins a transfer.
const ZDMA_INT_DISABLE: u64 = 0x10c;
const ZDMA_INTERRUPTS: u64 = 0xfff;
const ZDMA_CONTROL: u64 = 0x200;
/// Offset of the word of an SD host controller with the reset of all of it, which clears itself.
const SDHCI_CLOCK_AND_RESET: u64 = 0x2c;
const SDHCI_RESET_ALL: u64 = 1 << 24;
/// Offset of the reset register of an SDMA; bit 0 (RESET) clears itself.
const SDMA_RESET: u64 = 0x24;
/// Offset of the word of a virtio function's common configuration whose first byte is `device_status`: it resets at 0, and
/// reads so when it has. The rest of the word is `config_generation`, which is only read, and `queue_select`.
const VIRTIO_STATUS: u64 = 0x14;
const VIRTIO_STATUS_BYTE: u64 = 0xff;

/// Offsets of `UARTCR`, `UARTIMSC` and `UARTICR` of a PL011.
const PL011_CONTROL: u64 = 0x30;
const PL011_MASK: u64 = 0x38;
const PL011_CLEAR: u64 = 0x44;
const PL011_INTERRUPTS: u64 = 0x7ff;
/// Offsets of `UCR1`, `UCR2` and `UTS` of an i.MX UART: a zero in bit 0 of `UCR2` resets it, bit 0 of `UTS` says as long as it does.
const IMX_UART_CONTROL_1: u64 = 0x80;
const IMX_UART_CONTROL_2: u64 = 0x84;
const IMX_UART_TEST: u64 = 0xb4;
/// Offsets of interrupt enable, FIFO control, line control and modem control of an 8250 with 32-bit registers.
const UART_8250_INTERRUPTS: u64 = 0x4;
const UART_8250_FIFO: u64 = 0x8;
const UART_8250_LINE: u64 = 0xc;
const UART_8250_MODEM: u64 = 0x10;
/// FIFOs on and emptied; eight bits, the divisor latch closed.
const UART_8250_EMPTY: u64 = 0x7;
const UART_8250_EIGHT_BITS: u64 = 0x3;
/// Offsets of control and interrupt disable of a Cadence UART: both directions off, and resets that clear themselves.
const CADENCE_UART_CONTROL: u64 = 0x0;
const CADENCE_UART_OFF_AND_RESET: u64 = 0x2b;
const CADENCE_UART_RESETS: u64 = 0x3;
const CADENCE_UART_INT_DISABLE: u64 = 0xc;
const CADENCE_UART_INTERRUPTS: u64 = 0x1fff;

fn write(target: u64, value: u64) -> Step {
    Step {
        kind: step::WRITE32,
        target,
        source: value,
        size: 0,
    }
}

/// Until the bits of `mask` read as `value`.
fn poll(target: u64, mask: u64, value: u64) -> Step {
    poll_at_most(target, mask, value, TRIES)
}

fn poll_at_most(target: u64, mask: u64, value: u64, tries: u32) -> Step {
    Step {
        kind: step::POLL32,
        target,
        source: mask | value << 32,
        size: tries.into(),
    }
}

/// A step of a board file.
fn written(blocks: &[Range], step: &ResetStep) -> Step {
    // The rule `board/reset` holds: the block exists.
    let base = blocks.get(step.block.value).map_or(0, |block| block.start);
    let target = base + u64::from(step.offset.value);
    match step.action {
        ResetAction::Write(value) => write(target, value.into()),
        ResetAction::Poll { mask, until, tries } => {
            poll_at_most(target, mask.into(), until.value.into(), tries)
        }
    }
}

/// Steps that bring a device into its reset state: those of the board file, else those of its kind; a bus master
/// transfers nothing afterwards. Implements: BH-CFG-171, BH-CFG-221.
pub(super) fn steps(registers: &Registers) -> Vec<Step> {
    if let Some(recipe) = &registers.recipe {
        return recipe
            .iter()
            .map(|step| written(&registers.blocks, step))
            .collect();
    }
    // Kinds have all their registers for this in the first block.
    let Some(Range { start: base, end }) = registers.blocks.first().copied() else {
        return Vec::new();
    };
    match registers.kind {
        DeviceKind::CtuCanFd => (0..2)
            .map(|core| base + core * CTUCANFD_STRIDE + CTUCANFD_MODE)
            .filter(|mode| mode + 4 <= end)
            .flat_map(|mode| [write(mode, 1), poll(mode, 1, 0)])
            .collect(),
        DeviceKind::XilinxCan | DeviceKind::XilinxCanFd => {
            vec![write(base, 1), poll(base + XILINX_CAN_STATUS, 1, 1)]
        }
        DeviceKind::XilinxGem => vec![
            write(base + GEM_CONTROL, 0),
            write(base + GEM_INT_DISABLE, GEM_INTERRUPTS),
        ],
        DeviceKind::XilinxDma => vec![
            write(base + ZDMA_INT_DISABLE, ZDMA_INTERRUPTS),
            write(base + ZDMA_CONTROL, 0),
        ],
        DeviceKind::XilinxSdhci | DeviceKind::ImxUsdhc => vec![
            write(base + SDHCI_CLOCK_AND_RESET, SDHCI_RESET_ALL),
            poll(base + SDHCI_CLOCK_AND_RESET, SDHCI_RESET_ALL, 0),
        ],
        DeviceKind::ImxSdma => vec![write(base + SDMA_RESET, 1), poll(base + SDMA_RESET, 1, 0)],
        DeviceKind::VirtioPci => vec![
            write(base + VIRTIO_STATUS, 0),
            poll(base + VIRTIO_STATUS, VIRTIO_STATUS_BYTE, 0),
        ],
        // Initialisation stops all traffic; the driver does the rest.
        DeviceKind::MCan => vec![
            write(base + M_CAN_CONTROL, 1),
            poll(base + M_CAN_CONTROL, 1, 1),
            write(base + M_CAN_INTERRUPT_ENABLE, 0),
        ],
        DeviceKind::Pl011 => vec![
            write(base + PL011_CONTROL, 0),
            write(base + PL011_MASK, 0),
            write(base + PL011_CLEAR, PL011_INTERRUPTS),
        ],
        DeviceKind::ImxUart => vec![
            write(base + IMX_UART_CONTROL_1, 0),
            write(base + IMX_UART_CONTROL_2, 0),
            poll(base + IMX_UART_TEST, 1, 0),
        ],
        DeviceKind::Uart8250 => vec![
            write(base + UART_8250_LINE, UART_8250_EIGHT_BITS),
            write(base + UART_8250_INTERRUPTS, 0),
            write(base + UART_8250_FIFO, UART_8250_EMPTY),
            write(base + UART_8250_MODEM, 0),
        ],
        DeviceKind::CadenceUart => vec![
            write(base + CADENCE_UART_INT_DISABLE, CADENCE_UART_INTERRUPTS),
            write(base + CADENCE_UART_CONTROL, CADENCE_UART_OFF_AND_RESET),
            poll(base + CADENCE_UART_CONTROL, CADENCE_UART_RESETS, 0),
        ],
        // No partition owns a watchdog; of an `other` device nothing is known.
        DeviceKind::Edu | DeviceKind::I6300Esb | DeviceKind::Other => Vec::new(),
    }
}
