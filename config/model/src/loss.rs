// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Isolation that a system does not have, or that nobody proves: what the board cannot guard, and what the spec accepts.

use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::smc::{Reach, reach};
use crate::system::System;

/// One thing from which nothing is isolated.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// What is lost, a sentence without its end.
    pub text: String,
    /// The device whose DMA it is, or the function of the firmware; `null` when it is the board's as a whole.
    pub device: Option<String>,
    /// The partition that owns it; `null` when nobody does.
    pub partition: Option<String>,
    /// Why the spec accepts it; `null` when it has no choice.
    pub reason: Option<String>,
}

impl Loss {
    /// All of it in a line.
    pub fn show(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{} (accepted: {reason})", self.text),
            None => self.text.clone(),
        }
    }
}

/// What a system does not isolate, the board's own losses first. Implements: BH-CFG-173, BH-SMC-022.
pub fn losses(system: &System) -> Vec<Loss> {
    let board = &system.board;
    let mut losses = Vec::new();
    if board.smmu.is_none() {
        let undriven = match &board.undriven_smmu {
            Some(kind) => format!("its {kind} is not driven"),
            None => "it has none".to_owned(),
        };
        losses.push(Loss {
            text: format!(
                "board {} has no SMMU that EL2 drives ({undriven}): nothing keeps a bus master to its partition's memory",
                board.name.value
            ),
            device: None,
            partition: None,
            reason: None,
        });
    }
    for (index, device) in board.devices.iter().enumerate() {
        if !device.bus_master || board.guards(device) {
            continue;
        }
        let name = &device.name.value;
        let mut owners = system.partitions.iter();
        let owner = owners.find(|p| p.devices.iter().any(|d| d.value == index));
        let text = match (owner, &device.pci) {
            (None, Some(_)) => continue,
            (None, None) => format!(
                "{name} belongs to nobody and EL2 does not touch it: if a boot loader left it running, its DMA reaches all of memory, EL2's too"
            ),
            (Some(p), Some(_)) => format!(
                "the DMA of {name} of {} reaches all of memory, EL2's too, while the partition runs",
                p.name.value
            ),
            (Some(p), None) => format!(
                "the DMA of {name} of {} reaches all of memory, EL2's too, and goes on while the partition is stopped, until its next start",
                p.name.value
            ),
        };
        losses.push(Loss {
            text,
            device: Some(name.clone()),
            partition: owner.map(|p| p.name.value.clone()),
            reason: owner.and_then(|p| p.unguarded_reason(index)).map(str::to_owned),
        });
    }
    for partition in &system.partitions {
        let name = &partition.name.value;
        let vouched = partition.smc.iter();
        let vouched = vouched.filter(|call| reach(call.function.value) == Reach::Vouched);
        losses.extend(vouched.map(|call| Loss {
            text: format!(
                "what {:#x} of the firmware does when {name} calls it is not proved{}",
                call.function.value,
                driven(board, call.function.value)
            ),
            device: Some(format!("smc {:#x}", call.function.value)),
            partition: Some(name.clone()),
            reason: call.reason.as_ref().map(|reason| reason.value.clone()),
        }));
    }
    losses
}

/// What the board file says of a function of the firmware.
fn driven(board: &Board, function: u32) -> String {
    let mut controllers = board.controllers.iter();
    match controllers.find(|c| c.is_driven_by(function)) {
        Some(c) => format!(
            ": it drives {}, on which no device of another partition depends, and what else it reaches nobody knows",
            c.name.value
        ),
        None => String::new(),
    }
}
