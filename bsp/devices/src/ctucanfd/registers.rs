// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers of the CTU CAN FD core and the words of a frame in its buffers.
//!
//! # References
//! CTU CAN FD IP Core Datasheet, "Register map" and "CAN FD frame format".

use tock_registers::register_bitfields;

pub(crate) const DEVICE_ID: usize = 0x00;
/// `MODE` in the low half, `SETTINGS` in the high half.
pub(crate) const MODE: usize = 0x04;
pub(crate) const STATUS: usize = 0x08;
pub(crate) const COMMAND: usize = 0x0c;
/// Write one to clear.
pub(crate) const INTERRUPT_STATUS: usize = 0x10;
/// Write one to set.
pub(crate) const INTERRUPT_ENABLE_SET: usize = 0x14;
pub(crate) const BIT_TIMING: usize = 0x24;
pub(crate) const RECEIVE_STATUS: usize = 0x68;
/// Each reading takes the next word of the receive FIFO.
pub(crate) const RECEIVE_DATA: usize = 0x6c;
/// Four bits a buffer, see [`buffer_state`].
pub(crate) const TRANSMIT_STATUS: usize = 0x70;
pub(crate) const TRANSMIT_COMMAND: usize = 0x74;
/// Four bits a buffer, of which three count.
pub(crate) const TRANSMIT_PRIORITY: usize = 0x78;
/// First word of the first transmit buffer.
pub(crate) const TRANSMIT_BUFFER: usize = 0x100;
/// Bytes from transmit buffer to transmit buffer.
pub(crate) const TRANSMIT_BUFFER_STRIDE: usize = 0x100;
/// Transmit buffers that a core can have.
pub(crate) const MAX_BUFFERS: u32 = 8;
/// Bytes of one core's registers with all transmit buffers.
pub(crate) const SIZE: usize = TRANSMIT_BUFFER + 8 * TRANSMIT_BUFFER_STRIDE;

/// What the core's identification field reads.
pub(crate) const DEVICE_ID_VALUE: u32 = 0xcafd;

/// States of a transmit buffer that the driver tells apart.
pub(crate) mod buffer_state {
    /// The core has no such buffer.
    pub(crate) const ABSENT: u32 = 0;
    /// Sent.
    pub(crate) const SENT: u32 = 4;
    /// Given up after the last retransmission.
    pub(crate) const FAILED: u32 = 6;
    /// Aborted.
    pub(crate) const ABORTED: u32 = 7;
    /// Never used.
    pub(crate) const EMPTY: u32 = 8;
}

register_bitfields! {
    u32,
    pub(crate) DeviceId [
        ID OFFSET(0) NUMBITS(16) [],
    ],
    pub(crate) Mode [
        RESET OFFSET(0) NUMBITS(1) [],
        /// The receive FIFO advances with each reading of its data register.
        AUTOMATIC_READ OFFSET(9) NUMBITS(1) [],
        ENABLE OFFSET(22) NUMBITS(1) [],
    ],
    pub(crate) Status [
        DATA_OVERRUN OFFSET(1) NUMBITS(1) [],
    ],
    pub(crate) Command [
        RELEASE_RECEIVE_BUFFER OFFSET(2) NUMBITS(1) [],
        CLEAR_DATA_OVERRUN OFFSET(3) NUMBITS(1) [],
    ],
    pub(crate) Interrupt [
        DATA_OVERRUN OFFSET(3) NUMBITS(1) [],
        RECEIVE_NOT_EMPTY OFFSET(10) NUMBITS(1) [],
    ],
    pub(crate) BitTiming [
        PROPAGATION OFFSET(0) NUMBITS(7) [],
        PHASE1 OFFSET(7) NUMBITS(6) [],
        PHASE2 OFFSET(13) NUMBITS(6) [],
        PRESCALER OFFSET(19) NUMBITS(8) [],
        JUMP_WIDTH OFFSET(27) NUMBITS(5) [],
    ],
    pub(crate) ReceiveStatus [
        EMPTY OFFSET(0) NUMBITS(1) [],
    ],
    pub(crate) TransmitCommand [
        SET_READY OFFSET(1) NUMBITS(1) [],
        BUFFERS OFFSET(8) NUMBITS(8) [],
    ],
    pub(crate) FrameFormat [
        DATA_LENGTH_CODE OFFSET(0) NUMBITS(4) [],
        REMOTE OFFSET(5) NUMBITS(1) [],
        EXTENDED OFFSET(6) NUMBITS(1) [],
        FLEXIBLE_DATA_RATE OFFSET(7) NUMBITS(1) [],
        /// Words that follow the frame format word in the receive FIFO.
        WORDS OFFSET(11) NUMBITS(5) [],
    ],
    pub(crate) Identifier [
        EXTENSION OFFSET(0) NUMBITS(18) [],
        BASE OFFSET(18) NUMBITS(11) [],
        /// Base and extension: a 29-bit identifier.
        WHOLE OFFSET(0) NUMBITS(29) [],
    ],
}
