// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The typed model of how QEMU models a board.

use crate::boot::Firmware;
use crate::release::Release;
use crate::span::Spanned;

/// How QEMU models the board.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// The first release that models the board as it is used here; nothing where any will do.
    pub since: Option<Release>,
    /// Argument of `-M`.
    pub machine: String,
    /// Argument of `-cpu`; nothing where the machine has its own cores.
    pub cpu: Option<String>,
    /// Argument of `-smp`, where the machine has more cores than the board.
    pub cpus: Option<u32>,
    /// Which of the machine's serial lines is the board's UART, counted from 0.
    pub serial: u32,
    /// Who makes the board's device tree.
    pub device_tree: TreeMaker,
    /// Property of the machine for a device, by index into [`Board::devices`](crate::board::Board::devices); `{bus}` stands for the CAN bus.
    pub properties: Vec<(usize, Spanned<String>)>,
    /// Argument of `-device` for a device, by index into [`Board::devices`](crate::board::Board::devices); `{bus}` stands for the CAN bus.
    pub devices: Vec<(usize, Spanned<String>)>,
    /// Which of the machine's serial lines is a device, by index into [`Board::devices`](crate::board::Board::devices).
    pub serials: Vec<(usize, Spanned<u32>)>,
    /// Boot loader for runs from a medium.
    pub firmware: Option<Firmware>,
    /// Argument of `-device` for that medium; `{drive}` stands for the drive.
    pub disk: Option<String>,
    /// What deterministic runs change.
    pub deterministic: Deterministic,
}

/// Who makes the device tree that stands for the boot loader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeMaker {
    /// The emulated machine.
    Machine,
    /// The compiler, for a machine that makes none; the machine adds memory and PSCI.
    Compiler,
}

/// Further arguments of a deterministic run.
#[derive(Clone, Debug, Default)]
pub struct Deterministic {
    /// Properties of the machine.
    pub machine: Option<String>,
    /// Properties of the cores.
    pub cpu: Option<String>,
}
