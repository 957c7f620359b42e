// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU virt with 32 cores as a board: the devices of [`QemuVirt`] under a number of its own.
#![cfg_attr(target_arch = "aarch64", no_std)]

use bulkhead_board::Board;
use bulkhead_qemu_virt::QemuVirt;

/// The board.
#[derive(Clone, Copy, Debug)]
pub struct QemuVirt32;

impl Board for QemuVirt32 {
    const NAME: &'static str = "qemu-virt-32";
    const ID: u32 = 2;
    const UART: usize = QemuVirt::UART;
    const SMMU: Option<usize> = QemuVirt::SMMU;
    type Uart = <QemuVirt as Board>::Uart;

    fn uart() -> Self::Uart {
        QemuVirt::uart()
    }
}
