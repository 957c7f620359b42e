// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The console in the window: lines of text, or defmt frames in the same ring. Implements: BH-PART-007.
//!
//! Nothing waits for the reader; a record that does not fit is dropped and counted.

use core::cell::RefCell;
use core::fmt::{Arguments, Write};

use critical_section::{Mutex, RestoreState};
use defmt::Encoder;

use super::shared::Window;
use crate::machine::Encoding;
use crate::ring::{Consumer, Producer};

struct Console {
    ring: Option<(Producer<'static>, Encoding)>,
    input: Option<Consumer<'static>>,
    encoder: Encoder,
    /// How interrupts stood when the log frame in the making began.
    interrupts: RestoreState,
}

static CONSOLE: Mutex<RefCell<Console>> = Mutex::new(RefCell::new(Console {
    ring: None,
    input: None,
    encoder: Encoder::new(),
    interrupts: RestoreState::invalid(),
}));

/// Runs `action` on the console; does nothing when it is in use, which only a fault inside it can cause.
fn with<T>(action: impl FnOnce(&mut Console) -> T) -> Option<T> {
    critical_section::with(|section| Some(action(&mut *CONSOLE.borrow(section).try_borrow_mut().ok()?)))
}

/// Opens the console of `window`.
pub(super) fn open(window: &'static Window, encoding: Encoding) {
    let producer = Producer::new(&window.transmit, &window.transmit_data);
    let consumer = Consumer::new(&window.receive, &window.receive_data);
    with(|console| {
        console.ring = Some((producer, encoding));
        console.input = Some(consumer);
    });
}

/// The next byte that the host has typed.
pub fn typed() -> Option<u8> {
    with(|console| console.input.as_mut()?.next()).flatten()
}

/// Writes one line of text, if the console carries text.
pub fn line(text: Arguments<'_>) {
    with(|console| {
        if let Some((producer, Encoding::Text)) = &mut console.ring {
            // Staging cannot fail.
            let _ = producer.write_fmt(format_args!("{text}\n"));
            producer.commit();
        }
    });
}

/// Says why the partition ends, in whatever the console carries, also from inside a log call.
pub(super) fn last_words(why: Arguments<'_>) {
    with(|console| {
        if let Some((producer, _)) = &mut console.ring {
            producer.abandon();
        }
    });
    line(why);
    defmt::error!("{}", defmt::Display2Format(&why));
}

#[defmt::global_logger]
struct Logger;

/// Lets defmt's encoder write to the ring, if the console carries defmt.
fn encode(action: impl FnOnce(&mut Encoder, &mut dyn FnMut(&[u8]))) {
    with(|console| {
        if let Some((producer, Encoding::Defmt)) = &mut console.ring {
            action(&mut console.encoder, &mut |bytes| producer.stage(bytes));
        }
    });
}

// SAFETY: 1. From `acquire` to `release` interrupts are masked, so that frames do not interleave. 2. `flush`,
// `write` and `release` are called by defmt between the two only.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        // SAFETY: released in `release`, which defmt calls exactly once for each `acquire`, in the same context.
        let interrupts = unsafe { critical_section::acquire() };
        with(|console| console.interrupts = interrupts);
        encode(|encoder, mut out| encoder.start_frame(&mut out));
    }

    /// The reader empties the ring in its own time; nothing is awaited.
    unsafe fn flush() {}

    unsafe fn release() {
        encode(|encoder, mut out| encoder.end_frame(&mut out));
        let mut interrupts = RestoreState::invalid();
        with(|console| {
            interrupts = console.interrupts;
            if let Some((producer, Encoding::Defmt)) = &mut console.ring {
                producer.commit();
            }
        });
        // SAFETY: the state is that of the matching `acquire`.
        unsafe { critical_section::release(interrupts) };
    }

    unsafe fn write(bytes: &[u8]) {
        encode(|encoder, mut out| encoder.write(bytes, &mut out));
    }
}
