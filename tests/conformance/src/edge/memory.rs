// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The suite's translation tables and the device tree.

use bulkhead_partition::machine::Range;
use bulkhead_partition::translation::{Map, MapError, PAGE, Table, Use};
use fdt::Fdt;

use super::entry;
use crate::board::Board;

/// Enough for RAM, GIC, UART, `edu` and window.
const TABLES: usize = 14;
#[unsafe(export_name = "conformance_tables")]
static MAP: [Table; TABLES] = [const { Table::empty() }; TABLES];

unsafe extern "C" {
    safe static __text_start: u8;
    safe static __text_end: u8;
    safe static __rodata_end: u8;
    safe static __data_end: u8;
    safe static __stack_start: u8;
    safe static __stack_end: u8;
    safe static __second_stack_start: u8;
    safe static __second_stack_end: u8;
}

fn address(symbol: &u8) -> u64 {
    // Lossless: both are 64 bits wide on this target.
    core::ptr::from_ref(symbol).addr() as u64
}

/// The device tree at the address that the suite was started with.
pub(super) fn device_tree(start: usize) -> Option<Fdt<'static>> {
    if start == 0 || !start.is_multiple_of(8) {
        return None;
    }
    // SAFETY: the boot protocol promises a device tree at this address, which lies in RAM that nothing else
    // uses; the parser checks its magic and stays within the size that it states.
    unsafe { Fdt::from_ptr(core::ptr::with_exposed_provenance(start)) }.ok()
}

/// Builds the tables, MMU off.
#[unsafe(export_name = "conformance_build_map")]
extern "C" fn build(start: usize) {
    let board = device_tree(start).and_then(|tree| Board::parse(&tree));
    if board.is_none_or(|board| map(&board).is_err()) {
        entry::stop();
    }
}

fn map(board: &Board) -> Result<(), MapError> {
    let root = core::ptr::from_ref(&MAP).addr() as u64;
    let mut map = Map::new(&MAP, root);
    let ram = board.machine.ram;
    map.map(ram.start, address(&__text_start), Use::Data)?;
    map.map(address(&__text_start), address(&__text_end), Use::Code)?;
    map.map(address(&__text_end), address(&__rodata_end), Use::Constants)?;
    map.map(address(&__rodata_end), address(&__data_end), Use::Data)?;
    // The pages before the stacks stay unmapped.
    map.map(address(&__stack_start), address(&__stack_end), Use::Data)?;
    map.map(
        address(&__second_stack_start),
        address(&__second_stack_end),
        Use::Data,
    )?;
    map.map(address(&__second_stack_end), ram.start + ram.size, Use::Data)?;
    let mut outside = |range: Range, use_| {
        let end = (range.start + range.size).next_multiple_of(PAGE);
        map.map(range.start, end, use_)
    };
    outside(board.machine.distributor, Use::Device)?;
    outside(board.redistributors, Use::Device)?;
    if let Some((window, _)) = board.machine.window {
        outside(window, Use::Data)?;
    }
    if let Some(edu) = board.machine.edu {
        outside(edu, Use::Device)?;
    }
    if let Some(uart) = board.uart {
        outside(uart, Use::Device)?;
    }
    Ok(())
}
