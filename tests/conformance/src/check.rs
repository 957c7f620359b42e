// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a case is, what it finds, and the comparisons it makes.
#![forbid(unsafe_code)]

use core::fmt;

use crate::board::Board;

/// What a machine must have for a case; where it has not, the case is not listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The CPU that the suite runs on.
    Nothing,
    /// A second CPU.
    Second,
    /// An SPI whose enable bit can be set.
    Spi,
    /// Both.
    SecondAndSpi,
}

/// One case.
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) text: &'static str,
    pub(crate) needs: Needs,
    pub(crate) run: fn(&Board) -> Outcome,
}

impl Case {
    /// A case for one CPU.
    pub(crate) const fn one(id: &'static str, text: &'static str, run: fn(&Board) -> Outcome) -> Self {
        Self::new(id, text, Needs::Nothing, run)
    }

    /// A case for two CPUs.
    pub(crate) const fn two(id: &'static str, text: &'static str, run: fn(&Board) -> Outcome) -> Self {
        Self::new(id, text, Needs::Second, run)
    }

    /// A case.
    pub(crate) const fn new(
        id: &'static str,
        text: &'static str,
        needs: Needs,
        run: fn(&Board) -> Outcome,
    ) -> Self {
        Self { id, text, needs, run }
    }
}

/// What was expected.
enum Expected {
    Value(&'static str, u64),
    Fact(&'static str),
}

/// How a case failed.
pub(crate) struct Failure {
    expected: Expected,
    got: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected {
            Expected::Value(what, value) => {
                write!(f, "expected {what} = {value:#x}, got {:#x}", self.got)
            }
            Expected::Fact(fact) => write!(f, "expected {fact}, got {:#x}", self.got),
        }
    }
}

/// What a case returns.
pub(crate) type Outcome = Result<(), Failure>;

/// `what` is `expected`.
pub(crate) fn equal(what: &'static str, expected: impl Into<u64>, got: impl Into<u64>) -> Outcome {
    let (expected, got) = (expected.into(), got.into());
    if expected == got {
        Ok(())
    } else {
        Err(Failure {
            expected: Expected::Value(what, expected),
            got,
        })
    }
}

/// `fact` holds, of which `got` is the evidence.
pub(crate) fn holds(fact: &'static str, condition: bool, got: impl Into<u64>) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Failure {
            expected: Expected::Fact(fact),
            got: got.into(),
        })
    }
}
