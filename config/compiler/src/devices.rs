// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Assigned devices: who owns which function, and where its BARs lie.
//!
//! BARs are aligned to 64 KiB at least, so that no two owners share a page of any granule.

use std::collections::BTreeSet;

use bulkhead_model::board::{Board, Controller, Pcie, Registers};
use bulkhead_model::span::Span;
use bulkhead_model::system::System;
use bulkhead_types::blob::PAGE;
use bulkhead_types::image::Range;

use crate::access::{Grant, Root};
use crate::layout::{LayoutError, MemoryMap, Zone};
use crate::machine;
use crate::units::page_up;

/// Smallest alignment of a BAR.
const BAR_ALIGN: u64 = 0x1_0000;

/// A device with its owner.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Index into the board's devices.
    pub device: usize,
    /// Index of its owner.
    pub partition: usize,
    /// Its BARs.
    pub bars: [Option<Range>; 6],
    /// The registers that the owner reaches: at least one block, in the order of the board file.
    pub registers: Vec<Range>,
}

/// EL2's watchdog.
#[derive(Clone, Debug)]
pub struct OwnWatchdog {
    /// Index into the board's devices.
    pub device: usize,
    /// Its BARs.
    pub bars: [Option<Range>; 6],
    /// The page with its registers, EL2's alone.
    pub page: Range,
}

/// The devices of a system.
#[derive(Clone, Debug)]
pub struct Devices {
    /// Those of partitions.
    pub assigned: Vec<Assigned>,
    /// EL2's watchdog, when the system uses it.
    pub watchdog: Option<OwnWatchdog>,
}

/// Why a device cannot be assigned.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeviceError {
    /// The board has no PCIe host bridge.
    #[error("device {device} is a PCI function, but the board file has no `pcie`")]
    NoPcie {
        /// Device.
        device: String,
        /// Where the partition claims it.
        span: Span,
    },
    /// The BAR with the registers has no size.
    #[error("device {device}: its register BAR {bar} does not exist")]
    NoRegisters {
        /// Device.
        device: String,
        /// Number of the BAR.
        bar: usize,
        /// Where the partition claims it.
        span: Span,
    },
    /// A guest would find the device's interrupt on its emulated UART.
    #[error("device {device}: interrupt {intid} is that of the partition's emulated UART")]
    UartInterrupt {
        /// Device.
        device: String,
        /// INTID.
        intid: u32,
        /// Where the partition claims it.
        span: Span,
        /// Where the partition has its console.
        console: Span,
    },
    /// The partition sees something else where the registers are.
    #[error("{what}: its partition sees {other} at its addresses {start:#x}-{end:#x}", start = .at.start, end = .at.end)]
    Occupied {
        /// Index of the device.
        device: usize,
        /// Index of the register block.
        block: usize,
        /// The block in words.
        what: String,
        /// What is there.
        other: String,
        /// Where both are.
        at: Range,
        /// Where the partition claims it.
        span: Span,
    },
    /// No room for a BAR.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Addresses that BARs may have.
fn window(pcie: &Pcie) -> Zone {
    Zone {
        name: crate::placement::PCIE_WINDOW,
        regions: vec![pcie.window.value],
    }
}

/// Where the BARs of each device of the board lie.
fn places(board: &Board, map: &MemoryMap) -> Result<Vec<[Option<Range>; 6]>, DeviceError> {
    let mut map = map.clone();
    let mut places = vec![[None; 6]; board.devices.len()];
    let Some(pcie) = &board.pcie else {
        return Ok(places);
    };
    for (device, bars) in board.devices.iter().zip(&mut places) {
        let sizes = device
            .pci
            .as_ref()
            .map_or([0; 6], |function| function.bars.map(|size| size.value));
        for (number, (bar, size)) in bars.iter_mut().zip(sizes).enumerate() {
            if size > 0 {
                let label = format!("{}.bar{number}", device.name.value);
                let align = size.max(BAR_ALIGN);
                *bar = Some(map.place(&window(pcie), "board", &label, size, align)?);
            }
        }
    }
    Ok(places)
}

/// Assigns all owned devices, in the order of the board's devices, and places their BARs in `map`.
///
/// Every device of the board has its place, owned or not: who owns one does not move another's.
///
/// # Errors
/// See [`DeviceError`].
pub fn assign(system: &System, map: &mut MemoryMap) -> Result<Devices, DeviceError> {
    let mut owned: Vec<(usize, usize, Span)> = Vec::new();
    for (index, partition) in system.partitions.iter().enumerate() {
        owned.extend(partition.devices.iter().map(|d| (d.value, index, d.span)));
    }
    owned.sort_by_key(|(device, ..)| *device);
    let places = places(&system.board, map)?;
    let watchdog = watchdog(system, &places, map)?;
    let mut assigned = Vec::new();
    for (index, partition, span) in owned {
        let device = &system.board.devices[index];
        let name = device.name.value.clone();
        if device.pci.is_some() && system.board.pcie.is_none() {
            return Err(DeviceError::NoPcie { device: name, span });
        }
        if device.intids().any(|intid| intid == machine::UART_INTID)
            && system.partitions[partition].console.value == bulkhead_model::system::Console::Uart
        {
            return Err(DeviceError::UartInterrupt {
                device: name,
                intid: machine::UART_INTID,
                span,
                console: system.partitions[partition].console.span,
            });
        }
        let owner = format!("partition:{}", system.partitions[partition].name.value);
        let bars = places[index];
        for (number, bar) in bars.iter().enumerate() {
            if let Some(Range { start, end }) = bar {
                map.claim(&owner, &format!("{name}.bar{number}"), *start, end - start)?;
            }
        }
        let registers = match &device.registers {
            Registers::At(blocks) => {
                let claimed = blocks
                    .iter()
                    .map(|block| map.claim(&owner, &name, block.region.base, block.region.size));
                claimed.collect::<Result<_, _>>()?
            }
            Registers::Bar(bar) => {
                let placed = bars.get(*bar).copied().flatten();
                vec![placed.ok_or(DeviceError::NoRegisters {
                    device: name,
                    bar: *bar,
                    span,
                })?]
            }
        };
        assigned.push(Assigned {
            device: index,
            partition,
            bars,
            registers,
        });
    }
    claim_controllers(&system.board, &assigned, map)?;
    Ok(Devices { assigned, watchdog })
}

/// The controllers with registers that a device depends on.
pub fn controllers<'a>(
    board: &'a Board,
    assigned: &Assigned,
) -> impl Iterator<Item = (usize, &'a Controller)> {
    let device = board.devices.get(assigned.device);
    let indices = device.into_iter().flat_map(|d| &d.controlled_by).map(|c| c.value);
    let known = indices.filter_map(|index| Some((index, board.controllers.get(index)?)));
    known.filter(|(_, controller)| controller.registers.is_some())
}

/// Whole pages of each controller of an assigned device are nobody's.
fn claim_controllers(board: &Board, devices: &[Assigned], map: &mut MemoryMap) -> Result<(), DeviceError> {
    let used = devices.iter().flat_map(|assigned| controllers(board, assigned));
    let used: BTreeSet<usize> = used.map(|(index, _)| index).collect();
    for controller in used.iter().filter_map(|index| board.controllers.get(*index)) {
        if let Some(registers) = &controller.registers {
            let start = registers.base - registers.base % PAGE;
            let owner = format!("controller:{}", controller.name.value);
            map.claim(&owner, "registers", start, page_up(registers.end()) - start)?;
        }
    }
    Ok(())
}

/// Registers at fixed addresses are seen at these: nothing else of their partition is there. Implements: BH-CFG-255.
///
/// # Errors
/// [`DeviceError::Occupied`].
pub fn seen(system: &System, devices: &[Assigned], grants: &[Grant]) -> Result<(), DeviceError> {
    for assigned in devices {
        let (partition, device) = (
            &system.partitions[assigned.partition],
            &system.board.devices[assigned.device],
        );
        let own = grants
            .iter()
            .filter(|g| g.root == Root::Partition(assigned.partition) && g.name != device.name.value);
        let mapped = own.map(|g| (format!("its `{}`", g.name), g.address, g.size()));
        let emulated = machine::emulated(system, assigned.partition);
        let emulated = emulated.map(|(what, start, size)| (format!("an emulated {what}"), start, size));
        let others: Vec<_> = mapped.chain(emulated).collect();
        for (block, registers) in assigned.registers.iter().enumerate() {
            let meets = |(_, start, size): &&(String, u64, u64)| {
                registers.start < start + size && *start < page_up(registers.end)
            };
            if let Some((other, start, size)) = others.iter().find(meets) {
                let mut claims = partition.devices.iter();
                let claim = claims.find(|d| d.value == assigned.device);
                return Err(DeviceError::Occupied {
                    device: assigned.device,
                    block,
                    what: device.block_title(block),
                    other: other.clone(),
                    at: Range {
                        start: registers.start.max(*start),
                        end: page_up(registers.end).min(start + size),
                    },
                    span: claim.map_or(device.name.span, |claim| claim.span),
                });
            }
        }
    }
    Ok(())
}

/// EL2's watchdog: whole pages of each BAR are nobody else's.
fn watchdog(
    system: &System,
    places: &[[Option<Range>; 6]],
    map: &mut MemoryMap,
) -> Result<Option<OwnWatchdog>, DeviceError> {
    let Some(device) = system.watchdog.map(|w| w.device) else {
        return Ok(None);
    };
    let name = &system.board.devices[device].name.value;
    let bars = places[device];
    let mut first = None;
    for (number, bar) in bars.iter().enumerate() {
        if let Some(Range { start, end }) = *bar {
            let size = (end - start).next_multiple_of(PAGE);
            let pages = map.claim("el2", &format!("{name}.bar{number}"), start, size)?;
            first = first.or(Some(pages.start));
        }
    }
    // The rule `watchdog/not-driven` holds: BAR 0 exists.
    Ok(first.map(|start| OwnWatchdog {
        device,
        bars,
        page: Range {
            start,
            end: start + PAGE,
        },
    }))
}
