// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The user's terminal while one console is interactive.
//!
//! The escape key is Ctrl-]: then `q` ends the run, Ctrl-] sends the key itself, anything else is dropped.
//!
//! Implements: BH-VIEW-005.

use std::io::{self, IsTerminal, Read};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::event::Event;

/// Ctrl-].
const ESCAPE_KEY: u8 = 0x1d;

/// A terminal in raw mode; dropping it restores the mode that it had.
#[derive(Debug)]
pub(crate) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Makes standard input raw; `None` when it is no terminal.
    pub(crate) fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        // The guest's lines end in a bare newline when it has no terminal driver of its own.
        raw.output_modes |= before.output_modes;
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing is left to do when the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

/// Takes the escape key out of what was typed.
#[derive(Debug, Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// Bytes for the guest, and whether the user wants to quit.
    fn take(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut bytes = Vec::with_capacity(typed.len());
        for &byte in typed {
            let escaped = std::mem::take(&mut self.escaped);
            match (escaped, byte) {
                (true, b'q' | b'Q') => return (bytes, true),
                (true, ESCAPE_KEY) | (false, _) if escaped || byte != ESCAPE_KEY => bytes.push(byte),
                (false, _) => self.escaped = true,
                (true, _) => {}
            }
        }
        (bytes, false)
    }
}

/// Reads standard input into events, on a thread that ends with the program.
pub(crate) fn read_keys(events: Sender<Event>) {
    let mut keys = io::stdin().is_terminal().then(Keys::default);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut stdin = io::stdin();
        while let Ok(length @ 1..) = stdin.read(&mut buffer) {
            let typed = &buffer[..length];
            let (bytes, quit) = match &mut keys {
                Some(keys) => keys.take(typed),
                None => (typed.to_vec(), false),
            };
            let sent = bytes.is_empty() || events.send(Event::Input(bytes)).is_ok();
            if quit {
                // The session may have ended by itself meanwhile.
                let _ = events.send(Event::Quit);
            }
            if quit || !sent {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-VIEW-005.
    #[test]
    fn the_escape_key_quits_or_is_sent_twice() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"ls\x03"), (b"ls\x03".to_vec(), false));
        assert_eq!(keys.take(b"a\x1d\x1db"), (b"a\x1db".to_vec(), false));
        assert_eq!(keys.take(b"a\x1dxb"), (b"ab".to_vec(), false));
        assert_eq!(keys.take(b"z\x1d"), (b"z".to_vec(), false));
        assert_eq!(keys.take(b"qrest"), (Vec::new(), true));
        assert_eq!(Keys::default().take(b"q"), (b"q".to_vec(), false));
    }
}
