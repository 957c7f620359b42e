// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds the test guest and the build folder that a runner expects.
#![allow(clippy::expect_used, dead_code, reason = "tests; each uses a part")]

use std::fmt::Write as _;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bulkhead_abi::stats::{self, CoreStats, Mark, VcpuStats};
use bulkhead_abi::window::{METRICS, METRICS_MAGIC, METRICS_VERSION, Metrics, TX_DATA};
use bulkhead_model::manifest::{Console, Expectation, Manifest, Partition, Qemu, VERSION, Vcpu};
use tempfile::TempDir;

/// Where the guest looks for the number of its behaviour.
pub(crate) const MODE: u64 = 0x4700_0000;
const STATS: u64 = 0x4500_0000;
const WINDOWS: [u64; 2] = [0x4600_0000, 0x4601_0000];

/// Where the tests' files lie.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest")
}

fn constants() -> String {
    let metrics = |offset: usize| METRICS + offset;
    let mark = |offset: usize| offset_of!(CoreStats, mark) + offset;
    let numbers: &[(&str, usize)] = &[
        ("MODE", MODE as usize),
        ("STATS", STATS as usize),
        ("WINDOW", WINDOWS[0] as usize),
        ("OTHER_WINDOW", WINDOWS[1] as usize),
        ("RING_DATA", TX_DATA),
        ("STATS_MAGIC", offset_of!(CoreStats, magic)),
        ("STATS_VERSION", offset_of!(CoreStats, version)),
        ("STATS_VCPU_COUNT", offset_of!(CoreStats, vcpu_count)),
        ("STATS_STATE", offset_of!(CoreStats, state)),
        ("STATS_FREQUENCY", offset_of!(CoreStats, frequency)),
        ("STATS_EPOCH", offset_of!(CoreStats, epoch)),
        ("STATS_NOW", offset_of!(CoreStats, now)),
        ("STATS_MARK_TIME", mark(offset_of!(Mark, time))),
        ("STATS_MARK_ENTRIES", mark(offset_of!(Mark, entries))),
        ("STATS_VCPUS", stats::VCPU_STATS_OFFSET),
        ("STATS_VCPU_SIZE", stats::VCPU_STATS_SIZE),
        ("VCPU_INDEX", offset_of!(VcpuStats, vcpu)),
        ("VCPU_PARTITION", offset_of!(VcpuStats, partition)),
        ("VCPU_STATE", offset_of!(VcpuStats, partition_state)),
        ("METRICS_MAGIC", metrics(offset_of!(Metrics, magic))),
        ("METRICS_VERSION", metrics(offset_of!(Metrics, version))),
        ("METRICS_CAN_TX", metrics(offset_of!(Metrics, can_tx))),
    ];
    let mut text = String::new();
    for (name, number) in numbers {
        writeln!(text, "const {name}: usize = {number:#x};").expect("text");
    }
    writeln!(text, "const STATS_VERSION_VALUE: u32 = {};", stats::VERSION).expect("text");
    writeln!(text, "const MAGIC: u32 = {:#x};", stats::MAGIC).expect("text");
    writeln!(text, "const METRICS_MAGIC_VALUE: u32 = {METRICS_MAGIC:#x};").expect("text");
    writeln!(text, "const METRICS_VERSION_VALUE: u32 = {METRICS_VERSION};").expect("text");
    text
}

/// The guest's ELF, built once per test program.
fn guest() -> &'static Path {
    static GUEST: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, elf) = GUEST.get_or_init(|| {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
        let constants_file = folder.path().join("constants.rs");
        std::fs::write(&constants_file, constants()).expect("constants");
        let elf = folder.path().join("guest.elf");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let built = Command::new(rustc)
            .args([
                "--edition=2024",
                "--target=aarch64-unknown-none-softfloat",
                "-Cpanic=abort",
                "-Copt-level=s",
            ])
            .arg(format!("-Clink-arg=-T{}", sources().join("guest.ld").display()))
            .arg("-o")
            .arg(&elf)
            .arg(sources().join("program.rs"))
            .env("GUEST_CONSTANTS", &constants_file)
            .status()
            .expect("rustc");
        assert!(built.success(), "the test guest does not build");
        (folder, elf)
    });
    elf
}

/// A build folder whose image is the guest.
pub(crate) fn build() -> TempDir {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
    let guest = guest().to_str().expect("path").to_owned();
    let partition = |name: &str, index: usize| Partition {
        name: name.to_owned(),
        criticality: "qm".to_owned(),
        console: Console::Text,
        window: WINDOWS[index],
        metrics: index == 0,
        elf: None,
        mode: "sliced".to_owned(),
        slots_per_frame: 1,
        ram: None,
        dump: None,
        fault_tolerant_time: None,
    };
    let vcpu = |partition| Vcpu {
        partition,
        index: 0,
        core: 0,
        slot: partition,
    };
    let line = |text: &str| Expectation {
        partition: "vehicle".to_owned(),
        text: text.to_owned(),
    };
    let manifest = Manifest {
        version: VERSION,
        system: "test".to_owned(),
        board: "qemu-virt".to_owned(),
        blob_hash: "5f5f".to_owned(),
        image: guest.clone(),
        parts: Vec::new(),
        runtime_elf: guest,
        stats: STATS,
        cores: 2,
        locks: Vec::new(),
        partitions: vec![partition("vehicle", 0), partition("infotainment", 1)],
        queues: Vec::new(),
        isolation_lost: Vec::new(),
        vcpus: vec![vcpu(0), vcpu(1)],
        functions: Vec::new(),
        qemu: Some(Qemu {
            since: None,
            machine: "virt,virtualization=on,gic-version=3".to_owned(),
            cpu: Some("cortex-a72".to_owned()),
            deterministic_machine: Some("dtb-randomness=off".to_owned()),
            deterministic_cpu: Some("cntfrq=1000000000".to_owned()),
            memory: 128 << 20,
            cores: 2,
            serial: 0,
            serials: Vec::new(),
            device_tree: None,
            can_buses: vec!["bus".to_owned()],
            devices: vec!["ctucan_pci,addr=1,canbus0=bus,canbus1=bus".to_owned()],
            firmware: None,
            disk: None,
        }),
        expect: vec![line("scenario 3: STOPPED")],
        never: vec![line("CRASHED")],
    };
    let text = serde_json::to_string(&manifest).expect("manifest");
    std::fs::write(folder.path().join("manifest.json"), text).expect("manifest");
    folder
}
