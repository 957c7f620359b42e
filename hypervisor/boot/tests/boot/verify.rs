// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What boot says of a blob that is damaged, of another build, or badly placed.

use crate::common::{CHANNEL, LIVE, Parts, WINDOW, image, parts, seal};
use bulkhead_abi::window::WINDOW_SIZE;
use bulkhead_boot::verify::{self, Used};
use bulkhead_types::system::System;
use zerocopy::IntoBytes;

const USED: Used = Used {
    uart: 0x0900_0000,
    smmu: 0x0905_0000,
};

/// What boot says of a blob, step by step; empty when it takes it.
fn verdict(words: &[u64], board_id: u32) -> String {
    let bytes = words.as_bytes();
    let info = image();
    let result = verify::image(&info, board_id)
        .and_then(|()| verify::early(bytes).map(|_| ()))
        .and_then(|()| verify::whole(bytes, &info))
        .and_then(|verified| verify::addresses(&verified.system, &info, USED));
    result
        .err()
        .map_or_else(String::new, |refusal| refusal.to_string())
}

fn changed(change: impl Fn(&mut Parts)) -> String {
    let mut parts = parts();
    change(&mut parts);
    verdict(&seal(&parts), 1)
}

/// Verifies: BH-BOOT-003, BH-BOOT-004, BH-BOOT-005, BH-BOOT-006.
#[test]
fn a_sound_blob_is_taken() {
    assert_eq!(changed(|_| ()), "");
}

/// Verifies: BH-BOOT-004, BH-BOOT-005.
#[test]
fn a_flipped_bit_is_refused_wherever_it_is() {
    let sound = seal(&parts());
    let end = sound.len() - 4096 / 8;
    for (index, bit) in (0..end)
        .step_by(7)
        .map(|i| (i, i % 64))
        .chain((0..8).map(|i| (end + i % 6, i * 7)))
    {
        let mut words = sound.clone();
        words[index] ^= 1 << bit;
        let says = verdict(&words, 1);
        // Pages, roots and the number of properties are the checker's remark, covered by no digest.
        let remark = index >= end + 6 || (index == end + 1 && bit >= 32);
        assert_eq!(says.is_empty(), remark, "word {index} bit {bit}: {says}");
    }
}

/// Verifies: BH-BOOT-004, BH-BOOT-005.
#[test]
fn a_truncated_blob_is_refused() {
    let sound = seal(&parts());
    for length in (0..sound.len() - 500).step_by(97) {
        assert_ne!(verdict(&sound[..length], 1), "", "{length} words");
    }
}

/// Verifies: BH-BOOT-003.
#[test]
fn another_board_is_refused() {
    assert_eq!(
        verdict(&seal(&parts()), 2),
        "refused: image's board (blob: 1, board: 2)"
    );
}

/// Verifies: BH-BOOT-005.
#[test]
fn another_build_or_board_number_is_refused() {
    let says = changed(|p| p.header.hypervisor_id = [8; 16]);
    assert_eq!(
        says,
        "refused: hypervisor build (blob: 0808080808080808..., board: 0707070707070707...)"
    );
    assert_eq!(
        changed(|p| p.header.board_id = 9),
        "refused: board (blob: 9, board: 1)"
    );
}

/// Verifies: BH-BOOT-004.
#[test]
fn another_format_is_refused_before_anything_is_believed() {
    let says = changed(|p| p.header.minor += 1);
    assert_eq!(says, "refused: format version (blob: 0x10001, board: 0x10000)");
    assert!(changed(|p| p.header.layout_hash ^= 1).starts_with("refused: table layout"));
}

/// Verifies: BH-BOOT-006.
#[test]
fn addresses_that_do_not_fit_are_refused() {
    type Change = fn(&mut Parts);
    let cases: [(Change, &str); 20] = [
        (|p| p.header.base += 0x1000, "blob's address"),
        (|p| p.board.uart += 0x1000, "UART"),
        (|p| p.board.smmu = 0, "SMMU"),
        (|p| p.header.live_base = 0x3FFF_F000, "live area"),
        (|p| p.header.live_base = 0x4020_0000, "live area"),
        (|p| p.header.live_base = u64::MAX - 0xFFF, "live area"),
        (|p| p.header.live_base += 8, "live area"),
        (|p| p.board.smmu_queues = LIVE, "SMMU queues"),
        (|p| p.board.smmu_queues = 0x8000_0000, "SMMU queues"),
        (|p| p.board.stream_table += 0x1000, "stream table"),
        (
            |p| p.partitions[0].live_root = LIVE + 0x8000,
            "stage-2 root of partition 0",
        ),
        (|p| p.cores = vec![p.cores[0]; 9], "cores"),
        (|p| p.partitions[0].window = 0x8000_0000, "window of partition 0"),
        (|p| p.partitions[0].window += 8, "window of partition 0"),
        (|p| p.partitions[0].window = LIVE, "window of partition 0"),
        (|p| p.channels[0].base = 0x4020_0000, "channel 0"),
        (|p| p.channels[0].base = 0x41FF_8000, "channel 0"),
        (|p| p.channels[0].base = u64::MAX - 0xFFF, "channel 0"),
        (|p| p.channels[0].size = u64::MAX, "channel 0"),
        (|p| p.channels[0].size -= 8, "channel 0"),
    ];
    for (change, what) in cases {
        let says = changed(change);
        assert!(says.starts_with(&format!("refused: {what} (")), "{what}: {says}");
    }
}

/// Verifies: BH-BOOT-015.
#[test]
fn every_window_and_every_channel_is_named() {
    let mut parts = parts();
    let partition = parts.partitions[0];
    parts.partitions.push(partition);
    parts.partitions[1].window = 0;
    parts.partitions.push(partition);
    parts.partitions[2].window = 0x4310_0000;
    let channel = parts.channels[0];
    parts.channels.push(channel);
    parts.channels[1].base = 0x4320_0000;
    let words = seal(&parts);
    let system = System::parse(words.as_bytes()).expect("a sound blob");
    let named: Vec<_> = verify::shared(&system)
        .map(|(what, index, range)| (what, index, range.start, range.end - range.start))
        .collect();
    let window = u64::try_from(WINDOW_SIZE).expect("small");
    let wanted = [
        ("window of partition", 0, WINDOW, window),
        ("window of partition", 2, 0x4310_0000, window),
        ("channel", 0, CHANNEL, 0x1_0000),
        ("channel", 1, 0x4320_0000, 0x1_0000),
    ];
    assert_eq!(named, wanted);
}
