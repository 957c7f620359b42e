// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Emits the system blob: header, EL2's tables, section tables, stage-2 tables, pristine live image.
//! Implements: BH-CFG-014.

use bulkhead_model::system::System;
use bulkhead_types::blob::{BlobHeader, EARLY_START, MAGIC, MAJOR, MINOR, PAGE};
use bulkhead_types::image::ImageInfo;
use bulkhead_types::tables::LAYOUT_HASH;
use sha2::{Digest, Sha256};
use zerocopy::IntoBytes;

use crate::access::{Grant, Root};
use crate::devices::Assigned;
use crate::plan::{Plan, TableSizes, pattern};
use crate::sections::Sections;
use crate::streams::{self, Stream};
use crate::table::{MapError, Page, Pool, Tree, lower_tables, write};
use crate::units::{id, index, length};
use crate::{stage1, stage2};

/// A grant that no table can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {error}")]
pub struct TableError {
    /// Name of the grant.
    pub name: String,
    /// Why.
    pub error: MapError,
}

/// All translation tables of a system.
#[derive(Clone, Debug)]
pub struct Tables {
    /// EL2's roots: boot, then the cores.
    pub el2_roots: Vec<Page>,
    /// EL2's lower tables.
    pub el2: Pool,
    /// Stage-2 roots of the partitions.
    pub stage2_roots: Vec<Page>,
    /// Stage-2 lower tables, and the roots and tables of streams.
    pub stage2: Pool,
    /// Streams of bus masters.
    pub streams: Vec<Stream>,
}

impl Tables {
    /// Builds the tables that give exactly these grants, at the places that a plan gives them.
    ///
    /// # Errors
    /// Names the grant that collides with an earlier one of its root, or that no descriptor can express.
    pub fn build(
        system: &System,
        plan: &Plan,
        grants: &[Grant],
        devices: &[Assigned],
    ) -> Result<Self, TableError> {
        let bits = system.board.physical_address_bits;
        let cores = system.board.cores.len();
        let mut el2_pool = Pool::new(plan.el2_root(1 + cores), bits, plan.tables.el2);
        let plain = (plan.layout.coloured - plan.layout.stage2) / PAGE;
        let mut stage2_pool = Pool::new(plan.blob.start + plan.layout.stage2, bits, plain);
        let mut el2 = vec![Tree::default(); 1 + cores];
        let patterns = (0..system.partitions.len()).map(|p| pattern(system, p));
        let mut partitions: Vec<Tree> = patterns.map(Tree::new).collect();
        for grant in grants {
            let (tree, pool, leaf) = match grant.root {
                Root::Boot => (
                    &mut el2[0],
                    &mut el2_pool,
                    stage1::leaf(grant.rights, grant.memory),
                ),
                Root::Core(k) => (
                    &mut el2[1 + k],
                    &mut el2_pool,
                    stage1::leaf(grant.rights, grant.memory),
                ),
                Root::Stream { .. } => continue,
                Root::Partition(p) => {
                    let leaf = stage2::leaf(grant.rights, grant.memory);
                    (&mut partitions[p], &mut stage2_pool, leaf)
                }
            };
            tree.give(pool, grant, leaf).map_err(|error| TableError {
                name: grant.name.clone(),
                error,
            })?;
        }
        let streams = streams::build(system, grants, devices, &mut stage2_pool)
            .map_err(|(name, error)| TableError { name, error })?;
        let roots = |trees: Vec<Tree>| trees.iter().map(|t| *t.root()).collect();
        Ok(Tables {
            el2_roots: roots(el2),
            stage2_roots: roots(partitions),
            el2: el2_pool,
            stage2: stage2_pool,
            streams,
        })
    }
}

/// Tables that grants need below their roots, and streams with theirs.
pub fn sizes(system: &System, grants: &[Grant], devices: &[Assigned]) -> TableSizes {
    let of = |root: Root| lower_tables(grants.iter().filter(|g| g.root == root));
    let cores = (0..system.board.cores.len()).map(Root::Core);
    TableSizes {
        el2: [Root::Boot].into_iter().chain(cores).map(of).sum(),
        stage2: (0..system.partitions.len())
            .map(|p| of(Root::Partition(p)) + streams::tables(system, grants, devices, p))
            .collect(),
    }
}

/// SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Emits the blob, without its certificate.
pub fn emit(system: &System, info: &ImageInfo, plan: &Plan, tables: Tables, sections: &Sections) -> Vec<u8> {
    let layout = &plan.layout;
    let mut blob = vec![0; index(layout.certificate)];
    let put = |blob: &mut [u8], offset: u64, pages: &[Page]| write(pages, &mut blob[index(offset)..]);
    let (table_bytes, offsets) = sections.emit(layout.early_end);
    let [
        cores,
        partitions,
        vcpus,
        core_vcpus,
        slots,
        spis,
        pci_functions,
        ram,
        board,
        channels,
        streams,
    ] = offsets.sections;
    let mut header = BlobHeader {
        magic: MAGIC,
        major: MAJOR,
        minor: MINOR,
        header_size: id(size_of::<BlobHeader>()),
        early_digest: [0; 32],
        reserved0: [0; 2],
        board_id: system.board.id.value,
        core_count: id(system.board.cores.len()),
        hypervisor_id: info.build_id,
        layout_hash: LAYOUT_HASH,
        base: plan.blob.start,
        early_end: layout.early_end,
        certificate: layout.certificate,
        live_image: layout.live,
        live_size: layout.live_size,
        live_base: plan.live.start,
        boot_root: plan.el2_root(0),
        el2_tcr: stage1::tcr(system.board.physical_address_bits),
        el2_mair: stage1::MAIR,
        el2_sctlr: stage1::SCTLR,
        cores,
        partitions,
        vcpus,
        core_vcpus,
        slots,
        spis,
        pci_functions,
        ram,
        board,
        channels,
        streams,
    };
    blob[..header.as_bytes().len()].copy_from_slice(header.as_bytes());
    put(&mut blob, PAGE, &tables.el2_roots);
    put(
        &mut blob,
        PAGE + length(&tables.el2_roots) * PAGE,
        tables.el2.pages(),
    );
    let sections = index(layout.early_end);
    blob[sections..sections + table_bytes.len()].copy_from_slice(&table_bytes);
    put(&mut blob, layout.stage2, tables.stage2.pages());
    for (partition, root) in tables.stage2_roots.iter().enumerate() {
        put(
            &mut blob,
            plan.pristine_root(partition),
            std::slice::from_ref(root),
        );
    }
    for (offset, entry) in streams::entries(plan, &tables.streams) {
        let offset = index(layout.live + offset);
        blob[offset..offset + entry.len()].copy_from_slice(&entry);
    }
    header.early_digest = sha256(&blob[EARLY_START..index(layout.early_end)]);
    let header = header.as_bytes();
    blob[..header.len()].copy_from_slice(header);
    blob
}
