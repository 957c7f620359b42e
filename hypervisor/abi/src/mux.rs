// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The serial multiplex: many consoles on one UART.
//!
//! A byte [`ESCAPE`] (which never occurs in UTF-8) is followed by one byte: a channel number, which all
//! following bytes belong to, or [`ESCAPE`] again for a literal `0xFE` byte of the current channel. Both
//! directions use the same rule. Before the first selection the channel is [`HYPERVISOR_TEXT`], so that the
//! output of a machine that never got as far as the multiplex is plain text on any terminal.

/// Introduces a channel selection or a literal byte of its own value.
pub const ESCAPE: u8 = 0xFE;
/// Channels below this number are the partitions' consoles, by partition index.
pub const PARTITION_CHANNELS: u8 = 0xF0;
/// EL2's boot messages, plain text.
pub const HYPERVISOR_TEXT: u8 = 0xF0;
/// EL2's run-time log: defmt frames (rzCOBS encoding, zero-terminated).
pub const HYPERVISOR_DEFMT: u8 = 0xF1;
