// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for `dump`: where the RAM of a partition is kept when an error ends it.

use bulkhead_abi::crash::DUMP_HEAD;

use super::{Facts, meant};
use crate::board::{Reserved, ReservedUse};
use crate::diagnostic::{Diagnostic, Rule};
use crate::spec::PartitionSpec;
use crate::units::show_bytes;

/// Nothing of that name, or nothing for that.
static NO_RANGE: Rule = Rule {
    number: "BH274",
    id: "dump/no-range",
    text: "`dump: { full: … }` names a reserved range of the board whose `use` is `dump`.",
    fix: "Name such a range, add one to the board file, or write `dump: registers`.",
};
/// Less than what is to be kept.
static TOO_SMALL: Rule = Rule {
    number: "BH275",
    id: "dump/too-small",
    text: "A range for dumps begins at a multiple of 4 KiB, is RAM, and has room for the partition's memory and 4 KiB more.",
    fix: "Make the range larger, or write `dump: registers`.",
};
/// Two partitions in one place.
static SHARED: Rule = Rule {
    number: "BH276",
    id: "dump/shared",
    text: "No two partitions name the same range: one would read what the other held.",
    fix: "Give each its own range.",
};
/// All colours at once.
static COLOURED: Rule = Rule {
    number: "BH277",
    id: "dump/coloured",
    text: "The RAM of a partition with colours is not kept: a reserved range has pages of all colours.",
    fix: "Write `dump: registers`, or leave `colours` out.",
};

pub(super) static ALL: &[&Rule] = &[&NO_RANGE, &TOO_SMALL, &SHARED, &COLOURED];
pub(super) const CHECKS: &[super::Check] = &[no_range, too_small, shared, coloured];

/// Partitions whose RAM is kept, each with the name of the range.
fn full<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a PartitionSpec, &'a crate::spec::Name)> {
    let partitions = facts.spec.partitions.iter();
    partitions.filter_map(|partition| Some((partition, partition.dump.as_ref()?)))
}

fn ranges<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Reserved> + Clone {
    let reserved = facts.board.iter().flat_map(|board| &board.reserved);
    reserved.filter(|r| r.purpose == ReservedUse::Dump)
}

/// Implements: BH-HEALTH-062.
fn no_range(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let names = ranges(facts).map(|r| r.name.as_str());
    for (_, name) in full(facts).filter(|(_, name)| names.clone().all(|n| n != name.value)) {
        let (cause, help) = if names.clone().next().is_some() {
            ("this range", meant(name, "its ranges for dumps", names.clone()))
        } else {
            let add = "add `{ name: …, base: …, size: …, use: dump }` to `reserved` of the board file";
            ("the board file reserves none", add.to_owned())
        };
        let message = format!(
            "board `{}` has no range `{}` for dumps",
            board.name.value, name.value
        );
        diagnostics.push(Diagnostic::new(&NO_RANGE, name.span, message, cause, help));
    }
}

/// Implements: BH-HEALTH-062.
fn too_small(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (partition, name) in full(facts) {
        let Some(memory) = &partition.memory else { continue };
        let Some(range) = ranges(facts).find(|r| r.name == name.value) else {
            continue;
        };
        let region = range.region.value;
        let needed = memory.size.value.saturating_add(DUMP_HEAD);
        let is_ram = board.unread.ram || board.ram.iter().any(|ram| ram.contains(&region));
        let placed = region.base.is_multiple_of(DUMP_HEAD) && is_ram;
        if placed && region.size >= needed {
            continue;
        }
        let cause = if placed {
            format!("`{}` has {}", range.name, show_bytes(region.size))
        } else {
            format!("`{}` at {:#x} is not whole pages of RAM", range.name, region.base)
        };
        let message = format!(
            "the memory of `{}` and 4KiB, {} in all, cannot be kept in `{}`",
            partition.name.value,
            show_bytes(needed),
            range.name
        );
        let help = format!(
            "reserve {} in RAM, or write `dump: registers`",
            show_bytes(needed)
        );
        let found = Diagnostic::new(&TOO_SMALL, name.span, message, cause, help);
        diagnostics.push(found.and(range.region.span, "reserved here"));
    }
}

/// Implements: BH-HEALTH-062.
fn shared(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (index, (partition, name)) in full(facts).enumerate() {
        let before = full(facts).take(index);
        let Some((first, other)) = before.into_iter().find(|(_, other)| other.value == name.value) else {
            continue;
        };
        let message = format!(
            "`{}` and `{}` are both kept in `{}`",
            first.name.value, partition.name.value, name.value
        );
        let help = "give each its own range, or write `dump: registers` for one";
        let found = Diagnostic::new(&SHARED, name.span, message, "named again here", help);
        diagnostics.push(found.and(other.span, "first named here"));
    }
}

/// Implements: BH-HEALTH-062.
fn coloured(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (partition, name) in full(facts) {
        let Some(colours) = partition.memory.as_ref().and_then(|m| m.colours.as_ref()) else {
            continue;
        };
        let message = format!(
            "`{}` has colours, and its RAM is to be kept",
            partition.name.value
        );
        let cause = "this range has pages of all colours";
        let help = "write `dump: registers`, or leave `colours` out";
        let found = Diagnostic::new(&COLOURED, name.span, message, cause, help);
        diagnostics.push(found.and(colours.span(), "its colours"));
    }
}
