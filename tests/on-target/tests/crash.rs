// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a debugger finds in the core of a partition that crashed.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use bulkhead_on_target::{REFERENCE, System, gdb, images, in_tree, says, succeeded, tool};
use bulkhead_runner::command::{Start, Timing};
use bulkhead_runner::crash::Crash;
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol};
use serde_json::Value;

/// Where a partition's loader begins (`hypervisor/types/src/load.rs`).
const LOADER_IPA: u64 = 0x7f_0000_0000;

/// `crash PARTITION` of the reference system with changed values.
fn crash(partition: &str, core: &Path, changes: &[&str], format: &str) -> Output {
    Command::new(tool())
        .args(["crash", partition])
        .arg(in_tree(REFERENCE))
        .arg("--output")
        .arg(core)
        .args(["--for", "30s", "--format", format])
        .args(changes.iter().flat_map(|value| ["--set", value]))
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .output()
        .expect("the tool starts")
}

/// What a debugger says of a core.
fn debugger(core: &Path) -> String {
    let output = Command::new("gdb-multiarch")
        .args(["-batch", "-ex", "info threads", "-ex", "bt"])
        .arg(images().join("adas.elf"))
        .arg(core)
        .output()
        .expect("gdb-multiarch");
    succeeded(&output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Its first error is the end of it.
const STOPPED: &str = "partitions.adas.restart_limit=0";
/// It is restarted, and the RAM of the life before is kept.
const KEPT: &str = "partitions.adas.dump={ full: crash dump }";

/// The core of an `adas` that had an error, and what was said of it.
fn failed(core: &Path, change: &str, format: &str) -> String {
    let output = crash(
        "adas",
        core,
        &[
            r#"partitions.adas.args="fault=20us@brake""#,
            change,
            "partitions.infotainment.autostart=false",
        ],
        format,
    );
    succeeded(&output);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    said
}

/// Verifies: BH-HEALTH-035, BH-TOOL-010.
#[test]
fn the_core_of_a_stopped_partition_has_its_ram() {
    let folder = tempfile::tempdir().expect("folder");
    let core = folder.path().join("core");
    let said: Value = serde_json::from_str(&failed(&core, STOPPED, "json")).expect("one JSON value");
    assert_eq!(
        (&said["verdict"], &said["partition"], &said["ram"]),
        (&"pass".into(), &"adas".into(), &true.into())
    );
    let [vcpu] = said["vcpus"].as_array().map_or(&[][..], Vec::as_slice) else {
        panic!("{said}");
    };
    assert_eq!(
        (&vcpu["error"], &vcpu["start"]),
        (&"memory-fault".into(), &0.into())
    );
    let in_ram = |key: &str| vcpu[key].as_u64().is_some_and(|at| at >> 21 == 0x4000_0000 >> 21);
    assert!(in_ram("pc") && in_ram("sp"), "{vcpu}");
    assert_eq!(vcpu["registers"]["SP_EL1"], vcpu["sp"]);
    let bytes = std::fs::read(&core).expect("the core");
    let file = object::File::parse(&*bytes).expect("ELF");
    assert_eq!(file.kind(), object::ObjectKind::Core);
    let mut segments = file.segments();
    let ram = segments.find(|s| s.address() == 0x4000_0000).expect("RAM");
    // What the loader put there: the code of the program.
    let elf = std::fs::read(images().join("adas.elf")).expect("adas.elf");
    let elf = object::File::parse(&*elf).expect("ELF");
    let text = elf.section_by_name(".text").expect("code");
    let code = text.data().expect("code");
    let there = ram.data_range(text.address(), text.size()).expect("RAM");
    assert!(!code.is_empty() && there == Some(code));
}

/// Verifies: BH-HEALTH-035.
#[test]
#[ignore = "needs a debugger"]
fn a_debugger_finds_registers_and_stack() {
    if Command::new("gdb-multiarch").arg("--version").output().is_err() {
        println!("SKIPPED: there is no gdb-multiarch");
        return;
    }
    let folder = tempfile::tempdir().expect("folder");
    let core = folder.path().join("core");
    for change in [STOPPED, KEPT] {
        let said = failed(&core, change, "text");
        assert!(said.contains("adas vCPU 0: memory-fault ended start 0"), "{said}");
        assert!(said.contains("registers and RAM"), "{said}");
        let found = debugger(&core);
        println!("{found}");
        // The access is in `trespass`; who called it stands on the stack.
        let threads: Vec<&str> = found.lines().filter(|line| line.contains(" LWP 1 ")).collect();
        assert!(
            matches!(threads.as_slice(), [one] if one.starts_with('*')),
            "{found}"
        );
        let line = found.lines().find(|line| line.starts_with("#0"));
        assert!(line.is_some_and(|line| line.contains("trespass")), "{found}");
        assert!(found.contains("adas::partition::run ("), "{found}");
    }
}

/// The next life's loader keeps every byte as it was, those where its own stack lies among them.
///
/// Verifies: BH-HEALTH-061, BH-HEALTH-063.
#[test]
fn ram_is_kept_over_a_restart() {
    const CORE: u32 = 3;
    let system = System::build(
        REFERENCE,
        &[
            r#"partitions.adas.args="fault=20us@brake""#,
            "partitions.adas.dump={ full: crash dump }",
            "partitions.infotainment.autostart=false",
        ],
    );
    let port = gdb::free_port();
    let mut session = system.start(|options| {
        options.launch.start = Start::WaitForDebugger;
        options.launch.gdb = Some(port);
    });
    let partitions = &session.manifest().partitions;
    let adas = partitions.iter().position(|p| p.name == "adas").expect("adas");
    let ram = partitions[adas].ram.expect("RAM in one piece");
    let mut debugger = gdb::Debugger::connect(port);
    let mut starts = 0;
    debugger.run_until(CORE, LOADER_IPA, |_| {
        starts += 1;
        starts == 2
    });
    let size = usize::try_from(ram.size).expect("size");
    let there = session.memory(ram.address, size).expect("memory");
    debugger.release();
    says(&mut session, "vehicle", "brake requests were missing", 30);
    let found = session.crash(adas).expect("memory").expect("a crash");
    session.finish("seen").expect("report");
    assert_eq!(found.vcpus[0].record.start, 0);
    let (from, kept) = found.ram.expect("the RAM of the life before");
    assert_eq!((from, there.len()), (ram.ipa, kept.len()));
    let differ = (0..kept.len()).filter(|at| there[*at] != kept[*at]);
    let differ: Vec<usize> = differ.take(8).collect();
    assert!(differ.is_empty(), "not as it was at {differ:x?}");
    assert!(there.iter().any(|byte| *byte != 0));
}

/// Floating-point registers of a partition that executes an access to nothing with known ones.
///
/// Verifies: BH-HEALTH-060.
#[test]
fn a_record_has_the_floating_point_registers() {
    /// What the attacker puts there: where nothing is.
    const NOTHING: u64 = 0x20_0000_0000;
    let system = System::build(
        "tests/systems/attackers.yaml",
        &[
            r#"partitions.attacker.args="attack=fp""#,
            "partitions.attacker.restart_limit=0",
        ],
    );
    let mut session = system.start(|options| options.launch.timing = Timing::Deterministic);
    session.run_for(Duration::from_millis(200)).expect("time passes");
    let partitions = &session.manifest().partitions;
    let attacker = partitions.iter().position(|p| p.name == "attacker");
    let found = session.crash(attacker.expect("attacker")).expect("memory");
    let record = found.expect("a crash").vcpus[0].record;
    let held = [7, 31].map(|n: usize| [record.fp[2 * n], record.fp[2 * n + 1]]);
    assert_eq!(held, [[NOTHING, 0], [NOTHING, NOTHING]]);
    session.finish("seen").expect("report");
}

/// The record of a life outlives the restart; its RAM does not. Nobody else has one.
///
/// Verifies: BH-HEALTH-034.
#[test]
fn a_record_outlives_the_restart() {
    let system = System::build(
        REFERENCE,
        &[
            r#"partitions.adas.args="fault=20us@brake""#,
            "partitions.infotainment.autostart=false",
        ],
    );
    let mut session = system.start(|_| {});
    says(&mut session, "vehicle", "brake requests were missing", 30);
    session.run_for(Duration::from_secs(1)).expect("time passes");
    let index = |name: &str| {
        let partitions = &session.manifest().partitions;
        partitions.iter().position(|p| p.name == name).expect("partition")
    };
    let (adas, others) = (index("adas"), ["vehicle", "cluster", "infotainment"].map(index));
    let found: Crash = session.crash(adas).expect("memory").expect("a crash");
    assert!(found.ram.is_none(), "a later life has it");
    let [only] = found.vcpus.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (only.record.number, only.record.start, only.record.error),
        (1, 0, 0)
    );
    let elf = std::fs::read(images().join("adas.elf")).expect("adas.elf");
    let elf = object::File::parse(&*elf).expect("ELF");
    let mut functions = elf
        .symbols()
        .filter(|s| s.name().is_ok_and(|n| n.contains("trespass")));
    let function = functions.next().expect("trespass");
    let range = function.address()..function.address() + function.size();
    assert!(range.contains(&only.record.pc), "{:#x}", only.record.pc);
    // EL1h, and a stack in the partition's RAM.
    assert_eq!(only.record.pstate & 0xf, 5);
    assert!((0x4000_0000..0x4020_0000).contains(&only.record.sp()));
    for other in others {
        assert_eq!(session.crash(other).expect("memory"), None);
    }
    session.finish("seen").expect("report");
}
