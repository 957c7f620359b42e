// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Zynq CAN driver against a fake that punishes misuse. Verifies: BH-CAN-021, BH-CAN-022, BH-CAN-023.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fake that is misused fails its test"
)]

use std::cell::RefCell;
use std::collections::VecDeque;

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::can::{Controller, Error, Frame, Timing};
use bulkhead_devices::xilinx_can::{self, XilinxCan};
use embedded_can::nb::Can;
use embedded_can::{ExtendedId, Frame as _, StandardId};

#[derive(Default)]
struct State {
    enabled: bool,
    /// Readings of the status register until a change of mode is seen.
    slow: u32,
    prescaler: u32,
    timing: u32,
    interrupts: u32,
    allowed: u32,
    writing: Vec<u32>,
    sent: Vec<[u32; 4]>,
    room: usize,
    received: VecDeque<u32>,
}

#[derive(Default)]
struct Fake(RefCell<State>);

impl RegisterBlock for &Fake {
    fn read(&self, offset: usize) -> u32 {
        let mut s = self.0.borrow_mut();
        match offset {
            0x18 if s.slow > 0 => {
                s.slow -= 1;
                0
            }
            0x18 => (if s.enabled { 8 } else { 1 }) | u32::from(s.room == 0) << 10,
            0x1c => s.interrupts | u32::from(!s.received.is_empty()) << 7,
            0x50 | 0x54 | 0x58 | 0x5c => {
                assert_eq!(
                    (16 - s.received.len() % 4 * 4) % 16,
                    offset - 0x50,
                    "words of a frame out of order"
                );
                // Set until it is cleared, also over an empty FIFO.
                s.interrupts |= 1 << 7;
                s.received.pop_front().unwrap()
            }
            other => panic!("read of {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut s = self.0.borrow_mut();
        match offset {
            0x00 if value & 1 != 0 => {
                let slow = s.slow;
                *s = State {
                    slow,
                    room: s.room,
                    ..State::default()
                };
            }
            0x00 => s.enabled = value & 2 != 0,
            0x04 | 0x60 => assert!(!s.enabled && value == 0),
            0x08 => {
                assert!(!s.enabled, "the prescaler exists in configuration mode only");
                s.prescaler = value;
            }
            0x0c => {
                assert!(!s.enabled, "the timing exists in configuration mode only");
                s.timing = value;
            }
            0x20 => s.allowed = value,
            0x24 => s.interrupts &= !value,
            0x30 | 0x34 | 0x38 | 0x3c => {
                assert_eq!(
                    s.writing.len() * 4,
                    offset - 0x30,
                    "words of a frame out of order"
                );
                s.writing.push(value);
                if offset == 0x3c {
                    let frame = s.writing.drain(..).collect::<Vec<_>>().try_into().unwrap();
                    s.room = s.room.checked_sub(1).expect("a frame would be lost");
                    s.sent.push(frame);
                }
            }
            other => panic!("write of {other:#x}"),
        }
    }
}

fn timing() -> Timing {
    xilinx_can::timing(100_000_000, 500_000).unwrap()
}

fn fake() -> Fake {
    let fake = Fake::default();
    fake.0.borrow_mut().room = 64;
    fake
}

fn started(fake: &Fake) -> XilinxCan<&Fake> {
    XilinxCan::new(fake, timing(), 10).unwrap()
}

fn standard(id: u16, data: &[u8]) -> Frame {
    Frame::new(StandardId::new(id).unwrap(), data).unwrap()
}

#[test]
fn bit_timing_is_what_the_manual_asks_for() {
    let at_80 = Timing {
        prescaler: 10,
        segment1: 15,
        segment2: 4,
    };
    assert_eq!(timing(), at_80);
    assert_eq!(xilinx_can::timing(33_333_333, 500_000), None);
    assert_eq!(xilinx_can::timing(0, 500_000), None);
    let fake = fake();
    started(&fake);
    let s = fake.0.borrow();
    assert_eq!((s.prescaler, s.timing), (9, 14 | 3 << 4));
    assert!(s.enabled && s.allowed == 0);
}

#[test]
fn modes_are_awaited_with_a_bound() {
    let slow = fake();
    slow.0.borrow_mut().slow = 100;
    let error = XilinxCan::new(&slow, timing(), 10).err();
    assert_eq!(error, Some(Error::Timeout("configuration mode", 10)));
    let soon = fake();
    soon.0.borrow_mut().slow = 5;
    assert!(XilinxCan::new(&soon, timing(), 10).is_ok());
}

#[test]
fn frames_leave_in_order_and_none_is_lost() {
    let fake = fake();
    let mut can = started(&fake);
    fake.0.borrow_mut().room = 3;
    for n in 0..3 {
        assert_eq!(can.transmit(&standard(0x100 + n, &[1, 2, 3, 4, 5])), Ok(None));
    }
    assert_eq!(can.transmit(&standard(0x7ff, &[])), Err(nb::Error::WouldBlock));
    let s = fake.0.borrow();
    let expected = |n: u32| [(0x100 + n) << 21, 5 << 28, 0x0102_0304, 0x0500_0000];
    assert_eq!(s.sent, [expected(0), expected(1), expected(2)]);
}

#[test]
fn what_is_sent_is_what_is_received() {
    let fake = fake();
    let mut can = started(&fake);
    let extended = ExtendedId::new(0x1234_5678).unwrap();
    let frames = [
        standard(0x123, b"abcdefgh"),
        standard(0, &[]),
        Frame::new(extended, &[9; 3]).unwrap(),
        Frame::new_remote(extended, 4).unwrap(),
        Frame::new_remote(StandardId::new(7).unwrap(), 8).unwrap(),
    ];
    for frame in &frames {
        can.transmit(frame).unwrap();
    }
    let sent = std::mem::take(&mut fake.0.borrow_mut().sent);
    fake.0.borrow_mut().received.extend(sent.into_iter().flatten());
    can.enable_receive_interrupt();
    assert_eq!(fake.0.borrow().allowed, 1 << 6 | 1 << 7);
    for frame in frames {
        assert_eq!(can.receive(), Ok(frame));
    }
    assert_eq!(can.receive(), Err(nb::Error::WouldBlock));
    assert_eq!(fake.0.borrow().interrupts, 0);
}

#[test]
fn an_overrun_is_told_once_and_the_frames_before_it_are_intact() {
    let fake = fake();
    let mut can = started(&fake);
    fake.0
        .borrow_mut()
        .received
        .extend([0x200 << 21, 0xf << 28, 0x0102_0304, 0x0506_0708]);
    fake.0.borrow_mut().interrupts = 1 << 6;
    assert_eq!(can.receive(), Err(nb::Error::Other(Error::Overrun)));
    assert_eq!(can.receive(), Ok(standard(0x200, &[1, 2, 3, 4, 5, 6, 7, 8])));
    assert_eq!(can.receive(), Err(nb::Error::WouldBlock));
}
