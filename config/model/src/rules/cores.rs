// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for cores: each has one use.

use super::Facts;
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Spanned;

/// A core with two uses.
static CLAIMED_TWICE: Rule = Rule {
    number: "BH040",
    id: "cores/claimed-twice",
    text: "A dedicated core belongs to one partition, and a partition lists a core once.",
    fix: "Give one of the two another core; to share the core, make both partitions `sliced`.",
};
/// A core that does not exist.
static NOT_ON_BOARD: Rule = Rule {
    number: "BH041",
    id: "cores/not-on-board",
    text: "The board has every core that the spec uses.",
    fix: "Use a core that the board has, or a board with more cores.",
};
/// More vCPUs on a core than EL2 has room for.
static TOO_MANY_VCPUS: Rule = Rule {
    number: "BH042",
    id: "cores/too-many-vcpus",
    text: "At most 7 vCPUs share a core, and a system has at most 64.",
    fix: "Move partitions to other cores, or join some of them.",
};

pub(super) static ALL: &[&Rule] = &[&CLAIMED_TWICE, &NOT_ON_BOARD, &TOO_MANY_VCPUS];
pub(super) const CHECKS: &[super::Check] = &[claimed_twice, not_on_board, too_many_vcpus];

/// Implements: BH-CFG-020.
fn claimed_twice(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    struct Claim<'a> {
        core: Spanned<usize>,
        owner: usize,
        name: &'a str,
        dedicated: bool,
    }
    let mut claims: Vec<Claim<'_>> = Vec::new();
    for (owner, partition) in facts.spec.partitions.iter().enumerate() {
        for core in partition.core_list() {
            let claim = Claim {
                core: *core,
                owner,
                name: &partition.name,
                dedicated: partition.is_dedicated(),
            };
            let conflict = claims
                .iter()
                .find(|c| c.core == claim.core && (c.dedicated || claim.dedicated || c.owner == claim.owner));
            if let Some(other) = conflict {
                let use_of = |c: &Claim<'_>| {
                    format!(
                        "{} by `{}`",
                        if c.dedicated { "dedicated" } else { "sliced" },
                        c.name
                    )
                };
                let (message, help) = if other.owner == owner {
                    (
                        format!("`{}` lists core {} twice", claim.name, core.value),
                        "list it once".to_owned(),
                    )
                } else {
                    (
                        format!(
                            "core {} is claimed by `{}` and by `{}`",
                            core.value, other.name, claim.name
                        ),
                        format!(
                            "give one of them another core; to share core {}, make both partitions `sliced`",
                            core.value
                        ),
                    )
                };
                diagnostics.push(
                    Diagnostic::new(&CLAIMED_TWICE, core.span, message, use_of(&claim), help)
                        .and(other.core.span, use_of(other)),
                );
            } else {
                claims.push(claim);
            }
        }
    }
}

/// Implements: BH-CFG-021.
fn not_on_board(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let count = board.cores.len();
    let scheduled = facts
        .spec
        .schedule
        .iter()
        .flat_map(|s| s.cores.iter().map(|c| c.core));
    let listed = facts
        .spec
        .partitions
        .iter()
        .flat_map(|p| p.core_list().iter().copied());
    for core in listed.chain(scheduled).filter(|c| c.value >= count) {
        let diagnostic = Diagnostic::new(
            &NOT_ON_BOARD,
            core.span,
            format!("board `{}` has no core {}", board.name.value, core.value),
            format!("it has {count} cores, 0 to {}", count - 1),
            "use a core that the board has, or a board with more cores",
        );
        diagnostics.push(diagnostic.and_at(board.cores.last().map(|c| c.span), "the last core"));
    }
}

/// The limits are those of the statistics area. Implements: BH-CFG-022.
fn too_many_vcpus(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    use bulkhead_abi::stats::{MAX_VCPUS, MAX_VCPUS_PER_CORE};
    let mut all: Vec<Spanned<usize>> = Vec::new();
    for core in facts.spec.partitions.iter().flat_map(|p| p.core_list()) {
        all.push(*core);
        let here = all.iter().filter(|c| *c == core).count();
        let message = if here == MAX_VCPUS_PER_CORE + 1 {
            format!("core {} has more than {MAX_VCPUS_PER_CORE} vCPUs", core.value)
        } else if all.len() == MAX_VCPUS + 1 {
            format!("the system has more than {MAX_VCPUS} vCPUs")
        } else {
            continue;
        };
        let help = "move partitions to other cores, or join some of them";
        diagnostics.push(Diagnostic::new(
            &TOO_MANY_VCPUS,
            core.span,
            message,
            "one too many",
            help,
        ));
    }
}
