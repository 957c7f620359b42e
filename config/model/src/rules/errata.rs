// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for the errata of a board's cores.

use super::Facts;
use crate::board::Core;
use crate::diagnostic::{Diagnostic, Rule};
use crate::errata::{Remedy, of_board, of_core, release_name};

/// A core that nobody has looked at.
static UNKNOWN_CORE: Rule = Rule {
    number: "BH190",
    id: "errata/unknown-core",
    text: "The errata of each type of core on a board are known.",
    fix: "Read the errata notice of the core, and add those that concern EL2 to `config/model/src/errata.rs`.",
};
/// An erratum that nobody thought of.
static NOT_NAMED: Rule = Rule {
    number: "BH191",
    id: "errata/not-named",
    text: "A board names every known erratum of its cores under `workarounds`, but those that nobody works around.",
    fix: "Read what the erratum asks of the board's firmware and guests, then name it under `workarounds`.",
};
/// A workaround without an erratum.
static NOT_NEEDED: Rule = Rule {
    number: "BH192",
    id: "errata/not-needed",
    text: "A board names no erratum that none of its cores has, and none twice.",
    fix: "Remove it, or correct the `midr` of the core.",
};
/// A core that cannot be used.
static NO_REMEDY: Rule = Rule {
    number: "BH193",
    id: "errata/no-remedy",
    text: "No core of a board has an erratum that nobody can work around.",
    fix: "Use a later revision of the core; `midr` names the oldest that the board may have.",
};

pub(super) static ALL: &[&Rule] = &[&UNKNOWN_CORE, &NOT_NAMED, &NOT_NEEDED, &NO_REMEDY];
pub(super) const CHECKS: &[super::Check] = &[unknown_core, not_named, not_needed, no_remedy];

/// One for each type of core.
///
/// Implements: BH-CFG-161.
fn unknown_core(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (number, core) in types(facts) {
        if of_core(core.midr).is_none() {
            diagnostics.push(Diagnostic::new(
                &UNKNOWN_CORE,
                core.span,
                format!("nobody has looked for the errata of core {number}"),
                format!("MIDR {:#x}", core.midr),
                UNKNOWN_CORE.fix,
            ));
        }
    }
}

/// A core with an erratum that nobody works around is refused by [`no_remedy`], whatever the board names.
///
/// Implements: BH-CFG-161.
fn not_named(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let errata = of_board(board).into_iter();
    for (erratum, cores) in errata.filter(|(erratum, _)| erratum.remedy != Remedy::Nobody) {
        let named = board.workarounds.iter().any(|w| w.name == erratum.name);
        let core = cores.first().and_then(|core| board.cores.get(*core));
        if let (false, Some(core)) = (named, core) {
            let diagnostic = Diagnostic::new(
                &NOT_NAMED,
                core.span,
                format!(
                    "the board does not name erratum `{}`: {}",
                    erratum.name, erratum.effect
                ),
                format!(
                    "this core, {}, has it; remedy: {}",
                    release_name(core.midr),
                    erratum.remedy.name()
                ),
                NOT_NAMED.fix,
            );
            let last = board.workarounds.last().map(|w| w.span);
            diagnostics.push(diagnostic.and_at(last, "the last that is named"));
        }
    }
}

/// Implements: BH-CFG-162.
fn not_needed(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (index, erratum) in board.workarounds.iter().enumerate() {
        let mut earlier = board.workarounds.iter().take(index);
        let complaint = if let Some(other) = earlier.find(|e| e.name == erratum.name) {
            let message = format!("erratum `{}` is named twice", erratum.name);
            let again = Diagnostic::new(&NOT_NEEDED, erratum.span, message, "again here", NOT_NEEDED.fix);
            again.and(other.span, "first here")
        } else if board.unread.cores || board.cores.iter().any(|core| erratum.is_of(core.midr)) {
            continue;
        } else {
            let message = format!("no core of the board has erratum `{}`", erratum.name);
            Diagnostic::new(&NOT_NEEDED, erratum.span, message, "not needed", NOT_NEEDED.fix)
        };
        diagnostics.push(complaint);
    }
}

/// One for each type of core.
///
/// Implements: BH-CFG-163.
fn no_remedy(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for (number, core) in types(facts) {
        let errata = of_core(core.midr).into_iter().flatten();
        let without: Vec<_> = errata.filter(|e| e.remedy == Remedy::Nobody).collect();
        let Some(first) = without.first() else { continue };
        let names: Vec<&str> = without.iter().map(|e| e.name).collect();
        diagnostics.push(Diagnostic::new(
            &NO_REMEDY,
            core.span,
            format!("nobody works around {} of core {number}", names.join(", ")),
            format!("{}: {}; {}", release_name(core.midr), first.effect, first.means),
            NO_REMEDY.fix,
        ));
    }
}

/// The first core of each type, with its number.
fn types<'a>(facts: &Facts<'a>) -> Vec<(usize, &'a Core)> {
    let cores = facts.board.map_or(&[][..], |b| &b.cores);
    let new = |number: usize, midr: u64| !cores.iter().take(number).any(|c| c.midr == midr);
    cores
        .iter()
        .enumerate()
        .filter(|(number, core)| new(*number, core.midr))
        .collect()
}
