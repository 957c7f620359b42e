// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The emulated PL011 against Arm DDI 0183 and against drivers that behave as real ones do.
#![allow(clippy::unwrap_used, clippy::panic)] // A test may fail by panic.

use std::collections::VecDeque;

use bulkhead_policy::uart::{Effect, Pl011};
use proptest::prelude::*;

const DR: u64 = 0x00;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const IMSC: u64 = 0x38;
const RIS: u64 = 0x3c;
const MIS: u64 = 0x40;
const ICR: u64 = 0x44;
const RXIM: u64 = 1 << 4;
const TXIM: u64 = 1 << 5;
const RTIM: u64 = 1 << 6;

/// A UART with FIFOs on and everything enabled.
fn uart() -> Pl011 {
    let mut uart = Pl011::new();
    uart.write(LCR_H, 0x70);
    uart.write(CR, 0x301);
    uart
}

/// DDI 0183, "Summary of registers" and the identification of QEMU's `virt` machine.
#[test]
fn reset_values_and_identification() {
    let mut uart = Pl011::new();
    for (offset, value) in [
        (0x00, 0),
        (0x04, 0),
        (0x18, 0x90),
        (0x20, 0),
        (0x24, 0),
        (0x28, 0),
        (0x2c, 0),
        (0x30, 0x300),
        (0x34, 0x12),
        (0x38, 0),
        (0x3c, 0),
        (0x40, 0),
        (0x44, 0),
        (0x48, 0),
        (0xfe0, 0x11),
        (0xfe4, 0x10),
        (0xfe8, 0x14),
        (0xfec, 0x00),
        (0xff0, 0x0d),
        (0xff4, 0xf0),
        (0xff8, 0x05),
        (0xffc, 0xb1),
    ] {
        assert_eq!(uart.read(offset).0, value, "{offset:#x}");
    }
    for offset in (0x4c..0xfe0).chain([0x08, 0x0c, 0x10, 0x14, 0x1c, 0x01, 0x19, 0xffd, 0x1000, u64::MAX]) {
        uart.write(offset, u64::MAX);
        assert_eq!(uart.read(offset), (0, Effect::None), "{offset:#x}");
    }
}

/// Widths of the fields that read back; bits outside them are reserved.
#[test]
fn stored_fields() {
    for (offset, mask) in [
        (0x20, 0xff),
        (0x24, 0xffff),
        (0x28, 0x3f),
        (0x2c, 0xff),
        (0x30, 0xff87),
        (0x34, 0x3f),
        (0x38, 0x7ff),
        (0x48, 7),
    ] {
        let mut uart = Pl011::new();
        uart.write(offset, u64::MAX);
        assert_eq!(uart.read(offset).0, mask, "{offset:#x}");
    }
}

/// Verifies: BH-CON-003.
#[test]
fn a_typed_character_interrupts_and_can_be_polled() {
    for mask in [RXIM, RTIM, RXIM | RTIM] {
        let mut uart = uart();
        uart.write(IMSC, mask);
        assert!(!uart.line());
        assert!(uart.receive(b'a'));
        assert!(uart.line());
        assert_eq!(uart.read(FR).0 & 1 << 4, 0, "RXFE");
        assert_eq!(uart.read(DR), (u32::from(b'a'), Effect::ReceiveSpace));
        assert!(!uart.line(), "the FIFO is empty");
        assert_eq!(uart.read(FR).0, 0x90);
    }
}

#[test]
fn cleared_receive_interrupt_comes_back_with_the_next_character() {
    let mut uart = uart();
    uart.write(IMSC, RXIM | RTIM);
    uart.receive(b'a');
    uart.write(ICR, RXIM | RTIM);
    assert!(!uart.line());
    uart.receive(b'b');
    assert!(uart.line());
    uart.read(DR);
    assert!(uart.line(), "one is left");
}

#[test]
fn fifo_depth_and_flush() {
    let mut uart = uart();
    let mut taken = 0;
    while uart.receive(taken) {
        taken += 1;
    }
    assert_eq!(taken, 16);
    assert_eq!(uart.read(FR).0 & 0x50, 0x40, "RXFF, not RXFE");
    uart.write(LCR_H, 0x60);
    assert_eq!(uart.read(FR).0, 0x90, "FEN went off: empty");
    assert_eq!(uart.read(RIS).0 & 0x50, 0);
    assert!(
        uart.receive(1) && !uart.receive(2),
        "one holding register without FIFOs"
    );
    uart.write(LCR_H, 0x68);
    assert_eq!(uart.read(DR).0, 1, "FEN did not change");
}

#[test]
fn loopback_returns_what_is_sent() {
    let mut uart = uart();
    uart.write(CR, 0x381);
    assert_eq!(uart.write(DR, u64::from(b'z')), Effect::None);
    assert_eq!(uart.read(DR).0, u32::from(b'z'));
}

/// DDI 0183, "UARTTXINTR": based on a transition, so there is none before the first character left.
#[test]
fn transmit_interrupt_follows_a_character() {
    let mut uart = uart();
    uart.write(IMSC, TXIM);
    assert!(!uart.line());
    assert_eq!(uart.write(DR, 0x1_41), Effect::Transmit(0x41));
    assert!(uart.line());
    uart.write(ICR, TXIM);
    assert!(!uart.line());
    uart.write(DR, 0x42);
    assert_eq!(uart.read(MIS).0, 1 << 5);
}

/// A driver that sends like Linux's: a first burst while the FIFO has room, then half a FIFO per interrupt.
struct Sender {
    queue: VecDeque<u8>,
    mask: u64,
}

impl Sender {
    fn burst(&mut self, uart: &mut Pl011, sent: &mut Vec<u8>, limit: usize) {
        for _ in 0..limit {
            if uart.read(FR).0 & 1 << 5 != 0 {
                break;
            }
            let Some(byte) = self.queue.pop_front() else { break };
            if let Effect::Transmit(byte) = uart.write(DR, u64::from(byte)) {
                sent.push(byte);
            }
        }
        self.mask = if self.queue.is_empty() {
            self.mask & !TXIM
        } else {
            self.mask | TXIM
        };
        uart.write(IMSC, self.mask);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Access { offset: u64, value: u64, write: bool },
    Receive(u8),
}

fn act() -> impl Strategy<Value = Act> {
    let offset = prop_oneof![3 => Just(DR), 8 => (0..0x13u64).prop_map(|n| n * 4), 1 => 0..0x1010u64];
    let value = prop_oneof![any::<u64>(), (0..16u32).prop_map(|n| 1 << n), Just(0)];
    prop_oneof![
        3 => (offset, value, any::<bool>()).prop_map(|(offset, value, write)| Act::Access { offset, value, write }),
        1 => any::<u8>().prop_map(Act::Receive),
    ]
}

proptest! {
    /// Everything that is queued leaves in order, however much is queued and in however small bursts the driver
    /// sends: while something is left, the line is up.
    #[test]
    fn a_linux_like_sender_never_stalls(data: Vec<u8>, first in 0..20usize, per_interrupt in 1..20usize, pieces in 1..5usize) {
        let mut uart = uart();
        let mut sender = Sender { queue: VecDeque::new(), mask: RXIM | RTIM };
        let mut sent = Vec::new();
        for piece in data.chunks(data.len().div_ceil(pieces).max(1)) {
            sender.queue.extend(piece);
            sender.burst(&mut uart, &mut sent, first.max(1));
            while !sender.queue.is_empty() {
                prop_assert!(uart.line(), "stalled with {} left", sender.queue.len());
                sender.burst(&mut uart, &mut sent, per_interrupt);
            }
            prop_assert!(!uart.line());
        }
        prop_assert_eq!(sent, data);
    }

    /// Any accesses in any order: what is received comes out in order, flags and line are what the state implies.
    #[test]
    fn invariants(acts in prop::collection::vec(act(), 1..200)) {
        let mut uart = Pl011::new();
        let mut fifo: VecDeque<u8> = VecDeque::new();
        let (mut lcr_h, mut cr) = (0u64, 0x300u64);
        for act in acts {
            let depth = if lcr_h & 0x10 == 0 { 1 } else { 16 };
            match act {
                Act::Receive(byte) => {
                    prop_assert_eq!(uart.has_room(), fifo.len() < depth);
                    let accepted = uart.receive(byte);
                    prop_assert_eq!(accepted, fifo.len() < depth);
                    if accepted { fifo.push_back(byte); }
                }
                Act::Access { offset: DR, write: false, .. } => {
                    let expected = fifo.pop_front().map_or(0, u32::from);
                    prop_assert_eq!(uart.read(DR), (expected, Effect::ReceiveSpace));
                }
                Act::Access { offset: DR, value, write: true } => {
                    let byte = value.to_le_bytes()[0];
                    let looped = cr & 0x80 != 0;
                    let effect = if looped { Effect::None } else { Effect::Transmit(byte) };
                    prop_assert_eq!(uart.write(DR, value), effect);
                    if looped && fifo.len() < depth { fifo.push_back(byte); }
                    prop_assert!(uart.read(RIS).0 & 0x20 != 0);
                }
                Act::Access { offset, value, write } => {
                    if write {
                        prop_assert_eq!(uart.write(offset, value), Effect::None);
                        if offset == LCR_H {
                            if (lcr_h ^ value) & 0x10 != 0 { fifo.clear(); }
                            lcr_h = value;
                        }
                        if offset == CR { cr = value; }
                    } else {
                        prop_assert_eq!(uart.read(offset).1, Effect::None);
                    }
                }
            }
            let depth = if lcr_h & 0x10 == 0 { 1 } else { 16 };
            let flags = 0x80 | if fifo.is_empty() { 0x10 } else { 0 } | if fifo.len() >= depth { 0x40 } else { 0 };
            prop_assert_eq!(uart.read(FR).0, flags);
            let (ris, mis) = (uart.read(RIS).0, uart.read(MIS).0);
            prop_assert_eq!(ris & !0x70, 0, "only RX, TX and RT exist");
            prop_assert!(!fifo.is_empty() || ris & 0x50 == 0, "nothing to receive, nothing raised");
            prop_assert_eq!(mis, ris & uart.read(IMSC).0);
            prop_assert_eq!(uart.line(), mis != 0);
        }
    }
}
