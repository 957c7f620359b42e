// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Windows and channels that hold something at power-on: QEMU puts it there before the first instruction.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs;
use std::time::Duration;

use bulkhead_abi::sampling::{
    MAGIC, MESSAGE, PortHeader, SLOT_COUNT, SLOTS, SlotHeader, VERSION, VehicleState,
};
use bulkhead_abi::window::{METRICS, Metrics, RX_CONTROL, TX_DATA};
use bulkhead_on_target::{REFERENCE, System, lines, says};
use bulkhead_runner::{Session, stats};
use zerocopy::{FromZeros, IntoBytes};

/// What lies where nothing better is known.
const GARBAGE: u8 = 0xa5;
/// Number of the message that an earlier writer left, and its speed.
const STALE: (u64, u32) = (1 << 40, 99_000);
/// Bytes from slot to slot of the port of the reference system.
const STRIDE: usize = 128;

/// A region that more than one party uses.
#[derive(Debug)]
struct Region {
    /// `partition:NAME` or `channel:NAME`.
    owner: String,
    start: u64,
    length: usize,
}

/// Windows and channels, as the reviewed text form places them.
fn regions(system: &System) -> Vec<Region> {
    let grants = fs::read_to_string(system.folder().join("grants.txt")).expect("grants.txt");
    let placed = grants.lines().filter_map(|line| line.strip_prefix("memory "));
    let fields = placed.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let shared = fields.filter(|fields| fields[2] == "window" || fields[1].starts_with("channel:"));
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("an address");
    shared
        .map(|fields| {
            let (start, end) = fields[0].split_once('-').expect("a range");
            Region {
                owner: fields[1].to_owned(),
                start: number(start),
                length: usize::try_from(number(end) - number(start)).expect("small"),
            }
        })
        .collect()
}

/// A sampling port in order, with a message of long ago and garbage wherever a port has nothing.
fn stale_port(length: usize) -> Vec<u8> {
    let (number, speed_mm_s) = STALE;
    let mut port = vec![GARBAGE; length];
    let mut put = |at: usize, bytes: &[u8]| port[at..at + bytes.len()].copy_from_slice(bytes);
    let header = PortHeader {
        magic: MAGIC,
        version: VERSION,
        slot_count: SLOT_COUNT,
        slot_stride: u32::try_from(STRIDE).expect("small"),
        latest: number,
        reserved: [0; 5],
    };
    let message = VehicleState {
        sequence: number,
        sequence_again: number,
        speed_mm_s,
        ..VehicleState::default()
    };
    let mut slot = SlotHeader::new_zeroed();
    (slot.begin, slot.end) = (2 * number + 1, 2 * number + 1);
    slot.length = u32::try_from(size_of::<VehicleState>()).expect("small");
    let at = SLOTS + usize::try_from(number % u64::from(SLOT_COUNT)).expect("small") * STRIDE;
    put(0, header.as_bytes());
    put(at, slot.as_bytes());
    put(at + MESSAGE, message.as_bytes());
    port
}

/// Starts a system on a machine whose windows and channels are full of something.
fn start(system: &System) -> Session {
    let mut extra = Vec::new();
    for region in regions(system) {
        let bytes = match region.owner.strip_prefix("channel:") {
            Some(_) => stale_port(region.length),
            None => vec![GARBAGE; region.length],
        };
        let file = system.folder().join(format!("{:x}", region.start));
        fs::write(&file, bytes).expect("file");
        let load = format!(
            "loader,file={},addr={:#x},force-raw=on",
            file.display(),
            region.start
        );
        extra.extend(["-device".to_owned(), load]);
    }
    system.start(|options| options.launch.extra = extra)
}

/// Offset of the first byte that is not zero.
fn dirty(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte != 0)
}

/// A reader whose writer never starts sees nothing, and what nobody wrote is zero.
///
/// Verifies: BH-BOOT-015.
#[test]
fn nothing_of_before_is_left() {
    let off = ["adas", "vehicle", "infotainment"];
    let overrides = off.map(|name| format!("partitions.{name}.autostart=false"));
    let system = System::build(REFERENCE, &overrides.each_ref().map(String::as_str));
    let regions = regions(&system);
    assert_eq!(
        regions.len(),
        6,
        "four windows, a channel and a lock: {regions:?}"
    );
    let mut session = start(&system);
    says(&mut session, "cluster", "vehicle-state: none yet", 20);
    for region in &regions {
        let bytes = session.memory(region.start, region.length).expect("memory");
        if region.owner == "partition:cluster" {
            // It speaks and publishes; nothing is typed.
            let metrics_end = METRICS + size_of::<Metrics>();
            assert_eq!(dirty(&bytes[RX_CONTROL..TX_DATA]), None, "{region:?}: typed");
            assert_eq!(
                dirty(&bytes[metrics_end..]),
                None,
                "{region:?}: behind the metrics"
            );
        } else if region.owner == "channel:settings" {
            // It is taken and given back again and again; nobody writes the record.
            assert_eq!(dirty(&bytes[size_of::<u64>()..]), None, "{region:?}");
        } else {
            assert_eq!(dirty(&bytes), None, "{region:?}");
        }
    }
    for name in off {
        assert_eq!(lines(&session, name), [""; 0], "{name}");
    }
    // The end of the line may come after its text.
    for _ in 0..500 {
        if lines(&session, "cluster").len() > 1 {
            break;
        }
        session.step(Duration::from_millis(20)).expect("the system runs");
    }
    let said = lines(&session, "cluster");
    assert_eq!(said, ["cluster: ready", "vehicle-state: none yet"]);
}

/// Writers begin at 1, and consoles with their first line.
///
/// Verifies: BH-BOOT-015.
#[test]
fn a_system_starts_as_on_zeroed_memory() {
    let system = System::build(REFERENCE, &["partitions.infotainment.autostart=false"]);
    let mut session = start(&system);
    let shown = says(&mut session, "cluster", " km/h, ", 20);
    println!("{shown}");
    says(&mut session, "vehicle", "STOPPED", 60);
    for region in regions(&system) {
        let bytes = session.memory(region.start, region.length).expect("memory");
        match region.owner.as_str() {
            "channel:vehicle-state" => {
                let end = SLOTS + STRIDE * usize::try_from(SLOT_COUNT).expect("small");
                assert_eq!(dirty(&bytes[end..]), None, "{region:?}: behind the port");
            }
            "partition:adas" | "partition:cluster" => {
                let metrics = stats::metrics(&bytes[METRICS..]).expect("published");
                println!("{}: {metrics:?}", region.owner);
                assert_eq!(metrics.port_errors, 0, "{region:?}");
                assert!((1..STALE.0).contains(&metrics.port_sequence), "{region:?}");
            }
            _ => {}
        }
    }
    let said = lines(&session, "cluster");
    assert_eq!(said.first().map(String::as_str), Some("cluster: ready"));
    let old = |line: &String| line.contains(&STALE.0.to_string()) || line.contains("restarted");
    assert_eq!(said.iter().find(|line| old(line)), None);
}
