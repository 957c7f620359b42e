// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The JSON Schema: equal to the committed files, and judged by two validators of other hands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "common/judges.rs"]
mod judges;

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_model::board::Board;
use bulkhead_model::bounds::{Basis, CostPath};
use bulkhead_model::language::{BOARD, SPEC, Table};
use bulkhead_model::{keys, load_board, schema};
use judges::Judges;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn board(name: &str) -> Board {
    load_board(&root().join(format!("config/boards/{name}.yaml"))).unwrap()
}

fn committed() -> Vec<(String, Value)> {
    let mut all = vec![
        ("spec.json".to_owned(), schema::spec(None)),
        ("board.json".to_owned(), schema::board()),
        ("fragment.json".to_owned(), schema::fragment(None)),
    ];
    for path in files("config/boards") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        all.push((format!("spec.{name}.json"), schema::spec(Some(&board(name)))));
    }
    all
}

// Verifies: BH-LANG-002
#[test]
fn the_committed_schemas_are_what_the_tables_say() {
    for (name, schema) in committed() {
        let path = root().join("config/schema").join(&name);
        let text = fs::read_to_string(&path).unwrap();
        let wanted = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        assert!(
            text == wanted,
            "{name} is out of date: print it with `bulkhead-tool schema`"
        );
    }
}

// Verifies: BH-BRD-006
#[test]
fn each_board_says_what_is_reserved_and_what_el2_costs() {
    for path in files("config/boards") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let board = board(name);
        assert!(!board.reserved.is_empty() && board.poll_bound > 0, "{name}");
        assert_ne!(
            board.bounds.cost(CostPath::WorldSwitch).basis,
            Basis::Unknown,
            "{name}"
        );
    }
}

// Verifies: BH-TASK-031
#[test]
fn costs_of_each_board_are_bounds_of_the_gate() {
    let text = fs::read_to_string(root().join("tests/benches/bounds.toml")).unwrap();
    let gate: toml::Table = toml::from_str(&text).unwrap();
    let largest = |names: &[&str]| {
        let paths = gate["path"].as_array().unwrap();
        let named = |p: &&toml::Value| names.is_empty() || names.contains(&p["id"].as_str().unwrap());
        let bounds = paths
            .iter()
            .filter(named)
            .map(|p| p["bound"].as_integer().unwrap());
        u64::try_from(bounds.max().unwrap()).unwrap()
    };
    for path in files("config/boards") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let board = board(name);
        let ns = |path| board.bounds.cost(path).ns;
        let interrupt = ["irq", "irq_switch", "fiq", "wake", "wake_switch"];
        let switch = ["fiq_switch", "fiq_sleep", "wake", "wake_switch"];
        assert_eq!(ns(CostPath::Interrupt), largest(&interrupt), "{name}");
        assert_eq!(ns(CostPath::WorldSwitch), largest(&switch), "{name}");
        assert_eq!(ns(CostPath::GuardedWake), largest(&["wfi", "wake"]), "{name}");
        assert_eq!(ns(CostPath::LongestStay), largest(&[]), "{name}");
        assert!(ns(CostPath::SlotLateness) >= largest(&[]), "{name}");
        // What is counted on an emulator proves nothing.
        assert_eq!(
            board.bounds.cost(CostPath::Interrupt).basis,
            Basis::Assumed,
            "{name}"
        );
    }
}

// Verifies: BH-LANG-001
#[test]
fn the_readme_lists_the_keys_of_the_tables() {
    let text = fs::read_to_string(root().join("config/README.md")).unwrap();
    assert!(
        text.contains(&keys::markdown(&SPEC)),
        "config/README.md: paste what `bulkhead-tool schema --keys` prints"
    );
    let text = fs::read_to_string(root().join("config/boards/README.md")).unwrap();
    assert!(
        text.contains(&keys::markdown(&BOARD)),
        "config/boards/README.md: paste what `bulkhead-tool schema board --keys` prints"
    );
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files
}

/// A document as any reader of YAML sees it; nothing when it is none.
fn instance(path: &Path) -> Option<Value> {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).ok()
}

/// Whether both validators accept; they must agree.
fn accepts(judges: &Judges, document: &Value) -> bool {
    let [first, second] = judges.accept(document);
    assert_eq!(first, second, "{document}");
    first
}

/// What the first line of a file in tests/invalid says.
fn rule(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let first = text.lines().next().unwrap();
    first
        .trim_start_matches("# ")
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

// Verifies: BH-LANG-002
#[test]
fn the_schemas_are_schemas() {
    for (name, schema) in committed() {
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
    }
}

// Verifies: BH-LANG-002
#[test]
fn valid_documents_are_accepted() {
    let mut accepted = 0;
    let mut accept = |judges: &Judges, path: &Path| {
        assert!(accepts(judges, &instance(path).unwrap()), "{}", path.display());
        accepted += 1;
    };
    let invalid = files("tests/invalid");
    let is_valid = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("valid");
    let mut specs: Vec<PathBuf> = invalid.into_iter().filter(is_valid).collect();
    for folder in [
        "config/systems",
        "tests/systems",
        "tests/benches/systems",
        "tests/mutants/systems",
        "bsp/template",
    ] {
        specs.extend(files(folder));
    }
    // The template's board lies beside its system.
    specs.retain(|path| !path.ends_with("board.yaml"));
    let mut boards: Vec<PathBuf> = vec![root().join("bsp/template/board.yaml")];
    for folder in [
        "config/boards",
        "tests/systems/boards",
        "tests/benches/boards",
        "tests/mutants/boards",
    ] {
        boards.extend(files(folder));
    }
    let any = Judges::new(&schema::spec(None));
    let own: Vec<(String, Judges)> = files("config/boards")
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let judges = Judges::new(&schema::spec(Some(&board(name))));
            (name.to_owned(), judges)
        })
        .collect();
    for path in &specs {
        accept(&any, path);
        let document = instance(path).unwrap();
        let name = document["board"].as_str().unwrap();
        if let Some((_, judges)) = own.iter().find(|(board, _)| board == name) {
            accept(judges, path);
        } else if path.starts_with(root().join("tests/invalid")) {
            boards.push(path.with_file_name(name));
        }
    }
    let mut fragments = files("tests/systems/every-key");
    fragments.extend(files("tests/systems/fragments"));
    fragments.extend(["empty", "back"].map(|f| root().join(format!("tests/invalid/fragments/{f}.yaml"))));
    let judges = Judges::new(&schema::fragment(None));
    for path in &fragments {
        accept(&judges, path);
    }
    boards.sort();
    boards.dedup();
    let judges = Judges::new(&schema::board());
    for path in &boards {
        accept(&judges, path);
    }
    assert!(
        specs.len() > 55 && boards.len() > 15 && accepted > 100,
        "{} specs, {} boards, {accepted} judged",
        specs.len(),
        boards.len()
    );
}

/// Breaches of form that a schema cannot see, since there is no document then: the reader of YAML refuses it,
/// or the fault is on the command line.
const NOT_FOR_SCHEMAS: [&str; 3] = [
    "document/syntax",
    "document/duplicate-key",
    "document/no-such-path",
];

// Verifies: BH-LANG-002
#[test]
fn structural_errors_are_rejected() {
    let (spec, virt) = (
        Judges::new(&schema::spec(None)),
        Judges::new(&schema::spec(Some(&board("qemu-virt")))),
    );
    let (board, fragment) = (
        Judges::new(&schema::board()),
        Judges::new(&schema::fragment(None)),
    );
    let mut judged = 0;
    for path in files("tests/invalid") {
        let rule = rule(&path);
        if !rule.starts_with("document/") || NOT_FOR_SCHEMAS.contains(&rule.as_str()) {
            continue;
        }
        let document = instance(&path).unwrap();
        let other = |name: &str| instance(&root().join("tests/invalid").join(name)).unwrap();
        let file = document["board"].as_str().filter(|b| b.ends_with(".yaml"));
        let included = document["include"][0].as_str();
        let is_rejected = match file {
            _ if included.is_some() => !accepts(&fragment, &other(included.unwrap())),
            Some(file) => !accepts(&board, &other(file)),
            None => !accepts(&spec, &document) && !accepts(&virt, &document),
        };
        assert!(is_rejected, "{} is accepted", path.display());
        judged += 1;
    }
    assert!(judged >= 9, "only {judged} files were judged");
}

// Verifies: BH-LANG-002
#[test]
fn a_board_adds_its_names_and_hover_texts() {
    let schema = schema::spec(Some(&board("qemu-virt")));
    let partition = &schema["properties"]["partitions"]["additionalProperties"]["properties"];
    let devices = partition["devices"]["items"]["oneOf"].as_array().unwrap();
    assert_eq!(devices[0]["const"], "can0");
    let text = devices[0]["description"].as_str().unwrap();
    assert!(
        text.contains("StreamID 0x8") && text.contains("interrupt 36"),
        "{text}"
    );
    let cores = schema["properties"]["schedule"]["properties"]["cores"]["properties"]
        .as_object()
        .unwrap();
    assert_eq!(cores.len(), 4);
    let mut document = instance(&root().join("tests/invalid/valid.yaml")).unwrap();
    let judges = Judges::new(&schema);
    document["partitions"]["control"]["cores"]["dedicated"][0] = 4.into();
    assert!(!accepts(&judges, &document));
}

// Verifies: BH-LANG-001
#[test]
fn the_tables_are_consistent() {
    let tables: [&Table; 2] = [&SPEC, &BOARD];
    for row in tables.into_iter().flat_map(keys::rows) {
        let (path, key) = (&row.path, row.key);
        assert!(key.text.ends_with('.'), "{path}: {}", key.text);
        let inner = row.path.rsplit('.').next().unwrap();
        assert_eq!(inner, key.name);
    }
}
