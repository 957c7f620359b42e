// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the time of a core was used, as EL2 tells a partition whose spec says `reads_ledger`.

use bulkhead_abi::hypercall::{INVALID_PARAMETERS, LEDGER_AGAIN, LEDGER_NOBODY, NOT_SUPPORTED, SUCCESS};
use bulkhead_abi::stats::MAX_VCPUS_PER_CORE;

/// Readings that are tried while the core is in the middle of a charge.
pub const TRIES: u32 = 8;

/// Why there is no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// The spec does not entitle this partition, or EL2 knows no ledger.
    NotEntitled,
    /// The board has no such core.
    NoSuchCore,
    /// The core was in the middle of a charge each time: try later. For ever when EL2 failed on it there.
    Busy,
    /// EL2 answered with this number.
    Unknown(i64),
}

/// What a vCPU executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Index of its partition, in the order of the spec.
    pub partition: u32,
    /// Its index inside the partition.
    pub vcpu: u32,
    /// Ticks that it executed.
    pub ticks: u64,
}

/// The ledger of a core at one time: `elapsed` is the sum of all others.
///
/// # Units
/// Ticks of the counter since the system's epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The time that it covers: up to EL2's last work on that core.
    pub elapsed: u64,
    /// EL2's.
    pub el2: u64,
    /// Sleep in EL2.
    pub idle: u64,
    used: [Option<Used>; MAX_VCPUS_PER_CORE],
}

impl Ledger {
    /// Reads by `call`, which gives `x0` and `x1` to `x17` of LEDGER_READ.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn read(mut call: impl FnMut() -> (i64, [u64; 17])) -> Result<Self, LedgerError> {
        for _ in 0..TRIES {
            let (result, values) = call();
            match result {
                SUCCESS => return Ok(Self::of(&values)),
                LEDGER_AGAIN => {}
                NOT_SUPPORTED => return Err(LedgerError::NotEntitled),
                INVALID_PARAMETERS => return Err(LedgerError::NoSuchCore),
                other => return Err(LedgerError::Unknown(other)),
            }
        }
        Err(LedgerError::Busy)
    }

    fn of(values: &[u64; 17]) -> Self {
        let [elapsed, el2, idle, rest @ ..] = *values;
        let (ticks, whose) = rest.split_at(MAX_VCPUS_PER_CORE);
        let mut used = [None; MAX_VCPUS_PER_CORE];
        for (place, (ticks, whose)) in used.iter_mut().zip(ticks.iter().zip(whose)) {
            let half = |shift: u32| u32::try_from(whose >> shift & u64::from(u32::MAX)).unwrap_or(u32::MAX);
            *place = (*whose != LEDGER_NOBODY).then(|| Used {
                partition: half(32),
                vcpu: half(0),
                ticks: *ticks,
            });
        }
        Self {
            elapsed,
            el2,
            idle,
            used,
        }
    }

    /// What the core's vCPUs executed.
    pub fn used(&self) -> impl Iterator<Item = &Used> {
        self.used.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-STAT-002.
    #[test]
    fn a_core_in_the_middle_of_a_charge_is_read_again() {
        let mut calls = 0;
        let ledger = Ledger::read(|| {
            calls += 1;
            let mut values = [0; 17];
            if calls < TRIES {
                return (1, values);
            }
            values = core::array::from_fn(|k| if k < 10 { 100 + k as u64 } else { u64::MAX });
            values[10] = 3 << 32 | 1;
            (0, values)
        });
        let ledger = ledger.expect("the last try");
        assert_eq!((ledger.elapsed, ledger.el2, ledger.idle), (100, 101, 102));
        let used = Used {
            partition: 3,
            vcpu: 1,
            ticks: 103,
        };
        assert_eq!(ledger.used().collect::<Vec<_>>(), [&used]);
    }

    /// Verifies: BH-STAT-003.
    #[test]
    fn refusals_have_names() {
        for (result, error) in [
            (-1, LedgerError::NotEntitled),
            (-2, LedgerError::NoSuchCore),
            (1, LedgerError::Busy),
            (7, LedgerError::Unknown(7)),
        ] {
            assert_eq!(Ledger::read(|| (result, [0; 17])), Err(error));
        }
    }
}
