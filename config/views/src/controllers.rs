// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clock, reset, power and pin controllers: whose devices depend on each, and who reaches it, by registers or by the firmware.
//!
//! What a controller is says the board file; who owns a device and who may call which function, what was built.
//! Implements: BH-EXPL-012.

use bulkhead_model::board::{Board, Controller, ControllerKind, Device};
use bulkhead_model::system::System;

use crate::built::{Built, BuiltError};
use crate::records::Span;
use crate::who_can::routes;
use crate::words::listed;

/// What it controls: `clocks and resets`.
pub(crate) fn kinds(controller: &Controller) -> String {
    let titles = controller.kinds.iter().copied().map(ControllerKind::title);
    listed(titles.collect())
}

/// Where its registers are.
pub(crate) fn registers(controller: &Controller) -> Option<Span> {
    controller.registers.as_ref().map(|registers| Span {
        start: registers.base,
        end: registers.end(),
    })
}

/// The partition that a device was given to.
fn owner<'a>(built: &'a Built<'_>, device: &Device) -> Option<&'a str> {
    if let Some(bdf) = device.bdf() {
        let mut functions = built.pci_functions.iter();
        let function = functions.find(|f| f.bdf == bdf)?;
        return Some(usize::try_from(function.partition).map_or("?", |p| match p {
            p if p < built.partitions.len() => built.partition_name(p),
            _ => "EL2",
        }));
    }
    let mut placed = built.records.memory.iter();
    placed.find_map(|p| {
        let partition = p.owner.strip_prefix("partition:");
        partition.filter(|_| p.name == device.name.value)
    })
}

/// The devices that it controls, each with its owner.
pub(crate) fn devices(built: &Built<'_>, board: &Board, controller: &Controller) -> Vec<String> {
    let depends = |device: &&Device| {
        let mut names = device
            .controlled_by
            .iter()
            .filter_map(|c| board.controllers.get(c.value));
        names.any(|c| c.name == controller.name)
    };
    let devices = board.devices.iter().filter(depends);
    let named = devices.map(|d| {
        let owner = owner(built, d).unwrap_or("nobody");
        format!("{} of {owner}", d.name.value)
    });
    named.collect()
}

/// Who may call a function that drives it: the partition, the function, and why that is accepted.
pub(crate) fn callers(built: &Built<'_>, controller: &Controller) -> Vec<String> {
    let mut callers = Vec::new();
    for (index, partition) in built.partitions.iter().enumerate() {
        let name = built.partition_name(index);
        for call in partition.calls().filter(|c| controller.is_driven_by(c.function)) {
            let is_it = |(caller, function, _): &&(String, u64, String)| {
                caller == name && *function == u64::from(call.function)
            };
            let reason = built.records.calls.iter().find(is_it);
            let reason = reason.map_or("-", |(_, _, reason)| reason.as_str());
            callers.push(format!(
                "partition {name} by {:#x}, accepted for {reason}",
                call.function
            ));
        }
    }
    callers
}

/// What is to be known of it but who reaches its registers.
pub(crate) fn notes(built: &Built<'_>, board: &Board, controller: &Controller) -> Vec<String> {
    let devices = devices(built, board, controller);
    let mut notes = vec![if devices.is_empty() {
        format!(
            "controls {}; no device of the board file depends on it",
            kinds(controller)
        )
    } else {
        format!("controls {} of {}", kinds(controller), listed(devices))
    }];
    let functions = controller.functions.iter().map(ToString::to_string);
    notes.push(if controller.functions.is_empty() {
        "firmware: the board file names no function for it".to_owned()
    } else {
        let by = match callers(built, controller) {
            callers if callers.is_empty() => "nobody".to_owned(),
            callers => listed(callers),
        };
        format!(
            "firmware: driven by {}, called by {by}",
            listed(functions.collect::<Vec<_>>())
        )
    });
    notes
}

/// Parties that reach its registers.
///
/// # Errors
/// [`BuiltError::Table`].
pub(crate) fn reached_by(built: &Built<'_>, controller: &Controller) -> Result<Vec<String>, BuiltError> {
    let registers: Vec<Span> = registers(controller).into_iter().collect();
    let mut parties: Vec<String> = Vec::new();
    for route in routes(built, &registers)? {
        if !parties.contains(&route.party) {
            parties.push(route.party);
        }
    }
    Ok(parties)
}

/// Each controller of the board in the overview.
///
/// # Errors
/// [`BuiltError::Table`].
pub(crate) fn entries(system: &System, built: &Built<'_>) -> Result<Vec<(String, Vec<String>)>, BuiltError> {
    let board = &system.board;
    let mut entries = Vec::new();
    for controller in &board.controllers {
        let mut lines = notes(built, board, controller);
        if let Some(Span { start, end }) = registers(controller) {
            let by = match reached_by(built, controller)? {
                parties if parties.is_empty() => "nobody".to_owned(),
                parties => listed(parties),
            };
            lines.push(format!("registers: {start:#x}-{end:#x}, reached by {by}"));
        }
        entries.push((controller.name.value.clone(), lines));
    }
    if entries.is_empty() {
        let unknown = "the board file names none: what a vendor's function of the firmware does to devices is not known";
        entries.push(("none".to_owned(), vec![unknown.to_owned()]));
    }
    Ok(entries)
}
