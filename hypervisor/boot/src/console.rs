// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boot's text on the UART: the multiplex's first channel, before any channel is selected.

use core::fmt;

use bulkhead_board::Uart;

/// Tries for one byte; a UART that stays full loses it, boot goes on.
const TRIES: u32 = 1_000_000;

/// A UART that text is written to.
pub struct Console<U>(pub U);

impl<U: Uart> Console<U> {
    fn put(&mut self, byte: u8) {
        for _ in 0..TRIES {
            if self.0.try_put(byte) {
                return;
            }
        }
    }
}

impl<U: Uart> fmt::Write for Console<U> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.put(b'\r');
            }
            self.put(byte);
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal digits.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}
