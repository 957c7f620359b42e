// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Grants: each root reaches exactly them, and those of a partition are what their names say. `FORMAT.md`,
//! "Meaning"; `hypervisor/types/src/load.rs`.

use crate::bytes::PAGE;
use crate::descriptor::{Kind, R, W, X};
use crate::entries::Partition;
use crate::image::Range;
use crate::judge::{Case, Found};
use crate::rules::colours;
use crate::rules::records::emulated;
use crate::text::Grant;
use crate::walk::{Map, join};

/// `WINDOW_SIZE` of `hypervisor/abi/src/window.rs`.
pub(crate) const WINDOW: u64 = 0x8000;
/// `LOADER_IPA`, `LIST_IPA`, `PAYLOAD_IPA`.
const LOADER: u64 = 0x7f_0000_0000;
const LIST: u64 = 0x7f_0010_0000;
const PAYLOAD: u64 = 0x7f_4000_0000;

/// `STOLEN_TIME_IPA`.
const STOLEN: u64 = 0x7f_0020_0000;

/// `DUMP_IPA`.
const DUMP: u64 = 0x60_0000_0000;

/// The page of a partition's stolen time, which begins with that of its vCPU 0.
pub(crate) fn stolen(case: &Case<'_>, at: usize) -> Option<Range> {
    let first = case
        .blob
        .vcpus
        .iter()
        .find(|v| crate::bytes::index(v.partition.into()) == at && v.index == 0)?;
    Range::sized(first.stolen, PAGE).filter(|_| first.stolen != 0)
}

/// Each vCPU has the 64 bytes of its number, or its partition has none.
fn stolen_parts(case: &Case<'_>, at: usize, found: &mut Found) {
    let page = stolen(case, at);
    let own = case
        .blob
        .vcpus
        .iter()
        .filter(|v| crate::bytes::index(v.partition.into()) == at);
    for vcpu in own {
        let place = page.map_or(0, |page| page.start.wrapping_add(64 * u64::from(vcpu.index)));
        found.effect(vcpu.stolen == place && vcpu.index < 64, || {
            format!(
                "the stolen time of vCPU {} of partition {at} is elsewhere",
                vcpu.index
            )
        });
    }
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
    for stream in &case.reach.streams {
        all.push((format!("stream:{:#x}", stream.id), stream.maps.as_slice()));
    }
    all
}

/// A grant and what it maps.
pub(crate) struct Own<'c> {
    pub(crate) grant: &'c Grant,
    pub(crate) pieces: Vec<Map>,
    pub(crate) coloured: bool,
}

impl Own<'_> {
    fn size(&self) -> u64 {
        self.pieces.iter().map(|p| p.size).fold(0, u64::saturating_add)
    }
}

/// All grants of a root; those of colours that are none map nothing.
pub(crate) fn of<'c>(case: &'c Case<'_>, root: &str) -> Vec<Own<'c>> {
    let plain = case.text.grants.iter().filter(|g| g.root == root);
    let whole = |grant: &'c Grant| Own {
        grant,
        pieces: vec![Map {
            input: grant.input,
            output: grant.range.start,
            size: grant.range.size(),
            rights: grant.rights,
            kind: grant.kind,
        }],
        coloured: false,
    };
    let coloured = case.text.coloured.iter().filter(|g| g.root == root);
    let expanded = coloured.map(|grant| Own {
        grant,
        pieces: colours::pieces(case, grant).unwrap_or_default(),
        coloured: true,
    });
    plain.map(whole).chain(expanded).collect()
}

/// Reach equals grants, root by root; then names.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let all = &case.text.grants;
    let order: Vec<String> = roots(case).into_iter().map(|(name, _)| name).collect();
    let place = |grant: &Grant| order.iter().position(|name| *name == grant.root);
    for kind in [all, &case.text.coloured] {
        found.form(kind.iter().all(|g| place(g).is_some()), || {
            "grants of no root".to_owned()
        });
        let key = |grant: &Grant| (place(grant), grant.input);
        found.form(kind.iter().map(key).is_sorted(), || {
            "grants are not in the order of roots and input addresses".to_owned()
        });
    }
    for (name, maps) in roots(case) {
        let own = of(case, &name);
        found.form(own.iter().all(|own| !own.pieces.is_empty()), || {
            format!("{name}: a grant of no pages of its colours")
        });
        let mut pieces: Vec<&Map> = own.iter().flat_map(|own| &own.pieces).collect();
        pieces.sort_by_key(|piece| piece.input);
        let (mut granted, mut end) = (Vec::new(), 0);
        for piece in pieces {
            let numbers = [piece.input, piece.output, piece.size];
            let legal = numbers.iter().all(|n| n.is_multiple_of(PAGE))
                && piece.input >= end
                && piece.input.checked_add(piece.size).is_some_and(|e| e <= 1 << 39);
            found.form(legal, || format!("grants of {name} are not pages, or overlap"));
            end = piece.input.saturating_add(piece.size);
            if legal {
                join(&mut granted, *piece);
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
    for (at, partition) in case.blob.partitions.iter().enumerate() {
        names(case, at, partition, found);
        stolen_parts(case, at, found);
    }
    for grant in all
        .iter()
        .chain(&case.text.coloured)
        .filter(|g| g.root.starts_with("stream:"))
    {
        found.effect(grant.name == "ram", || {
            format!("{}: `{}` is not RAM", grant.root, grant.name)
        });
    }
}

fn names(case: &Case<'_>, at: usize, partition: &Partition, found: &mut Found) {
    let name = partition.name.as_deref().unwrap_or("?");
    let root = format!("partition:{name}");
    let own = of(case, &root);
    for one in &own {
        let grant = one.grant;
        let good = is_what_it_says(case, at, partition, one);
        found.effect(good, || format!("{root}: `{}` is not what it says", grant.name));
        let input = Range {
            start: grant.input,
            end: grant.input.saturating_add(one.size()),
        };
        let emulated = emulated(&case.blob, at)
            .iter()
            .any(|(_, range)| range.meets(input));
        found.effect(!emulated, || {
            format!("{root}: `{}` is where EL2 emulates", grant.name)
        });
    }
    let ram = own.iter().filter(|own| own.grant.name == "ram");
    let ram: u64 = ram.map(Own::size).fold(0, u64::saturating_add);
    found.effect(ram == partition.ram_size && ram > 0, || {
        format!("{root}: {ram:#x} bytes of RAM")
    });
    let stolen = stolen(case, at).is_some();
    for (once, least) in [
        ("stolen-time", usize::from(stolen)),
        ("loader", 1),
        ("load-list", 1),
        ("payload", 0),
        ("dump", 0),
        ("window", 0),
    ] {
        let count = own.iter().filter(|own| own.grant.name == once).count();
        found.effect((least..=1).contains(&count), || {
            format!("{root}: {count} grants of `{once}`")
        });
    }
    let mut pieces: Vec<&Map> = own.iter().flat_map(|own| &own.pieces).collect();
    pieces.sort_by_key(|piece| piece.output);
    for two in pieces.windows(2) {
        let twice = two[1].output - two[0].output < two[0].size;
        found.effect(!twice, || {
            format!("{root}: {:#x} is reached at two addresses", two[1].output)
        });
    }
}

fn is_what_it_says(case: &Case<'_>, at: usize, partition: &Partition, own: &Own<'_>) -> bool {
    let grant = own.grant;
    if own.coloured && !["ram", "load-list", "payload"].contains(&grant.name.as_str()) {
        return false;
    }
    let (range, kind, rights) = (grant.range, grant.kind, grant.rights);
    let banks = case
        .blob
        .ram
        .iter()
        .filter_map(|(base, size)| Range::sized(*base, *size));
    let in_ram = banks.into_iter().any(|bank| range.within(bank));
    let owner = format!("partition:{}", partition.name.as_deref().unwrap_or("?"));
    let placed = |owner: &str| {
        case.text
            .placed
            .iter()
            .any(|p| p.owner == owner && range.within(p.range))
            || colours::placed(case, own, owner)
    };
    let memory = |wanted_rights: u8| kind == Kind::WriteBack && rights == wanted_rights && in_ram;
    match grant.name.as_str() {
        "ram" => {
            let ram = Range::sized(partition.ram_ipa, partition.ram_size);
            let at = Range::sized(grant.input, own.size());
            let inside = at.zip(ram).is_some_and(|(at, ram)| at.within(ram));
            kind == Kind::WriteBack && inside && in_ram && placed(&owner)
        }
        "loader" => memory(R | X) && grant.input == LOADER && range == case.image.loader,
        "load-list" => memory(R) && grant.input == LIST && placed(&owner),
        "dump" => memory(R | W) && grant.input == DUMP && placed(&owner),
        "payload" => memory(R) && grant.input == PAYLOAD && placed(&owner),
        "window" => {
            let place = (range.start, range.size()) == (partition.window, WINDOW);
            memory(R | W) && place && placed(&owner)
        }
        "stolen-time" => {
            let own = stolen(case, at) == Some(range);
            memory(R) && grant.input == STOLEN && own && placed(&owner)
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
            let fixed =
                |p: &crate::text::Placed| (&p.owner, &p.name, p.range) == (&owner, &grant.name, range);
            let fixed = !in_ram && case.text.placed.iter().any(fixed);
            let own = fixed || bar.into_iter().any(|bar| range.within(bar));
            kind == Kind::Device && rights & X == 0 && own
        }
    }
}
