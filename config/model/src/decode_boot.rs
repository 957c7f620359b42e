// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From nodes to a [`Boot`].

use crate::board::Region;
use crate::boot::{BlobPlace, Boot, BootLoader, Download, Firmware, Medium, PartitionTable, VendorBlob};
use crate::decode::{Decoder, Fields, bytes, choice, number, present, text};
use crate::rules::document;
use crate::span::Spanned;
use crate::tree::{Entry, Node};

/// Bytes that the partition tables take at the begin of a medium.
pub(crate) const TABLES: u64 = 34 * 512;

impl Decoder<'_> {
    /// How a board with this RAM, if that is known, boots. Implements: BH-FLSH-001.
    pub(crate) fn boot(&mut self, node: &Node, ram: Option<&[Spanned<Region>]>) -> Option<Boot> {
        let fields = Fields::of(node)?;
        let staging = fields.get("staging").and_then(number)?;
        let holds =
            |region: &Region| staging.value >= region.base && staging.value - region.base < region.size;
        if ram.is_some_and(|ram| !ram.iter().any(|r| holds(r))) {
            let wanted = "an address in RAM";
            self.report(document::out_of_range(
                staging.span,
                "the staging address",
                wanted,
            ));
            return None;
        }
        let blobs: Vec<Option<VendorBlob>> = fields.entries("blobs").iter().map(|e| self.blob(e)).collect();
        Some(Boot {
            loader: fields
                .get("loader")
                .and_then(|n| choice(n, &[("u-boot", BootLoader::UBoot)]))?
                .value,
            compatible: fields.get("compatible").and_then(text)?.value,
            staging,
            medium: present(fields.get("medium").map(medium))?,
            table: fields
                .get("table")
                .and_then(|n| choice(n, &PartitionTable::NAMED))
                .map_or_else(PartitionTable::default, |t| t.value),
            blobs: blobs.into_iter().collect::<Option<_>>()?,
            download: fields
                .get("download")
                .and_then(|n| choice(n, &[("uuu", Download::Uuu)]))
                .map(|d| d.value),
        })
    }

    fn blob(&mut self, entry: &Entry) -> Option<VendorBlob> {
        let fields = Fields::of(&entry.value)?;
        let at = fields.get("at").and_then(bytes);
        if let Some(at) = at.as_ref().filter(|a| a.value < TABLES || !a.is_multiple_of(512)) {
            let wanted = "a multiple of 512 from 17KiB, behind the partition table";
            self.report(document::out_of_range(at.span, "the place of a file", wanted));
            return None;
        }
        let place = match (at, fields.get("file").and_then(text)) {
            (Some(at), Some(_)) => {
                let wanted = "either `at` or `file`";
                self.report(document::out_of_range(at.span, "the place of a file", wanted));
                return None;
            }
            (Some(at), None) => BlobPlace::At(at.value),
            (None, Some(file)) => BlobPlace::File(file.value),
            (None, None) => return None,
        };
        Some(VendorBlob {
            name: entry.key.clone(),
            text: fields.get("text").and_then(text)?.value,
            place,
        })
    }
}

fn medium(node: &Node) -> Option<Medium> {
    let fields = Fields::of(node)?;
    Some(Medium {
        name: fields.get("name").and_then(text)?.value,
        prepare: present(fields.get("prepare").map(|n| text(n).map(|t| t.value)))?,
    })
}

/// A file of a Debian package.
pub(crate) fn firmware(node: &Node) -> Option<Firmware> {
    let fields = Fields::of(node)?;
    Some(Firmware {
        package: fields.get("package").and_then(text)?.value,
        file: fields.get("file").and_then(text)?.value,
    })
}
