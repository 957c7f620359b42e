// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A manifest for tests.

use bulkhead_model::manifest::{Console, Expectation, Manifest, Partition, Qemu, VERSION, Vcpu};

/// The blob's hash.
pub(crate) const HASH: &str = "5f5f";

fn partition(name: &str, metrics: bool) -> Partition {
    Partition {
        name: name.to_owned(),
        criticality: "qm".to_owned(),
        console: Console::Text,
        window: 0x4600_0000,
        metrics,
        elf: None,
        mode: "dedicated".to_owned(),
        slots_per_frame: 0,
        ram: None,
        dump: None,
        fault_tolerant_time: None,
    }
}

/// A system of two partitions with a vCPU each, on two cores.
pub(crate) fn manifest() -> Manifest {
    let line = |text: &str| Expectation {
        partition: "vehicle".to_owned(),
        text: text.to_owned(),
    };
    let vcpu = |partition| Vcpu {
        partition,
        index: 0,
        core: partition,
        slot: 0,
    };
    Manifest {
        version: VERSION,
        system: "test".to_owned(),
        board: "qemu-virt".to_owned(),
        blob_hash: HASH.to_owned(),
        image: "image.bin".to_owned(),
        parts: Vec::new(),
        queues: Vec::new(),
        isolation_lost: Vec::new(),
        runtime_elf: "runtime.elf".to_owned(),
        stats: 0x4500_0000,
        cores: 2,
        locks: Vec::new(),
        partitions: vec![partition("vehicle", true), partition("infotainment", false)],
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
            firmware: Some("package/u-boot.bin".to_owned()),
            disk: Some("disk,drive={drive}".to_owned()),
        }),
        expect: vec![line("scenario 3: STOPPED")],
        never: vec![line("CRASHED")],
    }
}
