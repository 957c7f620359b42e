// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for `smc`: which functions of the firmware a partition may call, and for how long.

use bulkhead_types::tables::MAX_FIRMWARE_CALLS;

use super::Facts;
use crate::diagnostic::{Diagnostic, Rule};
use crate::smc::{FirmwareCall, Reach, reach};
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

pub(super) static ALL: &[&Rule] = &[
    &NOT_FAST, &TWICE, &TOO_MANY, &NEVER, &NO_REASON, &DIRECT, &TOO_LONG,
];
pub(super) const CHECKS: &[super::Check] = &[not_fast, twice, too_many, never, no_reason, direct, too_long];

/// Every function, with the partition that lists it.
fn calls<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a PartitionSpec, &'a FirmwareCall)> {
    let partitions = facts.spec.partitions.iter();
    partitions.flat_map(|partition| partition.smc.iter().map(move |call| (partition, call)))
}

fn is_fast(call: &FirmwareCall) -> bool {
    call.function.value & 0x80ff_0000 == 0x8000_0000
}

/// Implements: BH-SMC-010.
fn not_fast(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (_, call) in calls(facts).filter(|(_, call)| !is_fast(call)) {
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
    for (_, call) in calls(facts).filter(|(_, call)| is_fast(call)) {
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
    for (partition, call) in calls(facts).filter(|(_, call)| is_fast(call)) {
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
