// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `who-can`: who reaches an address or a device, and by which route.
//!
//! The answer comes from a walk of every emitted table: EL2's roots, the partitions', each valid stream's.
//! Implements: BH-EXPL-001.

use std::fmt::Write;

use bulkhead_model::board::Board;
use bulkhead_types::tables::NONE;
use serde::Serialize;

use crate::built::{Built, BuiltError};
use crate::records::{Span, Unguarded};
use crate::target::{AskError, Device, Target, find};
use crate::walk::{Leaf, Rights, Use, leaves, roots, streams};
use crate::words::{count, listed, numbers, through};

/// Ways that an answer lists at most: memory in scattered pages has a way for each.
pub const ROUTES: usize = 1000;
/// Ways and ranges that the text shows at most.
const SHOWN: usize = 30;

/// A way from a party to memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// `el2`, or a partition's name.
    pub party: String,
    /// `boot`, `core`, `vcpus` or `stream`.
    pub by: &'static str,
    /// The party and by what it gets there, in words.
    pub who: String,
    /// Translation root.
    pub root: String,
    /// Physical addresses that it reaches of what was asked about.
    pub physical: Span,
    /// Input address of the first of them.
    pub input: u64,
    /// What it may do.
    pub rights: Rights,
    /// Memory type.
    pub memory: &'static str,
    /// Under which name it was granted.
    pub grant: Option<String>,
}

/// Who can.
#[derive(Clone, Debug, Serialize)]
pub struct WhoCan {
    /// Version of this form.
    pub version: u32,
    /// The question.
    pub question: String,
    /// What was asked about, in words.
    pub what: String,
    /// Where it lies.
    pub physical: Vec<Span>,
    /// Who may load from it, each once.
    pub read: Vec<String>,
    /// Who may store to it, each once.
    pub write: Vec<String>,
    /// Who may fetch instructions from it, each once.
    pub execute: Vec<String>,
    /// Every way there, the first [`ROUTES`] of them.
    pub routes: Vec<Route>,
    /// Ways that are not listed.
    pub more_routes: usize,
    /// Who receives its interrupt, what its DMA reaches, and what else is to be known.
    pub notes: Vec<String>,
    /// Translation roots that were walked.
    pub roots: usize,
}

/// Answers `who-can`.
///
/// # Errors
/// See [`AskError`].
pub fn who_can(built: &Built<'_>, board: Option<&Board>, text: &str) -> Result<WhoCan, AskError> {
    let target = find(built, board, text)?;
    let mut routes = routes(built, &target.physical)?;
    let more_routes = routes.len().saturating_sub(ROUTES);
    let [mut read, mut write, execute] = [
        having(&routes, |r| r.read),
        having(&routes, |r| r.write),
        having(&routes, |r| r.execute),
    ];
    routes.truncate(ROUTES);
    let mut notes = target.notes.clone();
    notes.extend(device_notes(built, &target));
    notes.extend(emulation_notes(built, &target));
    for unguarded in &built.records.unguarded {
        let owner = &unguarded.partition;
        if target.physical.is_empty() {
            continue;
        }
        for parties in [&mut read, &mut write] {
            if !parties.contains(owner) {
                parties.push(owner.clone());
            }
        }
        notes.push(format!(
            "not isolated: {} of partition {owner} masters the bus and no SMMU guards it; accepted for {}",
            unguarded.show(),
            unguarded.reason
        ));
    }
    Ok(WhoCan {
        version: 1,
        question: text.to_owned(),
        what: target.what,
        physical: target.physical,
        read,
        write,
        execute,
        routes,
        more_routes,
        notes,
        roots: roots(built).len(),
    })
}

/// Every way to physical addresses.
///
/// # Errors
/// [`BuiltError::Table`].
pub fn routes(built: &Built<'_>, wanted: &[Span]) -> Result<Vec<Route>, BuiltError> {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    let mut found: Vec<Route> = Vec::new();
    for root in roots(built) {
        let mut runs: Vec<Leaf> = Vec::new();
        leaves(built, &root, &mut |leaf| {
            let first = wanted.partition_point(|w| w.end <= leaf.output);
            let rest = wanted.get(first..).unwrap_or_default().iter();
            for common in rest.map_while(|w| w.common(leaf.physical())) {
                let part = Leaf {
                    input: leaf.input + (common.start - leaf.output),
                    output: common.start,
                    size: common.size(),
                    ..leaf
                };
                match runs.last_mut() {
                    Some(last) if last.continues(&part) => last.size += part.size,
                    Some(_) | None => runs.push(part),
                }
            }
        })?;
        let (party, by, who) = party(built, root.serves);
        found.extend(runs.into_iter().map(|run| {
            Route {
                party: party.clone(),
                by,
                who: who.clone(),
                root: root.name.clone(),
                physical: run.physical(),
                input: run.input,
                rights: run.rights,
                memory: run.memory,
                grant: built
                    .records
                    .grant_at(&root.name, run.input)
                    .map(|g| g.name.clone()),
            }
        }));
    }
    Ok(found)
}

fn party(built: &Built<'_>, serves: Use) -> (String, &'static str, String) {
    match serves {
        Use::Boot => (
            "el2".to_owned(),
            "boot",
            "EL2 until boot ends, every core".to_owned(),
        ),
        Use::Core(core) => (
            "el2".to_owned(),
            "core",
            format!("EL2 at run time on core {core}"),
        ),
        Use::Partition(index) => {
            let name = built.partition_name(index);
            let cores = numbers(built.vcpus_of(index).map(|(_, v)| v.core));
            let core = if built.vcpus_of(index).count() == 1 {
                "core"
            } else {
                "cores"
            };
            (
                name.to_owned(),
                "vcpus",
                format!("partition {name} on {core} {cores}"),
            )
        }
        Use::Stream(id) => {
            let owner = built.records.streams.iter().find(|(stream, ..)| *stream == id);
            let owner = owner.map_or("?", |(_, name, _)| name.as_str());
            (
                owner.to_owned(),
                "stream",
                format!("DMA of StreamID {id:#x}, partition {owner}"),
            )
        }
    }
}

/// What a device does beside having registers.
fn device_notes(built: &Built<'_>, target: &Target) -> Vec<String> {
    let Some(Device { bdf, intids, guarded }) = &target.device else {
        return Vec::new();
    };
    let function = built.pci_functions.iter().find(|f| Some(f.bdf) == *bdf);
    if function.is_some_and(|f| f.partition == NONE) {
        return vec![format!(
            "owner: EL2, whose watchdog it is; each of its two stages counts down from {}",
            built.board.watchdog
        )];
    }
    let of_function = function.and_then(|f| usize::try_from(f.partition).ok());
    let owner = of_function.or_else(|| owner_of_registers(built, target));
    let mut notes = Vec::new();
    match owner {
        Some(owner) => notes.push(format!("owner: partition {}", built.partition_name(owner))),
        None if bdf.is_none() => notes.push("owner: nobody".to_owned()),
        None => notes.push("owner: nobody; boot takes its memory decoding and bus mastering away".to_owned()),
    }
    for spi in &built.spis {
        let of_owner = usize::try_from(spi.partition).ok() == owner;
        if intids.as_ref().map_or(of_owner, |own| own.contains(&spi.intid)) {
            let name = usize::try_from(spi.partition).map_or("?", |p| built.partition_name(p));
            let trigger = if spi.edge == 1 { "edge" } else { "level" };
            notes.push(format!(
                "interrupt: INTID {} ({trigger}) to partition {name} on core {}",
                spi.intid, spi.core
            ));
        }
    }
    let own = intids.iter().flatten();
    for intid in own.filter(|i| built.spis.iter().all(|s| s.intid != **i)) {
        notes.push(format!(
            "interrupt: INTID {intid} belongs to nobody and stays disabled"
        ));
    }
    let Some(bdf) = *bdf else {
        let streams = streams_here(built, target);
        notes.push(match (unguarded_here(built, target), guarded) {
            (None, _) if !streams.is_empty() => format!("DMA: {}", through(&streams)),
            (Some(_), _) => "DMA: no SMMU guards it: it reaches all of memory".to_owned(),
            (None, None) => "DMA: none, it is no bus master".to_owned(),
            (None, Some(true)) => "DMA: its StreamIDs are invalid: the SMMU aborts and records every access".to_owned(),
            (None, Some(false)) => {
                "DMA: as the boot loader left it: EL2 does not touch it, no SMMU guards it, and if it runs it reaches all of memory"
                    .to_owned()
            }
        });
        return notes;
    };
    let masters = function.is_some_and(|f| f.bus_master == 1);
    let stream = streams(built).into_iter().find(|(id, _)| *id == u64::from(bdf));
    notes.push(match (stream, masters, built.board.smmu) {
        (Some(_), true, _) => format!("DMA: through the SMMU as StreamID {bdf:#x}, by its own stage-2 root `stream:{bdf:#x}`"),
        (Some(_), false, _) => format!("DMA: StreamID {bdf:#x} is valid, but bus mastering stays off"),
        (None, true, 0) => "DMA: bus mastering is on and the board has no SMMU: it reaches all of memory".to_owned(),
        (None, _, 0) => "DMA: bus mastering stays off".to_owned(),
        (None, true, _) => format!("DMA: StreamID {bdf:#x} is invalid: the SMMU aborts and records every access"),
        (None, false, _) => format!("DMA: bus mastering stays off, and StreamID {bdf:#x} is invalid: the SMMU aborts and records every access"),
    });
    notes
}

/// The exception of the device at fixed addresses whose registers are asked for.
fn unguarded_here<'a>(built: &'a Built<'_>, target: &Target) -> Option<&'a Unguarded> {
    let placed = built.records.memory.iter();
    let mut there = placed.filter(|p| target.physical.iter().any(|t| t.common(p.physical).is_some()));
    there.find_map(|p| built.records.unguarded.iter().find(|u| u.what == p.name))
}

/// The streams of the device at fixed addresses whose registers are asked for.
fn streams_here(built: &Built<'_>, target: &Target) -> Vec<u64> {
    let placed = built.records.memory.iter();
    let there = placed.filter(|p| target.physical.iter().any(|t| t.common(p.physical).is_some()));
    there.flat_map(|p| built.records.streams_of(&p.name)).collect()
}

/// The partition that the registers of a device at fixed addresses were given to.
fn owner_of_registers(built: &Built<'_>, target: &Target) -> Option<usize> {
    let placed = built.records.memory.iter();
    let mut there = placed.filter(|p| target.physical.iter().any(|t| t.common(p.physical).is_some()));
    there.find_map(|p| built.partition(p.owner.strip_prefix("partition:")?))
}

/// Devices of EL2 of which partitions see an emulated one.
fn emulation_notes(built: &Built<'_>, target: &Target) -> Vec<String> {
    let of_el2 = |device: &str| {
        let mut placed = built.records.memory.iter();
        placed.any(|p| {
            p.owner == "el2"
                && p.name == device
                && target.physical.iter().any(|t| t.common(p.physical).is_some())
        })
    };
    let emulated = built.records.emulated.iter().filter(|e| of_el2(&e.device));
    emulated
        .map(|e| {
            format!(
                "partition {} sees an emulated {} at its address {:#x}: each access traps to EL2",
                e.partition, e.device, e.input.start
            )
        })
        .collect()
}

/// Parties that have a right, each once.
fn having(routes: &[Route], right: impl Fn(Rights) -> bool) -> Vec<String> {
    let mut parties: Vec<String> = Vec::new();
    for route in routes.iter().filter(|r| right(r.rights)) {
        if !parties.contains(&route.party) {
            parties.push(route.party.clone());
        }
    }
    parties
}

/// Parties in words.
fn named(parties: &[String]) -> String {
    let name = |party: &String| {
        if party == "el2" {
            "EL2".to_owned()
        } else {
            party.clone()
        }
    };
    match parties {
        [] => "nobody".to_owned(),
        some => listed(some.iter().map(name).collect()),
    }
}

impl WhoCan {
    /// As text.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.question, self.what);
        if !self.physical.is_empty() {
            let _ = writeln!(text, "  read     {}", named(&self.read));
            let _ = writeln!(text, "  write    {}", named(&self.write));
            let _ = writeln!(text, "  execute  {}", named(&self.execute));
        }
        if !self.routes.is_empty() {
            text.push_str("routes:\n");
        }
        let width = self
            .routes
            .iter()
            .map(|r| r.who.chars().count())
            .max()
            .unwrap_or(0);
        for route in self.routes.iter().take(SHOWN) {
            let Span { start, end } = route.physical;
            let name = route.grant.as_deref().unwrap_or("no name");
            let at = if end - start == 1 {
                format!("{start:#x}")
            } else {
                format!("{start:#x}-{end:#x}")
            };
            let _ = writeln!(
                text,
                "  {:width$}  {} {:<12} {at} at its address {:#x}, granted as `{name}`",
                route.who, route.rights, route.memory, route.input
            );
        }
        let hidden = self
            .routes
            .len()
            .saturating_sub(SHOWN)
            .saturating_add(self.more_routes);
        if hidden > 0 {
            let _ = writeln!(text, "  and {hidden} more");
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        if !self.physical.is_empty() {
            let _ = writeln!(
                text,
                "found by walking all {}",
                count(self.roots, "translation root")
            );
        }
        text
    }
}
