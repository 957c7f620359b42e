// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The CTU CAN FD driver against a fake core that punishes misuse. Verifies: BH-CAN-001, BH-CAN-002, BH-CAN-003.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a fake that is misused fails its test"
)]

mod fake_ctucanfd;

use bulkhead_devices::can::{Controller, Frame};
use bulkhead_devices::ctucanfd::{CtuCanFd, Error, Timing};
use embedded_can::nb::Can;
use embedded_can::{ExtendedId, Frame as _, StandardId};
use fake_ctucanfd::Fake;

const TIMING: Timing = Timing::KBIT_500_AT_100_MHZ;

fn started(fake: &Fake) -> CtuCanFd<&Fake> {
    CtuCanFd::new(fake, TIMING, 10).expect("the fake starts")
}

fn standard(id: u16, data: &[u8]) -> Frame {
    Frame::new(StandardId::new(id).unwrap(), data).unwrap()
}

#[test]
fn another_device_is_refused_before_it_is_written_to() {
    let fake = Fake::new(4);
    fake.state().device_id = 0x1234;
    assert_eq!(
        CtuCanFd::new(&fake, TIMING, 10).err(),
        Some(Error::WrongDevice(0x1234))
    );
    assert_eq!(fake.state().writes, 0);
}

#[test]
fn the_reset_is_awaited_with_a_bound() {
    let fake = Fake::new(4);
    fake.state().reset_polls = 1000;
    assert_eq!(
        CtuCanFd::new(&fake, TIMING, 10).err(),
        Some(Error::ResetTimeout(10))
    );
    let wrong = Timing { phase2: 0, ..TIMING };
    assert_eq!(
        CtuCanFd::new(&Fake::new(4), wrong, 10).err(),
        Some(Error::Timing(wrong))
    );
}

#[test]
fn bit_timing_is_what_the_data_sheet_asks_for() {
    let fake = Fake::new(4);
    started(&fake);
    // Fields at bits 0, 7, 13, 19, 27.
    assert_eq!(
        fake.state().bit_timing,
        7 | (8 << 7) | (4 << 13) | (10 << 19) | (2 << 27)
    );
}

#[test]
fn frames_leave_in_order_whatever_the_number_of_buffers() {
    for buffers in 1..=8 {
        let fake = Fake::new(buffers);
        let mut can = started(&fake);
        let mut sent = 0_u8;
        for round in 0..50_u8 {
            // Fill until the core is full, let it send a varying number, and go on.
            while can.transmit(&standard(0x100, &[sent])).is_ok() {
                sent += 1;
            }
            fake.send(usize::from(round % 3) + 1);
        }
        fake.send(8);
        let bus: Vec<u8> = fake
            .state()
            .bus
            .iter()
            .map(|words| words[4].to_le_bytes()[0])
            .collect();
        assert_eq!(bus, (0..sent).collect::<Vec<u8>>(), "{buffers} buffers");
    }
}

#[test]
fn a_buffer_that_failed_or_was_aborted_is_used_again() {
    let fake = Fake::new(2);
    let mut can = started(&fake);
    for outcome in [6, 7] {
        can.transmit(&standard(1, &[])).unwrap();
        can.transmit(&standard(1, &[])).unwrap();
        assert_eq!(can.transmit(&standard(1, &[])), Err(nb::Error::WouldBlock));
        fake.finish_all(outcome);
    }
    assert!(can.transmit(&standard(1, &[])).is_ok());
}

#[test]
fn words_of_frames_are_laid_out_as_in_the_data_sheet() {
    let fake = Fake::new(4);
    let mut can = started(&fake);
    can.transmit(&standard(0x7ff, &[1, 2, 3, 4, 5, 6, 7, 8])).unwrap();
    can.transmit(&Frame::new(ExtendedId::new(0x1abc_def0).unwrap(), &[9]).unwrap())
        .unwrap();
    can.transmit(&Frame::new_remote(StandardId::new(2).unwrap(), 5).unwrap())
        .unwrap();
    fake.send(3);
    let bus = &fake.state().bus;
    assert_eq!(bus[0], [8, 0x7ff << 18, 0, 0, 0x0403_0201, 0x0807_0605]);
    assert_eq!(bus[1], [1 | (1 << 6), 0x1abc_def0, 0, 0, 9, 0]);
    assert_eq!(bus[2], [5 | (1 << 5), 2 << 18, 0, 0, 0, 0]);
}

#[test]
fn what_was_sent_is_received_whole() {
    let (from, to) = (Fake::new(4), Fake::new(4));
    let (mut sender, mut receiver) = (started(&from), started(&to));
    let frames = [
        standard(0, &[]),
        standard(0x123, &[0xff; 8]),
        Frame::new(ExtendedId::new(0x1fff_ffff).unwrap(), &[1, 2, 3, 4, 5]).unwrap(),
        Frame::new_remote(ExtendedId::new(1).unwrap(), 8).unwrap(),
    ];
    for frame in frames {
        sender.transmit(&frame).unwrap();
        from.send(1);
        let words = *from.state().bus.last().unwrap();
        to.deliver(&words);
    }
    for frame in frames {
        assert_eq!(receiver.receive(), Ok(frame));
    }
    assert_eq!(receiver.receive(), Err(nb::Error::WouldBlock));
}

#[test]
fn an_overrun_is_reported_once_and_costs_only_what_did_not_fit() {
    let fake = Fake::new(4);
    let mut can = started(&fake);
    fake.state().fifo_words = 20;
    for n in 0..5 {
        fake.deliver(&[4, 5 << 18, 0, 0, n]);
    }
    assert_eq!(can.receive(), Err(nb::Error::Other(Error::Overrun)));
    for n in 0..4 {
        assert_eq!(can.receive(), Ok(standard(5, &[n, 0, 0, 0])));
    }
    assert_eq!(can.receive(), Err(nb::Error::WouldBlock));
}

#[test]
fn what_is_not_classic_is_skipped_to_the_next_frame() {
    let fake = Fake::new(4);
    let mut can = started(&fake);
    let mut flexible = vec![15 | (1 << 7) | (1 << 9), 6 << 18, 0, 0];
    flexible.extend([0xdead_beef; 16]);
    fake.deliver(&flexible);
    // A classic frame with data length code 9 has eight bytes.
    fake.deliver(&[9, 7 << 18, 0, 0, 1, 2]);
    assert_eq!(can.receive(), Err(nb::Error::Other(Error::NotClassic)));
    assert_eq!(can.receive(), Ok(standard(7, &[1, 0, 0, 0, 2, 0, 0, 0])));
}

#[test]
fn nonsense_in_the_fifo_is_dropped_and_reception_goes_on() {
    for nonsense in [0, 2 << 11, 20 << 11, 31 << 11, (3 << 11) | 8] {
        let fake = Fake::new(4);
        let mut can = started(&fake);
        fake.inject(&[nonsense, 1, 2, 3]);
        assert_eq!(
            can.receive(),
            Err(nb::Error::Other(Error::Malformed)),
            "{nonsense:#x}"
        );
        fake.deliver(&[0, 7 << 18, 0, 0]);
        assert_eq!(can.receive(), Ok(standard(7, &[])));
    }
}

#[test]
fn the_interrupt_is_raised_by_frames_and_taken_back_when_they_were_read() {
    let fake = Fake::new(4);
    let mut can = started(&fake);
    fake.deliver(&[0, 7 << 18, 0, 0]);
    assert!(!fake.line(), "not enabled yet");
    can.enable_receive_interrupt();
    assert!(fake.line());
    // Acknowledged too early, it comes back; nothing is lost.
    can.end_reception();
    assert!(fake.line());
    can.receive().unwrap();
    can.end_reception();
    assert!(!fake.line());
}
