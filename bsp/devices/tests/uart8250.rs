// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The 8250 driver against a fake with the manual's register semantics.
#![allow(clippy::panic, missing_docs, reason = "tests")]

use std::cell::RefCell;
use std::collections::VecDeque;

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::uart8250::Uart8250;

/// A transmitter of one byte; a receive queue of (status bits, byte).
#[derive(Default)]
struct State {
    busy: bool,
    line: Vec<u32>,
    received: VecDeque<(u32, u32)>,
    interrupts: u32,
    line_control: u32,
}

struct Fake(RefCell<State>);

impl RegisterBlock for &Fake {
    fn read(&self, offset: usize) -> u32 {
        let mut s = self.0.borrow_mut();
        match offset {
            0x00 => s.received.pop_front().map_or(0, |(_, byte)| byte),
            0x14 => {
                let head = s.received.front().map_or(0, |(status, _)| status | 1);
                head | u32::from(!s.busy) << 5
            }
            other => panic!("reading {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut s = self.0.borrow_mut();
        match offset {
            0x00 => {
                assert!(!s.busy && s.line_control & 0x80 == 0, "lost, or the divisor");
                s.busy = true;
                s.line.push(value);
            }
            0x04 => {
                assert!(s.line_control & 0x80 == 0, "the divisor");
                s.interrupts = value;
            }
            0x0c => s.line_control = value,
            other => panic!("writing {other:#x}"),
        }
    }
}

fn fake() -> Fake {
    // Firmware left the divisor latch open and interrupts on.
    Fake(RefCell::new(State {
        line_control: 0x80,
        interrupts: 0xff,
        ..State::default()
    }))
}

/// Verifies: BH-DEV-003.
#[test]
fn a_busy_transmitter_takes_nothing() {
    let fake = fake();
    let uart = Uart8250::new(&fake);
    uart.enable();
    assert_eq!([uart.try_write(b'a'), uart.try_write(b'b')], [true, false]);
    fake.0.borrow_mut().busy = false;
    assert!(uart.try_write(b'c'));
    assert_eq!(fake.0.borrow().line, [97, 99]);
}

/// Verifies: BH-DEV-003.
#[test]
fn enabling_closes_the_divisor_latch_before_it_turns_interrupts_off() {
    let fake = fake();
    Uart8250::new(&fake).enable();
    assert_eq!((fake.0.borrow().line_control, fake.0.borrow().interrupts), (3, 0));
}

/// Verifies: BH-DEV-003.
#[test]
fn damaged_characters_are_dropped() {
    let fake = fake();
    let queue = [(0, 65), (4, 66), (8, 67), (16, 0), (0, 68)];
    fake.0.borrow_mut().received.extend(queue);
    let uart = Uart8250::new(&fake);
    let read: Vec<Option<u8>> = (0..6).map(|_| uart.read()).collect();
    assert_eq!(read, [Some(65), None, None, None, Some(68), None]);
}
