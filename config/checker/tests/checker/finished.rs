// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A finished build: each change of what is booted or stated is refused.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::command::{directory, prove};
use crate::encode::{BLOB_SIZE, Files, encode};
use crate::model::{BASE, BLOB, PAGE, PAYLOADS, good};

/// Partitions of the model, each with a payload area of 4 pages.
const PARTITIONS: u64 = 4;
const CERTIFICATE: usize = 4096;

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap()
}

/// Name, first byte in the image, bytes.
fn parts(files: &Files) -> Vec<(String, u64, u64)> {
    let hypervisor = u64::try_from(files.hypervisor.len()).unwrap();
    let mut parts = vec![
        ("hypervisor".to_owned(), 0, hypervisor),
        ("system".to_owned(), BLOB - BASE, BLOB_SIZE + PAGE),
    ];
    let payload = |i| (format!("payload-{i}"), PAYLOADS + i * 0x1_0000 - BASE, 4 * PAGE);
    parts.extend((0..PARTITIONS).map(payload));
    parts
}

fn manifest(files: &Files, image: &[u8]) -> Value {
    let digest =
        |bytes: &[u8]| -> String { Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect() };
    let parts: Vec<Value> = parts(files)
        .into_iter()
        .map(|(name, offset, size)| {
            let bytes = &image[index(offset)..index(offset + size)];
            json!({ "name": name, "address": BASE + offset, "offset": offset, "size": size, "sha256": digest(bytes) })
        })
        .collect();
    json!({ "blob_hash": digest(&files.blob), "image": "image.bin", "parts": parts })
}

/// A finished build, put together as the format says and not by the compiler.
struct Build {
    directory: TempDir,
    files: Files,
    image: Vec<u8>,
    manifest: Value,
}

impl Build {
    fn new() -> Self {
        let files = encode(&good(BLOB_SIZE));
        let directory = directory(&files);
        assert_eq!(prove(directory.path(), &["--write"]).status.code(), Some(0));
        let mut image = files.hypervisor.clone();
        image.resize(index(BLOB - BASE), 0);
        image.extend(&files.blob);
        image.extend(fs::read(directory.path().join("certificate.bin")).unwrap());
        let mut random = fastrand::Rng::with_seed(7);
        for (_, offset, size) in parts(&files).into_iter().skip(2) {
            image.resize(index(offset), 0);
            image.extend((0..size).map(|_| random.u8(..)));
        }
        let size = u64::try_from(image.len()).unwrap();
        image[16..24].copy_from_slice(&size.to_le_bytes());
        let manifest = manifest(&files, &image);
        let build = Self {
            directory,
            files,
            image,
            manifest,
        };
        build.write("image.bin", &build.image);
        build.write("manifest.json", build.manifest.to_string().as_bytes());
        build.seal();
        build
    }

    fn seal(&self) {
        let mut checker = Command::new(env!("CARGO_BIN_EXE_bulkhead-checker"));
        let output = checker.arg("seal").arg(self.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path().join(name)).unwrap()
    }

    fn is_accepted(&self) {
        let output = prove(self.path(), &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }

    /// Every failure is of this property, and one begins with `begin`.
    fn is_refused(&self, begin: &str) {
        let output = prove(self.path(), &[]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{begin}: {told}");
        let begin = format!("BH-CHK-074: {begin}");
        assert!(
            told.lines().any(|line| line.starts_with(&begin)),
            "{begin}: {told}"
        );
        assert!(told.contains("build it again"), "{told}");
    }

    /// `bytes` in the place of a file are refused; the file is right afterwards.
    fn refuses(&self, name: &str, bytes: &[u8], begin: &str) {
        let right = self.read(name);
        self.write(name, bytes);
        self.is_refused(begin);
        self.write(name, &right);
    }

    fn refuses_flip(&self, name: &str, at: usize, begin: &str) {
        let mut bytes = self.read(name);
        bytes[at] ^= 1 << (at % 8);
        self.refuses(name, &bytes, begin);
    }
}

/// Verifies: BH-CHK-074.
#[test]
fn a_finished_build_is_whole() {
    let build = Build::new();
    build.is_accepted();
    for name in [
        "image.bin",
        "manifest.json",
        "certificate.bin",
        "certificate.json",
    ] {
        let right = build.read(name);
        fs::remove_file(build.path().join(name)).unwrap();
        build.is_refused(&format!("{name}: it is not there"));
        build.write(name, &right);
    }
    build.is_accepted();
}

/// Bits at seeded places of each part and between the parts. Verifies: BH-CHK-074.
#[test]
fn each_byte_of_the_image_is_compared() {
    let build = Build::new();
    let mut random = fastrand::Rng::with_seed(74);
    let mut start = 0;
    let mut ranges = Vec::new();
    for (_, offset, size) in parts(&build.files) {
        let (offset, size) = (index(offset), index(size));
        ranges.extend([start..offset, offset..offset + size]);
        start = offset + size;
    }
    let certificate = index(BLOB - BASE + BLOB_SIZE);
    ranges.push(certificate..certificate + CERTIFICATE);
    ranges.push(16..24);
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        let mut places = vec![range.start, range.end - 1];
        places.extend((0..6).map(|_| random.usize(range.clone())));
        for at in places {
            build.refuses_flip("image.bin", at, "image.bin: ");
        }
    }
    build.is_accepted();
}

/// Other digests do not hide another hypervisor, blob or certificate. Verifies: BH-CHK-074.
#[test]
fn the_manifest_does_not_decide_what_was_proved() {
    let build = Build::new();
    let at = index(BLOB - BASE);
    for (at, what) in [
        (0x1234, "hypervisor.bin"),
        (at + 0x234, "system.blob"),
        (at + index(BLOB_SIZE) + 50, "the proof's certificate"),
    ] {
        let mut image = build.image.clone();
        image[at] ^= 0x10;
        build.write(
            "manifest.json",
            manifest(&build.files, &image).to_string().as_bytes(),
        );
        let found = format!("image.bin: byte {at:#x} is {:#04x}, {what} has ", image[at]);
        build.refuses("image.bin", &image, &found);
    }
    let manifest = build.manifest.to_string();
    build.write("manifest.json", manifest.as_bytes());
    build.is_accepted();
    let mut longer = build.image.clone();
    longer.extend([0; 4096]);
    let stated = u64::try_from(longer.len()).unwrap().to_le_bytes();
    longer[16..24].copy_from_slice(&stated);
    build.refuses("image.bin", &longer, "image.bin: ");
    build.refuses(
        "image.bin",
        &build.image[..build.image.len() - 1],
        "image.bin: it ends at byte ",
    );
    build.refuses("image.bin", &[], "image.bin: it ends at byte 0x0");
}

/// Each field that says what is booted. Verifies: BH-CHK-074.
#[test]
fn each_field_of_the_manifest_is_compared() {
    let build = Build::new();
    let mut pointers = vec!["/blob_hash".to_owned(), "/image".to_owned()];
    for part in 0..parts(&build.files).len() {
        pointers.extend(["address", "offset", "size", "sha256"].map(|key| format!("/parts/{part}/{key}")));
    }
    for pointer in pointers {
        let mut changed = build.manifest.clone();
        let field = changed.pointer_mut(&pointer).unwrap();
        *field = match field.as_u64() {
            Some(number) => json!(number + PAGE),
            None => json!(format!("{}0", field.as_str().unwrap())),
        };
        build.refuses("manifest.json", changed.to_string().as_bytes(), "");
        *changed.pointer_mut(&pointer).unwrap() = Value::Null;
        build.refuses(
            "manifest.json",
            changed.to_string().as_bytes(),
            "manifest.json: no ",
        );
    }
    for part in 0..parts(&build.files).len() {
        let mut changed = build.manifest.clone();
        changed["parts"].as_array_mut().unwrap().remove(part);
        build.refuses(
            "manifest.json",
            changed.to_string().as_bytes(),
            "manifest.json: no part holds ",
        );
    }
    build.refuses("manifest.json", b"{", "manifest.json: ");
}

/// Every leaf of a JSON value, as a pointer.
fn leaves(path: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, value)| leaves(&format!("{path}/{key}"), value, out)),
        Value::Array(list) if !list.is_empty() => {
            (0..)
                .zip(list)
                .for_each(|(i, value): (usize, _)| leaves(&format!("{path}/{i}"), value, out));
        }
        _ => out.push(path.to_owned()),
    }
}

/// Verifies: BH-CHK-074.
#[test]
fn each_field_of_the_certificates_is_compared() {
    let build = Build::new();
    let statement: Value = serde_json::from_slice(&build.read("certificate.json")).unwrap();
    let mut pointers = Vec::new();
    leaves("", &statement, &mut pointers);
    assert!(pointers.len() > 60, "{pointers:?}");
    for pointer in pointers {
        let mut changed = statement.clone();
        let field = changed.pointer_mut(&pointer).unwrap();
        *field = match &*field {
            Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            Value::String(text) => json!(format!("{text} ")),
            _ => json!(["a bus master"]),
        };
        let found = format!("certificate.json: field {pointer} is ");
        build.refuses("certificate.json", format!("{changed:#}\n").as_bytes(), &found);
    }
    let mut more = statement.clone();
    more["approved"] = json!(true);
    build.refuses(
        "certificate.json",
        more.to_string().as_bytes(),
        "certificate.json: field /approved is true",
    );
    build.refuses(
        "certificate.json",
        statement.to_string().as_bytes(),
        "certificate.json: its fields are right, but",
    );
    build.refuses("certificate.json", b"", "certificate.json: ");
    for at in (0..64).chain([64, 1000, CERTIFICATE - 1]) {
        build.refuses_flip(
            "certificate.bin",
            at,
            &format!("certificate.bin: byte {at:#x} is "),
        );
    }
    let page = build.read("certificate.bin");
    build.refuses(
        "certificate.bin",
        &page[..64],
        "certificate.bin: it ends at byte 0x40",
    );
    build.refuses(
        "certificate.bin",
        &[page.clone(), page].concat(),
        "certificate.bin: 8192 bytes",
    );
    build.is_accepted();
}

/// Whoever changes image and manifest so that they agree is betrayed by the certificate. Verifies: BH-CHK-075.
#[test]
fn the_certificate_states_the_image() {
    let build = Build::new();
    let mut image = build.image.clone();
    let (_, offset, _) = parts(&build.files)[3];
    image[index(offset) + 5] ^= 4;
    build.write(
        "manifest.json",
        manifest(&build.files, &image).to_string().as_bytes(),
    );
    build.refuses(
        "image.bin",
        &image,
        "certificate.json: field /contents/image_sha256 is ",
    );
    build.write("manifest.json", build.manifest.to_string().as_bytes());
    build.is_accepted();
}

/// The same change, named by the payload that it is in. Verifies: BH-CHK-075.
#[test]
fn the_certificate_states_each_payload() {
    let build = Build::new();
    for (number, (_, offset, size)) in parts(&build.files).into_iter().skip(2).enumerate() {
        let mut image = build.image.clone();
        image[index(offset + size) - 1] ^= 0x80;
        build.write(
            "manifest.json",
            manifest(&build.files, &image).to_string().as_bytes(),
        );
        let begin = format!("certificate.json: field /contents/payloads/{number}/sha256 is ");
        build.refuses("image.bin", &image, &begin);
    }
}

/// A field of the manifest that no other comparison reads, such as what a run must show. Verifies: BH-CHK-075.
#[test]
fn the_certificate_states_the_manifest() {
    let build = Build::new();
    let mut changed = build.manifest.clone();
    changed["expect"] = json!([{ "partition": "a", "text": "anything" }]);
    let found = "certificate.json: field /contents/manifest_sha256 is ";
    build.refuses("manifest.json", changed.to_string().as_bytes(), found);
    build.is_accepted();
}

/// A certificate without digests is none of a finished build; none is added to that of another blob. Verifies: BH-CHK-075.
#[test]
fn a_build_that_is_not_sealed_is_refused() {
    let build = Build::new();
    let mut statement: Value = serde_json::from_slice(&build.read("certificate.json")).unwrap();
    statement.as_object_mut().unwrap().remove("contents");
    let open = format!("{statement:#}\n");
    build.refuses(
        "certificate.json",
        open.as_bytes(),
        "certificate.json: field /contents is null",
    );
    statement["blob_hash"] = json!("00");
    build.write("certificate.json", statement.to_string().as_bytes());
    let mut checker = Command::new(env!("CARGO_BIN_EXE_bulkhead-checker"));
    let output = checker.arg("seal").arg(build.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
