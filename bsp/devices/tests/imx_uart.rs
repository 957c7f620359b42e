// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The i.MX UART driver against a fake with the manual's register semantics.
#![allow(missing_docs, clippy::expect_used, clippy::panic, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::imx_uart::ImxUart;

/// Two bytes of room; a character that is read is gone.
#[derive(Default)]
struct Fake {
    control: [Cell<u32>; 4],
    line: RefCell<Vec<u8>>,
    waiting: Cell<usize>,
    received: RefCell<VecDeque<u32>>,
    resets: Cell<u32>,
}

impl RegisterBlock for &Fake {
    fn read(&self, offset: usize) -> u32 {
        match offset {
            0x00 => self.received.borrow_mut().pop_front().unwrap_or(0),
            0xb4 => u32::from(self.waiting.get() == 2) << 4,
            0x80 | 0x84 | 0x88 | 0x8c => self.control[(offset - 0x80) / 4].get(),
            other => panic!("reading {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        match offset {
            0x40 => {
                let ready = self.control[0].get() & 1 == 1 && self.control[1].get() & 4 == 4;
                assert!(ready, "written to a transmitter that is off");
                self.line.borrow_mut().push(u8::try_from(value).expect("a byte"));
                self.waiting.set(self.waiting.get() + 1);
            }
            0x84 if value & 1 == 0 => self.resets.set(self.resets.get() + 1),
            0x80 | 0x84 | 0x88 | 0x8c => self.control[(offset - 0x80) / 4].set(value),
            other => panic!("writing {other:#x}"),
        }
    }
}

/// Verifies: BH-DEV-002.
#[test]
fn a_full_fifo_takes_nothing_and_nothing_is_lost() {
    let fake = Fake::default();
    let uart = ImxUart::new(&fake);
    uart.enable();
    assert_eq!(
        [uart.try_write(b'a'), uart.try_write(b'b'), uart.try_write(b'c')],
        [true, true, false]
    );
    fake.waiting.set(0);
    assert!(uart.try_write(b'c'));
    assert_eq!(*fake.line.borrow(), b"abc");
}

/// Verifies: BH-DEV-002.
#[test]
fn enabling_resets_nothing_and_leaves_no_interrupt_on() {
    let fake = Fake::default();
    for control in &fake.control {
        control.set(u32::MAX);
    }
    ImxUart::new(&fake).enable();
    assert_eq!(fake.resets.get(), 0, "bytes on their way would be lost");
    let control: Vec<u32> = fake.control.iter().map(Cell::get).collect();
    // UARTEN alone; SRST, RXEN, TXEN, WS, IRTS; RXDMUXSEL; no interrupt of UCR4.
    assert_eq!(control, [1, 0x4027, 4, 0]);
}

/// Verifies: BH-DEV-002.
#[test]
fn damaged_characters_are_dropped() {
    let fake = Fake::default();
    fake.received
        .borrow_mut()
        .extend([0x8041, 0xc042, 0x0043, 0x8044]);
    let uart = ImxUart::new(&fake);
    let read: Vec<Option<u8>> = (0..5).map(|_| uart.read()).collect();
    assert_eq!(read, [Some(b'A'), None, None, Some(b'D'), None]);
}
