// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The M_CAN driver against a fake that punishes misuse. Verifies: BH-CAN-024, BH-CAN-025, BH-CAN-026.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fake that is misused fails its test"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::can::{Controller, Error, Frame, Timing};
use bulkhead_devices::m_can::{self, MCan, MESSAGE_RAM, WORDS};
use embedded_can::nb::Can;
use embedded_can::{ExtendedId, Frame as _, StandardId};

const RAM_END: usize = MESSAGE_RAM + 0x600;

#[derive(Default)]
struct State {
    control: u32,
    /// Readings of CCCR until a change of mode is seen.
    slow: u32,
    seen: u32,
    registers: BTreeMap<usize, u32>,
    /// What was written of the message RAM since power-on.
    ram: BTreeMap<usize, u32>,
    interrupts: u32,
    room: u32,
    put: u32,
    sent: Vec<[u32; 4]>,
    get: u32,
    held: u32,
    /// Arrives when the interrupt is taken back, the worst moment.
    late: Option<[u32; 4]>,
}

#[derive(Default)]
struct Fake(RefCell<State>);

impl State {
    fn arrive(&mut self, frame: [u32; 4]) {
        if self.held == 64 {
            self.interrupts |= 1 << 3;
            return;
        }
        let at = MESSAGE_RAM + 16 * usize::try_from((self.get + self.held) % 64).unwrap();
        for (n, word) in frame.into_iter().enumerate() {
            self.ram.insert(at + 4 * n, word);
        }
        self.held += 1;
        self.interrupts |= 1;
    }
}

impl RegisterBlock for &Fake {
    fn read(&self, offset: usize) -> u32 {
        let mut s = self.0.borrow_mut();
        match offset {
            0x18 => {
                if s.slow > 0 {
                    s.slow -= 1;
                } else {
                    s.seen = s.control;
                }
                s.seen
            }
            0x50 => s.interrupts,
            0xa4 => s.held | s.get << 8 | ((s.get + s.held) % 64) << 16,
            0xc4 => s.room | s.put << 16 | u32::from(s.room == 0) << 21,
            MESSAGE_RAM..RAM_END => *s.ram.get(&offset).expect("a read of RAM that nobody wrote"),
            other => panic!("read of {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut s = self.0.borrow_mut();
        let configures = s.control == 3;
        match offset {
            0x18 => {
                // CCE is accepted only while INIT reads as set, and goes with it.
                assert!(value & 2 == 0 || s.seen & 1 == 1, "CCE before INIT is seen");
                s.control = if value & 1 == 1 { value } else { 0 };
            }
            0x1c | 0x80 | 0x84 | 0x88 | 0xa0 | 0xbc | 0xc0 | 0xc8 => {
                assert!(configures, "{offset:#x} exists in configuration mode only");
                s.registers.insert(offset, value);
            }
            0x50 => {
                s.interrupts &= !value;
                if value == 1
                    && let Some(frame) = s.late.take()
                {
                    s.arrive(frame);
                }
            }
            0x54 | 0x58 | 0x5c => {
                s.registers.insert(offset, value);
            }
            0xa8 => {
                assert!(
                    s.held > 0 && value == s.get,
                    "another element than the oldest is freed"
                );
                s.get = (s.get + 1) % 64;
                s.held -= 1;
            }
            0xd0 => {
                assert_eq!(value, 1 << s.put, "another buffer than the next is requested");
                let at = MESSAGE_RAM + 0x400 + 16 * usize::try_from(s.put).unwrap();
                let words = [0, 4, 8, 12].map(|n| *s.ram.get(&(at + n)).unwrap());
                s.room = s.room.checked_sub(1).expect("a frame would be lost");
                s.put = (s.put + 1) % 32;
                s.sent.push(words);
            }
            MESSAGE_RAM..RAM_END => {
                s.ram.insert(offset, value);
            }
            other => panic!("write of {other:#x}"),
        }
    }
}

fn timing() -> Timing {
    m_can::timing(80_000_000, 500_000).unwrap()
}

fn fake() -> Fake {
    let fake = Fake::default();
    fake.0.borrow_mut().room = 32;
    fake
}

fn started(fake: &Fake) -> MCan<&Fake> {
    MCan::new(fake, timing(), 10).unwrap()
}

fn standard(id: u16, data: &[u8]) -> Frame {
    Frame::new(StandardId::new(id).unwrap(), data).unwrap()
}

#[test]
fn bit_timing_and_fifos_are_what_the_manual_asks_for() {
    let at_80 = Timing {
        prescaler: 4,
        segment1: 31,
        segment2: 8,
    };
    assert_eq!(timing(), at_80);
    assert_eq!(m_can::timing(33_333_333, 500_000), None);
    assert_eq!(m_can::timing(0, 500_000), None);
    let fake = fake();
    started(&fake);
    let s = fake.0.borrow();
    let written = |offset| s.registers.get(&offset).copied();
    assert_eq!(written(0x1c), Some(3 << 16 | 30 << 8 | 7));
    // Filters off, all accepted, 64 elements at 0, 32 buffers as FIFO at 0x400, eight bytes each.
    for register in [0x80, 0x84, 0x88, 0xbc, 0xc8, 0x54, 0x58] {
        assert_eq!(written(register), Some(0), "{register:#x}");
    }
    assert_eq!(
        (written(0xa0), written(0xc0)),
        (Some(64 << 16), Some(32 << 24 | 0x400))
    );
    assert_eq!((s.control, written(0x5c)), (0, Some(1)));
    assert_eq!(s.ram.len() * 4, 0x600, "all of the used message RAM is written");
    assert_eq!(WORDS * 4, RAM_END);
}

#[test]
fn modes_are_awaited_with_a_bound() {
    let slow = fake();
    slow.0.borrow_mut().slow = 100;
    let error = MCan::new(&slow, timing(), 10).err();
    assert_eq!(error, Some(Error::Timeout("initialisation", 10)));
    let soon = fake();
    soon.0.borrow_mut().slow = 5;
    assert!(MCan::new(&soon, timing(), 10).is_ok());
}

#[test]
fn frames_leave_in_order_and_none_is_lost() {
    let fake = fake();
    let mut can = started(&fake);
    fake.0.borrow_mut().put = 30;
    fake.0.borrow_mut().room = 3;
    for n in 0..3 {
        assert_eq!(can.transmit(&standard(0x100 + n, &[1, 2, 3, 4, 5])), Ok(None));
    }
    assert_eq!(can.transmit(&standard(0x7ff, &[])), Err(nb::Error::WouldBlock));
    let s = fake.0.borrow();
    let expected = |n: u32| [(0x100 + n) << 18, 5 << 16, 0x0403_0201, 0x05];
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
    assert_eq!(fake.0.borrow().sent[3][..2], [0x1234_5678 | 3 << 29, 4 << 16]);
    let mut sent = std::mem::take(&mut fake.0.borrow_mut().sent);
    fake.0.borrow_mut().get = 62;
    fake.0.borrow_mut().late = sent.pop();
    for words in sent {
        fake.0.borrow_mut().arrive(words);
    }
    can.enable_receive_interrupt();
    assert_eq!(fake.0.borrow().registers.get(&0x54), Some(&(1 | 1 << 3)));
    for frame in frames {
        assert_ne!(
            fake.0.borrow().interrupts | u32::from(fake.0.borrow().held == 0),
            0,
            "a frame that is left raises the interrupt"
        );
        // The last one arrives while the interrupt of the others is taken back.
        assert_eq!(can.receive(), Ok(frame));
    }
    assert_eq!(can.receive(), Err(nb::Error::WouldBlock));
    assert_eq!(fake.0.borrow().interrupts, 0);
}

#[test]
fn an_overrun_is_told_once_and_the_frames_before_it_are_intact() {
    let fake = fake();
    let mut can = started(&fake);
    for n in 0..65 {
        fake.0
            .borrow_mut()
            .arrive([n << 18, 0xf << 16, 0x0403_0201, 0x0807_0605]);
    }
    assert_eq!(can.receive(), Err(nb::Error::Other(Error::Overrun)));
    for n in 0..64 {
        assert_eq!(can.receive(), Ok(standard(n, &[1, 2, 3, 4, 5, 6, 7, 8])));
    }
    assert_eq!(can.receive(), Err(nb::Error::WouldBlock));
}
