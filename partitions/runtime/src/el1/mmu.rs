// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition's own translation: what the linker script and the device tree name, nothing else.

use super::{fault, shared};
use crate::machine::{ChannelKind, Machine, Range, Role};
use crate::translation::{Map, MapError, PAGE, Table, Use};

/// Enough for RAM, GIC, window, channels and devices.
const TABLES: usize = 20;
static MAP: [Table; TABLES] = [const { Table::empty() }; TABLES];

unsafe extern "C" {
    safe static __text_start: u8;
    safe static __text_end: u8;
    safe static __rodata_end: u8;
    safe static __data_end: u8;
    safe static __stack_start: u8;
    safe static __fault_stack_end: u8;
}

fn address(symbol: &u8) -> u64 {
    // Lossless: both are 64 bits wide on this target.
    core::ptr::from_ref(symbol).addr() as u64
}

/// Builds the tables, MMU off, and returns the root's address for `TTBR0_EL1`.
#[unsafe(export_name = "partition_build_map")]
extern "C" fn build(device_tree: usize) -> u64 {
    let machine = shared::device_tree(device_tree).and_then(|tree| Machine::parse(&tree).ok());
    let root = core::ptr::from_ref(&MAP).addr() as u64;
    match machine.map(|machine| map(&machine, root)) {
        Some(Ok(())) => root,
        Some(Err(_)) | None => fault::stop(),
    }
}

fn map(machine: &Machine<'_>, root: u64) -> Result<(), MapError> {
    let mut map = Map::new(&MAP, root);
    let ram_end = machine.ram.start + machine.ram.size;
    map.map(machine.ram.start, address(&__text_start), Use::Data)?;
    map.map(address(&__text_start), address(&__text_end), Use::Code)?;
    map.map(address(&__text_end), address(&__rodata_end), Use::Constants)?;
    map.map(address(&__rodata_end), address(&__data_end), Use::Data)?;
    // The page before the stack stays unmapped.
    map.map(address(&__stack_start), address(&__fault_stack_end), Use::Data)?;
    map.map(address(&__fault_stack_end), ram_end, Use::Data)?;
    let mut shared = |range: Range, use_| {
        map.map(
            range.start,
            (range.start + range.size).next_multiple_of(PAGE),
            use_,
        )
    };
    shared(machine.distributor, Use::Device)?;
    shared(machine.gic.others(), Use::Device)?;
    if let Some((window, _)) = machine.window {
        shared(window, Use::Data)?;
    }
    for channel in &machine.channels {
        let (own, other) = match channel.role {
            Role::Writer => (Use::Channel, Use::ChannelReader),
            Role::Reader => (Use::ChannelReader, Use::Channel),
        };
        shared(channel.range, own)?;
        if let ChannelKind::Queuing {
            reader: Some(reader), ..
        } = channel.kind
        {
            shared(reader, other)?;
        }
    }
    for lock in &machine.locks {
        shared(lock.range, Use::Channel)?;
    }
    for can in &machine.cans {
        shared(can.range, Use::Device)?;
    }
    if let Some(virtio) = machine.virtio {
        shared(virtio, Use::Device)?;
    }
    Ok(())
}
