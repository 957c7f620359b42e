// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text form: its grammar as `FORMAT.md` states it, and its agreement with the blob.

use bulkhead_compiler::compile::{Compiled, compile};
use bulkhead_types::system;

use crate::support::{Workshop, hypervisor_bin, repository};

const KINDS: [&str; 29] = [
    "system",
    "board",
    "image",
    "blob",
    "certificate",
    "live",
    "stream-table",
    "core",
    "partition",
    "vcpu",
    "slot",
    "health",
    "monitor",
    "watch",
    "start",
    "smc",
    "watchdog",
    "root",
    "word",
    "shared",
    "grant",
    "lock",
    "emulated",
    "spi",
    "pci",
    "bar",
    "stream",
    "unguarded",
    "memory",
];

pub(crate) fn reference() -> Compiled {
    compile(&Workshop::new().reference(), &hypervisor_bin()).unwrap()
}

/// The text form of the reference system in which nobody takes EL2's housekeeping over.
fn without_successor() -> String {
    let text = std::fs::read_to_string(repository().join("config/systems/adas-infotainment.yaml")).unwrap();
    assert!(text.contains("{ run: standby, for"));
    let idle = text.replace("{ run: standby, for", "{ run: idle, for");
    compile(&Workshop::new().load(&idle), &hypervisor_bin())
        .unwrap()
        .text
}

/// Fields of all records of a kind, without the kind.
pub(crate) fn records<'a>(text: &'a str, kind: &str) -> Vec<Vec<&'a str>> {
    let lines = text
        .lines()
        .map(|l| l.split_ascii_whitespace().collect::<Vec<_>>());
    lines
        .filter(|f| f.first() == Some(&kind))
        .map(|f| f[1..].to_vec())
        .collect()
}

fn hex(text: &str) -> u64 {
    let digits = text.strip_prefix("0x").expect("0x");
    assert!(
        digits == "0" || !digits.starts_with('0'),
        "leading zero in {text}"
    );
    assert_eq!(digits, digits.to_ascii_lowercase());
    u64::from_str_radix(digits, 16).expect("hexadecimal")
}

fn range(text: &str) -> (u64, u64) {
    let (start, end) = text.split_once('-').expect("a range");
    let (start, end) = (hex(start), hex(end));
    assert!(start < end, "{text}");
    (start, end)
}

/// Verifies: BH-CFG-015.
#[test]
fn lines_follow_the_grammar() {
    let text = reference().text;
    assert!(text.is_ascii() && text.ends_with('\n') && !text.contains("\n\n"));
    assert_eq!(text.lines().next(), Some("bulkhead-grants 1"));
    let mut last = 0;
    for line in text.lines().skip(1).filter(|l| !l.starts_with('#')) {
        assert!(line.trim() == line && !line.contains('#'), "{line}");
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let kind = KINDS
            .iter()
            .position(|k| *k == fields[0])
            .unwrap_or_else(|| panic!("{line}"));
        assert!(kind >= last, "out of order: {line}");
        last = kind;
        let count = match fields[0] {
            "system" | "blob" | "certificate" | "live" | "monitor" | "watchdog" => 2..=2,
            "image" | "stream-table" | "stream" => 3..=3,
            "board" | "partition" | "root" | "word" | "emulated" | "bar" | "unguarded" | "memory"
            | "health" => 4..=4,
            "vcpu" | "spi" | "smc" => 5..=5,
            "core" | "slot" | "pci" | "watch" => 6..=6,
            "shared" => 4..=usize::MAX,
            "lock" => 7..=usize::MAX,
            _ => 7..=7,
        };
        assert!(count.contains(&fields.len()), "{line}");
    }
}

/// Every field of grants and memory has its form, and both lists are sorted without overlap.
/// Verifies: BH-CFG-015, BH-MEM-003.
#[test]
fn grants_and_memory_are_well_formed() {
    let text = reference().text;
    let mut before: Option<(&str, u64)> = None;
    let grants = records(&text, "grant");
    for grant in &grants {
        let (start, end) = range(grant[2]);
        let address = hex(grant[5]);
        assert!(["r--", "rw-", "r-x", "rwx"].contains(&grant[3]), "{grant:?}");
        assert!(
            ["normal-wb", "normal-nc", "device-ngnre"].contains(&grant[4]),
            "{grant:?}"
        );
        if let Some((root, free)) = before.filter(|(root, _)| *root == grant[0]) {
            assert!(free <= address, "{root} at {address:#x}");
        }
        before = Some((grant[0], address + (end - start)));
    }
    let mut free = 0;
    let memory = records(&text, "memory");
    for entry in &memory {
        let (start, end) = range(entry[0]);
        assert!(free <= start, "{entry:?}");
        free = end;
    }
    let placed: Vec<_> = memory.iter().map(|m| range(m[0])).collect();
    for grant in grants {
        let (start, end) = range(grant[2]);
        assert!(
            placed.iter().any(|p| p.0 <= start && end <= p.1),
            "{grant:?} was never placed"
        );
    }
}

/// Verifies: BH-CFG-015.
#[test]
fn words_are_those_of_the_blob() {
    let compiled = reference();
    let parsed = system::System::parse(&compiled.blob).unwrap();
    let words = records(&compiled.text, "word");
    assert_eq!(words.len(), 3 + 11 * parsed.vcpus.len());
    for (index, vcpu) in parsed.vcpus.iter().enumerate() {
        let subject = format!("vcpu:{index}");
        let value = |register| {
            let word = words.iter().find(|w| w[0] == subject && w[1] == register);
            hex(word.unwrap_or_else(|| panic!("no {register}"))[2])
        };
        assert_eq!(value("hcr_el2"), vcpu.hcr);
        assert_eq!(value("vttbr_el2"), vcpu.vttbr);
        assert_eq!(value("vtcr_el2"), vcpu.vtcr);
        assert_eq!(value("vmpidr_el2"), vcpu.vmpidr);
        assert_eq!(value("vpidr_el2"), vcpu.vpidr);
        assert_eq!(value("cnthctl_el2"), vcpu.cnthctl);
        assert_eq!(value("mdcr_el2"), vcpu.mdcr);
        assert_eq!(value("cptr_el2"), vcpu.cptr);
        assert_eq!(value("hstr_el2"), vcpu.hstr);
        assert_eq!(value("ich_hcr_el2"), vcpu.ich_hcr);
        assert_eq!(value("cntvoff_el2"), vcpu.cntvoff);
    }
    let roots = records(&compiled.text, "root");
    assert_eq!(hex(roots[0][1]), parsed.header.boot_root);
    for (core, root) in parsed.cores.iter().zip(&roots[1..]) {
        assert_eq!(hex(root[1]), core.el2_root);
    }
    for (partition, root) in parsed.partitions.iter().zip(&roots[5..]) {
        assert_eq!(hex(root[1]), partition.live_root);
        assert_eq!(hex(root[2]), parsed.header.base + partition.pristine_root);
    }
}

/// `adas` and `vehicle` share nothing but the loader; the channel has one writer. Verifies: BH-MEM-004.
#[test]
fn sharing_is_declared() {
    let text = reference().text;
    let shared = records(&text, "shared");
    let names: Vec<&str> = shared.iter().map(|s| s[0]).collect();
    assert_eq!(
        names,
        [
            "loader",
            "channel:vehicle-state",
            "window:cluster",
            "window:vehicle",
            "window:adas",
            "stolen-time:infotainment",
            "stolen-time:cluster",
            "channel:settings"
        ]
    );
    let both = |s: &Vec<&str>| {
        ["partition:adas=", "partition:vehicle="]
            .iter()
            .all(|p| s.iter().any(|f| f.starts_with(p)))
    };
    let common: Vec<&str> = shared.iter().filter(|s| both(s)).map(|s| s[0]).collect();
    assert_eq!(common, ["loader"]);
    let parties = [
        "el2=rw-",
        "partition:adas=rw-",
        "partition:infotainment=r--",
        "partition:cluster=r--",
    ];
    assert_eq!(shared[1][2..], parties);
    assert_eq!(shared[5][2..], ["el2=rw-", "partition:infotainment=r--"]);
    let participants = ["el2=rw-", "partition:infotainment=rw-", "partition:cluster=rw-"];
    assert_eq!(shared[7][2..], participants);
}

/// Name, rights, type of every grant of a root.
fn granted(text: &str, root: &str) -> Vec<String> {
    let own = records(text, "grant").into_iter().filter(|g| g[0] == root);
    own.map(|g| format!("{} {} {}", g[1], g[3], g[4])).collect()
}

/// What partitions may do with what they are given. Verifies: BH-MEM-004.
#[test]
fn partitions_are_granted_what_was_decided() {
    let text = reference().text;
    let adas = [
        "window rw- normal-wb",
        "channel:vehicle-state rw- normal-nc",
        "can0 rw- device-ngnre",
        "ram rwx normal-wb",
        "loader r-x normal-wb",
        "load-list r-- normal-wb",
        "payload r-- normal-wb",
    ];
    assert_eq!(granted(&text, "partition:adas"), adas);
    let infotainment = [
        "channel:vehicle-state r-- normal-nc",
        "channel:settings rw- normal-nc",
        "ram rwx normal-wb",
        "loader r-x normal-wb",
        "load-list r-- normal-wb",
        "stolen-time r-- normal-wb",
        "payload r-- normal-wb",
    ];
    assert_eq!(granted(&text, "partition:infotainment"), infotainment);
    let addresses: Vec<u64> = records(&text, "grant")
        .iter()
        .filter(|g| g[0] == "partition:adas")
        .map(|g| hex(g[5]))
        .collect();
    let ipas = [
        0xb00_0000,
        0xb10_0000,
        0x1001_0000,
        0x4000_0000,
        0x7f_0000_0000,
        0x7f_0010_0000,
        0x7f_4000_0000,
    ];
    assert_eq!(addresses, ipas);
}

/// What EL2 maps at run time: core 3 is dedicated, core 0 has the system slot, core 1 the standby slot for which it maps the
/// same; without that slot it maps the window of the UART that it emulates.
/// Verifies: BH-MEM-004.
#[test]
fn el2_is_granted_what_was_decided() {
    let text = reference().text;
    let everywhere = [
        "gicd rw- device-ngnre",
        "gicr:own rw- device-ngnre",
        "text r-x normal-wb",
        "rodata r-- normal-wb",
        "shared rw- normal-wb",
        "handoff r-- normal-wb",
        "stats r-- normal-wb",
        "stats:own rw- normal-wb",
        "per-core:own rw- normal-wb",
        "blob r-- normal-wb",
        "live-roots rw- normal-wb",
    ];
    let adas = [&everywhere[..], &["config:can0 rw- device-ngnre"]].concat();
    assert_eq!(granted(&text, "el2:core:3"), adas);
    let emulating = [
        &everywhere[..],
        &[
            "window:infotainment rw- normal-wb",
            "stolen-time:infotainment rw- normal-wb",
            "stolen-time:cluster rw- normal-wb",
            "channel:settings rw- normal-nc",
            "watchdog rw- device-ngnre",
        ],
    ]
    .concat();
    let without = without_successor();
    let unsorted = |mut list: Vec<String>| {
        list.sort_unstable();
        list.dedup();
        list
    };
    let wanted = |list: &[&str]| unsorted(list.iter().map(|g| (*g).to_owned()).collect());
    assert_eq!(unsorted(granted(&without, "el2:core:1")), wanted(&emulating));
    let system = [
        &everywhere[..],
        &[
            "uart rw- device-ngnre",
            "smmu rw- device-ngnre",
            "smmu-queues rw- normal-wb",
            "stream-table rw- normal-wb",
            "window:adas rw- normal-wb",
            "window:vehicle rw- normal-wb",
            "window:infotainment rw- normal-wb",
            "window:cluster rw- normal-wb",
            "stolen-time:infotainment rw- normal-wb",
            "channel:settings rw- normal-nc",
            "watchdog rw- device-ngnre",
        ],
    ]
    .concat();
    assert_eq!(unsorted(granted(&text, "el2:core:0")), wanted(&system));
    let standby = [&system[..], &["stolen-time:cluster rw- normal-wb"]].concat();
    assert_eq!(unsorted(granted(&text, "el2:core:1")), wanted(&standby));
    let boot = granted(&text, "el2:boot");
    for wanted in [
        "boot-text r-x normal-wb",
        "boot-rodata r-- normal-wb",
        "boot-data rw- normal-wb",
        "handoff rw- normal-wb",
        "stats rw- normal-wb",
        "loader r-- normal-wb",
        "certificate r-- normal-wb",
        "live rw- normal-wb",
        "board-device-tree r-- normal-wb",
        "ecam rw- device-ngnre",
        "window:adas rw- normal-wb",
        "window:infotainment rw- normal-wb",
        "stolen-time:cluster rw- normal-wb",
        "channel:vehicle-state rw- normal-nc",
        "channel:settings rw- normal-nc",
    ] {
        assert!(boot.iter().any(|g| g == wanted), "{wanted} in {boot:#?}");
    }
    assert!(!boot.iter().any(|g| g.starts_with("ram")), "{boot:#?}");
    let with_channel: Vec<String> = ["el2:core:0", "el2:core:1", "el2:core:2", "el2:core:3"]
        .iter()
        .flat_map(|root| granted(&text, root))
        .filter(|g| g.starts_with("channel"))
        .collect();
    let lock = "channel:settings rw- normal-nc";
    assert_eq!(
        with_channel, [lock; 2],
        "channels are EL2's until boot ends; a lock on the cores of its participants"
    );
}
