// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `explain`, `graph` and `diff` as a user calls them: exit status, stdout, stderr, JSON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "shared with the compiler's tests")]
#[path = "../../compiler/tests/compiler/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bulkhead_compiler::Step;
use serde_json::Value;

use support::{Workshop, certify, hypervisor_bin, repository};

const REFERENCE: &str = "config/systems/adas-infotainment.yaml";

fn workshop() -> Workshop {
    let workshop = Workshop::new();
    let folder = workshop.path("images/qemu-virt");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("hypervisor.bin"), hypervisor_bin()).unwrap();
    workshop
}

fn tool(workshop: &Workshop, arguments: &[&str]) -> (i32, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_bulkhead-tool"))
        .args(arguments)
        .current_dir(repository())
        .env("BULKHEAD_ROOT", repository())
        .env("BULKHEAD_IMAGES", workshop.path("images"))
        .env("BULKHEAD_GUEST", workshop.path("guest"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

// Verifies: BH-EXPL-003, BH-EXPL-001, BH-EXPL-002, BH-EXPL-004
#[test]
fn questions_have_answers_in_text_and_json() {
    let workshop = workshop();
    let cases: [(&[&str], &str, &str); 6] = [
        (&[], "system adas-infotainment on qemu-virt", "sections"),
        (&["who-can", "can0"], "read     adas\n", "routes"),
        (
            &["at", "1", "8500us"],
            "core 1 at 8.5 ms: partition cluster, vCPU 0\n",
            "slot",
        ),
        (&["why", "BH040"], "cores/claimed-twice: holds\n", "facts"),
        (
            &["why", "partitions.adas.memory"],
            "adas-infotainment.yaml:16:13\n",
            "facts",
        ),
        (&["why", "adas/ram"], "chosen by the compiler", "facts"),
    ];
    for (question, text, key) in cases {
        for spec in [&[][..], &[REFERENCE][..]] {
            let line = [&["explain"], spec, question].concat();
            let (status, stdout, stderr) = tool(&workshop, &line);
            assert_eq!((status, stderr.as_str()), (0, ""), "{line:?}");
            assert!(stdout.contains(text), "{line:?}: {stdout}");
            let (status, stdout, _) = tool(&workshop, &[&line[..], &["--format", "json"]].concat());
            let value: Value = serde_json::from_str(&stdout).unwrap();
            assert!(
                status == 0 && value["version"] == 1 && !value[key].is_null(),
                "{line:?}"
            );
        }
    }
}

// Verifies: BH-EXPL-001, BH-TOOL-001
#[test]
fn questions_without_an_answer_end_with_1_and_a_suggestion() {
    let workshop = workshop();
    let cases: [(&[&str], &str); 7] = [
        (&["who-can", "cam0"], "did you mean `can0`?"),
        (&["who-can", "0xdead_0000_0000"], "the nearest thing is"),
        (&["at", "9", "1ms"], "cores: 0, 1, 2 and 3"),
        (&["at", "1", "1"], "a whole number with a unit"),
        (
            &["why", "partitions.adas.memry"],
            "did you mean `partitions.adas.memory`?",
        ),
        (
            &["why", "cores/claimed-twise"],
            "did you mean `cores/claimed-twice`?",
        ),
        (&["at", "1"], "questions: who-can"),
    ];
    for (question, help) in cases {
        let (status, stdout, stderr) = tool(&workshop, &[&["explain"], question].concat());
        assert_eq!((status, stdout.as_str()), (1, ""), "{question:?}");
        assert!(
            stderr.starts_with("error: ") && stderr.contains(help),
            "{question:?}: {stderr}"
        );
        let (status, stdout, _) = tool(&workshop, &[&["--json", "explain"], question].concat());
        let value: Value = serde_json::from_str(&stdout).unwrap();
        assert!(
            status == 1 && value["help"].as_str().unwrap().contains(help),
            "{question:?}"
        );
    }
}

// Verifies: BH-EXPL-004
#[test]
fn a_broken_rule_is_explained_by_its_breach() {
    let line = [
        "explain",
        "tests/invalid/cores.claimed-twice.yaml",
        "why",
        "cores/claimed-twice",
    ];
    let (status, stdout, _) = tool(&workshop(), &line);
    assert_eq!(status, 1);
    assert!(stdout.starts_with("cores/claimed-twice: is broken\n"), "{stdout}");
    assert!(stdout.contains("tests/invalid/cores.claimed-twice.yaml:35:50: dedicated by `extra`"));
}

// Verifies: BH-EXPL-006
#[test]
fn the_graph_goes_to_a_file_or_to_stdout() {
    let workshop = workshop();
    let file = workshop.path("graph.svg");
    let (status, stdout, _) = tool(&workshop, &["graph", REFERENCE, "-o", file.to_str().unwrap()]);
    assert_eq!((status, stdout.as_str()), (0, ""));
    let drawn = fs::read_to_string(&file).unwrap();
    assert_eq!(
        tool(&workshop, &["graph", "-o", "-"]),
        (0, drawn.clone(), String::new())
    );
    let document = roxmltree::Document::parse(&drawn).unwrap();
    assert!(document.descendants().any(|n| n.text() == Some("vehicle-state")));
    let nowhere = workshop.path("no-such-folder/graph.svg");
    assert_eq!(tool(&workshop, &["graph", "-o", nowhere.to_str().unwrap()]).0, 2);
}

/// Changes the folder `released`, one file at a time. Verifies: BH-EXPL-008.
fn refuses_what_belongs_to_another_blob(workshop: &Workshop) {
    let folder = workshop.path("released");
    let refused = |name: &str, bytes: &[u8], why: &str| {
        let right = fs::read(folder.join(name)).ok();
        fs::write(folder.join(name), bytes).unwrap();
        for (before, after) in [(folder.as_path(), Path::new(REFERENCE)), (&folder, &folder)] {
            let paths = [before, after].map(|path| path.to_str().unwrap());
            let (status, stdout, stderr) = tool(workshop, &["diff", paths[0], paths[1]]);
            assert_eq!((status, stdout.as_str()), (1, ""), "{stderr}");
            assert!(stderr.contains(name) && stderr.contains(why), "{stderr}");
        }
        match right {
            Some(right) => fs::write(folder.join(name), right).unwrap(),
            None => fs::remove_file(folder.join(name)).unwrap(),
        }
    };
    let mut page = fs::read(folder.join("certificate.bin")).unwrap();
    let mut image = fs::read(folder.join("image.bin")).unwrap();
    let at = image.windows(page.len()).position(|bytes| bytes == page).unwrap();
    page[20] ^= 1;
    refused("certificate.bin", &page, "it is for another blob");
    refused(
        "certificate.json",
        b"{\"blob_hash\": \"00\"}",
        "is of another blob",
    );
    let report = fs::read_to_string(folder.join("report.json")).unwrap();
    let other = report.replacen("\"blob_hash\": \"", "\"blob_hash\": \"f", 1);
    refused("report.json", other.as_bytes(), "is of another blob");
    refused("report.json", b"{}", "build it again");
    image[at + 60] ^= 1;
    refused("image.bin", &image, "its certificate is not certificate.bin");
    image[at - 1] ^= 1;
    refused("image.bin", &image, "its blob is not system.blob");
}

/// A medium is made of what was built. Verifies: BH-FLSH-011, BH-FLSH-012.
fn packs_only_what_was_built(workshop: &Workshop) {
    let folder = workshop.path("released");
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let right = fs::read(folder.join("image.bin")).unwrap();
    let medium = workshop.path("medium.img");
    let (folder_name, medium_name) = (folder.to_str().unwrap(), medium.to_str().unwrap());
    let flash = [
        "flash",
        "qemu-virt",
        folder_name,
        "--to",
        medium_name,
        "--dry-run",
    ];
    let (status, _, stderr) = tool(workshop, &flash);
    assert_eq!(status, 0, "{stderr}");
    for part in manifest["parts"].as_array().unwrap() {
        let mut image = right.clone();
        let end = part["offset"].as_u64().unwrap() + part["size"].as_u64().unwrap();
        image[usize::try_from(end).unwrap() - 1] ^= 1;
        fs::write(folder.join("image.bin"), image).unwrap();
        let (status, _, stderr) = tool(workshop, &flash);
        assert_eq!(status, 1, "{stderr}");
        assert!(
            stderr.contains("certificate.json: it states another SHA-256 of image.bin"),
            "{stderr}"
        );
        // A certificate of that image does not help: the manifest has another digest of the part.
        let sealed = fs::read(folder.join("certificate.json")).unwrap();
        certify(&folder, Step::Seal).unwrap();
        let (status, _, stderr) = tool(workshop, &flash);
        assert_eq!(status, 1, "{stderr}");
        assert!(
            stderr.contains(&format!("the part `{}`", part["name"].as_str().unwrap())),
            "{stderr}"
        );
        fs::write(folder.join("certificate.json"), sealed).unwrap();
    }
    fs::write(folder.join("image.bin"), right).unwrap();
    let described = fs::read_to_string(folder.join("manifest.json")).unwrap();
    let other = described.replacen("CRASHED", "BROKEN", 1);
    assert_ne!(other, described);
    fs::write(folder.join("manifest.json"), other).unwrap();
    let (status, _, stderr) = tool(workshop, &flash);
    assert!(
        status == 1 && stderr.contains("it states another SHA-256 of manifest.json"),
        "{stderr}"
    );
    fs::write(folder.join("manifest.json"), described).unwrap();
}

// Verifies: BH-EXPL-005, BH-TOOL-001
#[test]
fn differences_end_with_1_between_specs_and_folders() {
    let workshop = workshop();
    assert_eq!(tool(&workshop, &["diff", REFERENCE, REFERENCE]).0, 0);
    let folder = workshop.path("released");
    let path = fs::read_to_string(repository().join(REFERENCE)).unwrap();
    let system = workshop.load(&path);
    bulkhead_compiler::build(
        &system,
        &hypervisor_bin(),
        &workshop.path("images"),
        certify,
        &folder,
    )
    .unwrap();
    let folder = folder.to_str().unwrap();
    let (status, stdout, stderr) = tool(&workshop, &["diff", folder, REFERENCE]);
    // The image in the folder holds the certificate, which no partition depends on.
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    let change = [
        "diff",
        folder,
        REFERENCE,
        "--set",
        "partitions.infotainment.restart_limit=1",
    ];
    let (status, stdout, _) = tool(&workshop, &change);
    assert_eq!(status, 1);
    assert!(
        stdout.contains("\nadas: unchanged\n") && stdout.contains("restart limit: 100 -> 1"),
        "{stdout}"
    );
    let (status, stdout, _) = tool(&workshop, &[&change[..], &["--json"]].concat());
    let value: Value = serde_json::from_str(&stdout).unwrap();
    let subjects = value["subjects"].as_array().unwrap();
    let changed = subjects.iter().filter(|s| s["verdict"] == "changed");
    assert_eq!(
        changed.map(|s| s["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["partition:infotainment"]
    );
    assert_eq!(status, 1);
    // A folder keeps what is argued on and enforced by no table.
    let (status, stdout, _) = tool(
        &workshop,
        &["diff", folder, REFERENCE, "--set", "wiring.can1=other-bus"],
    );
    let argued = "\nvehicle: unchanged\n  stated, and enforced by no table:\n    bus that `can1` is wired to: vehicle-bus -> other-bus\n";
    assert!(
        status == 1 && stdout.starts_with("identical: ") && stdout.contains(argued),
        "{stdout}"
    );
    let who = tool(&workshop, &["explain", folder, "who-can", "can0"]);
    assert!(who.0 == 0 && who.1.contains("read     adas\n"));
    assert_eq!(tool(&workshop, &["explain", folder, "at", "3", "1ms"]).0, 0);
    assert_eq!(tool(&workshop, &["explain", folder]).0, 1);
    refuses_what_belongs_to_another_blob(&workshop);
    packs_only_what_was_built(&workshop);
    fs::write(workshop.path("released/system.blob"), b"no blob").unwrap();
    let (status, _, stderr) = tool(&workshop, &["diff", folder, REFERENCE]);
    assert!(status == 1 && stderr.contains("is not a system blob"), "{stderr}");
    assert_eq!(tool(&workshop, &["diff", "no-such", REFERENCE]).0, 1);
}
