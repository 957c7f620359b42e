// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small system, written down by hand: three cores of the three modes, four partitions of which one reads its
//! stolen time, a channel, two PCI functions of which one masters the bus,
//! a bus master at a fixed address with two streams, and controllers that a device of two partitions each depends on. Tests change it before [`crate::encode`]
//! turns it into files.
use crate::roots::{boot_root, core_root, partition_root};

pub(crate) const PAGE: u64 = 4096;
pub(crate) const BASE: u64 = 0x4020_0000;
pub(crate) const BLOB: u64 = 0x4024_0000;
pub(crate) const LOADER: u64 = 0x4022_a000;
pub(crate) const LIVE: u64 = 0x4050_0000;
pub(crate) const STREAMS: u64 = 0x4050_4000;
pub(crate) const QUEUES: u64 = 0x4051_0000;
pub(crate) const WINDOWS: u64 = 0x4040_0000;
pub(crate) const CHANNEL: u64 = 0x4042_0000;
/// Page of the stolen time of `info`.
pub(crate) const STOLEN: u64 = 0x4043_8000;
pub(crate) const PAYLOADS: u64 = 0x4044_0000;
pub(crate) const DEVICE_TREE: u64 = 0x4060_0000;
pub(crate) const GICD: u64 = 0x0800_0000;
pub(crate) const GICR: u64 = 0x080a_0000;
pub(crate) const UART: u64 = 0x0818_0000;
pub(crate) const SMMU: u64 = 0x081a_0000;
pub(crate) const ECAM: u64 = 0x0840_0000;
pub(crate) const BARS: u64 = 0x0820_0000;
/// Registers of a bus master at fixed addresses, of `car`.
pub(crate) const COPIER: u64 = 0x0830_0000;
/// Controllers: of the clocks of `can0`, of the pads of `copier`.
pub(crate) const CLOCKS: u64 = 0x0831_0000;
pub(crate) const PADS: u64 = 0x0831_4000;
pub(crate) const RAM: (u64, u64) = (0x4000_0000, 0x400_0000);

/// Memory types, as the text form names them.
pub(crate) const WB: &str = "normal-wb";
pub(crate) const NC: &str = "normal-nc";
pub(crate) const DEVICE: &str = "device-ngnre";

/// One grant and the mapping that realises it.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub name: String,
    pub physical: u64,
    pub size: u64,
    pub rights: &'static str,
    pub memory: &'static str,
    pub input: u64,
}

pub(crate) fn map(
    name: &str,
    physical: u64,
    size: u64,
    rights: &'static str,
    memory: &'static str,
    input: u64,
) -> Map {
    Map {
        name: name.to_owned(),
        physical,
        size,
        rights,
        memory,
        input,
    }
}

pub(crate) fn identity(
    name: &str,
    physical: u64,
    size: u64,
    rights: &'static str,
    memory: &'static str,
) -> Map {
    map(name, physical, size, rights, memory, physical)
}

/// A root and what it maps.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub name: String,
    pub maps: Vec<Map>,
}

#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub name: &'static str,
    pub vcpus: (u32, u32),
    pub flags: u32,
    pub vmid: u32,
    pub window: u64,
    pub uart: u64,
    pub ram: u64,
    pub spis: Vec<u32>,
    pub health: [u8; 16],
    /// Functions of the firmware: identifier, longest time, reason.
    pub calls: Vec<(u32, u64, &'static str)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Vcpu {
    pub partition: u32,
    pub index: u32,
    pub core: u32,
    /// `hcr vtcr vttbr vmpidr vpidr cnthctl mdcr cptr hstr ich_hcr cntvoff`; `vttbr` gets root and VMID added.
    pub words: [u64; 11],
    pub stolen_time: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub bdf: u32,
    pub partition: u32,
    pub master: bool,
    pub bars: [(u64, u64); 2],
}

/// A shared peripheral interrupt.
#[derive(Clone, Debug)]
pub(crate) struct Spi {
    pub intid: u32,
    pub partition: u32,
    pub core: u32,
    pub edge: u32,
    /// Who rings it, as which doorbell, and the nanoseconds from ring to ring; none when a device raises it.
    pub bell: Option<(u32, u32, u64)>,
}

/// A slot: offset, length, kind, vCPU.
pub(crate) type Slot = (u64, u64, u32, u32);

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub roots: Vec<Root>,
    pub partitions: Vec<Partition>,
    pub vcpus: Vec<Vcpu>,
    pub core_vcpus: Vec<(u32, Vec<u32>)>,
    pub slots: Vec<Slot>,
    /// Parts of shared slots: offset of the slot, kind (1 budget, 2 slack), vCPU, budget.
    pub shares: Vec<(u64, u32, u32, u64)>,
    pub spis: Vec<Spi>,
    pub functions: Vec<Function>,
    /// StreamID, partition, what it reaches.
    pub streams: Vec<(u64, u32, Vec<Map>)>,
    /// Streams of bus masters at fixed addresses: StreamID, partition, device.
    pub platform: Vec<(u32, u32, &'static str)>,
    /// What devices depend on: partition, device, controller.
    pub controllers: Vec<[&'static str; 3]>,
    pub channels: Vec<(u64, u64)>,
    pub shared: Vec<String>,
    /// Range, owner and name.
    pub memory: Vec<(u64, u64, String)>,
    pub el2_words: [u64; 3],
    /// Actions on the core level, on the system level.
    pub health: [[u8; 16]; 2],
    pub monitor: u32,
    /// Whether the GIC is a GICv2, without redistributors.
    pub gicv2: bool,
}

/// Sections of the hypervisor image: name, first page, pages.
pub(crate) const IMAGE: [(&str, u64, u64); 10] = [
    ("boot-text", 1, 1),
    ("boot-rodata", 0, 1),
    ("boot-data", 2, 2),
    ("text", 4, 2),
    ("rodata", 6, 1),
    ("shared", 7, 1),
    ("handoff", 8, 1),
    ("stats", 9, 24),
    ("per-core", 33, 9),
    ("loader", 42, 1),
];
pub(crate) const IMAGE_END: u64 = BASE + 43 * PAGE;

/// RAM of each partition: physical address and size.
pub(crate) const GUEST_RAM: [(u64, u64); 4] = [
    (0x4200_0000, 0x20_0000),
    (0x4240_0000, 0x40_0000),
    (0x4220_1000, 0x1_0000),
    (0x4280_0000, 0x20_0000),
];

fn vcpu(partition: u32, index: u32, core: u32) -> Vcpu {
    let (hcr, ich_hcr) = match core {
        0 => (0x18_807c_2039, 0x801),
        1 => (0x18_807c_0029, 0xc00),
        _ => (0x18_807c_2029, 0xc00),
    };
    let vmpidr = 0x8000_0000 + u64::from(index);
    let words = [
        hcr,
        0x8002_3559,
        0,
        vmpidr,
        0x410f_d083,
        3,
        // EL2 keeps counters 4 and 5 of core 0, and lets them run.
        if core == 0 { 0x8_4ee4 } else { 0x8_4e60 },
        0x4010_33ff,
        0,
        ich_hcr,
        0,
    ];
    Vcpu {
        partition,
        index,
        core,
        words,
        stolen_time: if partition == 1 {
            STOLEN + 64 * u64::from(index)
        } else {
            0
        },
    }
}

fn memory() -> Vec<(u64, u64, String)> {
    let mut all = vec![
        (GICD, 0x1_0000, "el2 gicd".to_owned()),
        (GICR, 0x6_0000, "el2 gicr".to_owned()),
        (UART, PAGE, "el2 uart".to_owned()),
        (SMMU, 0x2_0000, "el2 smmu".to_owned()),
        (ECAM, 0x10_0000, "el2 ecam".to_owned()),
        (BASE, IMAGE_END - BASE, "el2 hypervisor".to_owned()),
        (LIVE, 0x5000, "el2 live".to_owned()),
        (QUEUES, 0x2000, "el2 smmu-queues".to_owned()),
        (CHANNEL, 0x1_0000, "channel:state memory".to_owned()),
        (DEVICE_TREE, 0x1_0000, "board device-tree".to_owned()),
        (STOLEN, PAGE, "partition:info stolen-time".to_owned()),
        (COPIER, PAGE, "partition:car copier".to_owned()),
        (CLOCKS, PAGE, "controller:clocks registers".to_owned()),
        (PADS, 2 * PAGE, "controller:pads registers".to_owned()),
    ];
    for ((name, (ram, size)), i) in ["adas", "info", "cluster", "car"].iter().zip(GUEST_RAM).zip(0..) {
        all.push((ram, size, format!("partition:{name} ram")));
        all.push((WINDOWS + i * 0x8000, 0x8000, format!("partition:{name} window")));
        all.push((
            PAYLOADS + i * 0x1_0000,
            4 * PAGE,
            format!("partition:{name} payload-area"),
        ));
    }
    for (name, at) in [("adas", BARS), ("car", BARS + 0x2_0000)] {
        all.push((at, 0x8000, format!("partition:{name} bar0")));
        all.push((at + 0x1_0000, 0x1_0000, format!("partition:{name} bar1")));
    }
    all
}

fn partition(i: u32, name: &'static str, vcpus: (u32, u32), spis: Vec<u32>) -> Partition {
    let uart = if name == "info" { 0x0900_0000 } else { 0 };
    Partition {
        name,
        vcpus,
        flags: if uart == 0 { 4 } else { 6 },
        vmid: i + 1,
        window: WINDOWS + u64::from(i) * 0x8000,
        uart,
        ram: GUEST_RAM[usize::try_from(i).unwrap()].1,
        spis,
        health: HEALTH,
        calls: match name {
            "cluster" => vec![(0x8400_0006, 20_000, "-"), (0xc200_0010, 7, "reads-a-voltage")],
            _ => Vec::new(),
        },
    }
}

pub(crate) fn spi(intid: u32, partition: u32, core: u32, edge: u32, bell: Option<(u32, u32, u64)>) -> Spi {
    Spi {
        intid,
        partition,
        core,
        edge,
        bell,
    }
}

/// A reaction to each error of a partition.
const HEALTH: [u8; 16] = [3, 1, 2, 4, 6, 7, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0];

/// The system that every property holds of; `blob_size` is what its encoding takes.
pub(crate) fn good(blob_size: u64) -> Model {
    let mut roots = vec![boot_root(blob_size)];
    roots.extend((0..3).map(|k| core_root(k, blob_size)));
    let names = ["adas", "info", "cluster", "car"];
    roots.extend(names.iter().enumerate().map(|(i, name)| partition_root(i, name)));
    let dma = map("ram", GUEST_RAM[0].0, GUEST_RAM[0].1, "rw-", WB, 0x4000_0000);
    let of_car = map("ram", GUEST_RAM[3].0, GUEST_RAM[3].1, "rw-", WB, 0x4000_0000);
    let bars = |at: u64| [(at, 0x8000), (at + 0x1_0000, 0x1_0000)];
    let (loader, window) = (LOADER, |i: u64| WINDOWS + i * 0x8000);
    let everyone: String = names.iter().map(|n| format!(" partition:{n}=r-x")).collect();
    let mut shared = vec![format!(
        "loader {loader:#x}-{:#x} el2=r--{everyone}",
        loader + PAGE
    )];
    for (i, name) in [(0, "adas"), (2, "cluster"), (3, "car")] {
        let (start, end) = (window(i), window(i + 1));
        shared.push(format!(
            "window:{name} {start:#x}-{end:#x} el2=rw- partition:{name}=rw-"
        ));
    }
    let readers = "partition:info=r-- partition:cluster=r--";
    let end = CHANNEL + 0x1_0000;
    shared.push(format!(
        "channel:state {CHANNEL:#x}-{end:#x} el2=rw- partition:adas=rw- {readers}"
    ));
    let end = STOLEN + PAGE;
    shared.push(format!(
        "stolen-time:info {STOLEN:#x}-{end:#x} el2=rw- partition:info=r--"
    ));
    Model {
        roots,
        partitions: vec![
            partition(0, "adas", (0, 1), vec![36, 40]),
            partition(1, "info", (1, 2), vec![]),
            partition(2, "cluster", (3, 1), vec![]),
            partition(3, "car", (4, 1), vec![37]),
        ],
        vcpus: vec![
            vcpu(0, 0, 1),
            vcpu(1, 0, 0),
            vcpu(1, 1, 0),
            vcpu(2, 0, 0),
            vcpu(3, 0, 2),
        ],
        core_vcpus: vec![(2, vec![1, 2, 3]), (0, vec![0]), (1, vec![4])],
        slots: vec![
            (0, 4000, 0, 1),
            (4000, 3000, 0, 2),
            (7000, 2000, 0, 3),
            (9000, 500, 1, !0),
            (9500, 500, 2, !0),
        ],
        shares: vec![(0, 1, 2, 1000), (0, 1, 1, 4000), (0, 2, 3, 0)],
        spis: vec![
            spi(36, 0, 1, 0, None),
            spi(37, 3, 2, 1, None),
            spi(40, 0, 1, 1, Some((3, 0, 500_000))),
        ],
        functions: vec![
            Function {
                bdf: 8,
                partition: 0,
                master: true,
                bars: bars(BARS),
            },
            Function {
                bdf: 0x10,
                partition: 3,
                master: false,
                bars: bars(BARS + 0x2_0000),
            },
        ],
        streams: vec![
            (8, 0, vec![dma]),
            (0x20, 3, vec![of_car.clone()]),
            (0x21, 3, vec![of_car]),
        ],
        platform: vec![(0x20, 3, "copier"), (0x21, 3, "copier")],
        controllers: vec![["adas", "can0", "clocks"], ["car", "copier", "pads"]],
        channels: vec![(CHANNEL, 0x1_0000)],
        shared,
        memory: memory(),
        health: [
            [0, 0, 0, 1, 0, 0, 0, 5, 2, 7, 5, 0, 0, 0, 0, 0],
            [0, 0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0],
        ],
        monitor: 2,
        el2_words: [0x8082_3519, 0x44_04ff, 0x30cd_183d],
        gicv2: false,
    }
}
