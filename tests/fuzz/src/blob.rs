// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A system blob with edits, to EL2's verification and to the checker.
//!
//! An input is a list of edits of the blob of a system that is right: where, how wide, what. Its digests are then made
//! right again, so that no hash hides what lies behind it. The oracle: neither panics; what EL2 takes of a table is
//! what its header says; a blob that the checker proves is one that EL2 starts, with the same hash.

use bulkhead_boot::verify::{self, Used};
use bulkhead_checker::Inputs;
use bulkhead_types::blob::{BlobHeader, CERTIFICATE_MAGIC, CERTIFICATE_VERSION, Certificate, EARLY_START};
use bulkhead_types::image::ImageInfo;
use bulkhead_types::system::System;
use sha2::{Digest, Sha256};
use zerocopy::{FromBytes, IntoBytes};

use crate::bytes::Bytes;
use crate::scene;

/// Most edits of one input.
const EDITS: usize = 16;

/// Bytes of the header's page and of an entry of the directory of places to edit.
const HEADER: usize = 512;

/// Edits, reads and compares. Verifies: BH-FUZZ-004.
pub fn check(input: &[u8]) {
    let built = &*scene::BUILT;
    let mut blob = built.blob.clone();
    let mut bytes = Bytes::new(input);
    let cut = usize::from(bytes.u8());
    let tables = tables(&blob);
    for _ in 0..EDITS {
        if bytes.is_empty() {
            break;
        }
        edit(&mut blob, &tables, &mut bytes);
    }
    if cut >= 0xf0 {
        // Ends somewhere in its last pages, or in its header.
        let left = if cut & 1 == 0 {
            blob.len() - cut
        } else {
            cut - 0xf0
        };
        blob.truncate(left);
    }
    compare(blob, built);
}

/// Where the tables lie in the blob that is right: offset and bytes, the header first.
fn tables(blob: &[u8]) -> Vec<(usize, usize)> {
    let system = System::parse(blob).expect("the scene's blob");
    fn place<T: zerocopy::Immutable + IntoBytes>(blob: &[u8], table: &[T]) -> (usize, usize) {
        let bytes = table.as_bytes();
        let offset = bytes.as_ptr().addr() - blob.as_ptr().addr();
        (offset, bytes.len())
    }
    let all = [
        (0, HEADER),
        place(blob, system.cores),
        place(blob, system.partitions),
        place(blob, system.vcpus),
        place(blob, system.core_vcpus),
        place(blob, system.slots),
        place(blob, system.spis),
        place(blob, system.pci_functions),
        place(blob, system.ram),
        place(blob, std::slice::from_ref(system.board)),
        place(blob, system.channels),
        // Translation tables.
        (EARLY_START, blob.len() - EARLY_START),
    ];
    all.into_iter().filter(|(_, bytes)| *bytes > 0).collect()
}

fn edit(blob: &mut [u8], tables: &[(usize, usize)], bytes: &mut Bytes<'_>) {
    let (start, size) = tables[bytes.below(tables.len())];
    let kind = bytes.u8();
    let width = 1 << (kind & 3);
    let at = start + usize::from(bytes.u16()) * if size > 0xffff { 8 } else { 1 } % size;
    let at = at & !(width - 1);
    let Some(place) = blob.get_mut(at..at + width) else {
        return;
    };
    let mut old = [0; 8];
    old[..width].copy_from_slice(place);
    let old = u64::from_le_bytes(old);
    let new = match kind >> 2 & 3 {
        0 => bytes.u64(),
        1 => old.wrapping_add(u64::from(bytes.u8())),
        2 => old ^ 1 << (bytes.u8() & 63),
        _ => old.wrapping_sub(u64::from(bytes.u8())),
    };
    place.copy_from_slice(&new.to_le_bytes()[..width]);
}

/// The digest of the early part made right, as far as the header says where that is.
fn resign(blob: &mut [u8]) {
    let Ok((header, _)) = BlobHeader::ref_from_prefix(blob) else {
        return;
    };
    let end = usize::try_from(header.early_end).unwrap_or(usize::MAX);
    let digest = blob.get(EARLY_START..end).map(Sha256::digest);
    if let (Some(digest), Ok((header, _))) = (digest, BlobHeader::mut_from_prefix(blob)) {
        header.early_digest = digest.into();
    }
}

fn compare(mut blob: Vec<u8>, built: &scene::Built) {
    resign(&mut blob);
    let hash: [u8; 32] = Sha256::digest(&blob).into();
    let proof = bulkhead_checker::prove(&Inputs {
        hypervisor: &built.hypervisor,
        blob: &blob,
        grants: &built.grants,
    });
    let certificate = Certificate {
        magic: CERTIFICATE_MAGIC,
        version: CERTIFICATE_VERSION,
        properties: 0,
        blob_hash: hash,
        pages: 0,
        roots: 0,
    };
    let mut bytes = blob;
    bytes.extend(certificate.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    let (info, _) = ImageInfo::read_from_prefix(&built.hypervisor[64..]).expect("the scene's image");
    let starts = starts(&bytes, &info);
    match (&proof, &starts) {
        (Ok(proof), Ok(taken)) => assert_eq!(proof.blob_hash, *taken, "two hashes of one blob"),
        (Ok(_), Err(refusal)) => panic!("proved, and EL2 refuses it: {refusal}"),
        // What is not proved never gets a certificate.
        (Err(failures), _) => assert!(!failures.is_empty(), "refused without a reason"),
    }
}

/// What EL2 does with a blob before it writes anything; its hash, or why it is refused.
fn starts(bytes: &[u8], info: &ImageInfo) -> Result<[u8; 32], String> {
    let words = |refusal: bulkhead_boot::refusal::Refusal| refusal.to_string();
    let header = verify::early(bytes).map_err(words)?;
    let verified = verify::whole(bytes, info).map_err(words)?;
    let system = &verified.system;
    let counts = [
        (header.cores.count, system.cores.len()),
        (header.partitions.count, system.partitions.len()),
        (header.vcpus.count, system.vcpus.len()),
        (header.slots.count, system.slots.len()),
        (header.spis.count, system.spis.len()),
        (header.channels.count, system.channels.len()),
    ];
    for (said, taken) in counts {
        assert_eq!(
            usize::try_from(said),
            Ok(taken),
            "a table of another size than the header says"
        );
    }
    for core in system.cores {
        let shares = system.slots_of(core).iter().flat_map(|slot| slot.shares());
        let known = |vcpu: u32| usize::try_from(vcpu).is_ok_and(|vcpu| vcpu < system.vcpus.len());
        assert!(shares.into_iter().all(|share| known(share.vcpu)));
        assert_eq!(
            system.slots_of(core).len(),
            usize::try_from(core.slot_count).unwrap()
        );
    }
    for range in verify::written(system)
        .into_iter()
        .chain(verify::shared(system).map(|(_, _, range)| range))
    {
        let _ = range;
    }
    let used = Used {
        uart: system.board.uart,
        smmu: system.board.smmu,
    };
    verify::addresses(system, info, used).map_err(words)?;
    Ok(verified.hash)
}
