// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Digests of what a finished build boots: the image, its manifest, each payload. They complete the certificate, since
//! no table determines them; the image cannot be digested before it holds the certificate's page.

use std::fs;
use std::io::{self, Error, ErrorKind};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::certificate::{self, hex};
use crate::grants::Grants;
use crate::image::ImageInfo;
use crate::range::{Range, slice};

/// Field of `certificate.json` that holds them.
pub const FIELD: &str = "contents";

/// Payload areas by the text form, with their owners. Areas of coloured partitions span each other's pages.
pub(crate) fn payload_areas(grants: &Grants) -> impl Iterator<Item = (&str, Range)> {
    let placed = grants.memory.iter().chain(&grants.coloured_memory);
    let areas = placed.filter(|placed| placed.name == "payload-area");
    areas.map(|placed| (placed.owner.as_str(), placed.range))
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The digests. `base` is the address of the image's first byte; it may end within a payload area, of zeros.
pub(crate) fn of<'a>(
    image: &[u8],
    manifest: &[u8],
    base: u64,
    areas: impl Iterator<Item = (&'a str, Range)>,
) -> Value {
    let length = u64::try_from(image.len()).unwrap_or(u64::MAX);
    let payload = |(owner, area): (&str, Range)| {
        let start = area.start.saturating_sub(base);
        let end = area.end.saturating_sub(base).min(length);
        let bytes = slice(image, start, end.saturating_sub(start)).unwrap_or_default();
        json!({ "owner": owner, "offset": start, "size": bytes.len(), "sha256": digest(bytes) })
    };
    let payloads: Vec<Value> = areas.map(payload).collect();
    json!({ "image_sha256": digest(image), "manifest_sha256": digest(manifest), "payloads": payloads })
}

/// Adds the digests to the certificate that lies in `directory`. It proves nothing: [`crate::finished::check`]
/// compares all of the certificate with a proof of its own. Implements: BH-CHK-075.
///
/// # Errors
/// What the file system reports, and a certificate that is of another blob.
pub fn seal(directory: &Path) -> io::Result<()> {
    let named = |name: &'static str| {
        let path = directory.join(name);
        fs::read(&path).map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    let wrong = |text: String| Error::new(ErrorKind::InvalidData, text);
    let mut statement: Value = serde_json::from_slice(&named("certificate.json")?)?;
    let blob = digest(&named("system.blob")?);
    if statement.get("blob_hash").and_then(Value::as_str) != Some(blob.as_str()) {
        return Err(wrong("certificate.json is of another blob".to_owned()));
    }
    let text = String::from_utf8_lossy(&named("grants.txt")?).into_owned();
    let grants = Grants::parse(&text).map_err(|errors| wrong(errors.join("\n")))?;
    let base = ImageInfo::decode(&named("hypervisor.bin")?)
        .map_err(wrong)?
        .extent
        .start;
    let (image, manifest) = (named("image.bin")?, named("manifest.json")?);
    let digests = of(&image, &manifest, base, payload_areas(&grants));
    let fields = statement.as_object_mut();
    let fields = fields.ok_or_else(|| wrong("certificate.json is no statement".to_owned()))?;
    fields.insert(FIELD.to_owned(), digests);
    certificate::write_text(directory, &statement)
}
