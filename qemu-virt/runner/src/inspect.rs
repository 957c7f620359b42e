// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a test does to the machine: it reads memory, and stops it when counts and logs can be compared.

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
    /// Reads `length` bytes of the machine's physical memory now.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn memory(&mut self, address: u64, length: usize) -> Result<Vec<u8>, RunnerError> {
        self.counts.memory(address, length)
    }
}
