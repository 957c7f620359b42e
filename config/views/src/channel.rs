// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Channels in words.

use bulkhead_model::channel::{Channel, ChannelKind, Overflow};

use crate::words::size;

/// What a channel carries.
pub(crate) fn carries(channel: &Channel) -> String {
    match channel.kind {
        ChannelKind::Sampling { message } => format!("last value of {} bytes", message.value),
        ChannelKind::Queuing {
            message,
            depth,
            overflow,
        } => {
            let full = match overflow.value {
                Overflow::DropOldest => "drops the oldest",
                Overflow::Refuse => "refuses",
            };
            format!(
                "queue of {} messages of {} bytes that {full} when full",
                depth.value, message.value
            )
        }
        ChannelKind::Shared { size: bytes } => format!("{} without protocol", size(bytes.value)),
    }
}
