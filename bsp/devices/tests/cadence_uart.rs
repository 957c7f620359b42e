// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Cadence UART driver against a fake that loses every byte it has no room for. Verifies: BH-DEV-010.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fake that is misused fails its test"
)]

use std::cell::RefCell;
use std::collections::VecDeque;

use bulkhead_devices::block::RegisterBlock;
use bulkhead_devices::cadence_uart::CadenceUart;

#[derive(Default)]
struct State {
    control: u32,
    mode: u32,
    masked: u32,
    interrupts: u32,
    transmit: Vec<u8>,
    receive: VecDeque<u8>,
}

/// A UART with a FIFO of two bytes that is off until it is enabled.
#[derive(Default)]
struct Fake(RefCell<State>);

impl RegisterBlock for &Fake {
    fn read(&self, offset: usize) -> u32 {
        let mut s = self.0.borrow_mut();
        match offset {
            0x04 => s.mode,
            0x14 => s.interrupts,
            // Reserved bits read as ones: nothing may depend on them.
            0x2c => {
                0xffff_83e0 | u32::from(s.receive.is_empty()) << 1 | u32::from(s.transmit.len() >= 2) << 4
            }
            0x30 => u32::from(s.receive.pop_front().unwrap()) | 0xff00,
            other => panic!("read of {other:#x}"),
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let mut s = self.0.borrow_mut();
        match offset {
            0x00 => s.control = value,
            0x04 => s.mode = value,
            0x0c => s.masked |= value,
            0x14 => s.interrupts &= !value,
            0x30 => {
                assert_eq!(s.control & 0x30, 0x10, "the transmitter is off");
                assert!(s.transmit.len() < 2, "a byte is lost");
                s.transmit.push(u8::try_from(value).unwrap());
            }
            other => panic!("write of {other:#x}"),
        }
    }
}

#[test]
fn it_is_on_with_the_divisor_and_clock_of_firmware() {
    let fake = Fake::default();
    fake.0.borrow_mut().control = 0x128;
    // Input clock by 8, remote loop-back, two stop bits, even parity, six bits.
    fake.0.borrow_mut().mode = 0x387;
    fake.0.borrow_mut().interrupts = 0xffff;
    CadenceUart::new(&fake).enable();
    let s = fake.0.borrow();
    assert_eq!((s.control, s.mode), (0x114, 0x21));
    assert_eq!((s.masked, s.interrupts & 0x1fff), (0x1fff, 0));
}

#[test]
fn no_byte_is_lost_that_was_accepted() {
    let fake = Fake::default();
    let uart = CadenceUart::new(&fake);
    uart.enable();
    assert!(uart.try_write(b'a') && uart.try_write(b'b'));
    assert!(!uart.try_write(b'c'));
    fake.0.borrow_mut().transmit.remove(0);
    assert!(uart.try_write(b'c'));
    assert_eq!(fake.0.borrow().transmit, b"bc");
}

#[test]
fn damaged_characters_are_discarded() {
    let fake = Fake::default();
    let uart = CadenceUart::new(&fake);
    uart.enable();
    assert_eq!(uart.read(), None);
    fake.0.borrow_mut().receive.extend(*b"xyz");
    assert_eq!(uart.read(), Some(b'x'));
    for damage in [1 << 6, 1 << 7] {
        fake.0.borrow_mut().receive.push_front(b'?');
        fake.0.borrow_mut().interrupts = damage;
        assert_eq!((uart.read(), fake.0.borrow().interrupts), (None, 0));
    }
    assert_eq!(
        (uart.read(), uart.read(), uart.read()),
        (Some(b'y'), Some(b'z'), None)
    );
}
