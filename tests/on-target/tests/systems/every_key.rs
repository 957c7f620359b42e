// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The system with every key: payloads of each kind, bus masters that are guarded and that are not, colours, shared slots,
//! locks, channels, a dump, budgets of memory traffic and firmware calls in one image, which is proved and runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bulkhead_abi::health::Error;
use bulkhead_on_target::{images, in_tree, lines, partition, says, slots_begin_in_time};
use bulkhead_runner::command::Timing;
use bulkhead_runner::report::{Partition, Report, Verdict};
use bulkhead_runner::{Session, SessionOptions};
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};
use object::{Object, ObjectSegment};
use tempfile::TempDir;

use crate::features;
use crate::{built, json};

const SPEC: &str = "tests/systems/every-key.yaml";
/// Where a partition sees its RAM.
const RAM: u64 = 0x4000_0000;
/// What a deterministic board, which has no entropy, changes.
const FIXED: [&str; 7] = ["car", "linux", "tablet", "panel", "dash", "caller", "driver"];

/// A program as a flat binary: a branch to its entry at the begin of RAM, then its segments at their places.
///
/// # References
/// Arm DDI 0487, "B": bits 25:0 are the distance in words.
fn flat(program: &Path) -> Vec<u8> {
    let file = fs::read(program).expect("a program");
    let program = object::File::parse(file.as_slice()).expect("an ELF file");
    let words = u32::try_from((program.entry() - RAM) / 4).expect("a short way");
    let mut bytes = (0x1400_0000 | words).to_le_bytes().to_vec();
    for segment in program.segments() {
        let at = usize::try_from(segment.address() - RAM).expect("an offset");
        let data = segment.data().expect("its bytes");
        bytes.resize(bytes.len().max(at + data.len()), 0);
        bytes[at..at + data.len()].copy_from_slice(data);
    }
    bytes
}

/// The initial RAM disk that a build made for a partition: its payload area has it on pages of its own, and its device tree
/// says how long it is.
fn disk(folder: &TempDir, name: &str) -> Vec<u8> {
    let tree = fs::read(folder.path().join(format!("dt/{name}.dtb"))).expect("a device tree");
    let tree = Fdt::new(&tree).expect("a device tree");
    let chosen = tree.find_node("/chosen").expect("/chosen");
    let address = |key: &str| {
        let value = chosen.property(key).expect("an initial RAM disk");
        let bytes = value.value().iter();
        bytes.fold(0_usize, |all, byte| all << 8 | usize::from(*byte))
    };
    let size = address("linux,initrd-end") - address("linux,initrd-start");
    let manifest = json(folder, "manifest.json");
    let parts = manifest["parts"].as_array().expect("parts");
    let part = parts
        .iter()
        .find(|part| part["name"] == format!("payload-{name}"))
        .expect("its payload");
    let number = |key: &str| usize::try_from(part[key].as_u64().expect("a number")).expect("fits");
    let image = fs::read(folder.path().join("image.bin")).expect("the image");
    let area = &image[number("offset")..number("offset") + number("size")];
    // A cpio archive begins with the number of its format.
    let begins = |page: &&[u8]| page.starts_with(b"070701");
    let at = area
        .chunks(4096)
        .position(|page| begins(&page))
        .expect("an archive")
        * 4096;
    area[at..at + size].to_vec()
}

/// Nothing was done to it and it did nothing wrong.
fn is_sound(report: &Report, name: &str, state: &str) -> Partition {
    let found = partition(report, name).clone();
    assert_eq!((found.state.as_str(), found.restarts), (state, 0), "{name}");
    assert_eq!(found.deadline_misses, 0, "{name}");
    assert_eq!(found.slots.missed, 0, "{name}");
    assert!(
        found.fault.is_none() && found.dma_faults.is_empty(),
        "{name}: {:?} {:?}",
        found.fault,
        found.dma_faults
    );
    found
}

/// Each partition says what it should, in a deterministic run, so that slots are judged. Verifies: BH-LANG-003.
#[test]
fn a_system_with_every_key() {
    let spec = in_tree(SPEC);
    let (first, _) = built("every key", &spec, &[]);
    let own = tempfile::tempdir().expect("temporary folder");
    let put = |name: &str, bytes: &[u8]| {
        let path = own.path().join(name);
        fs::write(&path, bytes).expect("a new file");
        path.display().to_string()
    };
    let raw = put("flat.bin", &flat(&images().join("conformance.elf")));
    let disk = put("disk.cpio", &disk(&first, "tablet"));
    let tree = first.path().join("dt/tablet.dtb");
    let kernel = "kernel: debian:linux-image-cloud-arm64, command_line: \"console=ttyAMA0 rdinit=/init\"";
    let mut overrides = vec![
        format!("partitions.caller.payload={{ raw: {raw} }}"),
        format!("partitions.tablet.payload={{ linux: {{ {kernel}, initrd: {disk} }} }}"),
        format!("partitions.tablet.device_tree={}", tree.display()),
    ];
    overrides.extend(FIXED.map(|name| format!("partitions.{name}.seed=fixed")));
    let (system, _) = built("every key, with files of its own", &spec, &overrides);
    features::are_used(&json(&system, "report.json"));

    let mut options = SessionOptions::new(&images());
    options.launch.timing = Timing::Deterministic;
    let mut session = Session::start(system.path(), options).expect("the emulator starts");
    says(&mut session, "caller", "firmware done", 20);
    let served = says(&mut session, "driver", "not yet served", 20);
    says(&mut session, "driver", "attack late: 1 attempts, 1 succeeded", 20);
    says(&mut session, "panel", " km/h, ", 20);
    says(&mut session, "linux", "infotainment: ready, 2 CPUs", 60);
    says(&mut session, "tablet", "infotainment: ready, 1 CPUs", 60);
    says(&mut session, "car", "scenario 1", 60);
    session.run_for(Duration::from_millis(200)).expect("it runs");
    let called = lines(&session, "caller");
    let calls = |text: &str| called.iter().filter(|line| line.contains(text)).count();
    // What the spec lists was answered by the firmware, all else is an illegal call, which is logged.
    assert_eq!(calls("smc 0xc4000004: 0x0, 27 kept"), 1, "{called:#?}");
    let illegal = calls("0xffffffffffffffff, ") - calls("0x82000010");
    assert!(served.starts_with("at 0x4018"), "{served}");

    let report = session.finish("all that is expected was seen").expect("report");
    assert_eq!(report.verdict, Verdict::Pass, "{:?}", report.reasons);
    slots_begin_in_time(&report);
    for name in ["control", "car", "linux", "tablet", "panel", "driver"] {
        is_sound(&report, name, "running");
    }
    // One that has said all, and one that never starts.
    for name in ["caller", "dash"] {
        is_sound(&report, name, "off");
    }
    let illegal = u64::try_from(illegal).expect("fits");
    let logged = BTreeMap::from([(Error::IllegalCall.word().to_owned(), illegal)]);
    assert_eq!(
        report.health_counts,
        BTreeMap::from([("partition:caller".to_owned(), logged)])
    );
    let accepted: Vec<_> = report
        .isolation_lost
        .iter()
        .filter_map(|l| l.reason.as_deref())
        .collect();
    let stated = [
        "the real-time clock of QEMU masters nothing",
        "QEMU has no such function",
    ];
    assert_eq!(accepted, stated);
}
