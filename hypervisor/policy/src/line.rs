// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The line to the host as it stands between two steps of the console drainer: what was multiplexed and not sent yet, and
//! the channels that both directions are on.
//!
//! It is kept as one word that a step replaces as a whole when it ends. So the core that carries the drainer on when
//! another one failed finds either what the last step left, or, when it failed in the middle of one, the word from
//! before that step. What has gone over the line since then nobody knows: [`Line::broken_off`] begins anew.

use bulkhead_abi::mux::ESCAPE;

use crate::mux::{Channel, Decoder, Encoder};

/// State of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    encoder: Encoder,
    decoder: Decoder,
    /// Bytes to send, the first in the lowest byte.
    queue: u32,
    /// How many these are, at most four.
    waiting: u8,
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    /// A line that others have used, to its last byte.
    pub const fn new() -> Self {
        Self {
            encoder: Encoder::resumed(),
            decoder: Decoder::new(),
            queue: 0,
            waiting: 0,
        }
    }

    /// A line on which the last step broke off after any of its bytes, as the first byte of an escape.
    ///
    /// It sends a zero, then selects channel 0. After an escape the zero selects that channel already and nothing more
    /// is shown; else it is a byte of EL2's, in the console that was selected. Either way what follows belongs to the
    /// channel that it names, and what of the broken step was not sent is lost. Input belongs to nobody until the host
    /// selects a channel, which it does before whatever a person types; only a literal [`ESCAPE`] of which the failed core
    /// read one half, and no text has one, is taken for such a selection. Implements: BH-CON-006.
    pub const fn broken_off() -> Self {
        Self {
            encoder: Encoder::on(0),
            queue: u32::from_le_bytes([0, ESCAPE, 0, 0]),
            waiting: 3,
            ..Self::new()
        }
    }

    /// The line as a word.
    pub const fn bits(self) -> u64 {
        let [a, b, c, d] = self.queue.to_le_bytes();
        let (channel, escaped) = self.decoder.state();
        let escaped = if escaped { 1 } else { 0 };
        let selected = match self.encoder.selected() {
            Some(channel) => channel.number(),
            None => ESCAPE,
        };
        u64::from_le_bytes([a, b, c, d, self.waiting, selected, channel.number(), escaped])
    }

    /// The line of a word that [`Line::bits`] gave.
    pub const fn from_bits(bits: u64) -> Self {
        let [a, b, c, d, waiting, selected, channel, escaped] = bits.to_le_bytes();
        Self {
            encoder: Encoder::on(selected),
            decoder: Decoder::at(channel, escaped != 0),
            queue: u32::from_le_bytes([a, b, c, d]),
            waiting,
        }
    }

    /// Queues a byte of a channel; nothing may wait.
    pub fn push(&mut self, channel: Channel, byte: u8) {
        let encoded = self.encoder.push(channel, byte);
        for (byte, shift) in encoded.as_slice().iter().zip([0, 8, 16, 24]) {
            self.queue |= u32::from(*byte) << shift;
            self.waiting = self.waiting.wrapping_add(1);
        }
    }

    /// The byte that is to be sent next.
    pub const fn front(&self) -> Option<u8> {
        let [byte, ..] = self.queue.to_le_bytes();
        if self.waiting == 0 { None } else { Some(byte) }
    }

    /// The byte that [`Line::front`] gave was sent.
    pub const fn sent(&mut self) {
        self.queue >>= 8;
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Takes a byte that was received; the byte of a channel that it completes, if it does.
    pub fn receive(&mut self, byte: u8) -> Option<(Channel, u8)> {
        self.decoder.push(byte)
    }
}
