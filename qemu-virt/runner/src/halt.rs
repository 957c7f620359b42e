// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stopping a session at a moment at which counts and logs can be compared.

use std::ops::Range;

use crate::{RunnerError, Session};

impl Session {
    /// Stops virtual time at a moment at which no core executes at an address in `code`, for example between
    /// an exception and the vector's count of it.
    ///
    /// # Errors
    /// QEMU does not answer, or some core was found in `code` each of many times.
    pub fn stop_outside(&mut self, code: &Range<u64>) -> Result<(), RunnerError> {
        match self.counts.stop_outside(code) {
            Ok(true) => Ok(()),
            Ok(false) => Err(RunnerError::Ended(format!("a core stays in {code:x?}"))),
            Err(error) => Err(error),
        }
    }
}
