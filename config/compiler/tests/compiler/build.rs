// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole builds: reproducible, readable by EL2's own parser, all or nothing.

use std::fs;
use std::path::Path;

use crate::support::{ONE, Workshop, certify, hypervisor_bin};
use bulkhead_compiler::compile::compile;
use bulkhead_compiler::{BuildError, ProveError, Step, build};
use bulkhead_types::blob::EARLY_START;
use bulkhead_types::system;
use bulkhead_types::tables::{NONE, core_mode, partition_flag, slot_kind};
use sha2::{Digest, Sha256};

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut result = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            result.extend(files(&path));
        } else {
            result.push((
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(&path).unwrap(),
            ));
        }
    }
    result.sort();
    result
}

/// Verifies: BH-CFG-016.
#[test]
fn two_builds_are_byte_identical_and_complete() {
    let workshop = Workshop::new();
    let hypervisor = hypervisor_bin();
    for name in ["a", "b"] {
        let system = workshop.reference();
        build(
            &system,
            &hypervisor,
            &workshop.path("images"),
            certify,
            &workshop.path(name),
        )
        .unwrap();
    }
    let (a, b) = (files(&workshop.path("a")), files(&workshop.path("b")));
    assert_eq!(a, b);
    let names: Vec<&str> = a.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "adas.dtb",
        "adas.dts",
        "certificate.bin",
        "certificate.json",
        "cluster.dtb",
        "cluster.dts",
        "grants.txt",
        "hypervisor.bin",
        "image.bin",
        "infotainment.dtb",
        "infotainment.dts",
        "manifest.json",
        "report.html",
        "report.json",
        "system.blob",
        "vehicle.dtb",
        "vehicle.dts",
    ];
    assert_eq!(names, wanted);
    let written = fs::read(workshop.path("a/hypervisor.bin")).unwrap();
    assert_eq!(written, hypervisor, "the hypervisor is the same for every system");
}

/// Verifies: BH-CFG-014.
#[test]
fn el2_reads_the_blob() {
    let workshop = Workshop::new();
    let system = workshop.reference();
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let header = parsed.header;
    assert_eq!(header.certificate, compiled.blob.len() as u64);
    let early = &compiled.blob[EARLY_START..usize::try_from(header.early_end).unwrap()];
    assert_eq!(header.early_digest[..], Sha256::digest(early)[..]);
    assert_eq!(
        (parsed.cores.len(), parsed.partitions.len(), parsed.vcpus.len()),
        (4, 4, 5)
    );
    let modes: Vec<u32> = parsed.cores.iter().map(|c| c.mode).collect();
    let (sliced, direct) = (core_mode::SLICED, core_mode::DIRECT);
    assert_eq!(modes, [sliced, sliced, direct, direct]);
    let kinds: Vec<(u32, u32)> = parsed.slots.iter().map(|s| (s.kind, s.vcpu)).collect();
    let (vcpu, system) = (slot_kind::VCPU, slot_kind::SYSTEM);
    let standby = (slot_kind::STANDBY, NONE);
    assert_eq!(kinds, [(vcpu, 2), (system, NONE), (vcpu, 3), (vcpu, 4), standby]);
    assert_eq!(parsed.standby_core(), 1);
    let spis: Vec<_> = parsed
        .spis
        .iter()
        .map(|s| (s.intid, s.partition, s.core, s.edge))
        .collect();
    assert_eq!(spis, [(36, 0, 3, 0), (37, 1, 2, 0)]);
    assert_eq!(parsed.partitions[0].spis[0], 1 << 4);
    assert_eq!(
        parsed.partitions[1].flags,
        partition_flag::MAY_MARK | partition_flag::AUTOSTART
    );
    let uart = partition_flag::EMULATED_UART | partition_flag::AUTOSTART;
    assert_eq!(
        (parsed.partitions[2].flags, parsed.partitions[2].uart_intid),
        (uart, 33)
    );
    let bars: Vec<u64> = parsed
        .pci_functions
        .iter()
        .filter(|f| f.partition != NONE)
        .flat_map(|f| [f.bars[0].address, f.bars[1].address])
        .collect();
    assert_eq!(bars, [0x1000_0000, 0x1001_0000, 0x1002_0000, 0x1003_0000]);
    let watchdog = parsed.watchdog().unwrap();
    assert_eq!(
        (watchdog.bdf, watchdog.id, watchdog.bars[0].size),
        (0x18, 0x25ab_8086, 16)
    );
    // Two stages of 1007 times 2^15 clocks of 33 MHz: just below two seconds.
    assert_eq!(parsed.board.watchdog, 1007);
    let channels: Vec<(u64, u64)> = parsed.channels.iter().map(|c| (c.base, c.size)).collect();
    let [port, lock] = compiled.plan.channels[..] else {
        panic!("{:?}", compiled.plan.channels)
    };
    assert_eq!(channels, [(port.start, 0x1_0000), (lock.start, 0x1000)]);
}

/// Control words as the project's decisions state them, in numbers. Verifies: BH-CFG-013.
#[test]
fn control_words() {
    let workshop = Workshop::new();
    let compiled = compile(&workshop.reference(), &hypervisor_bin()).unwrap();
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let header = parsed.header;
    assert_eq!(
        (header.el2_tcr, header.el2_mair, header.el2_sctlr),
        (0x8082_3519, 0x44_04ff, 0x30cd_183d)
    );
    for vcpu in parsed.vcpus {
        let sliced = parsed.cores[vcpu.core as usize].mode == core_mode::SLICED;
        assert_eq!(vcpu.hcr, if sliced { 0x18_807c_2039 } else { 0x18_807c_0029 });
        assert_eq!(vcpu.ich_hcr, if sliced { 0x801 } else { 0xc00 });
        assert_eq!((vcpu.vtcr, vcpu.cnthctl, vcpu.mdcr), (0x8002_3559, 3, 0x8_4e60));
        assert_eq!((vcpu.cptr, vcpu.hstr, vcpu.cntvoff), (0x4010_33ff, 0, 0));
        assert_eq!(vcpu.vmpidr, 0x8000_0000 + u64::from(vcpu.index));
        let root = header.live_base + u64::from(vcpu.partition) * 4096;
        assert_eq!(vcpu.vttbr, root | u64::from(vcpu.partition + 1) << 48);
    }
}

/// The two counters of EL2 on a core with a budget: HPMN = 6 - 2, HPME. Verifies: BH-BW-004.
#[test]
fn a_budget_keeps_its_counters() {
    let workshop = Workshop::new();
    let sliced = ONE.replace("dedicated: [3], interrupts: direct", "sliced: [1]");
    let spec = sliced
        + "    1:
      - { run: adas, for: 10ms }
  bandwidth:
    1: { events: 5, period: 1ms }
";
    let compiled = compile(&workshop.load(&spec), &hypervisor_bin()).unwrap();
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let core = parsed.cores[1];
    assert_eq!((core.budget, core.budget_event, core.budget_kept), (5, 8, 2));
    assert_eq!((core.budget_counters, core.budget_intid), (6, 23));
    assert_eq!(core.budget_period_ns, 1_000_000);
    assert_eq!(parsed.vcpus[0].mdcr, 0x8_4ee4);
}

/// Verifies: BH-CFG-016.
#[test]
fn nothing_is_written_when_anything_is_wrong() {
    let workshop = Workshop::new();
    let system = workshop.load(ONE);
    let (hypervisor, images, out) = (hypervisor_bin(), workshop.path("images"), workshop.path("out"));
    let entries = || fs::read_dir(workshop.path("")).unwrap().count();
    let before = entries();
    let refuse = |_: &Path, _: Step| Err(ProveError::Refused("page reachable twice".to_owned()));
    let error = build(&system, &hypervisor, &images, refuse, &out).unwrap_err();
    assert!(error.to_string().contains("page reachable twice"), "{error}");
    let foreign = |folder: &Path, step: Step| {
        certify(folder, step)?;
        let path = folder.join("certificate.bin");
        let mut bytes = fs::read(&path).unwrap();
        bytes[20] ^= 1;
        fs::write(path, bytes).unwrap();
        Ok(())
    };
    let error = build(&system, &hypervisor, &images, foreign, &out).unwrap_err();
    assert!(error.to_string().contains("for another blob"), "{error}");
    let silent = |_: &Path, _: Step| Ok(());
    assert!(matches!(
        build(&system, &hypervisor, &images, silent, &out),
        Err(BuildError::Io { .. })
    ));
    let unsealed = |folder: &Path, step: Step| match step {
        Step::Prove => certify(folder, step),
        Step::Seal => Err(ProveError::Refused("no image".to_owned())),
    };
    let error = build(&system, &hypervisor, &images, unsealed, &out).unwrap_err();
    assert!(error.to_string().contains("no image"), "{error}");
    assert_eq!(entries(), before, "no trace of a failed build");

    build(&system, &hypervisor, &images, certify, &out).unwrap();
    let good = files(&out);
    build(&system, &hypervisor, &images, refuse, &out).unwrap_err();
    assert_eq!(files(&out), good, "an earlier build survives a failed one");
    build(&system, &hypervisor, &images, certify, &out).unwrap();
    assert_eq!(entries(), before + 1, "an earlier build is replaced");

    let strange = workshop.path("strange");
    fs::create_dir(&strange).unwrap();
    fs::write(strange.join("thesis.txt"), "years of work").unwrap();
    let error = build(&system, &hypervisor, &images, certify, &strange).unwrap_err();
    assert!(matches!(error, BuildError::Foreign { .. }), "{error}");
    assert_eq!(files(&strange).len(), 1);
}

/// Verifies: BH-MEM-003.
#[test]
fn pinned_memory_that_collides_names_both() {
    let workshop = Workshop::new();
    let mut system = workshop.load(ONE);
    let pinned = |at: u64| bulkhead_model::span::Spanned::new(at, Default::default());
    for (at, other) in [
        (0x4020_0000, "hypervisor of el2"),
        (0x4800_0000, "board-device-tree of board"),
        (0x4000_0000, "boot-stub of board"),
    ] {
        system.partitions[0].memory.at = Some(pinned(at));
        let error = compile(&system, &hypervisor_bin()).unwrap_err().to_string();
        assert!(
            error.contains("ram of partition:adas") && error.contains(other),
            "{error}"
        );
    }
    system.partitions[0].memory.at = Some(pinned(0x8000_0000));
    let error = compile(&system, &hypervisor_bin()).unwrap_err().to_string();
    assert!(error.contains("does not lie in the board's RAM"), "{error}");
    system.partitions[0].memory.at = Some(pinned(0x6000_0000));
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    assert_eq!(compiled.plan.ram[0].hull().start, 0x6000_0000);
}

#[test]
fn a_damaged_or_foreign_hypervisor_is_refused() {
    let workshop = Workshop::new();
    let mut system = workshop.load(ONE);
    let good = hypervisor_bin();
    let message = |system: &_, file: &[u8]| compile(system, file).unwrap_err().to_string();
    assert!(message(&system, b"").contains("not a Bulkhead"));
    let mut damaged = good.clone();
    damaged[0x1000] ^= 1;
    assert!(message(&system, &damaged).contains("damaged"));
    system.board.id.value = 9;
    assert!(message(&system, &good).contains("board number 1"));
    system.board.id.value = 1;
    system.board.hypervisor.value = 0x4040_0000;
    assert!(message(&system, &good).contains("linked for 0x40200000"));
}

/// An earlier build stays where it is when the image cannot be assembled into one arm64 `Image`.
#[test]
fn the_image_holds_everything_at_its_place() {
    let workshop = Workshop::new();
    let system = workshop.reference();
    let hypervisor = hypervisor_bin();
    let compiled = compile(&system, &hypervisor).unwrap();
    let image = bulkhead_compiler::image::assemble(&compiled, &hypervisor, &[0xcc; 4096]);
    let base = compiled.info.base;
    let at = |start: u64, size: usize| &image[usize::try_from(start - base).unwrap()..][..size];
    assert_eq!(image.len() as u64, compiled.plan.file_end - base);
    let tree = 0x4800_0000_u64;
    assert_eq!(
        image[16..24],
        (tree - base).to_le_bytes(),
        "up to the board's device tree"
    );
    assert_eq!(image[24..hypervisor.len()], hypervisor[24..]);
    assert_eq!(at(compiled.plan.blob.start, compiled.blob.len()), compiled.blob);
    assert_eq!(at(compiled.plan.certificate.start, 4096), [0xcc; 4096]);
    for (area, extent) in compiled.areas.iter().zip(&compiled.plan.payloads) {
        let range = extent.hull();
        assert_eq!(at(range.start, area.list.len()), area.list);
        assert_eq!(
            at(range.start + area.list.len() as u64, area.payload.len()),
            area.payload
        );
    }
}

/// The SMMU takes a linear stream table only at a multiple of its size, and EL2 copies the live image as a
/// whole. Verifies: BH-MEM-003.
#[test]
fn the_live_image_suits_the_smmu() {
    let workshop = Workshop::new();
    let mut system = workshop.load(ONE);
    for bits in [6, 8, 10, 12] {
        system.board.smmu.as_mut().unwrap().stream_bits = bits;
        let compiled = compile(&system, &hypervisor_bin()).unwrap();
        let parsed = system::System::parse(&compiled.blob).unwrap();
        let (header, board) = (parsed.header, parsed.board);
        let table = header.live_base + board.stream_table;
        assert_eq!(table % (64 << bits), 0, "{bits} bits");
        assert_eq!(header.live_size, board.stream_table + u64::max(4096, 64 << bits));
        assert!(board.stream_table >= 4096, "behind the root page");
        let start = usize::try_from(header.live_image + board.stream_table).unwrap();
        assert!(
            compiled.blob[start..].iter().all(|b| *b == 0),
            "every STE has V = 0"
        );
    }
    system.board.smmu = None;
    let compiled = compile(&system, &hypervisor_bin()).unwrap();
    let parsed = system::System::parse(&compiled.blob).unwrap();
    assert_eq!(
        (
            parsed.board.smmu,
            parsed.board.smmu_queues,
            parsed.header.live_size
        ),
        (0, 0, 4096)
    );
}

#[test]
fn what_the_image_cannot_hold_is_refused() {
    let workshop = Workshop::new();
    let mut system = workshop.reference();
    let core = system.board.cores[0].clone();
    system.board.cores.push(core);
    let error = compile(&system, &hypervisor_bin()).unwrap_err().to_string();
    assert!(error.contains("room for 4 cores, the board has 5"), "{error}");
}

/// The rule `channels/message-size` admits no message whose port is larger than a channel's memory.
#[test]
fn the_largest_message_fits_into_a_channel() {
    use bulkhead_compiler::machine::port_size;
    use bulkhead_model::channel::PORT_SIZE;
    assert!(port_size(16_288) <= PORT_SIZE);
    assert!(port_size(16_288 + 8) > PORT_SIZE);
}
