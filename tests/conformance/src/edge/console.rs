// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The console: the window's ring where there is one, else the PL011.

use core::fmt::{Arguments, Write};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use bulkhead_abi::window::{TX_CONTROL, TX_DATA, TX_SIZE, WINDOW_SIZE};
use bulkhead_devices::block::Mmio;
use bulkhead_devices::pl011::{MmioPl011, Pl011, WORDS};
use bulkhead_partition::ring::{Control, Producer};

use crate::board::Board;

static WINDOW: AtomicUsize = AtomicUsize::new(0);
static UART: AtomicUsize = AtomicUsize::new(0);

/// Takes the console that the device tree names.
pub(crate) fn open(board: &Board) {
    if let Some((window, _)) = board.machine.window
        && window.start.is_multiple_of(4096)
        && window.size >= WINDOW_SIZE as u64
    {
        WINDOW.store(usize::try_from(window.start).unwrap_or(0), Ordering::Relaxed);
    } else if let Some(uart) = board.uart
        && uart.start.is_multiple_of(4)
        && uart.size >= WORDS as u64 * 4
    {
        UART.store(usize::try_from(uart.start).unwrap_or(0), Ordering::Relaxed);
    }
}

fn ring(window: usize) -> Producer<'static> {
    // SAFETY: 1. `open` took an aligned window of sufficient size from the device tree, which is mapped for
    // ever. 2. All of both objects is atomic, valid for any bit pattern and for accesses of EL2.
    let control = unsafe { &*core::ptr::with_exposed_provenance::<Control>(window + TX_CONTROL) };
    // SAFETY: as above.
    let data =
        unsafe { &*core::ptr::with_exposed_provenance::<[AtomicU8; TX_SIZE as usize]>(window + TX_DATA) };
    Producer::new(control, data)
}

struct Uart(MmioPl011);

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            while !self.0.try_write(byte) {
                core::hint::spin_loop();
            }
        }
        Ok(())
    }
}

/// Writes one line.
pub(crate) fn line(text: Arguments<'_>) {
    let (window, uart) = (WINDOW.load(Ordering::Relaxed), UART.load(Ordering::Relaxed));
    if window != 0 {
        let mut producer = ring(window);
        // Staging cannot fail.
        let _ = producer.write_fmt(format_args!("{text}\n"));
        producer.commit();
    } else if uart != 0 {
        // SAFETY: `open` took the address from the PL011's node of the device tree; it is aligned, large enough
        // and mapped as Device memory for ever; registers are accessed by volatile loads and stores only.
        let registers = Mmio::new(unsafe { &*core::ptr::with_exposed_provenance(uart) });
        // The line feed of a raw terminal does not return.
        let _ = Uart(Pl011::new(registers)).write_fmt(format_args!("{text}\r\n"));
    }
}
