// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The serial multiplex of [`bulkhead_abi::mux`]: encoder and decoder, for both ends of the line.

use bulkhead_abi::mux::{ESCAPE, HYPERVISOR_DEFMT, HYPERVISOR_TEXT, PARTITION_CHANNELS};

/// A channel number that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Channel(u8);

impl Channel {
    /// EL2's boot messages.
    pub const TEXT: Self = Self(HYPERVISOR_TEXT);
    /// EL2's run-time log.
    pub const DEFMT: Self = Self(HYPERVISOR_DEFMT);

    /// Any number but [`ESCAPE`].
    pub const fn new(number: u8) -> Option<Self> {
        if number == ESCAPE {
            None
        } else {
            Some(Self(number))
        }
    }

    /// The console of a partition, by partition index.
    pub fn partition(index: u32) -> Option<Self> {
        let number = u8::try_from(index).ok()?;
        if number < PARTITION_CHANNELS {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// One to four bytes for the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    bytes: [u8; 4],
    length: usize,
}

impl Encoded {
    /// The bytes, in order.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

/// The sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    selected: Option<Channel>,
}

impl Encoder {
    /// At the begin of the line, when [`Channel::TEXT`] is selected.
    pub const fn new() -> Self {
        Self {
            selected: Some(Channel::TEXT),
        }
    }

    /// For a line that others have used: the next byte selects its channel anew.
    pub const fn resumed() -> Self {
        Self { selected: None }
    }

    /// When channel `number` is selected, or none with [`ESCAPE`].
    pub(crate) const fn on(number: u8) -> Self {
        Self {
            selected: Channel::new(number),
        }
    }

    /// The channel that is selected, if that is known.
    pub(crate) const fn selected(self) -> Option<Channel> {
        self.selected
    }

    /// Encodes a byte of a channel.
    ///
    /// Implements: BH-CON-002.
    #[inline]
    pub fn push(&mut self, channel: Channel, byte: u8) -> Encoded {
        let select = self.selected != Some(channel);
        self.selected = Some(channel);
        let (bytes, length) = match (select, byte == ESCAPE) {
            (false, false) => ([byte, 0, 0, 0], 1),
            (false, true) => ([ESCAPE, ESCAPE, 0, 0], 2),
            (true, false) => ([ESCAPE, channel.0, byte, 0], 3),
            (true, true) => ([ESCAPE, channel.0, ESCAPE, ESCAPE], 4),
        };
        Encoded { bytes, length }
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The receiving side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    channel: Channel,
    escaped: bool,
}

impl Decoder {
    /// At the begin of the line.
    pub const fn new() -> Self {
        Self {
            channel: Channel::TEXT,
            escaped: false,
        }
    }

    /// In the middle of the line, as [`Decoder::state`] says.
    pub(crate) const fn at(channel: u8, escaped: bool) -> Self {
        Self {
            channel: Channel(channel),
            escaped,
        }
    }

    /// The channel that is selected, and whether an escape is half read.
    pub(crate) const fn state(self) -> (Channel, bool) {
        (self.channel, self.escaped)
    }

    /// Takes a byte from the line; returns the byte of a channel that it completes, if it does.
    #[inline]
    pub fn push(&mut self, byte: u8) -> Option<(Channel, u8)> {
        if self.escaped {
            self.escaped = false;
            match Channel::new(byte) {
                Some(channel) => {
                    self.channel = channel;
                    None
                }
                None => Some((self.channel, ESCAPE)),
            }
        } else if byte == ESCAPE {
            self.escaped = true;
            None
        } else {
            Some((self.channel, byte))
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}
