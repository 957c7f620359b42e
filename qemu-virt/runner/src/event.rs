// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the threads of a session tell it.

use std::process::ExitStatus;

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// Bytes of the serial line.
    Serial(Vec<u8>),
    /// The serial line was closed: no byte will follow.
    SerialClosed,
    /// QEMU ended, with its exit status.
    Exited(ExitStatus),
    /// The user typed bytes for the interactive console.
    Input(Vec<u8>),
    /// The user asked for the end of the run.
    Quit,
}
