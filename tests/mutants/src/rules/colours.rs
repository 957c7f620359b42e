// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What lies in colours: `FORMAT.md`, "Meaning".

use crate::bytes::PAGE;
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::grants::{colours_of, maps_of};

/// Names of grants that lie in colours.
const COLOURED: [&str; 3] = ["ram", "load-list", "payload"];

/// Partitions have no colour in common, and what is theirs lies in their colours.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let (text, blob) = (&case.text, &case.blob);
    let some = text.colour.iter().any(|(_, colours)| colours.is_some());
    let names: Vec<&str> = text.colour.iter().map(|(name, _)| name.as_str()).collect();
    let partitions: Vec<&str> = blob.partitions.iter().filter_map(|p| p.name.as_deref()).collect();
    let listed = if text.colours.is_some() {
        some && names == partitions
    } else {
        names.is_empty()
    };
    found.form(listed, || "`colour` does not list the partitions".to_owned());
    let Some(colouring) = text.colours else { return };
    for (i, (name, colours)) in text.colour.iter().enumerate() {
        let Some(colours) = colours else { continue };
        found.form(colours.iter().all(|c| *c < colouring.count), || {
            format!("{name}: no such colour")
        });
        let others = text
            .colour
            .iter()
            .skip(i + 1)
            .filter_map(|(_, other)| other.as_ref());
        let apart = others.into_iter().all(|other| other.is_disjoint(colours));
        found.effect(apart, || format!("{name} has a colour of another partition"));
    }
    for (i, partition) in blob.partitions.iter().enumerate() {
        let root = format!("partition:{}", partition.name.as_deref().unwrap_or("?"));
        let Some((colouring, colours)) = colours_of(case, &root) else {
            continue;
        };
        let mut pages = vec![partition.live_root];
        let streams = case
            .reach
            .streams
            .iter()
            .zip(0..)
            .filter(|(s, _)| s.owner == Some(i));
        let roots = case.reach.el2.len();
        let mut numbers: Vec<usize> = streams
            .map(|(_, at)| roots + blob.partitions.len() + at)
            .collect();
        numbers.push(roots + i);
        let lower = case.reach.pages_of.iter().filter(|(number, page)| {
            numbers.contains(number) && *page != blob.base.wrapping_add(partition.pristine)
        });
        pages.extend(lower.map(|(_, page)| *page));
        let grants = text
            .grants
            .iter()
            .filter(|g| g.root == root && COLOURED.contains(&g.name.as_str()));
        for map in grants.flat_map(|g| maps_of(case, g).unwrap_or_default()) {
            let range = Range {
                start: map.output,
                end: map.output + map.size,
            };
            pages.extend((range.start..range.end).step_by(4096));
        }
        let stray = pages.iter().find(|page| !colours.contains(&colouring.of(**page)));
        found.effect(stray.is_none(), || {
            format!("{root}: page {stray:#x?} of {PAGE} bytes has another colour")
        });
    }
}
