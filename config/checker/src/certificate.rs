// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The checker's statement, for EL2 (`certificate.bin`) and for people and tools (`certificate.json`).

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::proof::Proof;
use crate::properties::PROPERTIES;

const MAGIC: &[u8; 8] = b"BLKHCERT";
const VERSION: u32 = 1;
const SIZE: usize = 4096;

/// The page that follows the blob: `Certificate` of `hypervisor/types/src/blob.rs`, then zeros.
pub fn binary(proof: &Proof) -> Vec<u8> {
    let properties = u32::try_from(PROPERTIES.len()).unwrap_or(u32::MAX);
    let mut page = Vec::with_capacity(SIZE);
    page.extend(MAGIC);
    page.extend(VERSION.to_le_bytes());
    page.extend(properties.to_le_bytes());
    page.extend(proof.blob_hash);
    page.extend(proof.pages.to_le_bytes());
    page.extend(proof.roots.to_le_bytes());
    page.resize(SIZE, 0);
    page
}

/// A hash as hexadecimal digits.
pub fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same statement with each property's text.
pub fn json(proof: &Proof) -> Value {
    let properties: Vec<Value> = PROPERTIES
        .iter()
        .map(|p| json!({ "id": p.id, "text": p.text }))
        .collect();
    json!({
        "version": VERSION,
        "blob_hash": hex(&proof.blob_hash),
        "properties": properties,
        "pages": proof.pages,
        "roots": proof.roots,
        "descriptors": proof.descriptors,
        "exceptions": proof.exceptions,
    })
}

/// A statement as `certificate.json` holds it.
pub fn text(statement: &Value) -> String {
    format!("{statement:#}\n")
}

/// Writes `certificate.json`, whole or not at all.
///
/// # Errors
/// What the file system reports.
pub(crate) fn write_text(directory: &Path, statement: &Value) -> io::Result<()> {
    let file = complete(directory, text(statement).as_bytes())?;
    file.persist(directory.join("certificate.json"))?;
    Ok(())
}

/// Writes both forms into `directory`; neither appears before both are complete. Implements: BH-CHK-071.
///
/// # Errors
/// What the file system reports.
pub fn write(directory: &Path, proof: &Proof) -> io::Result<()> {
    let binary = complete(directory, &binary(proof))?;
    let text = complete(directory, text(&json(proof)).as_bytes())?;
    text.persist(directory.join("certificate.json"))?;
    binary.persist(directory.join("certificate.bin"))?;
    Ok(())
}

/// A finished temporary file beside its destination, readable like an ordinary one.
fn complete(directory: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644))?;
    }
    Ok(file)
}
