// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first inputs of each target, and the words of the language.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_compiler::boardtree;
use bulkhead_compiler::machine::RAM;
use bulkhead_fuzz::spec::BETWEEN;
use bulkhead_model::load_board;
use bulkhead_types::system::System;
use serde_json::Value;

use super::Stage;
use super::programs::programs;
use super::support::{kernel, partition_elf, program_elf, repository};
use super::trees::of_board;

/// The seeds of a target.
pub(crate) fn of(target: &str, stage: &Stage) -> Vec<Vec<u8>> {
    match target {
        "spec" => specs(),
        "trap" => programs(96, 600),
        "blob" => programs(64, 60),
        "dtb" => trees(stage),
        "payload" => payloads(stage),
        other => unreachable!("no target {other}"),
    }
}

/// Documents of a folder of the tree, in order.
fn documents(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join(folder)).expect("a folder of the tree");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut all: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    all.sort();
    all
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file of the tree")
}

/// What no reader of YAML takes.
const BROKEN: [&str; 6] = ["a: ]", "a: [", "name: \"\u{fc}", "a: &b *c", "%", "a: b: c\n"];

/// Each spec of the tree, those of the examples also cut short, a small one with each board, and what is no spec.
fn specs() -> Vec<Vec<u8>> {
    let folders = ["config/systems", "tests/systems", "tests/invalid"];
    let paths = folders.iter().flat_map(|folder| documents(folder));
    let mut all: Vec<Vec<u8>> = paths.map(|path| read(&path).into_bytes()).collect();
    let examples = documents("config/systems");
    all.extend(examples.iter().map(|path| {
        let mut text = read(path).into_bytes();
        text.truncate(text.len() / 2);
        text
    }));
    all.extend(BROKEN.map(|text| text.as_bytes().to_vec()));
    let small = read(&repository().join("tests/invalid/valid.bare.yaml"));
    let line = small
        .lines()
        .find(|line| line.starts_with("board:"))
        .expect("a board");
    let small = small.replace(line, "board: ./board.yaml");
    for board in documents("config/boards") {
        all.push(format!("{small}{BETWEEN}{}", read(&board)).into_bytes());
    }
    all
}

/// The tree that boot takes with each interrupt controller; those of partitions and of boards whose tree the compiler
/// makes.
fn trees(stage: &Stage) -> Vec<Vec<u8>> {
    let system = System::parse(&stage.compiled.blob).expect("the blob");
    let mut trees = vec![of_board(&system, "arm,gic-v3"), of_board(&system, "arm,gic-400")];
    trees.extend(stage.compiled.trees.iter().map(|tree| tree.dtb.clone()));
    for path in documents("config/boards") {
        let board = load_board(&path).expect("a board of the tree");
        trees.extend(boardtree::of(&board).expect("a tree"));
    }
    let of_kind = |kind: u8| trees.iter().map(move |tree| [&[kind][..], tree].concat());
    (0..3).flat_map(of_kind).collect()
}

/// ELF files in both ways, and kernels in RAM of 16 MiB.
fn payloads(stage: &Stage) -> Vec<Vec<u8>> {
    let images = fs::read_dir(stage.workshop.path("images")).expect("the images");
    let mut files: Vec<Vec<u8>> = vec![partition_elf(1), program_elf()];
    files.extend(images.map(|entry| fs::read(entry.expect("an entry").path()).expect("an image")));
    // What lies in a segment does not matter.
    files.iter_mut().for_each(|file| file.truncate(2048));
    let pages: u32 = 0x1000;
    let of_kind = |kind: u8| files.iter().map(move |file| [&[kind][..], file].concat());
    let mut all: Vec<Vec<u8>> = (0..2).flat_map(of_kind).collect();
    for kind in [2, 3] {
        let mut image = kernel(256, 0x8_0000);
        all.push([&[kind][..], &pages.to_le_bytes(), &[0, 1], &image].concat());
        // One that ends just before the last address.
        image[8..16].copy_from_slice(&(u64::MAX - RAM - 0x8_1000).to_le_bytes());
        all.push([&[kind][..], &pages.to_le_bytes(), &[0, 1], &image].concat());
    }
    all.sort();
    all
}

/// Every word of the language, from the schemas, in libFuzzer's form.
pub(crate) fn dictionary() -> String {
    let mut words = BTreeSet::new();
    for name in ["spec.json", "board.json", "fragment.json"] {
        let text = read(&repository().join("config/schema").join(name));
        collect(&serde_json::from_str(&text).expect("a schema"), &mut words);
    }
    let plain = words.iter().filter(|word| {
        word.bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    });
    plain.map(|word| format!("\"{word}\"\n")).collect()
}

fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match (key.as_str(), inner) {
                    ("properties", Value::Object(keys)) => {
                        words.extend(keys.keys().map(|key| format!("{key}:")))
                    }
                    ("const" | "enum", _) => literals(inner, words),
                    _ => {}
                }
                collect(inner, words);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn literals(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::String(word) => drop(words.insert(word.clone())),
        Value::Array(list) => list.iter().for_each(|inner| literals(inner, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
    }
}
