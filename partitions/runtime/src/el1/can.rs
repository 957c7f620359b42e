// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition's CAN controller: its interrupt moves received frames into a queue.

use core::cell::RefCell;

use bulkhead_devices::can::{Controller, Frame};
use bulkhead_devices::ctucanfd::{self, CtuCanFd, MmioCtuCanFd};
use bulkhead_devices::m_can::{self, MCan, MmioMCan};
use bulkhead_devices::xilinx_can::{self, MmioXilinxCan, XilinxCan};
use bulkhead_devices::xilinx_canfd::{self, MmioXilinxCanFd, XilinxCanFd};
use critical_section::Mutex;
use embedded_can::ErrorKind;
use embedded_can::nb::Can as _;
use heapless::Deque;

use super::shared;
use crate::machine::{Can, CanKind};

/// Frames that wait for the program at most.
const QUEUE: usize = 64;
/// Bit rate of the bus in bit/s.
const BIT_RATE: u32 = 500_000;
/// Readings of a register that a reset may take.
const RESET_POLLS: u32 = 10_000;

/// What happened on the bus since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames handed to the controller.
    pub sent: u64,
    /// Frames taken from the controller.
    pub received: u64,
    /// Times at which frames were lost, in the controller or because the queue was full.
    pub overruns: u64,
    /// Frames that were not sent because no transmit buffer was free.
    pub unsent: u64,
    /// What the controller held and nobody could read.
    pub unreadable: u64,
}

/// The controller of whatever kind.
enum AnyController {
    Ctu(MmioCtuCanFd),
    Zynq(MmioXilinxCan),
    Xilinx(MmioXilinxCanFd),
    Bosch(MmioMCan),
}

/// What a controller says of a frame that it could not deliver.
fn told<T, E: embedded_can::Error>(result: nb::Result<T, E>) -> nb::Result<T, ErrorKind> {
    result.map_err(|error| error.map(|e| e.kind()))
}

impl AnyController {
    fn new(node: Can<'_>) -> Result<Self, OpenError> {
        match node.kind {
            CanKind::CtuCanFd => {
                let registers = shared::registers(node.range).ok_or(OpenError::Range)?;
                CtuCanFd::new(registers, ctucanfd::Timing::KBIT_500_AT_100_MHZ, RESET_POLLS)
                    .map(Self::Ctu)
                    .map_err(OpenError::CtuCanFd)
            }
            CanKind::XilinxCan => {
                let registers = shared::registers(node.range).ok_or(OpenError::Range)?;
                let clock = node.clock.unwrap_or(0);
                let timing = xilinx_can::timing(clock, BIT_RATE).ok_or(OpenError::Clock(clock))?;
                XilinxCan::new(registers, timing, RESET_POLLS)
                    .map(Self::Zynq)
                    .map_err(OpenError::Controller)
            }
            CanKind::XilinxCanFd => {
                let registers = shared::registers(node.range).ok_or(OpenError::Range)?;
                let clock = node.clock.unwrap_or(0);
                let timing = xilinx_canfd::timing(clock, BIT_RATE).ok_or(OpenError::Clock(clock))?;
                XilinxCanFd::new(registers, timing, RESET_POLLS)
                    .map(Self::Xilinx)
                    .map_err(OpenError::Controller)
            }
            CanKind::MCan => {
                let registers = shared::registers(node.range).ok_or(OpenError::Range)?;
                let clock = node.clock.unwrap_or(0);
                let timing = m_can::timing(clock, BIT_RATE).ok_or(OpenError::Clock(clock))?;
                MCan::new(registers, timing, RESET_POLLS)
                    .map(Self::Bosch)
                    .map_err(OpenError::Controller)
            }
        }
    }

    fn transmit(&mut self, frame: &Frame) -> nb::Result<Option<Frame>, ErrorKind> {
        match self {
            Self::Ctu(controller) => told(controller.transmit(frame)),
            Self::Zynq(controller) => told(controller.transmit(frame)),
            Self::Xilinx(controller) => told(controller.transmit(frame)),
            Self::Bosch(controller) => told(controller.transmit(frame)),
        }
    }

    fn receive(&mut self) -> nb::Result<Frame, ErrorKind> {
        match self {
            Self::Ctu(controller) => told(controller.receive()),
            Self::Zynq(controller) => told(controller.receive()),
            Self::Xilinx(controller) => told(controller.receive()),
            Self::Bosch(controller) => told(controller.receive()),
        }
    }

    fn enable_receive_interrupt(&mut self) {
        match self {
            Self::Ctu(controller) => controller.enable_receive_interrupt(),
            Self::Zynq(controller) => controller.enable_receive_interrupt(),
            Self::Xilinx(controller) => controller.enable_receive_interrupt(),
            Self::Bosch(controller) => controller.enable_receive_interrupt(),
        }
    }

    fn begin_reception(&mut self) {
        match self {
            Self::Ctu(controller) => controller.begin_reception(),
            Self::Zynq(controller) => controller.begin_reception(),
            Self::Xilinx(controller) => controller.begin_reception(),
            Self::Bosch(controller) => controller.begin_reception(),
        }
    }

    fn end_reception(&mut self) {
        match self {
            Self::Ctu(controller) => controller.end_reception(),
            Self::Zynq(controller) => controller.end_reception(),
            Self::Xilinx(controller) => controller.end_reception(),
            Self::Bosch(controller) => controller.end_reception(),
        }
    }
}

struct Service {
    controller: AnyController,
    queue: Deque<Frame, QUEUE>,
    counts: Counts,
}

// SAFETY: device registers belong to no thread; the mutex around the service admits the program or the
// interrupt handler, one at a time.
unsafe impl Send for Service {}

static SERVICE: Mutex<RefCell<Option<Service>>> = Mutex::new(RefCell::new(None));

fn with<T>(action: impl FnOnce(&mut Service) -> T) -> Option<T> {
    critical_section::with(|section| {
        SERVICE
            .borrow(section)
            .try_borrow_mut()
            .ok()?
            .as_mut()
            .map(action)
    })
}

/// Why a controller cannot be used.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "read by Debug, for the partition's last words")]
pub(super) enum OpenError {
    /// The range is too small for its registers.
    Range,
    /// Its clock, in Hz, cannot be divided to the bit rate.
    Clock(u32),
    /// It does not do as it should.
    CtuCanFd(ctucanfd::Error),
    /// It does not do as it should.
    Controller(bulkhead_devices::can::Error),
}

/// Starts the controller and its reception.
pub(super) fn open(node: Can<'_>) -> Result<(), OpenError> {
    let mut controller = AnyController::new(node)?;
    // The handler must find the service at the first frame: an interrupt that nobody takes back never ends.
    critical_section::with(|section| {
        controller.enable_receive_interrupt();
        let service = Service {
            controller,
            queue: Deque::new(),
            counts: Counts::default(),
        };
        SERVICE.borrow(section).replace(Some(service));
    });
    Ok(())
}

/// Takes the oldest received frame.
#[must_use]
pub fn receive() -> Option<Frame> {
    with(|service| service.queue.pop_front()).flatten()
}

/// Sends a frame; it is counted as unsent when the controller has no room for it.
pub fn send(frame: &Frame) {
    with(|service| match service.controller.transmit(frame) {
        Ok(_) => service.counts.sent += 1,
        Err(_) => service.counts.unsent += 1,
    });
}

/// Counts since the start.
#[must_use]
pub fn counts() -> Counts {
    with(|service| service.counts).unwrap_or_default()
}

/// The controller's interrupt: at most a queue of frames, then it is taken back.
///
/// What is left in the controller raises the interrupt again.
pub(super) fn on_interrupt() {
    with(|service| {
        service.controller.begin_reception();
        for _ in 0..QUEUE {
            match service.controller.receive() {
                Ok(frame) => {
                    service.counts.received += 1;
                    // The newest frames are worth more than the oldest.
                    if service.queue.is_full() {
                        service.queue.pop_front();
                        service.counts.overruns += 1;
                    }
                    let _ = service.queue.push_back(frame);
                }
                Err(nb::Error::WouldBlock) => break,
                Err(nb::Error::Other(ErrorKind::Overrun)) => service.counts.overruns += 1,
                Err(nb::Error::Other(_)) => service.counts.unreadable += 1,
            }
        }
        service.controller.end_reception();
    });
}
