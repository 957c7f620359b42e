// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions of the firmware that partitions may call: what a standard describes as harmless, or what the text form
//! gives a reason for; nothing from partitions that do not enter EL2.
//!
//! References: Arm DEN0028, "Function Identifier Ranges"; Arm DEN0022, "PSCI functions"; Arm DEN0098.

use crate::system::System;
use crate::tables::{FirmwareCall, Mode, Partition};

/// PSCI and TRNG functions that change nothing and take no address, and the identity of the standard services; without bit 30.
const QUERIES: [u32; 14] = [
    0x8400_0000,
    0x8400_0004,
    0x8400_0006,
    0x8400_0007,
    0x8400_000a,
    0x8400_000d,
    0x8400_0010,
    0x8400_0011,
    0x8400_0050,
    0x8400_0051,
    0x8400_0052,
    0x8400_0053,
    0x8400_ff01,
    0x8400_ff03,
];

/// Whether a function needs a reason; `None` when no partition may call it.
fn needs_reason(function: u32) -> Option<bool> {
    let fast = function & 0x80ff_0000 == 0x8000_0000;
    let owner = function >> 24 & 0x3f;
    match owner {
        _ if !fast => None,
        0 => Some(false),
        1..=3 | 48..=63 => Some(true),
        4 => QUERIES.contains(&(function & !(1 << 30))).then_some(false),
        _ => None,
    }
}

/// The entries in use, which come first.
pub(super) fn used(partition: &Partition) -> impl Iterator<Item = &FirmwareCall> {
    partition.calls.iter().take_while(|call| call.within != 0)
}

/// The reasons of the `smc` records, `None` where a record has another form.
fn reasons<'a>(system: &'a System<'_>) -> Vec<Option<&'a str>> {
    let reason = |record: &'a str| match record.split(' ').collect::<Vec<_>>().as_slice() {
        [_, _, _, _, reason] if crate::grants::is_name(reason) => Some(*reason),
        _ => None,
    };
    system.grants.of("smc").map(reason).collect()
}

/// The `smc` records of the blob: partition, function, and the record up to its reason.
fn calls(system: &System<'_>) -> Vec<(String, u32, String)> {
    let partitions = system.blob.partitions.iter().enumerate();
    let of = |(index, partition)| {
        let name = system.name(index).to_owned();
        used(partition).map(move |call| {
            let begin = format!("smc {name} {:#x} {}", call.function, call.within);
            (name.clone(), call.function, begin)
        })
    };
    partitions.flat_map(of).collect()
}

/// Implements: BH-CHK-081.
pub(crate) fn check(system: &System<'_>, out: &mut Vec<String>) {
    for (index, partition) in system.blob.partitions.iter().enumerate() {
        let name = system.name(index);
        let count = used(partition).count();
        let (used, unused) = partition.calls.split_at(count);
        for (place, call) in used.iter().enumerate() {
            let before = used.iter().take(place);
            if before.into_iter().any(|c| c.function == call.function) {
                out.push(format!("{name}: function {:#x} is listed twice", call.function));
            }
            if needs_reason(call.function).is_none() || call.reserved != 0 {
                out.push(format!("{name}: no partition may call {:#x}", call.function));
            }
        }
        if unused.iter().any(|call| *call != FirmwareCall::default()) {
            out.push(format!("{name}: an unused function of the firmware is not zero"));
        }
        let mut vcpus = system.blob.vcpus.iter();
        let on_direct_core = vcpus.any(|vcpu| {
            if usize::try_from(vcpu.partition) != Ok(index) {
                return false;
            }
            let core = usize::try_from(vcpu.core).ok();
            let core = core.and_then(|core| system.blob.cores.get(core));
            core.is_none_or(|core| core.mode == Some(Mode::Direct))
        });
        if count > 0 && on_direct_core {
            out.push(format!(
                "{name}: it calls the firmware, and its core does not enter EL2"
            ));
        }
    }
    records(system, out);
}

/// The text form lists the same functions, with reasons where they are needed.
fn records(system: &System<'_>, out: &mut Vec<String>) {
    let (calls, reasons) = (calls(system), reasons(system));
    let expected: Vec<String> = calls
        .iter()
        .zip(&reasons)
        .map(|((_, _, begin), reason)| format!("{begin} {}", reason.unwrap_or("?")))
        .collect();
    let found: Vec<&str> = system.grants.of("smc").collect();
    if calls.len() != found.len() || found != expected {
        out.push(format!(
            "grants.txt: its `smc` records contradict the blob's: {found:?}, not {expected:?}"
        ));
    }
    for ((name, function, _), reason) in calls.iter().zip(&reasons) {
        let has_word = reason.is_some_and(|r| r.bytes().any(|b| b.is_ascii_alphanumeric()));
        if needs_reason(*function) == Some(true) && !has_word {
            out.push(format!(
                "{name}: nothing says why it may call {function:#x} of the firmware"
            ));
        }
    }
}

/// What the proof does not cover: what functions of vendors do. Implements: BH-CHK-055.
pub(crate) fn exceptions(system: &System<'_>) -> Vec<String> {
    let vouched = calls(system).into_iter().zip(reasons(system));
    let vouched = vouched.filter(|((_, function, _), _)| needs_reason(*function) == Some(true));
    vouched
        .map(|((name, function, _), reason)| {
            format!(
                "{name} calls {function:#x} of the firmware: what that does is not proved ({})",
                reason.unwrap_or("?")
            )
        })
        .collect()
}
