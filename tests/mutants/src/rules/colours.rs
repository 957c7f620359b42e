// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page colours: `FORMAT.md`, "Records" and "Meaning".

use crate::bytes::PAGE;
use crate::colours::Palette;
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::grants::{Own, WINDOW, stolen};
use crate::text::Grant;
use crate::walk::{Map, join};

/// The pages of a partition's colours, if it has some.
fn of_partition<'c>(case: &'c Case<'_>, at: usize) -> Option<Palette<'c>> {
    let name = case.blob.partitions.get(at)?.name.as_deref()?;
    case.text.colours.as_ref()?.of(name)
}

/// The pages of the colours of a root's partition, if it has some.
pub(crate) fn of_root<'c>(case: &'c Case<'_>, root: &str) -> Option<Palette<'c>> {
    if let Some(name) = root.strip_prefix("partition:") {
        return case.text.colours.as_ref()?.of(name);
    }
    let mut streams = case.reach.streams.iter();
    let stream = streams.find(|s| root == format!("stream:{:#x}", s.id))?;
    of_partition(case, stream.owner?)
}

fn banks<'c>(case: &'c Case<'_>) -> impl Iterator<Item = Range> + 'c {
    let banks = case.blob.ram.iter();
    banks.filter_map(|(base, size)| Range::sized(*base, *size))
}

/// What a grant of pages of colours maps; nothing when it is none.
pub(crate) fn pieces(case: &Case<'_>, grant: &Grant) -> Option<Vec<Map>> {
    let palette = of_root(case, &grant.root)?;
    let Range { start, end } = grant.range;
    let whole = [start, end, grant.input].iter().all(|n| n.is_multiple_of(PAGE));
    let in_ram = banks(case).any(|bank| grant.range.within(bank));
    if !whole || !in_ram || !palette.has(start) || !palette.has(end - PAGE) {
        return None;
    }
    let (mut all, mut input) = (Vec::new(), grant.input);
    for part in palette.parts(grant.range) {
        let (output, size) = (part.start, part.size());
        join(
            &mut all,
            Map {
                input,
                output,
                size,
                rights: grant.rights,
                kind: grant.kind,
            },
        );
        input = input.checked_add(size)?;
    }
    Some(all)
}

/// Whether a grant was placed in pages of its owner's colours.
pub(crate) fn placed(case: &Case<'_>, own: &Own<'_>, owner: &str) -> bool {
    let range = own.grant.range;
    let mut all = case.text.coloured_placed.iter().filter(|p| p.owner == owner);
    let pages = || of_root(case, owner).is_some_and(|palette| palette.covers(range));
    all.any(|p| range.within(p.range)) && (own.coloured || pages())
}

/// Records, then what coloured partitions reach, and where their tables lie.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    records(case, found);
    placing(case, found);
    for (at, partition) in case.blob.partitions.iter().enumerate() {
        let Some(palette) = of_partition(case, at) else {
            continue;
        };
        found.effect(palette.has(partition.live_root), || {
            format!("the root of partition {at} has a foreign colour")
        });
        let number = case.reach.el2.len() + at;
        let lower = case.reach.pages_of(number).skip(1);
        tables(palette, lower, &format!("partition {at}"), found);
        reach(case, at, palette, found);
    }
    let first = case.reach.el2.len() + case.reach.partitions.len();
    // Streams by other roots than those where tables lie were not walked, and have no number.
    let walked = case.reach.streams.iter().filter(|s| s.walked);
    for (number, stream) in (first..).zip(walked) {
        if let Some(palette) = stream.owner.and_then(|at| of_partition(case, at)) {
            let pages = case.reach.pages_of(number);
            tables(palette, pages, &format!("stream {:#x}", stream.id), found);
        }
    }
}

fn tables(palette: Palette<'_>, mut pages: impl Iterator<Item = u64>, whose: &str, found: &mut Found) {
    let foreign = pages.find(|page| !palette.has(*page));
    found.effect(foreign.is_none(), || {
        format!(
            "the table at {:#x} of {whose} has a foreign colour",
            foreign.unwrap_or(0)
        )
    });
}

/// All RAM that a coloured partition reaches has its colours, but for the loader, its window, its stolen time and channels.
fn reach(case: &Case<'_>, at: usize, palette: Palette<'_>, found: &mut Found) {
    let window = case.blob.partitions.get(at).filter(|p| p.window != 0);
    let mut any: Vec<Range> = case
        .blob
        .channels
        .iter()
        .filter_map(|(base, size)| Range::sized(*base, *size))
        .collect();
    any.push(case.image.loader);
    any.extend(window.and_then(|p| Range::sized(p.window, WINDOW)));
    any.extend(stolen(case, at));
    let maps = case.reach.partitions.get(at).into_iter().flatten();
    for map in maps {
        let Some(range) = Range::sized(map.output, map.size) else {
            continue;
        };
        let in_ram = banks(case).any(|bank| range.meets(bank));
        let excepted = any.iter().any(|other| range.within(*other));
        found.effect(!in_ram || excepted || palette.covers(range), || {
            format!("partition {at} reaches {:#x} of a foreign colour", range.start)
        });
    }
}

/// One record a partition, by index, and no colour of two.
fn records(case: &Case<'_>, found: &mut Found) {
    let Some(colours) = &case.text.colours else {
        return;
    };
    let named: Vec<Option<&str>> = colours
        .claims
        .iter()
        .map(|(name, _)| Some(name.as_str()))
        .collect();
    let partitions = case.blob.partitions.iter();
    let each: Vec<Option<&str>> = partitions.map(|p| p.name.as_deref()).collect();
    found.form(named == each, || {
        "colours are not those of each partition".to_owned()
    });
    let sets: Vec<_> = colours
        .claims
        .iter()
        .filter_map(|(_, set)| set.as_ref())
        .collect();
    found.form(!sets.is_empty(), || "colours of nobody".to_owned());
    for (i, set) in sets.iter().enumerate() {
        let common = sets.iter().skip(i + 1).any(|other| other.meets(set));
        found.effect(!common, || "two partitions have a colour in common".to_owned());
    }
}

/// What was placed in colours is of partitions that have some, and apart from everything but others in their colours.
fn placing(case: &Case<'_>, found: &mut Found) {
    let all = &case.text.coloured_placed;
    for thing in all {
        found.form(of_root(case, &thing.owner).is_some(), || {
            format!("`{}` has no colours", thing.owner)
        });
        let beside = case.text.placed.iter().any(|p| p.range.meets(thing.range));
        found.form(!beside, || {
            format!("coloured things meet others at {:#x}", thing.range.start)
        });
    }
    for (i, one) in all.iter().enumerate() {
        let mut rest = all.iter().skip(i + 1);
        let twice = rest.any(|other| other.owner == one.owner && other.range.meets(one.range));
        found.form(!twice, || format!("{}: coloured things overlap", one.owner));
    }
}
