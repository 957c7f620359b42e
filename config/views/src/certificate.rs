// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checker's statement, as far as a reader of a report needs it.

use bulkhead_types::blob::CERTIFICATE_MAGIC;
use serde::Deserialize;
use zerocopy::FromBytes;

use crate::built::hex;

/// What was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the blob that was proved, lower-case hex.
    pub blob_hash: String,
    /// Physical pages that were found reachable, summed over all roots.
    pub pages: u64,
    /// Roots and streams that were walked.
    pub roots: u64,
    /// Number of properties.
    pub properties: u32,
    /// Their IDs and texts, where the statement for people is there.
    pub texts: Vec<Property>,
    /// What was not proved, as the statement for people says.
    pub exceptions: Vec<String>,
}

/// A property.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Property {
    /// Its requirement.
    pub id: String,
    /// What holds.
    pub text: String,
}

/// The part of `certificate.json` that is shown.
#[derive(Deserialize)]
struct Statement {
    properties: Vec<Property>,
    #[serde(default)]
    exceptions: Vec<String>,
}

impl Certificate {
    /// Reads `certificate.bin` and, where it is there, `certificate.json`; nothing when the first is none.
    pub fn read(binary: &[u8], text: Option<&str>) -> Option<Self> {
        let (page, _) = bulkhead_types::blob::Certificate::read_from_prefix(binary).ok()?;
        let statement = text.and_then(|t| serde_json::from_str::<Statement>(t).ok());
        let (texts, exceptions) = statement.map_or_else(Default::default, |s| (s.properties, s.exceptions));
        (page.magic == CERTIFICATE_MAGIC).then(|| Certificate {
            blob_hash: hex(&page.blob_hash),
            pages: page.pages,
            roots: page.roots,
            properties: page.properties,
            texts,
            exceptions,
        })
    }
}
