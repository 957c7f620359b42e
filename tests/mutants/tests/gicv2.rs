// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A system on a GICv2, corrupted between the compiler's stages: each bit of each control word, and who reaches which
//! interface. Tables and text form agree with each other; the checker alone must refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[allow(dead_code, reason = "the other test programs use the rest")]
mod systems;

use std::fs;
use std::path::Path;
use std::thread;

use bulkhead_compiler::access::{Grant, Root};
use bulkhead_compiler::blob::{Tables, emit};
use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_compiler::grant_list::Sources;
use bulkhead_compiler::grants::render;
use bulkhead_compiler::sections::Sections;
use bulkhead_model::system::System;
use bulkhead_mutants::files::Files;
use bulkhead_types::tables::Vcpu;

use systems::support::{Workshop, hypervisor_bin};

/// Partitions of `valid.gicv2.yaml` on cores of their own and on shared ones.
const DIRECT: usize = 0;
const SLICED: usize = 2;

/// Compiled once; each corruption changes a copy.
struct Line {
    system: System,
    hypervisor: Vec<u8>,
    compiled: Compiled,
}

impl Line {
    fn new() -> Self {
        let (workshop, hypervisor) = (Workshop::new(), hypervisor_bin());
        let invalid = Path::new(env!("CARGO_MANIFEST_DIR")).join("../invalid");
        let board = "boards/gicv2.yaml";
        fs::create_dir(workshop.path("boards")).unwrap();
        fs::copy(invalid.join(board), workshop.path(board)).unwrap();
        let system = workshop.load(&fs::read_to_string(invalid.join("valid.gicv2.yaml")).unwrap());
        let compiled = compile(&system, &hypervisor).unwrap();
        Self {
            system,
            hypervisor,
            compiled,
        }
    }

    /// Tables, blob and text of changed values.
    fn emit(&self, grants: &[Grant], sections: &Sections) -> Files {
        let Compiled {
            info,
            plan,
            devices,
            areas,
            ..
        } = &self.compiled;
        let sources = Sources {
            system: &self.system,
            info,
            plan,
            devices,
            watchdog: None,
            areas,
        };
        let tables = Tables::build(&self.system, plan, grants, devices).unwrap();
        let mut files = Files {
            hypervisor: self.hypervisor.as_slice().into(),
            blob: emit(&self.system, info, plan, tables, sections),
            text: render(sources, grants, sections).into_bytes(),
        };
        files.seal();
        files
    }

    fn sections(&self, change: impl FnOnce(&mut Sections)) -> Files {
        let mut sections = self.compiled.sections.clone();
        change(&mut sections);
        self.emit(&self.compiled.grants, &sections)
    }

    fn grants(&self, change: impl FnOnce(&mut Vec<Grant>)) -> Files {
        let mut grants = self.compiled.grants.clone();
        change(&mut grants);
        self.emit(&grants, &self.compiled.sections)
    }

    fn text(&self, change: impl FnOnce(&str) -> String) -> Files {
        let mut files = self.sections(|_| {});
        files.text = change(std::str::from_utf8(&files.text).unwrap()).into_bytes();
        files.seal();
        files
    }
}

/// That the text form says what the blob says.
const TEXT: &str = "BH-CHK-060";

/// Control words of a vCPU by name.
type Word = (&'static str, fn(&mut Vcpu) -> &mut u64);
const WORDS: [Word; 11] = [
    ("vmpidr", |v| &mut v.vmpidr),
    ("vpidr", |v| &mut v.vpidr),
    ("hcr", |v| &mut v.hcr),
    ("vtcr", |v| &mut v.vtcr),
    ("vttbr", |v| &mut v.vttbr),
    ("cnthctl", |v| &mut v.cnthctl),
    ("mdcr", |v| &mut v.mdcr),
    ("cptr", |v| &mut v.cptr),
    ("hstr", |v| &mut v.hstr),
    ("ich_hcr", |v| &mut v.ich_hcr),
    ("cntvoff", |v| &mut v.cntvoff),
];

/// Verifies: BH-CHK-026, BH-CHK-041.
#[test]
fn each_bit_of_each_control_word() {
    let line = Line::new();
    assert!(systems::prove(&line.sections(|_| {})).is_ok(), "the control");
    let vcpus = line.compiled.sections.vcpus.iter().enumerate();
    let wanted = |partition: u32| [DIRECT, SLICED].contains(&usize::try_from(partition).unwrap());
    let chosen: Vec<usize> = vcpus
        .filter(|(_, v)| wanted(v.partition))
        .map(|(k, _)| k)
        .collect();
    assert_eq!(chosen.len(), 2, "one of each kind");
    let cases: Vec<(usize, Word, u32)> = chosen
        .iter()
        .flat_map(|vcpu| WORDS.iter().map(move |word| (*vcpu, *word)))
        .flat_map(|(vcpu, word)| (0..64).map(move |bit| (vcpu, word, bit)))
        .collect();
    let accepted = |cases: &[(usize, Word, u32)]| -> Vec<String> {
        let is_accepted = |(vcpu, (_, word), bit): &&(usize, Word, u32)| {
            let change = |sections: &mut Sections| *word(&mut sections.vcpus[*vcpu]) ^= 1 << bit;
            // Text and blob agree: it is the word that must be found.
            let failures = systems::prove(&line.sections(change)).err().unwrap_or_default();
            failures.iter().all(|failure| failure.property == TEXT)
        };
        let found = cases.iter().filter(is_accepted);
        found
            .map(|(vcpu, (name, _), bit)| format!("vCPU {vcpu}: bit {bit} of {name}"))
            .collect()
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (accepted, line_of) = (&accepted, cases.len().div_ceil(workers));
    let all: Vec<String> = thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(line_of)
            .map(|part| scope.spawn(move || accepted(part)))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    println!(
        "{} bits of control words on a GICv2, {} accepted",
        cases.len(),
        all.len()
    );
    assert!(all.is_empty(), "{all:#?}");
}

/// Who reaches which interface, and what stands for a redistributor that is none. Verifies: BH-CHK-026.
#[test]
fn interfaces_of_others() {
    let line = Line::new();
    let named = |grants: &[Grant], root: Root, name: &str| -> usize {
        let found = grants.iter().position(|g| g.root == root && g.name == name);
        found.unwrap_or_else(|| panic!("{root:?} has no {name}"))
    };
    let (direct, sliced) = (Root::Partition(DIRECT), Root::Partition(SLICED));
    let record = |name: &str| {
        let end = format!(" {name}");
        move |text: &str| -> String {
            let is_it = |l: &&str| l.starts_with("memory ") && l.ends_with(&end);
            assert_eq!(text.lines().filter(is_it).count(), 1);
            let lines = text.lines().filter(|l| !is_it(l));
            lines.map(|l| format!("{l}\n")).collect()
        }
    };
    let all = [
        (
            "a redistributor",
            line.sections(|s| s.partitions[SLICED].gicr_ipa = 0x80a_0000),
        ),
        (
            "a core's redistributor",
            line.sections(|s| s.cores[0].redistributor = 0x80a_0000),
        ),
        (
            "gicc for a sliced one",
            line.grants(|g| {
                let (from, to) = (named(g, direct, "gicc"), named(g, sliced, "gicv"));
                g[to].range.start = g[from].range.start;
                g[to].range.end = g[from].range.end;
            }),
        ),
        (
            "gicv for a direct one",
            line.grants(|g| {
                let (from, to) = (named(g, sliced, "gicv"), named(g, direct, "gicc"));
                g[to].range.start = g[from].range.start;
                g[to].range.end = g[from].range.start + 0x1000;
            }),
        ),
        (
            "the deactivation register",
            line.grants(|g| {
                let at = named(g, direct, "gicc");
                g[at].range.end += 0x1000;
            }),
        ),
        (
            "no gicv",
            line.grants(|g| {
                let at = named(g, sliced, "gicv");
                g.remove(at);
            }),
        ),
        (
            "half a gicv",
            line.grants(|g| {
                let at = named(g, sliced, "gicv");
                g[at].range.end -= 0x1000;
            }),
        ),
        ("no record of gich", line.text(record("gich"))),
        ("no record of gicc", line.text(record("gicc"))),
        ("no record of gicc-dir", line.text(record("gicc-dir"))),
        ("no record of gicv", line.text(record("gicv"))),
    ];
    for (what, files) in all {
        assert!(systems::prove(&files).is_err(), "{what} is accepted");
    }
}
