// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who reaches the same physical pages: `FORMAT.md`, "Meaning"; needs no grants for what must never be.

use std::collections::{BTreeMap, BTreeSet};

use crate::descriptor::{Kind, R, W, X};
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::grants::{WINDOW, stolen};
use crate::walk::Map;

/// Name of a party in `shared` records, as the number of the partition; EL2 is nothing.
type Party = Option<usize>;

/// A physical range and everyone who reaches it.
struct Piece {
    range: Range,
    parties: BTreeMap<Party, u8>,
    cached: bool,
}

/// Cuts all reach into pieces inside which nothing changes.
fn pieces<'a>(case: &'a Case<'_>) -> Vec<Piece> {
    let mut all: Vec<(Range, Party, &Map)> = Vec::new();
    let reached = |party: Party, maps: &'a [Map]| {
        maps.iter()
            .filter_map(move |map| Some((Range::sized(map.output, map.size)?, party, map)))
    };
    for maps in &case.reach.el2 {
        all.extend(reached(None, maps));
    }
    for (i, maps) in case.reach.partitions.iter().enumerate() {
        all.extend(reached(Some(i), maps));
    }
    for stream in &case.reach.streams {
        // A stream of nobody is reported elsewhere; here it counts as a partition of its own.
        all.extend(reached(Some(stream.owner.unwrap_or(usize::MAX)), &stream.maps));
    }
    all.sort_by_key(|(range, ..)| *range);
    let cuts: BTreeSet<u64> = all.iter().flat_map(|(r, ..)| [r.start, r.end]).collect();
    let cuts: Vec<u64> = cuts.into_iter().collect();
    let mut out = Vec::new();
    let mut open: Vec<&(Range, Party, &Map)> = Vec::new();
    let mut next = all.iter().peekable();
    for cut in cuts.windows(2) {
        let range = Range {
            start: cut[0],
            end: cut[1],
        };
        open.retain(|(r, ..)| r.end > range.start);
        while let Some(one) = next.next_if(|(r, ..)| r.start <= range.start) {
            open.push(one);
        }
        let mut piece = Piece {
            range,
            parties: BTreeMap::new(),
            cached: false,
        };
        for (_, party, map) in &open {
            *piece.parties.entry(*party).or_insert(0) |= map.rights;
            piece.cached |= map.kind != Kind::NonCacheable;
        }
        if !piece.parties.is_empty() {
            out.push(piece);
        }
    }
    out
}

fn name(case: &Case<'_>, party: Party) -> String {
    match party {
        None => "el2".to_owned(),
        Some(i) => {
            let name = case.blob.partitions.get(i).and_then(|p| p.name.as_deref());
            format!("partition:{}", name.unwrap_or("?"))
        }
    }
}

/// No page has two parties but the loader, windows and channels, each declared with its rights.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let pieces = pieces(case);
    for piece in pieces.iter().filter(|piece| piece.parties.len() > 1) {
        never(case, piece, found);
        declared(case, piece, found);
    }
    let mut end = 0;
    for shared in &case.text.shared {
        found.form(shared.range.start >= end, || {
            "shared ranges overlap or are out of order".to_owned()
        });
        end = shared.range.end;
        // Every byte of a declared range is reached by at least two parties; `declared` compared their rights.
        let inside = pieces
            .iter()
            .filter(|p| p.parties.len() > 1 && p.range.meets(shared.range));
        let covered: u64 = inside
            .map(|p| p.range.end.min(end) - p.range.start.max(shared.range.start))
            .sum();
        found.effect(covered == shared.range.size(), || {
            format!("{:#x} is declared shared and is not", shared.range.start)
        });
    }
}

/// What must not be, whatever the text says.
fn never(case: &Case<'_>, piece: &Piece, found: &mut Found) {
    let at = piece.range.start;
    let loader = piece.range.within(case.image.loader);
    let partitions = || piece.parties.iter().filter(|(party, _)| party.is_some());
    if loader {
        let good = piece
            .parties
            .iter()
            .all(|(p, r)| *r == if p.is_some() { R | X } else { R });
        found.effect(good, || format!("the loader at {at:#x} has other rights"));
        return;
    }
    let channel =
        case.blob.channels.iter().any(|(base, size)| {
            Range::sized(*base, *size).is_some_and(|channel| piece.range.within(channel))
        });
    if piece.parties.contains_key(&None) && (!channel || piece.cached) {
        let own = partitions().all(|(p, rights)| {
            let partition = p.and_then(|i| case.blob.partitions.get(i));
            let window = partition.and_then(|p| Range::sized(p.window, WINDOW));
            let talks = rights & X == 0 && window.is_some_and(|w| piece.range.within(w));
            let stolen = p.and_then(|i| stolen(case, i));
            talks || *rights == R && stolen.is_some_and(|page| piece.range.within(page))
        });
        found.effect(own, || {
            format!("EL2's memory at {at:#x} is reached by a partition")
        });
    }
    if partitions().count() > 1 {
        let writers = partitions().filter(|(_, rights)| *rights & W != 0).count();
        let lock = case.blob.locks.iter().find(|lock| {
            Range::sized(lock.range.0, lock.range.1).is_some_and(|lock| piece.range.within(lock))
        });
        let of_lock = lock.is_some_and(|lock| {
            partitions().all(|(p, rights)| *rights == R | W && p.is_some_and(|p| lock.has(p)))
        });
        let data = partitions().all(|(_, rights)| rights & X == 0);
        found.effect((writers == 1 || of_lock) && data && !piece.cached, || {
            format!("memory at {at:#x} is reached by two partitions and is no channel")
        });
    }
}

/// A `shared` record gives each party the rights that it has.
fn declared(case: &Case<'_>, piece: &Piece, found: &mut Found) {
    let record = case.text.shared.iter().find(|s| piece.range.within(s.range));
    let actual: BTreeMap<String, u8> = piece
        .parties
        .iter()
        .map(|(party, rights)| (name(case, *party), *rights))
        .collect();
    let same = record.is_some_and(|record| {
        let written: BTreeMap<String, u8> = record.parties.iter().cloned().collect();
        written == actual && record.parties.len() == actual.len()
    });
    found.effect(same, || {
        format!(
            "memory at {:#x} is shared otherwise than declared",
            piece.range.start
        )
    });
}
