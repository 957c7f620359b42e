// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bulkhead bench`: its gate holds, and its figures have the form and the limits that are promised.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod serror;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bulkhead_benches::{Place, counts, metering, plugin};
use bulkhead_on_target::{System, core, images, in_tree, says, succeeded, tool};
use bulkhead_runner::command::Timing;
use serde_json::Value;

/// The longest path of Xen.
const XEN: u64 = 5_657;
/// Rows that need no plugin.
const WITHOUT_PLUGIN: [&str; 13] = [
    "slot_lateness",
    "el2_share",
    "sensor_to_brake",
    "cyclictest",
    "linux_cpu_bound",
    "timer_irq_dedicated",
    "null_hypercall",
    "gicd_read",
    "gicd_enable_write",
    "self_sgi",
    "sliced_timer_lateness",
    "text_bytes",
    "source_lines",
];
/// Rows that need it.
const WITH_PLUGIN: [&str; 9] = [
    "metering_share",
    "linux_first_user",
    "metering",
    "timer_irq_shared_el2",
    "world_switch",
    "longest_el2_path",
    "boot_to_guest",
    "boot_verify",
    "payload_ready",
];

fn row<'a>(report: &'a Value, id: &str) -> &'a Value {
    let rows = report["rows"].as_array().expect("rows");
    let found = rows.iter().find(|row| row["id"] == id);
    found.unwrap_or_else(|| panic!("no row {id}"))
}

/// What runs natively too has the same memory there, device tree and seeds included; how much more Linux costs is the gate's.
fn linux(report: &Value) {
    for id in ["linux_first_user", "linux_cpu_bound", "cyclictest"] {
        let row = row(report, id);
        let [native, own] = ["native", "bulkhead"].map(|side| row[side]["max"].as_u64().expect("a number"));
        assert!(native > 0 && own >= native, "{row}");
        assert_eq!(row["bounds"]["of"], "ratio", "{row}");
    }
    let runs = report["runs"].as_array().expect("runs");
    let guest = |name: &str| {
        runs.iter()
            .find(|run| run["name"] == name)
            .map(|run| &run["guest"])
    };
    for name in ["linux", "sliced"] {
        let native = guest(&format!("native-{name}"));
        assert!(native.is_some_and(Value::is_string), "{name}");
        assert_eq!(guest(name), native, "{name}: the same memory");
    }
}

/// What a program of this machine says of its version.
fn version(program: &Path) -> String {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The SHA-256 of a file, by another program.
fn hash(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split(' ').next().unwrap_or_default().to_owned()
}

/// What the figures of this machine are of, as the README says it.
fn made_of() -> String {
    let emulator = version(&bulkhead_runner::qemu::program().expect("QEMU"));
    let emulator = emulator.split_whitespace().nth(3).unwrap_or_default();
    let guest = env::var_os("BULKHEAD_GUEST").map_or_else(PathBuf::new, PathBuf::from);
    let kernel = fs::read_to_string(guest.join("linux-image-cloud-arm64/.package")).unwrap_or_default();
    let rust = version(Path::new("rustc"));
    format!("{}, QEMU {emulator}, {}.", rust.trim(), kernel.trim())
}

/// The README's table is what this bench prints, with the compiler, the emulator and the kernel that it names; with
/// others its figures may differ. Verifies: BH-BENCH-012.
fn readme(report: &Value) {
    let readme = fs::read_to_string(in_tree("README.md")).expect("README.md");
    let (table, made_of) = (report["table"].as_str().expect("a table"), made_of());
    if readme.contains(&made_of) {
        assert!(
            readme.contains(table),
            "README.md: paste what `bulkhead bench --table` prints:\n{table}"
        );
    } else {
        println!("the README's figures are not of {made_of}");
    }
}

/// Verifies: BH-BENCH-009, BH-SCHED-006, BH-SCHED-030, BH-BENCH-001, BH-BENCH-002, BH-BENCH-003, BH-BENCH-008, BH-BENCH-010, BH-BENCH-011, BH-BENCH-013, BH-BENCH-014, BH-BENCH-015, BH-CON-005.
#[test]
fn the_gate_holds() {
    let output = Command::new(tool())
        .args(["bench", "--json"])
        .env("BULKHEAD_ROOT", in_tree("."))
        .env("BULKHEAD_IMAGES", images())
        .output()
        .expect("the tool starts");
    succeeded(&output);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["breaches"], Value::Array(Vec::new()));
    assert_eq!(report["loose"], Value::Array(Vec::new()));
    assert_eq!(
        report["hypervisor"],
        hash(&images().join("qemu-virt/hypervisor.bin"))
    );
    for id in WITHOUT_PLUGIN {
        let row = row(&report, id);
        println!("{row}");
        assert!(
            row["bulkhead"]["min"].as_u64() <= row["bulkhead"]["max"].as_u64(),
            "{id}"
        );
    }
    for id in [
        "timer_irq_dedicated",
        "null_hypercall",
        "gicd_read",
        "gicd_enable_write",
        "self_sgi",
        "cyclictest",
        "sensor_to_brake",
    ] {
        assert_eq!(row(&report, id)["samples"], 1000, "{id}");
    }
    for id in ["timer_irq_shared_el2", "doorbell", "world_switch"] {
        assert!(row(&report, id)["samples"].as_u64() >= Some(1000), "{id}");
    }
    for (id, samples) in [
        ("sliced_timer_lateness", 10_000),
        ("pi_inversion_with", 1000),
        ("pi_inversion_without", 1000),
    ] {
        assert_eq!(row(&report, id)["samples"], samples, "{id}");
    }
    // A dedicated core's timer interrupt costs what it costs natively.
    let timer = row(&report, "timer_irq_dedicated");
    assert_eq!(timer["bulkhead"], timer["native"]);
    assert_eq!(timer["bulkhead"]["max"], 1);
    // Other slots of 700 us, the switch, and a microsecond: Linux may have entered EL2 just before its slot's end.
    let most = |id| row(&report, id)["bulkhead"]["max"].as_u64().expect("a number");
    let (worst, switch) = (most("sliced_timer_lateness"), most("world_switch"));
    assert!(worst <= 700_000 + switch + 1_000, "{worst}");

    linux(&report);
    readme(&report);
    // Metering is less than a hundredth of each core's time, and a part of EL2.
    assert!(most("el2_share") > 0 && most("el2_share") <= 12_000);
    assert!(most("metering_share") > 0 && most("metering_share") < 10_000);
    assert!(most("metering_share") < most("el2_share"));
    // There is a C compiler wherever Rust links: nothing is missing.
    assert_eq!(report["missing"], Value::Array(Vec::new()));
    assert_eq!(report["no_plugin"], Value::Null);
    for id in WITH_PLUGIN {
        println!("{}", row(&report, id));
    }
    // What EL2 charges its vCPUs with is what they executed, to a thousandth and the slot in which the run ended.
    let metering = row(&report, "metering");
    let executed = metering["native"]["max"].as_u64().expect("a number");
    let charged = metering["bulkhead"]["max"].as_u64().expect("a number");
    assert!(
        executed.abs_diff(charged) < executed / 1000 + 400_000,
        "{metering}"
    );

    let runs = report["runs"].as_array().expect("runs");
    for name in ["linux-and-restart", "memory", "dma", "line", "fuzz"] {
        assert!(runs.iter().any(|run| run["name"] == name), "{name} was not run");
    }
    let longest = row(&report, "longest_el2_path")["bulkhead"]["max"].as_u64();
    assert!(longest < Some(XEN), "{longest:?}");
    // No slot begins later than the longest path; boosts are time of the slots themselves.
    let late = most("slot_lateness");
    assert!(late > 0 && Some(late) <= longest, "{late} ns, {longest:?}");
    let most = row(&report, "longest_el2_path")["static"].as_u64();
    assert!(most >= longest, "{most:?} by the disassembly, {longest:?} seen");

    let paths = report["paths"].as_array().expect("paths");
    for id in ["fault_sleep", "wake_start", "uart"] {
        assert!(paths.iter().any(|path| path["id"] == id), "no path {id}");
    }
    assert!(paths.iter().all(|path| path["bounds"].is_object()));
    let rows = report["rows"].as_array().expect("rows");
    assert!(rows.len() > 22 && rows.iter().all(|row| row["bounds"].is_object()));
    for path in paths {
        println!("{path}");
        assert!(
            path["static"].as_u64() >= path["measured"]["max"].as_u64(),
            "{path}"
        );
    }
    for command in report["runs"].as_array().expect("runs") {
        assert!(command["command"].as_str().is_some_and(|c| c.contains("-icount")));
        assert_eq!(command["image"].as_str().map(str::len), Some(64));
    }
}

/// Metering is found by the names of its functions, and not to find any is an error. Verifies: BH-BENCH-013.
#[test]
fn the_instructions_of_metering_are_found() {
    let (root, images) = (in_tree("."), images());
    let place = Place {
        root: &root,
        images: &images,
    };
    let ranges = metering::ranges(place, metering::LEDGER).expect("metering");
    let instructions: u64 = ranges.iter().map(|(start, end)| (end - start) / 4).sum();
    println!("{instructions} instructions in {} ranges", ranges.len());
    // Each reads the counter, adds and stores.
    assert!(instructions > 20, "{ranges:x?}");
    let renamed = metering::ranges(place, "bulkhead_runtime::stats::Journal");
    assert!(renamed.is_err_and(|error| error.to_string().contains("no instruction comes from")));
}

/// EL2's sleep by its ledger is the time in which the emulator executed nothing, on one core. Verifies: BH-BENCH-014.
#[test]
fn the_sleep_of_a_core_is_what_the_emulator_saw() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = plugin::build(&in_tree("."), folder.path(), "count").expect("a C compiler");
    let out = folder.path().join("counts");
    let system = System::build(
        "tests/benches/systems/sliced.yaml",
        &["board=../boards/qemu-virt.yaml"],
    );
    let mut session = system.start(|options| {
        options.launch.timing = Timing::Deterministic;
        let plugin = format!("file={},out={},lower=on", library.display(), out.display());
        options.launch.extra = ["-plugin".to_owned(), plugin].into();
    });
    says(&mut session, "guest", "bench done", 60);
    session.run_for(Duration::from_secs(1)).expect("time passes");
    let report = session.finish("the core slept").expect("report");
    let counts = counts::read(&out).expect("counts");
    let core = core(&report, 0);
    println!("{} of {} ns asleep", core.idle_ns, core.elapsed_ns);
    assert!(core.idle_ns > 500_000_000, "{core:?}");
    assert_eq!(counts.audit_sleep(core.elapsed_ns, core.idle_ns), None);
}
