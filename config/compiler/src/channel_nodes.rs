// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Channels in a partition's device tree: memory, role, and what the protocol needs. Implements: BH-CFG-012.

use bulkhead_model::channel::ChannelKind;
use bulkhead_model::system::System;
use dtoolkit::error::ModelError;

use crate::devicetree::Builder;
use crate::machine;

/// A size as one cell.
fn cell(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Nodes of the channels in which a partition has a role.
pub(crate) fn of(system: &System, index: usize) -> Result<Vec<Builder>, ModelError> {
    let memories = system.channel_memories();
    let placed: Vec<_> = memories.iter().zip(machine::channels(&memories)).collect();
    let mut nodes = Vec::new();
    for (number, channel) in system.channels.iter().enumerate() {
        let own = placed.iter().filter(|(memory, _)| memory.channel == number);
        let own = own.filter(|(memory, _)| memory.is_written_by(index).is_some());
        let ranges: Vec<(u64, u64)> = own.map(|(memory, base)| (*base, memory.size)).collect();
        let Some((base, _)) = ranges.first() else {
            continue;
        };
        let role = if channel.writer.value == index {
            "writer"
        } else {
            "reader"
        };
        let node = Builder::new(&format!("channel@{base:x}"))?
            .reg(&ranges)?
            .with("label", channel.name.value.as_str())?
            .with("bulkhead,role", role)?;
        nodes.push(match channel.kind {
            ChannelKind::Sampling { message } => node
                .with("compatible", "bulkhead,sampling-1")?
                .with("bulkhead,message-size", cell(message.value))?,
            ChannelKind::Queuing { message, depth, .. } => node
                .with("compatible", "bulkhead,queuing-1")?
                .with("bulkhead,message-size", cell(message.value))?
                .with("bulkhead,depth", depth.value)?,
            ChannelKind::Shared { .. } => node.with("compatible", "bulkhead,shared-1")?,
        });
    }
    Ok(nodes)
}
