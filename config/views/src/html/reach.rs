// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each translation root reaches, from a walk of its tables.

use maud::{Markup, html};

use super::tables::ROWS;
use super::{hex, range};
use crate::built::{Built, BuiltError};
use crate::walk::{Leaf, Root, Use, roots, runs};
use crate::words::size;

/// The first runs of a root, how many there are, and their sum in bytes.
fn walk(built: &Built<'_>, root: &Root) -> Result<(Vec<Leaf>, usize, u64), BuiltError> {
    let (mut list, mut count, mut sum) = (Vec::new(), 0, 0u64);
    runs(built, root, &mut |run| {
        count += 1;
        sum = sum.saturating_add(run.size);
        if list.len() < ROWS {
            list.push(run);
        }
    })?;
    Ok((list, count, sum))
}

fn table(built: &Built<'_>, root: &Root) -> Result<Markup, BuiltError> {
    let (list, count, sum) = walk(built, root)?;
    Ok(html! {
        details {
            summary { (root.name) ": " (size(sum)) " in " (count) " ranges" }
            div class="scroll" { table {
                tr { th { "at its address" } th { "physical" } th class="number" { "size" } th { "rights" } th { "type" } th { "granted as" } }
                @for run in &list {
                    tr {
                        td { (hex(run.input)) }
                        td { (range(run.physical())) }
                        td class="number" { (size(run.size)) }
                        td { code { (run.rights) } }
                        td { (run.memory) }
                        td { (built.records.grant_at(&root.name, run.input).map_or("", |g| g.name.as_str())) }
                    }
                }
            } }
            @if count > list.len() { p { "and " (count - list.len()) " more ranges" } }
        }
    })
}

fn tables(built: &Built<'_>, wanted: impl Fn(Use) -> bool) -> Result<Vec<Markup>, BuiltError> {
    let roots = roots(built);
    let wanted = roots.iter().filter(|r| wanted(r.serves));
    wanted.map(|root| table(built, root)).collect()
}

pub(super) fn partitions(built: &Built<'_>) -> Result<Markup, BuiltError> {
    let tables = tables(built, |serves| {
        matches!(serves, Use::Partition(_) | Use::Stream(_))
    })?;
    Ok(html! {
        p { "Everything else faults. Reads of what EL2 emulates trap to it:" }
        table {
            tr { th { "partition" } th { "emulated" } th { "at its address" } }
            @for e in &built.records.emulated { tr { td { (e.partition) } td { (e.device) } td { (range(e.input)) } } }
        }
        @for table in tables { (table) }
    })
}

pub(super) fn el2(built: &Built<'_>) -> Result<Markup, BuiltError> {
    let tables = tables(built, |serves| matches!(serves, Use::Boot | Use::Core(_)))?;
    Ok(html! { @for table in tables { (table) } })
}

pub(super) fn shared(built: &Built<'_>) -> Markup {
    html! {
        table {
            tr { th { "what" } th { "physical" } th { "who, and with which rights" } }
            @for shared in &built.records.shared {
                tr { td { (shared.name) } td { (range(shared.physical)) } td { @for party in &shared.parties { code { (party) } " " } } }
            }
        }
        p class="note" { "The checker proves that nothing else is reachable by two parties." }
    }
}
