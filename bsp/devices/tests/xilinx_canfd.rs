// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Xilinx CAN FD driver against a fake that sends as the product guide says. Verifies: BH-CAN-011, BH-CAN-012,
//! BH-CAN-013.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fake that is misused fails its test"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::can::{Controller, Error, Frame, Timing};
use bulkhead_devices::xilinx_canfd::{self, XilinxCanFd};
use embedded_can::nb::Can;
use embedded_can::{ExtendedId, Frame as _, StandardId};

/// Registers as memory; the ones that act are treated apart.
#[derive(Default)]
struct State {
    words: BTreeMap<usize, u32>,
    /// Readings of the status register until a change of mode is seen.
    slow: u32,
    enabled: bool,
    waiting: u32,
    level: u32,
    index: u32,
    interrupts: u32,
    bus: Vec<[u32; 4]>,
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
            0x18 => {
                if s.enabled {
                    8
                } else {
                    1
                }
            }
            0x1c => s.interrupts,
            0x90 => s.waiting,
            0xe8 => s.level << 8 | s.index,
            0x2100..0x3300 => s.words.get(&offset).copied().unwrap_or(0),
            other => panic!("reading {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut s = self.0.borrow_mut();
        match offset {
            0x00 => {
                s.enabled = value & 2 != 0 && value & 1 == 0;
                s.slow = 3;
            }
            // The prescaler and the bit timing exist in configuration mode only.
            0x08 | 0x0c => assert!(!s.enabled),
            0xa00 | 0xa04 => assert_eq!(s.words.get(&0xe0), Some(&0), "the filter is on"),
            0x24 => s.interrupts &= !value,
            0x90 => {
                assert_eq!(s.waiting & value, 0, "a waiting frame would be replaced");
                s.waiting |= value;
            }
            0xe8 if value & 0x80 != 0 && s.level > 0 => {
                s.level -= 1;
                s.index = (s.index + 1) % 64;
            }
            _ => {}
        }
        s.words.insert(offset, value);
    }
}

impl Fake {
    /// Sends one frame: the lowest identifier, then the lowest buffer.
    fn send(&self) {
        let mut s = self.0.borrow_mut();
        let word = |s: &State, buffer: usize, n: usize| s.words[&(0x100 + buffer * 0x48 + 4 * n)];
        let buffers = (0..32usize).filter(|b| s.waiting >> b & 1 == 1);
        let Some(next) = buffers.min_by_key(|b| (word(&s, *b, 0), *b)) else {
            return;
        };
        let frame = [0, 1, 2, 3].map(|n| word(&s, next, n));
        s.waiting &= !(1 << next);
        s.bus.push(frame);
    }

    fn arrive(&self, frame: [u32; 4]) {
        let mut s = self.0.borrow_mut();
        if s.level == 64 {
            s.interrupts |= 1 << 6;
            return;
        }
        let place = usize::try_from((s.index + s.level) % 64).unwrap();
        for (n, word) in frame.into_iter().enumerate() {
            s.words.insert(0x2100 + place * 0x48 + 4 * n, word);
        }
        s.level += 1;
        s.interrupts |= 1 << 4;
    }
}

const TIMING: Timing = Timing {
    prescaler: 2,
    segment1: 19,
    segment2: 5,
};

fn started(fake: &Fake) -> XilinxCanFd<&Fake> {
    XilinxCanFd::new(fake, TIMING, 10).unwrap()
}

fn standard(id: u16, data: &[u8]) -> Frame {
    Frame::new(StandardId::new(id).unwrap(), data).unwrap()
}

#[test]
fn bit_timing_follows_from_the_clock() {
    assert_eq!(xilinx_canfd::timing(25_000_000, 500_000), Some(TIMING));
    let at_80 = Timing {
        prescaler: 8,
        segment1: 15,
        segment2: 4,
    };
    assert_eq!(xilinx_canfd::timing(80_000_000, 500_000), Some(at_80));
    assert_eq!(xilinx_canfd::timing(33_333_333, 500_000), None);
    assert_eq!(xilinx_canfd::timing(0, 500_000), None);
    let fake = Fake::default();
    started(&fake);
    let s = fake.0.borrow();
    assert_eq!((s.words[&0x08], s.words[&0x0c]), (1, 18 | 4 << 8));
}

#[test]
fn a_controller_that_does_not_answer_is_given_up() {
    let fake = Fake::default();
    let result = XilinxCanFd::new(&fake, TIMING, 2).err();
    assert_eq!(result, Some(Error::Timeout("configuration mode", 2)));
}

#[test]
fn frames_of_one_identifier_leave_in_order() {
    let fake = Fake::default();
    let mut can = started(&fake);
    let mut sent = 0u8;
    for round in 0..40 {
        while can.transmit(&standard(0x100, &[sent])).is_ok() {
            sent = sent.wrapping_add(1);
        }
        (0..round % 5 + 1).for_each(|_| fake.send());
    }
    (0..64).for_each(|_| fake.send());
    let s = fake.0.borrow();
    let bytes: Vec<u8> = s.bus.iter().map(|f| f[2].to_be_bytes()[0]).collect();
    let wanted: Vec<u8> = (0..bytes.len()).map(|n| u8::try_from(n % 256).unwrap()).collect();
    assert!(bytes.len() > 64 && bytes == wanted, "{bytes:?}");
}

#[test]
fn frames_arrive_as_they_were_sent() {
    let fake = Fake::default();
    let mut can = started(&fake);
    let extended = ExtendedId::new(0x1234_5678).unwrap();
    let frames = [
        standard(0x7ff, &[1, 2, 3, 4, 5, 6, 7, 8]),
        standard(0, &[]),
        Frame::new(extended, &[9, 10, 11, 12, 13]).unwrap(),
        Frame::new_remote(extended, 3).unwrap(),
        Frame::new_remote(StandardId::new(5).unwrap(), 2).unwrap(),
    ];
    for frame in &frames {
        can.transmit(frame).unwrap();
        fake.send();
        let [sent] = fake
            .0
            .borrow_mut()
            .bus
            .drain(..)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        fake.arrive(sent);
    }
    for frame in frames {
        assert_eq!(can.receive(), Ok(frame));
    }
    assert_eq!(can.receive(), Err(nb::Error::WouldBlock));
}

#[test]
fn lost_frames_are_told_once_and_fd_frames_are_skipped() {
    let fake = Fake::default();
    let mut can = started(&fake);
    fake.arrive([0, 1 << 28 | 1 << 27, 0, 0]);
    (0..64).for_each(|_| fake.arrive([5 << 21, 1 << 28, 7 << 24, 0]));
    assert_eq!(can.receive(), Err(nb::Error::Other(Error::Overrun)));
    assert_eq!(can.receive(), Err(nb::Error::Other(Error::NotClassic)));
    for _ in 0..63 {
        assert_eq!(can.receive(), Ok(standard(5, &[7])));
    }
    assert_eq!(can.receive(), Err(nb::Error::WouldBlock));
}

#[test]
fn a_frame_that_arrives_while_others_are_read_raises_the_interrupt_again() {
    let fake = Fake::default();
    let mut can = started(&fake);
    can.enable_receive_interrupt();
    fake.arrive([5 << 21, 1 << 28, 7 << 24, 0]);
    can.begin_reception();
    assert!(can.receive().is_ok());
    fake.arrive([5 << 21, 1 << 28, 8 << 24, 0]);
    can.end_reception();
    let s = fake.0.borrow();
    assert_eq!(s.interrupts & s.words[&0x20], 1 << 4);
}
