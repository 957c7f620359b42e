// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The PL011 driver against a fake UART that loses every byte it has no room for. Verifies: BH-DEV-001.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fake that is misused fails its test"
)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::pl011::{Error, Pl011};

/// A UART with a two-byte FIFO that is busy for `busy` readings and panics on a register write while it is.
#[derive(Default)]
struct Fake {
    busy: Cell<u32>,
    control: Cell<u32>,
    transmit: RefCell<Vec<u8>>,
    lost: Cell<u32>,
    receive: RefCell<VecDeque<u32>>,
    written: RefCell<Vec<(usize, u32)>>,
}

impl RegisterBlock for &Fake {
    fn read(&self, offset: usize) -> u32 {
        match offset {
            0x00 => self
                .receive
                .borrow_mut()
                .pop_front()
                .expect("read of an empty FIFO"),
            0x18 => {
                let busy = self.busy.get();
                self.busy.set(busy.saturating_sub(1));
                let full = self.transmit.borrow().len() >= 2;
                // Reserved bits read as ones: nothing may depend on them.
                0xffff_fe00
                    | (u32::from(busy > 0) << 3)
                    | (u32::from(self.receive.borrow().is_empty()) << 4)
                    | (u32::from(full) << 5)
            }
            other => panic!("read of {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        assert_eq!(self.busy.get(), 0, "set-up while transmitting");
        self.written.borrow_mut().push((offset, value));
        match offset {
            0x00 if self.transmit.borrow().len() < 2 => {
                self.transmit.borrow_mut().push(u8::try_from(value).unwrap());
            }
            0x00 => self.lost.set(self.lost.get() + 1),
            0x2c => assert_eq!(self.control.get() & 1, 0, "line control changed while enabled"),
            0x30 => self.control.set(value),
            _ => {}
        }
    }
}

#[test]
fn a_full_fifo_loses_nothing() {
    let fake = Fake::default();
    let uart = Pl011::new(&fake);
    assert_eq!([b'a', b'b', b'c'].map(|b| uart.try_write(b)), [true, true, false]);
    assert_eq!(
        (fake.transmit.borrow().as_slice(), fake.lost.get()),
        (b"ab".as_slice(), 0)
    );
}

#[test]
fn damaged_characters_are_discarded() {
    let fake = Fake::default();
    let uart = Pl011::new(&fake);
    assert_eq!(uart.read(), None);
    // Good, framing error, parity error, break, overrun (the byte itself is good).
    fake.receive
        .borrow_mut()
        .extend([0x41, 0x141, 0x241, 0x400, 0x842]);
    let read: Vec<_> = (0..6).map(|_| uart.read()).collect();
    assert_eq!(read, [Some(0x41), None, None, None, Some(0x42), None]);
}

#[test]
fn set_up_waits_with_a_bound_and_disables_first() {
    let fake = Fake {
        busy: Cell::new(5),
        control: Cell::new(0x301),
        ..Fake::default()
    };
    let uart = Pl011::new(&fake);
    assert_eq!(uart.enable(4), Err(Error::Busy(4)));
    assert!(
        fake.written.borrow().is_empty(),
        "nothing is changed when the UART is busy"
    );
    assert_eq!(uart.enable(4), Ok(()));
    assert_eq!(fake.control.get(), 0x301);
    assert_eq!(fake.written.borrow().first(), Some(&(0x30, 0)));
}
