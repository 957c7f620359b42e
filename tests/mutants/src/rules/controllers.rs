// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clock, reset, power and pin controllers: `FORMAT.md`, "Records", `controller`, and "Meaning".

use crate::bytes::PAGE;
use crate::descriptor::Kind;
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::text::Placed;
use crate::walk::Map;

/// Whether a device is said to depend on a controller.
pub(crate) fn depends(case: &Case<'_>, controller: &str) -> bool {
    case.text
        .controllers
        .iter()
        .any(|[_, _, name]| name == controller)
}

fn pages_of<'c>(case: &'c Case<'_>) -> impl Iterator<Item = (&'c str, &'c Placed)> {
    let placed = case.text.placed.iter();
    placed.filter_map(|p| Some((p.owner.strip_prefix("controller:")?, p)))
}

/// Controllers are those of devices, and no partition reaches one, neither by itself nor by a bus master.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let all = &case.text.controllers;
    for (at, [partition, device, controller]) in all.iter().enumerate() {
        let exists = case
            .blob
            .partitions
            .iter()
            .any(|p| p.name.as_ref() == Some(partition));
        let root = format!("partition:{partition}");
        let mut grants = case.text.grants.iter();
        let granted = grants.any(|g| (&g.root, &g.name, g.kind) == (&root, device, Kind::Device));
        found.form(exists && granted, || {
            format!("{partition} has no `{device}` that depends on a controller")
        });
        let lies = pages_of(case).any(|(name, _)| name == controller);
        found.form(lies, || format!("controller {controller} is nowhere"));
        let record = all.get(at);
        found.form(!all.iter().take(at).any(|other| Some(other) == record), || {
            format!("{device} depends twice on {controller}")
        });
    }
    for (name, placed) in pages_of(case) {
        let Range { start, end } = placed.range;
        let whole = start.is_multiple_of(PAGE) && end.is_multiple_of(PAGE);
        found.form(whole && depends(case, name), || {
            format!("controller {name} at {start:#x}: no pages, or nothing depends on it")
        });
        let reaches = |maps: &[Map]| {
            maps.iter()
                .any(|m| Range::sized(m.output, m.size).is_some_and(|r| r.meets(placed.range)))
        };
        for (owner, maps) in case.blob.partitions.iter().zip(&case.reach.partitions) {
            found.effect(!reaches(maps), || {
                format!("{:?} reaches controller {name}", owner.name)
            });
        }
        for stream in &case.reach.streams {
            found.effect(!reaches(&stream.maps), || {
                format!("stream {:#x} reaches controller {name}", stream.id)
            });
        }
    }
}
