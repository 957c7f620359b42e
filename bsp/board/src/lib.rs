// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 needs to know of a board at compile time.
//!
//! A board is a binary over the generic boot and run-time libraries: it implements [`Board`] and links.
//! Everything else about a board is data in the blob, which the two addresses here must match.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod uarts;

/// A serial port as EL2 uses it: polled, one byte at a time.
pub trait Uart {
    /// Makes it ready to transmit and receive, whatever firmware left; the baud rate stays.
    ///
    /// # Timing
    /// Bounded by the implementation.
    fn enable(&mut self);

    /// Hands one byte to the transmitter; `false` when it has no room, and nothing was sent.
    ///
    /// # Timing
    /// A few register accesses, no wait.
    fn try_put(&mut self, byte: u8) -> bool;

    /// Takes one received byte, if there is one.
    ///
    /// # Timing
    /// A few register accesses, no wait.
    fn get(&mut self) -> Option<u8>;
}

/// The interrupt controller of a board.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gic {
    /// GICv3 with one security state: its CPU interfaces are system registers.
    V3,
    /// GICv3 with two security states: Group 0 is the firmware's, so that EL2 has no interrupt of its own on dedicated
    /// cores and reaches them by revocation only.
    V3NonSecure,
    /// GICv2: its interfaces are memory-mapped and banked by core.
    V2 {
        /// Base address of the CPU interface (GICC), 8 KiB.
        cpu: usize,
        /// Base address of the virtual interface control (GICH), 4 KiB.
        control: usize,
    },
}

/// A board.
pub trait Board {
    /// Name, as in its board file.
    const NAME: &'static str;
    /// Number, the `id` of its board file.
    const ID: u32;
    /// Base address of the UART that carries boot messages, before any blob is verified.
    const UART: usize;
    /// Base address of the SMMUv3, which is closed before any blob is verified.
    const SMMU: Option<usize>;
    /// Its interrupt controller.
    const GIC: Gic = Gic::V3;
    /// Its UART's driver.
    type Uart: Uart;

    /// The UART at [`Board::UART`], as firmware left it.
    fn uart() -> Self::Uart;
}
