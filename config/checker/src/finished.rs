// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A finished build: what is booted and what is certified are what was proved.
//!
//! The image cannot be proved before it exists, since it holds the certificate. So the build has the three files
//! proved first, and whoever has a finished build proves that nothing in it is of another system.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::certificate::{self, hex};
use crate::contents;
use crate::proof::{Failure, Inputs, Proof};
use crate::range::{PAGE, Range, array, slice};

/// Requirement that a finished build is compared with its proof.
pub const FINISHED: &str = "BH-CHK-074";

/// What holds of a finished build.
pub const FINISHED_TEXT: &str = "image.bin consists of this hypervisor.bin, this blob, its certificate and payloads of the digests in manifest.json, zeros between them; certificate.bin and certificate.json are those of this proof, with the digests of image, manifest and payloads.";

/// The only name of the image.
const IMAGE: &str = "image.bin";
const MANIFEST: &str = "manifest.json";
/// Where the arm64 `Image` header states its memory, which the build fills in (Linux, "Booting AArch64 Linux").
const IMAGE_SIZE: std::ops::Range<usize> = 16..24;
const AGAIN: &str = "it is not of the system that was proved; build it again";

/// Compares everything in `directory` that is booted or stated with what was proved. Implements: BH-CHK-074.
///
/// # Errors
/// What the file system reports; a file that is absent is a failure of the build, not an error.
pub fn check(directory: &Path, inputs: &Inputs<'_>, proof: &Proof) -> io::Result<Vec<Failure>> {
    let mut out = Vec::new();
    let page = certificate::binary(proof);
    if let Some(found) = file(directory, "certificate.bin", &mut out)? {
        same(
            "certificate.bin",
            &found,
            0,
            &page,
            "the proof's certificate",
            &mut out,
        );
        if found.len() > page.len() {
            out.push(format!(
                "certificate.bin: {} bytes, expected {}: {AGAIN}",
                found.len(),
                page.len()
            ));
        }
    }
    let manifest = file(directory, MANIFEST, &mut out)?;
    let image = file(directory, IMAGE, &mut out)?;
    if let Some(found) = file(directory, "certificate.json", &mut out)? {
        let mut expected = certificate::json(proof);
        if let (Some(image), Some(manifest), Some(fields)) = (&image, &manifest, expected.as_object_mut()) {
            let areas = proof.places.payloads.iter();
            let areas = areas.map(|(owner, area)| (owner.as_str(), *area));
            let digests = contents::of(image, manifest, proof.places.image, areas);
            fields.insert(contents::FIELD.to_owned(), digests);
        }
        statement(&found, &expected, &mut out);
    }
    if let (Some(manifest), Some(image)) = (manifest, image) {
        match Manifest::read(&manifest) {
            Ok(manifest) => manifest.check(&image, inputs, proof, &page, &mut out),
            Err(why) => out.push(format!("{MANIFEST}: {why}; build it again")),
        }
    }
    let failure = |text| Failure {
        property: FINISHED,
        text,
    };
    Ok(out.into_iter().map(failure).collect())
}

fn file(directory: &Path, name: &str, out: &mut Vec<String>) -> io::Result<Option<Vec<u8>>> {
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            out.push(format!(
                "{name}: it is not there, so the build is not whole; build it again"
            ));
            Ok(None)
        }
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
    }
}

/// Compares `expected` with what lies at `offset` of a file.
fn same(name: &str, found: &[u8], offset: u64, expected: &[u8], what: &str, out: &mut Vec<String>) {
    let size = u64::try_from(expected.len()).unwrap_or(u64::MAX);
    let Some(part) = slice(found, offset, size) else {
        out.push(format!(
            "{name}: it ends at byte {:#x}, before {what} does: {AGAIN}",
            found.len()
        ));
        return;
    };
    let differs = |(_, (a, b)): &(u64, (&u8, &u8))| a != b;
    if part != expected
        && let Some((at, (is, proved))) = (0..).zip(part.iter().zip(expected)).find(differs)
    {
        out.push(format!(
            "{name}: byte {:#x} is {is:#04x}, {what} has {proved:#04x} at its byte {at:#x}: {AGAIN}",
            offset.saturating_add(at)
        ));
    }
}

/// Compares the statement for people, byte for byte, and names the fields that differ.
fn statement(found: &[u8], expected: &Value, out: &mut Vec<String>) {
    if found == certificate::text(expected).as_bytes() {
        return;
    }
    let before = out.len();
    match serde_json::from_slice::<Value>(found) {
        Ok(value) => fields("", &value, expected, out),
        Err(error) => out.push(format!("certificate.json: {error}: {AGAIN}")),
    }
    if out.len() == before {
        out.push(format!(
            "certificate.json: its fields are right, but the checker did not write it so: {AGAIN}"
        ));
    }
}

fn fields(path: &str, found: &Value, expected: &Value, out: &mut Vec<String>) {
    let nothing = Value::Null;
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).unwrap_or(&nothing).clone();
                fields(&format!("{path}/{key}"), &of(a), &of(b), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                fields(&format!("{path}/{index}"), a, b, out);
            }
        }
        (found, expected) if found != expected => out.push(format!(
            "certificate.json: field {path} is {found}, the proof has {expected}: {AGAIN}"
        )),
        _ => {}
    }
}

/// A part of the image, as `manifest.json` lists it (`config/model/src/manifest.rs`).
struct Part {
    name: String,
    address: u64,
    /// In the image.
    bytes: Range,
    sha256: String,
}

/// The fields of `manifest.json` that say what is booted.
struct Manifest {
    blob_hash: String,
    image: String,
    parts: Vec<Part>,
}

impl Manifest {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let text = |value: &Value, key: &str| {
            let text = value.get(key).and_then(Value::as_str).map(str::to_owned);
            text.ok_or_else(|| format!("no text `{key}`"))
        };
        let number = |value: &Value, key: &str| {
            let number = value.get(key).and_then(Value::as_u64);
            number.ok_or_else(|| format!("no number `{key}` of a part"))
        };
        let parts = value.get("parts").and_then(Value::as_array);
        let part = |part: &Value| {
            Ok(Part {
                name: text(part, "name")?,
                address: number(part, "address")?,
                bytes: Range::sized(number(part, "offset")?, number(part, "size")?),
                sha256: text(part, "sha256")?,
            })
        };
        Ok(Self {
            blob_hash: text(&value, "blob_hash")?,
            image: text(&value, "image")?,
            parts: parts
                .ok_or("no list `parts`")?
                .iter()
                .map(part)
                .collect::<Result<_, String>>()?,
        })
    }

    fn check(&self, image: &[u8], inputs: &Inputs<'_>, proof: &Proof, page: &[u8], out: &mut Vec<String>) {
        let (base, blob) = (proof.places.image, proof.places.blob);
        if self.blob_hash != hex(&proof.blob_hash) {
            out.push(format!(
                "{MANIFEST}: field /blob_hash is {}: {AGAIN}",
                self.blob_hash
            ));
        }
        if self.image != IMAGE {
            out.push(format!(
                "{MANIFEST}: field /image is {}, not {IMAGE}: {AGAIN}",
                self.image
            ));
        }
        let mut hypervisor = inputs.hypervisor.to_vec();
        let stated: Option<[u8; 8]> = array(image, IMAGE_SIZE.start);
        if let (Some(field), Some(stated)) = (hypervisor.get_mut(IMAGE_SIZE), stated) {
            field.copy_from_slice(&stated);
        }
        let length = u64::try_from(image.len()).unwrap_or(u64::MAX);
        if stated.is_none_or(|size| u64::from_le_bytes(size) < length) {
            out.push(format!(
                "{IMAGE}: its header at byte 0x10 states less memory than it has bytes: {AGAIN}"
            ));
        }
        same(IMAGE, image, 0, &hypervisor, "hypervisor.bin", out);
        let at = blob.start.saturating_sub(base);
        same(IMAGE, image, at, inputs.blob, "system.blob", out);
        let certificate = at.saturating_add(blob.size()).saturating_sub(PAGE);
        same(IMAGE, image, certificate, page, "the proof's certificate", out);
        self.parts(image, length, base, out);
        self.covers(proof, length, out);
    }

    /// Each part has its digest, and what lies in no part is zero.
    fn parts(&self, image: &[u8], length: u64, base: u64, out: &mut Vec<String>) {
        let mut end = 0;
        for part in &self.parts {
            let (name, bytes) = (&part.name, part.bytes);
            if part.address.checked_sub(base) != Some(bytes.start) || bytes.start < end {
                out.push(format!(
                    "{MANIFEST}: part {name} does not lie at its place or not after the part before: {AGAIN}"
                ));
                return;
            }
            let gap = Range {
                start: end,
                end: bytes.start,
            };
            let rest = slice(image, gap.start, gap.size()).unwrap_or_default();
            if let Some((at, byte)) = (gap.start..).zip(rest).find(|(_, byte)| **byte != 0) {
                out.push(format!(
                    "{IMAGE}: byte {at:#x} before part {name} is {byte:#04x}, expected 0: {AGAIN}"
                ));
            }
            match slice(image, bytes.start, bytes.size()) {
                Some(content) if hex(&Sha256::digest(content)) == part.sha256 => {}
                Some(_) => out.push(format!(
                    "{IMAGE}: bytes {bytes} do not have the digest of part {name} in {MANIFEST}: {AGAIN}"
                )),
                None => out.push(format!(
                    "{IMAGE}: it ends at byte {length:#x}, before part {name} at {bytes} does: {AGAIN}"
                )),
            }
            end = bytes.end;
        }
        if length > end {
            out.push(format!(
                "{IMAGE}: {length:#x} bytes, the last part in {MANIFEST} ends at {end:#x}: {AGAIN}"
            ));
        }
    }

    /// Hypervisor, blob with certificate, and each payload area of the text form lie in a part, which boot media pack.
    fn covers(&self, proof: &Proof, length: u64, out: &mut Vec<String>) {
        let base = proof.places.image;
        let payloads = proof.places.payloads.iter();
        let all = [
            ("hypervisor.bin", proof.places.hypervisor),
            ("system.blob", proof.places.blob),
        ];
        for (what, place) in all
            .into_iter()
            .map(|(what, place)| (what.to_owned(), place))
            .chain(payloads.map(|(owner, area)| (format!("the payload of {owner}"), *area)))
        {
            let place = Range {
                start: place.start.saturating_sub(base),
                end: place.end.saturating_sub(base).min(length),
            };
            if !self.parts.iter().any(|part| part.bytes.contains(place)) {
                out.push(format!(
                    "{MANIFEST}: no part holds {what} at bytes {place} of {IMAGE}: {AGAIN}"
                ));
            }
        }
    }
}
