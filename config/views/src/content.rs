// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the image holds for a partition, gathered through the partition's own tables.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::built::{Built, BuiltError, hex};
use crate::walk::{Leaf, Use, leaves, roots};

/// Load list or payload of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// `load-list` or `payload`.
    pub(crate) name: String,
    /// Bytes, in whole pages.
    pub(crate) size: u64,
    /// SHA-256, lower-case hex.
    pub(crate) hash: String,
}

/// Load list and payload of a partition, in the order in which it reads them.
///
/// # Errors
/// [`BuiltError::Table`].
pub(crate) fn of(built: &Built<'_>, partition: usize) -> Result<Vec<Content>, BuiltError> {
    let mut parts: BTreeMap<String, (u64, Sha256)> = BTreeMap::new();
    for root in roots(built)
        .iter()
        .filter(|r| r.serves == Use::Partition(partition))
    {
        leaves(built, root, &mut |leaf: Leaf| {
            // Both are only read; RAM, which may have millions of pages, is not looked at.
            if leaf.rights.write || leaf.rights.execute {
                return;
            }
            let grant = built.records.grant_at(&root.name, leaf.input);
            let grant = grant.filter(|g| matches!(g.name.as_str(), "payload" | "load-list"));
            if let (Some(grant), Some(bytes)) = (grant, built.content(leaf.physical())) {
                let part = parts.entry(grant.name.clone()).or_default();
                part.0 = part.0.saturating_add(leaf.size);
                part.1.update(bytes);
            }
        })?;
    }
    let contents = parts.into_iter().map(|(name, (size, digest))| Content {
        name,
        size,
        hash: hex(&digest.finalize()),
    });
    Ok(contents.collect())
}
