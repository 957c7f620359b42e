// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The blob's header and its match with the hypervisor.

use sha2::{Digest, Sha256};

use crate::blob::{EARLY_START, HEADER_SIZE};
use crate::image::computed_build_id;
use crate::range::{PAGE, slice};
use crate::system::System;
use crate::tables::FLAGS;

/// Implements: BH-CHK-001.
pub(crate) fn form(system: &System<'_>, out: &mut Vec<String>) {
    let (blob, header) = (&system.blob, &system.blob.header);
    if u64::from(header.header_size) != HEADER_SIZE {
        out.push(format!(
            "header: states a size of {} bytes, it has {HEADER_SIZE}",
            header.header_size
        ));
    }
    let rest = slice(system.bytes, HEADER_SIZE, PAGE - HEADER_SIZE).unwrap_or_default();
    if header.reserved.iter().chain(rest).any(|b| *b != 0) {
        out.push("header: reserved bytes of the first page are not zero".to_owned());
    }
    if usize::try_from(header.core_count) != Ok(blob.cores.len()) {
        out.push(format!(
            "header: {} cores, but {} in the table",
            header.core_count,
            blob.cores.len()
        ));
    }
    for (k, core) in blob
        .cores
        .iter()
        .enumerate()
        .filter(|(_, c)| c.predictors.is_none() || c.mode.is_none())
    {
        out.push(format!(
            "core {k}: mode {:?}, predictors {:?}",
            core.mode, core.predictors
        ));
    }
    for (i, p) in blob.partitions.iter().enumerate() {
        if p.name.is_none() || p.reserved != 0 || p.flags & !FLAGS != 0 {
            out.push(format!(
                "partition {i}: name, flags or reserved words are not of this version"
            ));
        }
        if p.name.is_some() && blob.partitions.iter().filter(|q| q.name == p.name).count() > 1 {
            out.push(format!(
                "partition {i}: the name {} is used twice",
                system.name(i)
            ));
        }
    }
    let words = blob
        .vcpus
        .iter()
        .map(|v| v.reserved)
        .chain(blob.core_vcpus.iter().map(|v| v.1));
    if words.into_iter().any(|word| word != 0) {
        out.push("vcpus: reserved words are not zero".to_owned());
    }
}

/// Implements: BH-CHK-002.
pub(crate) fn identity(system: &System<'_>, out: &mut Vec<String>) {
    let (image, header) = (&system.image, &system.blob.header);
    if header.board_id != image.board_id {
        out.push(format!(
            "header: for board {}, hypervisor.bin is for {}",
            header.board_id, image.board_id
        ));
    }
    if header.hypervisor_id != image.build_id {
        out.push("header: made for another build of the hypervisor".to_owned());
    }
    if computed_build_id(system.hypervisor) != Some(image.build_id) {
        out.push("hypervisor.bin: its build ID is not the hash of its content".to_owned());
    }
    if header.base != image.blob_base {
        out.push(format!(
            "header: blob at {:#x}, the hypervisor expects {:#x}",
            header.base, image.blob_base
        ));
    }
    let size = header.early_end.checked_sub(EARLY_START);
    let early = size.and_then(|size| slice(system.bytes, EARLY_START, size));
    if early.is_none_or(|early| Sha256::digest(early).as_slice() != header.early_digest) {
        out.push("header: the digest of the early part is not that of its bytes".to_owned());
    }
}
