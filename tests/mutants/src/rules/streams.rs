// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Streams: `FORMAT.md`, "Meaning"; Arm IHI 0070, "Stream Table Entry".

use crate::descriptor::{Kind, R, W};
use crate::judge::{Case, Found};
use crate::rules::words::size_code;
use crate::walk::{Map, join};

/// Each stream that is not invalid is one partition's and reaches exactly that partition's RAM.
pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
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
        let mut wanted = Vec::new();
        for grant in case
            .text
            .grants
            .iter()
            .filter(|g| g.root == root && g.name == "ram")
        {
            let (input, output, size) = (grant.input, grant.range.start, grant.range.size());
            join(
                &mut wanted,
                Map {
                    input,
                    output,
                    size,
                    rights: R | W,
                    kind: Kind::WriteBack,
                },
            );
        }
        // XN does not matter for a device that does not fetch; the format grants no execution.
        found.effect(stream.maps == wanted, || {
            format!("stream {id:#x} reaches something else than RAM")
        });
    }
}
