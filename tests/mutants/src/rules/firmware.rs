// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Functions of the firmware that partitions may call: the table of `config/compiler/FORMAT.md`.

use crate::blob::Blob;
use crate::judge::{Case, Found};

/// Numbers of the standard services that are queries: of PSCI, of TRNG, and their identity.
const QUERIES: &[u32] = &[0, 4, 6, 7, 10, 13, 16, 17, 0x50, 0x51, 0x52, 0x53, 0xff01, 0xff03];

/// Who may call a function: 0 nobody, 1 with a reason, 2 anybody.
fn class(function: u32) -> u8 {
    let [_, zero, ..] = function.to_be_bytes();
    let number = function & 0xffff;
    if zero != 0 || function >> 31 == 0 {
        return 0;
    }
    match function >> 24 & 0x3f {
        0 => 2,
        1 | 2 | 3 | 0x30..=0x3f => 1,
        4 if QUERIES.contains(&number) => 2,
        _ => 0,
    }
}

pub(crate) fn check(case: &Case<'_>, found: &mut Found) {
    let mut reasons = case.text.calls.iter();
    for p in &case.blob.partitions {
        let name = p.name.as_deref().unwrap_or("?");
        let used = p.calls.iter().take_while(|(_, within, _)| *within > 0).count();
        for (i, (function, within, reserved)) in p.calls.iter().enumerate() {
            if i >= used {
                let empty = (*function, *within, *reserved) == (0, 0, 0);
                found.form(empty, || format!("{name}: call {i} of no use"));
                continue;
            }
            let once = p.calls[..i].iter().all(|(other, ..)| other != function);
            let class = class(*function);
            let said = reasons
                .next()
                .is_some_and(|reason| reason != "-" && reason.contains(|c: char| c.is_ascii_alphanumeric()));
            found.form(once && *reserved == 0 && class > 0, || {
                format!("{name} calls {function:#x}")
            });
            found.form(class == 2 || said, || {
                format!("{name} calls {function:#x} for no reason")
            });
        }
        let direct = |v: &crate::entries::Vcpu| {
            let core = case.blob.cores.get(crate::bytes::index(v.core.into()));
            core.is_none_or(|core| core.mode == 0)
        };
        let (first, count) = (
            crate::bytes::index(p.vcpus.0.into()),
            crate::bytes::index(p.vcpus.1.into()),
        );
        let mut own = case.blob.vcpus.iter().skip(first).take(count);
        found.form(used == 0 || !own.any(direct), || {
            format!("{name} calls the firmware from a direct core")
        });
    }
}

/// The records of the text form, without their reasons.
pub(crate) fn records(blob: &Blob) -> Vec<String> {
    let of = |p: &crate::entries::Partition| {
        let name = p.name.clone().unwrap_or_else(|| "?".to_owned());
        let used = p
            .calls
            .clone()
            .into_iter()
            .take_while(|(_, within, _)| *within > 0);
        used.map(move |(function, within, _)| format!("smc {name} {function:#x} {within}"))
    };
    blob.partitions.iter().flat_map(of).collect()
}
