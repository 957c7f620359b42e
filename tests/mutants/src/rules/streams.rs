// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Streams: `FORMAT.md`, "Meaning"; Arm IHI 0070, "Stream Table Entry".

use crate::bytes::index;
use crate::descriptor::{Kind, R, W};
use crate::judge::{Case, Found};
use crate::rules::devices::has_registers;
use crate::rules::grants;
use crate::rules::records::partition_name;
use crate::rules::words::size_code;
use crate::walk::{Map, join};

/// Each stream that is not invalid is one partition's and reaches nothing but RAM that this partition may write.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    platform(case, found);
    for id in &case.reach.idle {
        found
            .form
            .push(format!("stream {id:#x} is invalid and has fields"));
    }
    for stream in &case.reach.streams {
        let id = stream.id;
        let Some(partition) = stream.owner.and_then(|o| case.blob.partitions.get(o)) else {
            found.harmful.push(format!("stream {id:#x} belongs to nobody"));
            continue;
        };
        let wrong = stream
            .entry
            .wrong(partition.vmid, size_code(case.text.address_bits));
        found.effect(wrong.is_none(), || {
            format!("stream {id:#x} {}", wrong.unwrap_or_default())
        });
        let root = format!("partition:{}", partition.name.as_deref().unwrap_or("?"));
        let own = grants::of(case, &root);
        let ram = own.iter().filter(|own| own.grant.name == "ram");
        let mut pieces: Vec<&Map> = ram.flat_map(|own| &own.pieces).collect();
        pieces.sort_by_key(|piece| piece.input);
        let mut writable = Vec::new();
        for piece in pieces.into_iter().filter(|piece| piece.rights & W != 0) {
            join(
                &mut writable,
                Map {
                    rights: R | W,
                    kind: Kind::WriteBack,
                    ..*piece
                },
            );
        }
        // XN does not matter for a device that does not fetch; the format grants no execution.
        found.effect(stream.maps.iter().all(|map| is_part(map, &writable)), || {
            format!("stream {id:#x} reaches something else than RAM that its partition writes")
        });
    }
}

/// Each valid stream is that of a bus master among the PCI functions, or in the table, with a device at fixed addresses of
/// the same partition; else EL2 would not know when to close it.
fn platform(case: &Case<'_>, found: &mut Found) {
    let (table, functions) = (&case.blob.streams, &case.blob.functions);
    found.form(table.windows(2).all(|two| two[0].0 < two[1].0), || {
        "streams: one twice, or not ascending".to_owned()
    });
    for (id, owner) in table {
        let granted =
            |s: &crate::reach::Stream| s.id == u64::from(*id) && s.owner == Some(index((*owner).into()));
        found.effect(case.reach.streams.iter().any(granted), || {
            format!("stream {id:#x} is not that of partition {owner}")
        });
        found.form(functions.iter().all(|f| f.bdf != *id), || {
            format!("stream {id:#x} is a PCI function's")
        });
        let name = partition_name(&case.blob.partitions, *owner);
        let mut named = case.text.platform.iter().filter(|(of, _)| *of == u64::from(*id));
        found.effect(
            named.any(|(_, device)| has_registers(case, device, &name)),
            || format!("stream {id:#x} is of no device of {name}"),
        );
    }
    let listed = |id: u64| table.iter().any(|(of, _)| u64::from(*of) == id);
    found.form(case.text.platform.iter().all(|(id, _)| listed(*id)), || {
        "a stream is said to be a device's and is not in the table".to_owned()
    });
    for stream in &case.reach.streams {
        let mut masters = functions.iter().filter(|f| f.master == 1);
        let known = listed(stream.id) || masters.any(|f| u64::from(f.bdf) == stream.id);
        found.effect(known, || format!("EL2 does not know of stream {:#x}", stream.id));
    }
}

/// Whether a mapping is a part of one of `whole`.
fn is_part(map: &Map, whole: &[Map]) -> bool {
    whole.iter().any(|w| {
        let Some(at) = map.input.checked_sub(w.input) else {
            return false;
        };
        let fits = at.checked_add(map.size).is_some_and(|end| end <= w.size);
        fits && w.output.checked_add(at) == Some(map.output) && (w.rights, w.kind) == (map.rights, map.kind)
    })
}
