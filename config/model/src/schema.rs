// SPDX-License-Identifier: Apache-2.0 OR MIT
//! JSON Schema (draft 2020-12) of specs and board files, generated from the tables of the language.
//!
//! It describes the form: keys, types, quantities, words. With a board it also knows the board's devices and
//! cores. What only rules can know (overlaps, owners, sums) is not in it. A scalar is described as a reader of
//! YAML sees it: `8` is a number, `8ms` a string. Implements: BH-LANG-002.

use serde_json::{Map, Value, json};

use crate::board::{Board, Device, Registers};
use crate::language::{BOARD, Choose, Count, Key, Kind, Meaning, Need, SPEC, Table, VERSION, Word};

/// Digits of a whole number, grouped or not.
const DECIMAL: &str = "(0|[1-9][0-9]*(_[0-9]+)*)";
/// A hexadecimal number.
const HEXADECIMAL: &str = "0x[0-9a-fA-F]+(_[0-9a-fA-F]+)*";

/// The schema of a spec; with a board, for specs that use it.
///
/// A spec that includes files need not be complete by itself.
pub fn spec(board: Option<&Board>) -> Value {
    let partial = Writer {
        board,
        is_partial: true,
    };
    let complete = Writer {
        board,
        is_partial: false,
    };
    let mut schema = match board {
        None => partial.document(&SPEC, "urn:bulkhead:spec:1", "A Bulkhead system"),
        Some(board) => {
            let name = &board.name.value;
            let id = format!("urn:bulkhead:spec:1:{name}");
            partial.document(&SPEC, &id, &format!("A Bulkhead system on the board {name}"))
        }
    };
    schema.insert("if".to_owned(), json!({ "required": ["include"] }));
    schema.insert("else".to_owned(), Value::Object(complete.table(&SPEC)));
    Value::Object(schema)
}

/// The schema of a file that a spec includes; with a board, for specs that use it.
pub fn fragment(board: Option<&Board>) -> Value {
    let writer = Writer {
        board,
        is_partial: true,
    };
    let (id, title) = ("urn:bulkhead:fragment:1", "A part of a Bulkhead system");
    Value::Object(match board {
        None => writer.document(&SPEC, id, title),
        Some(board) => {
            let name = &board.name.value;
            writer.document(
                &SPEC,
                &format!("{id}:{name}"),
                &format!("{title} on the board {name}"),
            )
        }
    })
}

/// The schema of a board file.
pub fn board() -> Value {
    let writer = Writer {
        board: None,
        is_partial: false,
    };
    Value::Object(writer.document(&BOARD, "urn:bulkhead:board:1", "A board of Bulkhead"))
}

struct Writer<'b> {
    board: Option<&'b Board>,
    /// Whether keys may be missing, since other files add them; the version never.
    is_partial: bool,
}

impl Writer<'_> {
    fn document(&self, table: &Table, id: &str, title: &str) -> Map<String, Value> {
        let mut schema = Map::new();
        schema.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        schema.insert("$id".to_owned(), json!(id));
        schema.insert("title".to_owned(), json!(title));
        schema.extend(self.table(table));
        schema
    }

    fn table(&self, table: &Table) -> Map<String, Value> {
        let properties: Map<String, Value> = table
            .keys
            .iter()
            .map(|k| (k.name.to_owned(), Value::Object(self.key(k))))
            .collect();
        let is_needed = |k: &&Key| match k.need {
            Need::Needed | Need::NeededByRule if self.is_partial => matches!(k.value, Kind::Version),
            Need::Needed | Need::NeededByRule => !table.is_choice(k.name),
            Need::Default(_) => false,
        };
        let required: Vec<&str> = table.keys.iter().filter(is_needed).map(|k| k.name).collect();
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("additionalProperties".to_owned(), json!(false));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if let Choose::One(names) | Choose::OneByRule(names) = table.choose
            && !self.is_partial
        {
            let one: Vec<Value> = names.iter().map(|n| json!({ "required": [n] })).collect();
            schema.insert("oneOf".to_owned(), json!(one));
        }
        schema
    }

    fn key(&self, key: &Key) -> Map<String, Value> {
        let mut schema = self.kind(key.value);
        let mut text = key.text.to_owned();
        if let Need::Default(default) = key.need {
            text = format!("{text} Default: {default}.");
        }
        schema.insert("description".to_owned(), json!(text));
        schema
    }

    fn kind(&self, kind: Kind) -> Map<String, Value> {
        object(match kind {
            Kind::Version => json!({ "enum": [VERSION, VERSION.to_string()] }),
            Kind::Number {
                least,
                most,
                multiple,
            } => number(least, most, multiple),
            Kind::Core => match self.board {
                Some(_) => one_of(self.cores()),
                None => number(0, u64::from(u32::MAX), 1),
            },
            Kind::Bytes => json!({ "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": u64::MAX },
                { "type": "string", "pattern": format!("^({HEXADECIMAL}|{DECIMAL} *(B|KiB|MiB|GiB)?)$") },
            ] }),
            Kind::Time => {
                json!({ "type": "string", "pattern": decimals(&["ns", "(us|µs)", "ms", "s"]) })
            }
            Kind::Frequency => {
                json!({ "type": "string", "pattern": decimals(&["Hz", "kHz", "MHz", "GHz"]) })
            }
            Kind::Boolean => json!({ "enum": [true, false, "true", "false"] }),
            Kind::Text(meaning) => self.text(meaning),
            Kind::Word(words) => json!({ "oneOf": words.iter().map(one_word).collect::<Vec<_>>() }),
            Kind::List(item, count) => {
                json!({ "type": "array", "items": self.kind(*item), "minItems": least(count) })
            }
            Kind::Named(meaning, value, count) => self.named(meaning, *value, count),
            Kind::Numbered(key, value) => self.numbered(*key, *value),
            Kind::Map(table) => Value::Object(self.table(table)),
            Kind::Either(short, long) => json!({ "anyOf": [self.kind(*short), self.kind(*long)] }),
            Kind::Forms(forms) => {
                json!({ "anyOf": forms.iter().map(|t| self.table(t)).collect::<Vec<_>>() })
            }
        })
    }

    fn text(&self, meaning: Meaning) -> Value {
        match (meaning, self.board) {
            (Meaning::Device, Some(board)) => one_of(devices(board, |_| true)),
            (Meaning::Can, Some(board)) => one_of(devices(board, |d| d.can)),
            (Meaning::Name, _) => json!({ "type": "string", "pattern": NAME }),
            (Meaning::PciId, _) => {
                json!({ "type": "string", "pattern": "^[0-9a-fA-F]{4}:[0-9a-fA-F]{4}$" })
            }
            (Meaning::Release, _) => {
                json!({ "type": "string", "pattern": "^[0-9]+\\.[0-9]+(\\.[0-9]+)?$" })
            }
            (Meaning::Something, _) => json!({ "type": SCALAR, "minLength": 1 }),
            (
                Meaning::Free
                | Meaning::Partition
                | Meaning::Run
                | Meaning::Device
                | Meaning::Can
                | Meaning::Board
                | Meaning::File,
                _,
            ) => json!({ "type": SCALAR }),
        }
    }

    fn named(&self, meaning: Meaning, value: Kind, count: Count) -> Value {
        let value = self.kind(value);
        let known = match (meaning, self.board) {
            (Meaning::Device, Some(board)) => Some(devices(board, |_| true)),
            (Meaning::Can, Some(board)) => Some(devices(board, |d| d.can)),
            _ => None,
        };
        if let Some(devices) = known {
            let properties: Map<String, Value> = devices
                .iter()
                .filter_map(|d| {
                    let mut value = value.clone();
                    value.insert("description".to_owned(), d.get("description")?.clone());
                    Some((d.get("const")?.as_str()?.to_owned(), Value::Object(value)))
                })
                .collect();
            return json!({ "type": "object", "properties": properties, "additionalProperties": false });
        }
        let names = match meaning {
            Meaning::Name => json!({ "pattern": NAME }),
            _ => json!(true),
        };
        json!({
            "type": "object",
            "propertyNames": names,
            "additionalProperties": value,
            "minProperties": least(count),
        })
    }

    fn numbered(&self, key: Kind, value: Kind) -> Value {
        let value = self.kind(value);
        if let (Kind::Core, Some(_)) = (key, self.board) {
            let properties: Map<String, Value> = self
                .cores()
                .into_iter()
                .filter_map(|core| {
                    let mut value = value.clone();
                    value.insert("description".to_owned(), core.get("description")?.clone());
                    Some((
                        core.get("enum")?.get(1)?.as_str()?.to_owned(),
                        Value::Object(value),
                    ))
                })
                .collect();
            return json!({ "type": "object", "properties": properties, "additionalProperties": false });
        }
        let pattern = format!("^({HEXADECIMAL}|{DECIMAL})$");
        json!({ "type": "object", "patternProperties": { pattern: value }, "additionalProperties": false })
    }

    fn cores(&self) -> Vec<Value> {
        let cores = self.board.map_or(&[][..], |b| &b.cores);
        let describe = |(index, core): (usize, &crate::board::Core)| {
            let text = format!(
                "Core {index}: cluster {}, capacity {}, MIDR {:#x}.",
                core.cluster, core.capacity, core.midr
            );
            json!({ "enum": [index, index.to_string()], "description": text })
        };
        cores.iter().enumerate().map(describe).collect()
    }
}

/// A name: see the rule `partitions/name`.
const NAME: &str = "^[a-z][a-z0-9-]{0,30}$";
/// What a reader of YAML makes of a single value.
const SCALAR: [&str; 3] = ["string", "number", "boolean"];

/// A number with one of these units, each a thousand times the one before it, without more decimals than there are.
fn decimals(units: &[&str]) -> String {
    let one = |(index, unit): (usize, &&str)| match index {
        0 => format!(" *{unit}"),
        index => format!("(\\.[0-9]{{1,{}}})? *{unit}", 3 * index),
    };
    let units: Vec<String> = units.iter().enumerate().map(one).collect();
    format!("^{DECIMAL}({})$", units.join("|"))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}

fn least(count: Count) -> u32 {
    match count {
        Count::Some => 1,
        Count::Any => 0,
    }
}

fn number(least: u64, most: u64, multiple: u64) -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": least, "maximum": most, "multipleOf": multiple },
        { "type": "string", "pattern": format!("^({HEXADECIMAL}|{DECIMAL})$") },
    ] })
}

/// One of some values; nothing where there are none.
fn one_of(values: Vec<Value>) -> Value {
    if values.is_empty() {
        json!({ "not": {} })
    } else {
        json!({ "oneOf": values })
    }
}

/// A word that looks like a number is one to a reader of YAML.
fn one_word(word: &Word) -> Value {
    match word.name.parse::<u64>() {
        Ok(number) => json!({ "enum": [number, word.name], "description": word.text }),
        Err(_) => json!({ "const": word.name, "description": word.text }),
    }
}

fn devices(board: &Board, filter: impl Fn(&Device) -> bool) -> Vec<Value> {
    let describe = |device: &Device| {
        let interrupts: Vec<String> = device.intids().map(|intid| intid.to_string()).collect();
        let interrupt = match interrupts.as_slice() {
            [] => String::new(),
            [one] => format!(", interrupt {one}"),
            all => format!(", interrupts {}", all.join(", ")),
        };
        let place = match (&device.pci, &device.registers) {
            (Some(pci), _) => format!(
                "PCI {:04x}:{:04x} in slot {}, StreamID {:#x}",
                pci.vendor,
                pci.device,
                pci.slot,
                pci.bdf()
            ),
            (None, Registers::At(blocks)) => {
                let places: Vec<String> = blocks
                    .iter()
                    .map(|block| match &block.name {
                        Some(name) => format!("{:#x} ({})", block.region.base, name.value),
                        None => format!("{:#x}", block.region.base),
                    })
                    .collect();
                let ids = device.stream_ids().map(|id| format!(", StreamID {id:#x}"));
                format!("at {}{}", places.join(", "), ids.collect::<String>())
            }
            (None, Registers::Bar(_)) => "nowhere".to_owned(),
        };
        let mut title = device.kind.title().to_owned();
        if let Some(first) = device.compatible.first() {
            title = format!("{title} `{}`", first.value);
        }
        let text = format!("{title}: {place}{interrupt}.");
        json!({ "const": device.name.value, "description": text })
    };
    board.devices.iter().filter(|d| filter(d)).map(describe).collect()
}
