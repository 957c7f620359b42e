// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Records of what was placed: `FORMAT.md`, "Records", `memory`.

use crate::blob::NONE;
use crate::bytes::PAGE;
use crate::descriptor::Kind;
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::el2;
use crate::rules::grants::WINDOW;

/// Placed things do not overlap, and everything of EL2 and of each partition is among them as its owner's.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let placed = &case.text.placed;
    let mut end = 0;
    for thing in placed {
        found.form(thing.range.start >= end, || {
            "placed things overlap or are out of order".to_owned()
        });
        end = thing.range.end;
        found.form(is_owner(case, &thing.owner), || {
            format!("nobody is called `{}`", thing.owner)
        });
    }
    channels(case, found);
    for (owner, range) in owned(case) {
        // One thing of the owner's, or several side by side, cover all of it.
        let mut at = range.start;
        for thing in placed.iter().filter(|t| t.owner == owner) {
            if thing.range.start <= at && at < thing.range.end {
                at = thing.range.end;
            }
        }
        found.effect(at >= range.end, || {
            format!("{:#x} of {owner} is not listed as its own", range.start)
        });
    }
}

/// The blob's channels are those that were placed; all non-cacheable memory of partitions lies in them, and each
/// is reached as a whole.
fn channels(case: &Case<'_>, found: &mut Found) {
    let of_channel = |p: &&crate::text::Placed| p.owner.starts_with("channel:");
    let mut placed: Vec<Range> = case
        .text
        .placed
        .iter()
        .filter(of_channel)
        .map(|p| p.range)
        .collect();
    for lock in &case.blob.locks {
        found.effect(lock.is_sound(case.blob.partitions.len()), || {
            format!("the lock at {:#x} makes no sense", lock.range.0)
        });
        for (p, _, _) in lock.participants() {
            let reach = case
                .reach
                .partitions
                .get(crate::bytes::index(p.into()))
                .into_iter()
                .flatten();
            let there = reach
                .filter(|m| (m.output, m.size) == lock.range && m.input == lock.words[0])
                .count();
            found.effect(there == 1, || format!("partition {p} has its lock elsewhere"));
        }
    }
    let sized = |(base, size): &(u64, u64)| Range {
        start: *base,
        end: base.saturating_add(*size),
    };
    let mut listed: Vec<Range> = case.blob.channels.iter().map(sized).collect();
    placed.sort();
    listed.sort();
    found.effect(placed == listed, || {
        "the blob's channels are not those that were placed".to_owned()
    });
    let mut reached: Vec<Range> = case
        .reach
        .partitions
        .iter()
        .flatten()
        .filter(|m| m.kind == Kind::NonCacheable)
        .map(|m| Range {
            start: m.output,
            end: m.output + m.size,
        })
        .collect();
    reached.sort();
    let inside = reached
        .iter()
        .all(|r| listed.iter().any(|channel| r.within(*channel)));
    found.effect(inside, || "non-cacheable memory that is no channel".to_owned());
    for channel in &listed {
        let mut at = channel.start;
        for range in reached.iter().filter(|r| r.start <= channel.end) {
            if range.start <= at {
                at = at.max(range.end);
            }
        }
        found.effect(at >= channel.end, || {
            format!("nobody reaches {at:#x} of a channel")
        });
    }
}

fn is_owner(case: &Case<'_>, owner: &str) -> bool {
    let partition = |name: &str| {
        case.blob
            .partitions
            .iter()
            .any(|p| p.name.as_deref() == Some(name))
    };
    let channel = || case.text.grants.iter().any(|g| g.name == owner);
    match owner.split_once(':') {
        Some(("partition", name)) => partition(name),
        Some(("channel", _)) => channel(),
        Some(("controller", name)) => super::controllers::depends(case, name),
        _ => owner == "board" || owner == "el2",
    }
}

fn owned(case: &Case<'_>) -> Vec<(String, Range)> {
    let (image, blob) = (&case.image, &case.blob);
    let sized = |start: u64, size: u64| Range {
        start,
        end: start.saturating_add(size),
    };
    let mut el2 = el2::devices(case);
    el2.push(image.all);
    el2.push(sized(blob.base, blob.certificate + PAGE));
    el2.push(sized(blob.live_base, blob.live_size));
    if blob.board.smmu != 0 {
        el2.push(sized(blob.board.queues, 2 * PAGE));
    }
    let mut all: Vec<(String, Range)> = el2.into_iter().map(|range| ("el2".to_owned(), range)).collect();
    for (at, partition) in blob.partitions.iter().enumerate() {
        let owner = format!("partition:{}", partition.name.as_deref().unwrap_or("?"));
        all.extend(super::grants::stolen(case, at).map(|page| (owner.clone(), page)));
        if partition.window != 0 {
            all.push((owner.clone(), sized(partition.window, WINDOW)));
        }
        // Grants that lie in colours are compared with what was placed there one by one, by their names.
        for own in super::grants::of(case, &owner) {
            let grant = own.grant;
            if grant.name == "loader" || super::colours::placed(case, &own, &owner) {
                continue;
            }
            let channel = grant.name.starts_with("channel:");
            all.push((
                if channel {
                    grant.name.clone()
                } else {
                    owner.clone()
                },
                grant.range,
            ));
        }
    }
    for function in &blob.functions {
        let at = crate::bytes::index(function.partition.into());
        let name = blob.partitions.get(at).and_then(|p| p.name.as_deref());
        // Nobody's function is EL2's watchdog.
        let owner = match function.partition {
            NONE => "el2".to_owned(),
            _ => format!("partition:{}", name.unwrap_or("?")),
        };
        for (address, size) in function.bars.iter().filter(|bar| bar.1 != 0) {
            all.push((owner.clone(), sized(*address, *size)));
        }
    }
    all
}
