// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Grants: each root reaches exactly them, and those of a partition are what their names say. `FORMAT.md`,
//! "Meaning"; `hypervisor/types/src/load.rs`.

use std::collections::BTreeSet;

use crate::blob::Partition;
use crate::bytes::PAGE;
use crate::colour::Colouring;
use crate::descriptor::{Kind, R, W, X};
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::placed;
use crate::rules::records::emulated;
use crate::text::Grant;
use crate::walk::{Map, join};

/// `WINDOW_SIZE` of `hypervisor/abi/src/window.rs`.
pub(crate) const WINDOW: u64 = 0x8000;
/// `LOADER_IPA`, `LIST_IPA`, `PAYLOAD_IPA`.
const LOADER: u64 = 0x7f_0000_0000;
const LIST: u64 = 0x7f_0010_0000;
const PAYLOAD: u64 = 0x7f_4000_0000;

/// What a grant maps; nothing when it is not of pages, or has colours that its root has not.
pub(crate) fn maps_of(case: &Case<'_>, grant: &Grant) -> Option<Vec<Map>> {
    let (input, range, rights, kind) = (grant.input, grant.range, grant.rights, grant.kind);
    let map = |input: u64, output: u64, size: u64| Map {
        input,
        output,
        size,
        rights,
        kind,
    };
    let pages = [input, range.start, range.end]
        .iter()
        .all(|n| n.is_multiple_of(PAGE));
    if !pages || range.end > 1 << case.text.address_bits || input > 1 << 39 {
        return None;
    }
    let mut maps = Vec::new();
    if grant.coloured {
        let (colouring, colours) = colours_of(case, &grant.root)?;
        let mut last = None;
        for (number, page) in (0..).zip(colouring.pages(colours, range)) {
            join(&mut maps, map(input + number * PAGE, page, PAGE));
            last = Some(page);
        }
        let ends = maps.first().is_some_and(|m| m.output == range.start);
        if !ends || last.is_none_or(|page| page + PAGE != range.end) {
            return None;
        }
    } else {
        maps.push(map(input, range.start, range.size()));
    }
    let end = maps.last().map_or(0, |m| m.input + m.size);
    (end <= 1 << 39).then_some(maps)
}

/// Colours of the partition of a root or of an owner, if it has some.
pub(crate) fn colours_of<'c>(case: &'c Case<'_>, root: &str) -> Option<(Colouring, &'c BTreeSet<u64>)> {
    let name = root.strip_prefix("partition:")?;
    let (_, colours) = case.text.colour.iter().find(|(n, _)| n == name)?;
    Some((case.text.colours?, colours.as_ref()?))
}

/// All roots with their names.
pub(crate) fn roots<'c>(case: &'c Case<'_>) -> Vec<(String, &'c [Map])> {
    let mut all = Vec::new();
    for (i, maps) in case.reach.el2.iter().enumerate() {
        let name = if i == 0 {
            "el2:boot".to_owned()
        } else {
            format!("el2:core:{}", i - 1)
        };
        all.push((name, maps.as_slice()));
    }
    for (partition, maps) in case.blob.partitions.iter().zip(&case.reach.partitions) {
        all.push((
            format!("partition:{}", partition.name.as_deref().unwrap_or("?")),
            maps.as_slice(),
        ));
    }
    all
}

/// Reach equals grants, root by root; then names.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let all = &case.text.grants;
    let order: Vec<String> = roots(case).into_iter().map(|(name, _)| name).collect();
    let place = |grant: &Grant| order.iter().position(|name| *name == grant.root);
    found.form(all.iter().all(|g| place(g).is_some()), || {
        "grants of no root".to_owned()
    });
    found.form(all.iter().map(|g| (g.coloured, place(g))).is_sorted(), || {
        "grants are not in the order of roots".to_owned()
    });
    for (name, maps) in roots(case) {
        let mut own: Vec<&Grant> = all.iter().filter(|grant| grant.root == name).collect();
        found.form(own.iter().map(|g| (g.coloured, g.input)).is_sorted(), || {
            format!("grants of {name} are not in order")
        });
        own.sort_by_key(|grant| grant.input);
        let (mut granted, mut end) = (Vec::new(), 0);
        for grant in own {
            let Some(maps) = maps_of(case, grant) else {
                found.form.push(format!("grants of {name} are not pages"));
                continue;
            };
            found.form(grant.input >= end, || format!("grants of {name} overlap"));
            for map in maps {
                end = map.input + map.size;
                join(&mut granted, map);
            }
        }
        found.effect(granted == maps, || {
            format!("{name} reaches something else than its grants")
        });
    }
    for grant in all
        .iter()
        .filter(|g| g.root == "el2:boot" && g.name.starts_with("channel:"))
    {
        let placed = case
            .text
            .placed
            .iter()
            .any(|p| p.owner == grant.name && grant.range.within(p.range));
        found.effect(placed, || {
            format!("el2:boot: `{}` is no such channel", grant.name)
        });
    }
    for partition in &case.blob.partitions {
        names(case, partition, found);
    }
}

fn names(case: &Case<'_>, partition: &Partition, found: &mut Found) {
    let name = partition.name.as_deref().unwrap_or("?");
    let root = format!("partition:{name}");
    let own: Vec<&Grant> = case.text.grants.iter().filter(|g| g.root == root).collect();
    for grant in &own {
        let good = is_what_it_says(case, partition, grant);
        found.effect(good, || format!("{root}: `{}` is not what it says", grant.name));
        let maps = maps_of(case, grant).unwrap_or_default();
        let emulated = emulated(partition).iter().any(|(_, range)| {
            let inputs = maps.iter().map(|m| Range {
                start: m.input,
                end: m.input + m.size,
            });
            inputs.into_iter().any(|input| range.meets(input))
        });
        found.effect(!emulated, || {
            format!("{root}: `{}` is where EL2 emulates", grant.name)
        });
    }
    for (once, least) in [
        ("ram", 1),
        ("loader", 1),
        ("load-list", 1),
        ("payload", 0),
        ("window", 0),
    ] {
        let count = own.iter().filter(|g| g.name == once).count();
        found.effect((least..=1).contains(&count), || {
            format!("{root}: {count} grants of `{once}`")
        });
    }
    let index = case.blob.partitions.iter().position(|p| p.vmid == partition.vmid);
    let reached = index
        .and_then(|i| case.reach.partitions.get(i))
        .into_iter()
        .flatten();
    let mut pages: Vec<Range> = reached.filter_map(|m| Range::sized(m.output, m.size)).collect();
    pages.sort();
    let once = pages.windows(2).all(|pair| !pair[0].meets(pair[1]));
    found.effect(once, || format!("{root}: memory is reached at two addresses"));
}

fn is_what_it_says(case: &Case<'_>, partition: &Partition, grant: &Grant) -> bool {
    let (range, kind, rights) = (grant.range, grant.kind, grant.rights);
    let banks = case
        .blob
        .ram
        .iter()
        .filter_map(|(base, size)| Range::sized(*base, *size));
    let in_ram = banks.into_iter().any(|bank| range.within(bank));
    let owner = format!("partition:{}", partition.name.as_deref().unwrap_or("?"));
    let placed = |owner: &str| placed::is_listed(case, owner, grant);
    let memory = |wanted_rights: u8| kind == Kind::WriteBack && rights == wanted_rights && in_ram;
    match grant.name.as_str() {
        "ram" => {
            let size: u64 = maps_of(case, grant)
                .unwrap_or_default()
                .iter()
                .map(|m| m.size)
                .sum();
            let place = (grant.input, size) == (partition.ram_ipa, partition.ram_size);
            memory(R | W | X) && place && placed(&owner)
        }
        "loader" => memory(R | X) && grant.input == LOADER && range == case.image.loader,
        "load-list" => memory(R) && grant.input == LIST && placed(&owner),
        "payload" => memory(R) && grant.input == PAYLOAD && placed(&owner),
        "window" => {
            let place = (range.start, range.size()) == (partition.window, WINDOW);
            memory(R | W) && place && placed(&owner)
        }
        channel if channel.starts_with("channel:") => {
            kind == Kind::NonCacheable && rights & X == 0 && in_ram && placed(channel)
        }
        _ => {
            let functions = case.blob.functions.iter();
            let own = functions.filter(|f| {
                case.blob
                    .partitions
                    .get(crate::bytes::index(f.partition.into()))
                    .map(|p| p.vmid)
                    == Some(partition.vmid)
            });
            let bar = own.flat_map(|f| f.bars).filter(|bar| bar.1 >= PAGE);
            let bar = bar.filter_map(|(address, size)| Range::sized(address, size));
            kind == Kind::Device && rights & X == 0 && bar.into_iter().any(|bar| range.within(bar))
        }
    }
}
