// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for `smc`: which functions of the firmware a partition may call, for how long, and which drive controllers.

use bulkhead_types::tables::MAX_FIRMWARE_CALLS;

use super::Facts;
use super::devices::{find, owned};
use crate::diagnostic::{Diagnostic, Rule};
use crate::smc::{FirmwareCall, Reach, is_fast, reach};
use crate::span::Span;
use crate::spec::{Mode, PartitionSpec};
use crate::system::Interrupts;
use crate::units::show_time;

/// What cannot be bounded.
static NOT_FAST: Rule = Rule {
    number: "BH310",
    id: "smc/not-fast",
    text: "`smc` lists fast calls: bit 31 is set, bits 23 to 16 are zero; a yielding call has no longest time.",
    fix: "List a fast call, or leave the function out.",
};
/// Two bounds for one function.
static TWICE: Rule = Rule {
    number: "BH311",
    id: "smc/twice",
    text: "A partition lists a function once.",
    fix: "Remove one of them.",
};
/// More than EL2 has room for.
static TOO_MANY: Rule = Rule {
    number: "BH312",
    id: "smc/too-many",
    text: "A partition lists at most 8 functions of the firmware.",
    fix: "Leave functions out that it need not call.",
};
/// What belongs to EL2.
static NEVER: Rule = Rule {
    number: "BH313",
    id: "smc/never",
    text: "No partition calls functions of the firmware that change power states, take entry points or share memory, nor a hypervisor's: of the standard services only queries.",
    fix: "Leave it out: PSCI is called by HVC, and answered by the hypervisor for the partition alone.",
};
/// What no standard describes.
static NO_REASON: Rule = Rule {
    number: "BH314",
    id: "smc/no-reason",
    text: "A function of a vendor or of trusted software has a reason: nobody but the author of the spec can know that it reaches nothing of others, such as clocks, resets, power domains or their memory.",
    fix: "Write under `reason` why that is so, or leave the function out.",
};
/// An entry into EL2 where there is none.
static DIRECT: Rule = Rule {
    number: "BH315",
    id: "smc/direct",
    text: "A partition with `interrupts: direct` calls no firmware: it does not enter the hypervisor in its steady state.",
    fix: "Leave `smc` out, or write `interrupts: guarded`.",
};
/// A call that takes a whole slot.
static TOO_LONG: Rule = Rule {
    number: "BH316",
    id: "smc/too-long",
    text: "`within` is above 0, and shorter than each slot of the partition's cores: nothing ends a call of the firmware.",
    fix: "Make `within` shorter if the firmware keeps it, or the slot longer.",
};

/// Power over the devices of others.
static CONTROLLER: Rule = Rule {
    number: "BH317",
    id: "smc/controller",
    text: "No partition calls a function of the firmware that drives a controller of another partition's device, whatever its reason says.",
    fix: "Leave the function out: what it asks for has to be done before the hypervisor starts, or by the partition that has all devices of the controller.",
};

/// Functions that nobody could list, or of nobody.
static FUNCTIONS: Rule = Rule {
    number: "BH318",
    id: "board/functions",
    text: "The functions of the firmware that drive a controller are fast calls of one owner, `first` no greater than `last`.",
    fix: "Correct `smc` in the board file; the functions of two owners are two entries.",
};

pub(super) static ALL: &[&Rule] = &[
    &NOT_FAST,
    &TWICE,
    &TOO_MANY,
    &NEVER,
    &NO_REASON,
    &DIRECT,
    &TOO_LONG,
    &CONTROLLER,
    &FUNCTIONS,
];
pub(super) const CHECKS: &[super::Check] = &[
    not_fast, twice, too_many, never, no_reason, direct, too_long, controller,
];

/// Implements: BH-LANG-022.
pub(crate) fn functions(span: Span, first: u32, last: u32) -> Diagnostic {
    let message = format!("no calls of one owner lie from {first:#x} to {last:#x}");
    let cause = if !is_fast(first) || !is_fast(last) {
        "a fast call has bit 31 set, bits 23 to 16 are zero"
    } else if first > last {
        "the last comes before the first"
    } else {
        "bits 31 to 24, which name the owner, differ"
    };
    Diagnostic::new(&FUNCTIONS, span, message, cause, FUNCTIONS.fix)
}

/// Every function, with the partition that lists it.
fn calls<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a PartitionSpec, &'a FirmwareCall)> {
    let partitions = facts.spec.partitions.iter();
    partitions.flat_map(|partition| partition.smc.iter().map(move |call| (partition, call)))
}

/// Implements: BH-SMC-010.
fn not_fast(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, call) in calls(facts).filter(|(_, call)| !is_fast(call.function.value)) {
        let cause = if call.function.value >> 31 == 0 {
            "bit 31 is clear: a yielding call"
        } else {
            "bits 23 to 16 are not zero"
        };
        let message = format!("{:#x} is no fast call", call.function.value);
        let found = Diagnostic::new(&NOT_FAST, call.function.span, message, cause, NOT_FAST.fix);
        diagnostics.push(found);
    }
}

/// Implements: BH-SMC-010.
fn twice(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        for (index, call) in partition.smc.iter().enumerate() {
            let mut before = partition.smc.iter().take(index);
            let Some(first) = before.find(|c| c.function.value == call.function.value) else {
                continue;
            };
            let message = format!(
                "`{}` lists {:#x} twice",
                partition.name.value, call.function.value
            );
            let span = call.function.span;
            let found = Diagnostic::new(&TWICE, span, message, "listed again here", TWICE.fix);
            diagnostics.push(found.and(first.function.span, "first listed here"));
        }
    }
}

/// EL2 has a fixed array. Implements: BH-SMC-010.
fn too_many(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        if let Some(call) = partition.smc.get(MAX_FIRMWARE_CALLS) {
            let (name, count) = (&partition.name.value, partition.smc.len());
            let message = format!("`{name}` lists {count} functions of the firmware");
            let cause = "the first that is too many";
            let help = format!("EL2 has room for {MAX_FIRMWARE_CALLS}: leave some out");
            let found = Diagnostic::new(&TOO_MANY, call.function.span, message, cause, help);
            diagnostics.push(found);
        }
    }
}

/// Implements: BH-SMC-010.
fn never(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, call) in calls(facts).filter(|(_, call)| is_fast(call.function.value)) {
        if let Reach::Never(why) = reach(call.function.value) {
            let message = format!("no partition may call {:#x}", call.function.value);
            let found = Diagnostic::new(&NEVER, call.function.span, message, why, NEVER.fix);
            diagnostics.push(found);
        }
    }
}

/// Implements: BH-SMC-011.
fn no_reason(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let is_word = |c: char| c.is_alphanumeric();
    for (partition, call) in calls(facts).filter(|(_, call)| is_fast(call.function.value)) {
        let reasoned = call.reason.as_ref().is_some_and(|r| r.contains(is_word));
        if reach(call.function.value) == Reach::Vouched && !reasoned {
            let (name, function) = (&partition.name.value, call.function.value);
            let span = call.reason.as_ref().map_or(call.function.span, |r| r.span);
            let message = format!("`{name}` lists {function:#x} without a reason");
            let cause = "no standard says what it does with its arguments";
            diagnostics.push(Diagnostic::new(&NO_REASON, span, message, cause, NO_REASON.fix));
        }
    }
}

/// Implements: BH-SMC-012.
fn direct(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for partition in &facts.spec.partitions {
        let interrupts = match partition.cores.as_ref().map(|c| &c.mode) {
            Some(Mode::Dedicated(Some(interrupts))) if interrupts.value == Interrupts::Direct => interrupts,
            Some(Mode::Dedicated(_) | Mode::Sliced { .. }) | None => continue,
        };
        if let Some(call) = partition.smc.first() {
            let message = format!("`{}` may call the firmware", partition.name.value);
            let cause = "each call enters the hypervisor";
            let found = Diagnostic::new(&DIRECT, call.function.span, message, cause, DIRECT.fix);
            diagnostics.push(found.and(interrupts.span, "it does not enter it"));
        }
    }
}

/// Implements: BH-SMC-013.
fn too_long(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (partition, call) in calls(facts) {
        let within = call.within;
        if within.value == 0 {
            let message = "a call of the firmware takes time";
            let help = "write the longest time that the firmware takes";
            diagnostics.push(Diagnostic::new(&TOO_LONG, within.span, message, "none", help));
        }
        if !partition.is_sliced() {
            continue;
        }
        let cores = partition.core_list().iter();
        let mut slots = cores
            .filter_map(|core| facts.spec.table(core.value))
            .flat_map(|t| &t.slots);
        if let Some(slot) = slots.find(|slot| slot.length.value <= within.value) {
            let (call, length) = (show_time(within.value), show_time(slot.length.value));
            let message = format!("a call of {call} may take all of a slot of {length}");
            let cause = "nothing ends it before";
            let found = Diagnostic::new(&TOO_LONG, within.span, message, cause, TOO_LONG.fix);
            diagnostics.push(found.and(slot.length.span, "the slot"));
        }
    }
}

/// A reason does not make the devices of others safe. Implements: BH-SMC-015.
fn controller(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (caller, call) in calls(facts) {
        let (name, function) = (&caller.name.value, call.function.value);
        let drives = |index: usize| board.controllers.get(index).filter(|c| c.is_driven_by(function));
        let mut found: Option<Diagnostic> = None;
        for (_, owner, device) in owned(facts).filter(|(_, owner, _)| owner != name) {
            let mut of_device = find(board, device).into_iter().flat_map(|d| &d.controlled_by);
            let Some(controller) = of_device.find_map(|index| drives(index.value)) else {
                continue;
            };
            let diagnostic = found.take().unwrap_or_else(|| {
                let message = format!("`{name}` may call {function:#x} of the firmware");
                let cause = format!("it drives `{}`", controller.name.value);
                Diagnostic::new(&CONTROLLER, call.function.span, message, cause, CONTROLLER.fix)
                    .and(controller.name.span, "the board says what it controls")
            });
            let text = format!("`{}` of `{owner}` depends on it", device.value);
            found = Some(diagnostic.and(device.span, text));
        }
        diagnostics.extend(found);
    }
}
