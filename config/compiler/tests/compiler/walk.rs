// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A walk over every key of the language: changed alone, each changes what is built, or the change is refused.
//!
//! The tables of the language say which keys there are and what they take, so that a key that is added is
//! walked without further ado.

use std::collections::BTreeSet;
use std::fs;

use crate::own_tree::device_tree;
use crate::support::{Workshop, bytes_of_area, hypervisor_bin, kernel, partition_elf, repository};
use bulkhead_analysis::rules::admit;
use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_compiler::image::assemble;
use bulkhead_compiler::manifest;
use bulkhead_model::LoadError;
use bulkhead_model::keys::{Row, rows};
use bulkhead_model::language::{Kind, Meaning, SPEC};
use bulkhead_views::diff::{Side, Subject, UNNAMED, Verdict, diff};
use bulkhead_views::{Built, Stated};
use serde_json::{Value, json};

/// Keys of which a change is always refused: the version, and permissions, which show only where they are missing.
const ONLY_REFUSED: [&str; 5] = [
    "bulkhead",
    "channels.NAME.from_qm",
    "locks.NAME.less_critical",
    "partitions.NAME.cores.unaligned",
    "partitions.NAME.memory.uncoloured",
];

/// Keys of which only the order counts, so that some changes mean nothing.
const ORDINAL: [&str; 3] = [
    "partitions.NAME.tasks.NAME.priority",
    "schedule.cores.NUMBER.N.priority",
    "schedule.cores.NUMBER.N.share.N.priority",
];

/// Changes of a key of which is looked what `diff` says.
const COMPARED: usize = 1;

/// What becomes of a spec.
enum Outcome {
    /// Rules that it breaks.
    Refused(BTreeSet<&'static str>),
    /// It is built.
    Built(Box<Product>),
}

/// What was built of a spec.
struct Product {
    /// Blob, flat text, device trees, payload areas, manifest and analysis.
    parts: Vec<Vec<u8>>,
    compiled: Compiled,
    stated: Stated,
}

impl Product {
    fn image(&self, hypervisor: &[u8]) -> Vec<u8> {
        assemble(&self.compiled, hypervisor, &[0; 4096])
    }

    fn built<'a>(&'a self, image: &'a [u8]) -> Built<'a> {
        Built::decode(&self.compiled.blob, &self.compiled.text, image).unwrap()
    }
}

/// What is wrong with what `diff` says of a change that has an effect.
fn said(base: &Side<'_>, product: &Product, hypervisor: &[u8]) -> Option<String> {
    let image = product.image(hypervisor);
    let built = product.built(&image);
    let difference = diff(base, &Side::of(&built, &product.stated).unwrap());
    let text = difference.text();
    let is_silent = |s: &Subject| {
        let lists = [&s.changes, &s.moves, &s.stated];
        s.verdict == Verdict::Unchanged && lists.iter().all(|l| l.is_empty())
    };
    if difference.is_empty() {
        return Some("`diff` ends with 0".to_owned());
    }
    if difference.subjects.iter().all(is_silent) || text.contains(UNNAMED) {
        return Some(format!("`diff` does not say what: {text}"));
    }
    let is_raw = |l: &&str| l.contains(": [") || l.contains("-> [");
    text.lines()
        .find(is_raw)
        .map(|line| format!("`diff` prints a raw list: {line}"))
}

struct Walker {
    workshop: Workshop,
    hypervisor: Vec<u8>,
}

impl Walker {
    /// Files that take the place of those that the documents name.
    fn furnish(&self) {
        let put = |name: &str, content: &[u8]| fs::write(self.workshop.path(name), content).unwrap();
        for (name, byte) in [("flat.bin", 1), ("disk.bin", 2), ("other.bin", 3)] {
            put(name, &[byte; 5000]);
        }
        self.workshop.put_beside_every_key();
        put("program.elf", &partition_elf(9));
        put("kernel.bin", &kernel(0x20_0000, 0x30_0000));
        let path = self.workshop.path("boards/virt-virtio.yaml");
        let board = fs::read_to_string(&path).unwrap();
        // A second range for what the first is for.
        let range = "  - { name: crash dump, base: 0x4a";
        let twice = format!("  - {{ name: crash dumpx, base: 0x4b00_0000, size: 8MiB, use: dump }}\n{range}");
        fs::write(path, board.replace(range, &twice)).unwrap();
        let other = board.replace("\nname: qemu-virt\n", "\nname: other-board\n");
        put("other.yaml", other.as_bytes());
        fs::write(self.workshop.path("images/own-tree"), device_tree(4 << 20, 0, 11)).unwrap();
    }

    fn outcome(&self, spec: &Value) -> Outcome {
        let system = match self.workshop.try_load(&spec.to_string()) {
            Ok(system) => system,
            Err(LoadError::Invalid(found)) => {
                return Outcome::Refused(found.list.iter().map(|d| d.rule.id).collect());
            }
            Err(error) => panic!("{error}"),
        };
        let (system, analysis) = match admit(system) {
            Ok(admitted) => admitted,
            Err(LoadError::Invalid(found)) => {
                return Outcome::Refused(found.list.iter().map(|d| d.rule.id).collect());
            }
            Err(error) => panic!("{error}"),
        };
        let Ok(compiled) = compile(&system, &self.hypervisor) else {
            return Outcome::Refused(BTreeSet::new());
        };
        // Payloads are compared by their areas; no image is assembled for its digests.
        let manifest = manifest::describe(&system, &compiled, &self.workshop.path("images"), &[]);
        let mut parts = vec![
            compiled.blob.clone(),
            compiled.text.clone().into_bytes(),
            serde_json::to_vec(&manifest).unwrap(),
            serde_json::to_vec(&analysis.report(&system)).unwrap(),
        ];
        parts.extend(compiled.trees.iter().map(|t| t.dtb.clone()));
        parts.extend(compiled.areas.iter().flat_map(bytes_of_area));
        Outcome::Built(Box::new(Product {
            parts,
            stated: Stated::of(&system, &analysis),
            compiled,
        }))
    }
}

/// The places of a document that a path of the tables stands for.
fn places(document: &Value, path: &str) -> Vec<String> {
    let mut found = vec![(String::new(), document)];
    for segment in path.split('.') {
        let is_free = segment.chars().all(|c| c.is_ascii_uppercase());
        found = found
            .into_iter()
            .flat_map(|(pointer, value)| -> Vec<(String, &Value)> {
                match value {
                    Value::Object(map) => map
                        .iter()
                        .filter(|(key, _)| is_free || *key == segment)
                        .map(|(key, inner)| (format!("{pointer}/{key}"), inner))
                        .collect(),
                    Value::Array(items) if is_free => items
                        .iter()
                        .enumerate()
                        .map(|(index, inner)| (format!("{pointer}/{index}"), inner))
                        .collect(),
                    _ => Vec::new(),
                }
            })
            .collect();
    }
    found.into_iter().map(|(pointer, _)| pointer).collect()
}

/// Whether what stands at a key is a list, a map or a scalar as values of this kind are.
fn has_form(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::List(..) => value.is_array(),
        Kind::Map(_) | Kind::Forms(_) | Kind::Named(..) | Kind::Numbered(..) => value.is_object(),
        Kind::Either(short, long) => has_form(*short, value) || has_form(*long, value),
        _ => !value.is_array() && !value.is_object(),
    }
}

/// Other values for what stands at a key.
fn others(kind: Kind, value: &Value, document: &Value) -> Vec<Value> {
    let number = value.as_u64().map(|n| n.to_string()).unwrap_or_default();
    let text = value.as_str().unwrap_or(&number);
    let names = |list: &[&str]| list.iter().filter(|n| **n != text).map(|n| json!(n)).collect();
    match kind {
        Kind::Version => vec![json!(2)],
        Kind::Number { .. } | Kind::Core => {
            let number = value.as_u64().or(bulkhead_model::units::number(text).ok());
            let multiple = match kind {
                Kind::Number { multiple, .. } => multiple,
                _ => 1,
            };
            // The second passes a neighbour in an order.
            let steps = [0x20_0000, 16 * multiple, multiple];
            steps.map(|step| json!(number.unwrap() + step)).to_vec()
        }
        Kind::Bytes => {
            let size = value.as_u64().or(bulkhead_model::units::bytes(text).ok());
            vec![json!(size.unwrap() * 2)]
        }
        Kind::Time => {
            let time = bulkhead_model::units::nanoseconds(text).unwrap();
            vec![json!(format!("{}ns", time * 2))]
        }
        Kind::Frequency => {
            let hz = bulkhead_model::units::hertz(text).unwrap();
            vec![json!(format!("{}Hz", hz * 2))]
        }
        Kind::Boolean => vec![json!(value != &json!(true))],
        Kind::Word(words) => names(&words.iter().map(|w| w.name).collect::<Vec<_>>()),
        Kind::Text(meaning) => match meaning {
            Meaning::Free | Meaning::Something | Meaning::Name => vec![json!(format!("{text}x"))],
            Meaning::Partition | Meaning::Run => {
                let partitions = document["partitions"].as_object().unwrap();
                names(&partitions.keys().map(String::as_str).collect::<Vec<_>>())
            }
            Meaning::Device | Meaning::Can => names(&["can0", "can1", "rng0", "clock0"]),
            Meaning::File => names(&["vehicle", "other.bin", "program.elf", "kernel.bin"]),
            Meaning::Board => vec![json!("other.yaml")],
            Meaning::PciId => vec![json!("1760:ff01")],
            Meaning::Release => vec![json!("10.1.0")],
        },
        Kind::List(item, _) => {
            let (mut shorter, mut reversed) = (value.as_array().unwrap().clone(), Vec::new());
            reversed.extend(shorter.iter().rev().cloned());
            shorter.pop();
            // The k-th core is that of the k-th vCPU; the order of other lists means nothing.
            let is_ordered = matches!(item, Kind::Core);
            let lists = [shorter, reversed].map(Value::Array);
            lists
                .into_iter()
                .take(1 + usize::from(is_ordered))
                .filter(|l| l != value)
                .collect()
        }
        Kind::Named(..) | Kind::Numbered(..) => {
            let map = value.as_object().unwrap();
            let without = |key: &String| {
                let mut map = map.clone();
                map.remove(key);
                Value::Object(map)
            };
            map.keys().map(without).collect()
        }
        // What is inside has rows of its own.
        Kind::Map(_) | Kind::Forms(_) => Vec::new(),
        Kind::Either(short, long) => {
            let kind = if has_form(*long, value) { long } else { short };
            others(*kind, value, document)
        }
    }
}

/// Whether a key only holds others, which have rows of their own.
pub(crate) fn others_are_inside(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Map(_) | Kind::Forms(_) | Kind::Named(..) | Kind::Numbered(..)
    )
}

/// The changes of one document at one key: what is done, and what comes of it.
pub(crate) fn changes(document: &Value, row: &Row) -> Vec<(String, Value)> {
    let mut result = Vec::new();
    for pointer in places(document, &row.path) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let value = document.pointer(&pointer).unwrap();
        for other in others(row.key.value, value, document) {
            let mut changed = document.clone();
            *changed.pointer_mut(&pointer).unwrap() = other.clone();
            result.push((format!("{pointer} = {other}"), changed));
        }
        let mut changed = document.clone();
        if let Some(map) = changed.pointer_mut(parent).and_then(Value::as_object_mut) {
            map.remove(name);
            result.push((format!("{pointer} removed"), changed));
        }
    }
    result
}

/// Changes of lengths that must fit together: the first two slots of a core change places in time, and the frame becomes
/// longer by the last slot of each.
fn fitting(document: &Value, row: &Row) -> Vec<(String, Value)> {
    let mut changed = document.clone();
    let tables = changed["schedule"]["cores"].as_object_mut().unwrap();
    match row.path.as_str() {
        "schedule.cores.NUMBER.N.for" => {
            // Of core 0, 3ms and 3ms.
            let slots = tables["0"].as_array_mut().unwrap();
            (slots[0]["for"], slots[1]["for"]) = (json!("2ms"), json!("4ms"));
        }
        "schedule.major_frame" => {
            for slots in tables.values_mut() {
                let last = slots.as_array_mut().unwrap().last_mut().unwrap();
                let length = bulkhead_model::units::nanoseconds(last["for"].as_str().unwrap()).unwrap();
                last["for"] = json!(format!("{}ns", length + 10_000_000));
            }
            changed["schedule"]["major_frame"] = json!("20ms");
        }
        _ => return Vec::new(),
    }
    vec![(format!("{} with what must fit", row.path), changed)]
}

/// The walk's documents: one with every key, and one with those that exclude some of them.
fn documents() -> [Value; 2] {
    let text = fs::read_to_string(repository().join("tests/systems/every-key.yaml")).unwrap();
    let first: Value = serde_saphyr::from_str(&text).unwrap();
    let mut second = first.clone();
    second["partitions"]["panel"]["payload"] = json!({ "raw": "flat.bin" });
    let linux = second["partitions"]["linux"]["payload"]["linux"]
        .as_object_mut()
        .unwrap();
    linux.remove("initramfs");
    linux.insert("initrd".to_owned(), json!("disk.bin"));
    // Two dedicated cores for one partition, so that their order can be changed.
    second["partitions"].as_object_mut().unwrap().remove("car");
    second["partitions"]["control"]["cores"]["dedicated"] = json!([2, 3]);
    for name in ["control", "linux"] {
        second["partitions"][name]["memory"]["uncoloured"] =
            json!(["tablet", "panel", "dash", "caller", "driver"]);
    }
    second["partitions"]["caller"]["device_tree"] = json!("own-tree");
    second["expect"] = json!([{ "partition": "linux", "text": "ready" }]);
    second["never"] = json!([]);
    [first, second]
}

// Verifies: BH-LANG-003, BH-EXPL-005, BH-EXPL-009
#[test]
fn every_key_has_an_effect_or_is_refused() {
    let walker = Walker {
        workshop: Workshop::new(),
        hypervisor: hypervisor_bin(),
    };
    walker.furnish();
    let documents = documents();
    let bases = documents.each_ref().map(|d| walker.outcome(d));
    let bases = bases.map(|base| match base {
        Outcome::Built(product) => product,
        Outcome::Refused(rules) => panic!("the walk begins at a spec that breaks {rules:?}"),
    });
    let images = bases.each_ref().map(|base| base.image(&walker.hypervisor));
    let decoded: Vec<Built<'_>> = bases
        .iter()
        .zip(&images)
        .map(|(base, image)| base.built(image))
        .collect();
    let sides: Vec<Side<'_>> = decoded
        .iter()
        .zip(&bases)
        .map(|(b, base)| Side::of(b, &base.stated).unwrap())
        .collect();
    let mut wrong = Vec::new();
    for row in rows(&SPEC) {
        let is_container = others_are_inside(row.key.value);
        let (mut built, mut refused) = (0, 0);
        for ((document, base), side) in documents.iter().zip(&bases).zip(&sides) {
            for (change, changed) in changes(document, &row).into_iter().chain(fitting(document, &row)) {
                match walker.outcome(&changed) {
                    Outcome::Refused(_) => refused += 1,
                    Outcome::Built(product) if product.parts == base.parts => {
                        if !ORDINAL.contains(&row.path.as_str()) {
                            wrong.push(format!("{change}: accepted without effect"));
                        }
                    }
                    Outcome::Built(product) => {
                        built += 1;
                        if built <= COMPARED {
                            let wrongs = said(side, &product, &walker.hypervisor);
                            wrong.extend(wrongs.map(|why| format!("{change}: {why}")));
                        }
                    }
                }
            }
            if built > 0 {
                break;
            }
        }
        if built + refused == 0 {
            wrong.push(format!("{}: the walk's documents do not use it", row.path));
        }
        if built == 0 && !is_container && !ONLY_REFUSED.contains(&row.path.as_str()) {
            wrong.push(format!(
                "{}: every change of it is refused, so that nothing shows its effect",
                row.path
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
