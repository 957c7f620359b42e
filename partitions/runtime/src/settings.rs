// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Settings of the car's displays: the record that `cluster` and `infotainment` share under a lock.
//!
//! Only who holds the lock reads or writes it. Words of 64 bits, so that a process of a Linux, which maps the record as
//! Device memory, can use it, too. Implements: BH-LOCK-026.

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// What the record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Of the displays, percent.
    pub brightness: u64,
    /// Of warnings, percent.
    pub volume: u64,
    /// How often it was written; 0 in a record that nobody has written yet.
    pub changes: u64,
}

impl Settings {
    /// Reads the record; `None` when it is too small, or half written.
    #[must_use]
    pub fn read(record: &[AtomicU64]) -> Option<Self> {
        let [brightness, volume, changes, check, ..] = record else {
            return None;
        };
        let [brightness, volume, changes, check] =
            [brightness, volume, changes, check].map(|word| word.load(Ordering::Relaxed));
        let settings = Self {
            brightness,
            volume,
            changes,
        };
        (check == settings.check()).then_some(settings)
    }

    /// Writes the record as its next change; does nothing when it is too small.
    pub fn write(self, record: &[AtomicU64]) {
        let [brightness, volume, changes, check, ..] = record else {
            return;
        };
        let next = Self {
            changes: changes.load(Ordering::Relaxed).wrapping_add(1),
            ..self
        };
        brightness.store(next.brightness, Ordering::Relaxed);
        volume.store(next.volume, Ordering::Relaxed);
        changes.store(next.changes, Ordering::Relaxed);
        check.store(next.check(), Ordering::Relaxed);
    }

    /// Zero for the record that nobody has written; different for any two records that differ in one word.
    const fn check(self) -> u64 {
        self.brightness
            .wrapping_mul(3)
            .wrapping_add(self.volume.wrapping_mul(5))
            .wrapping_add(self.changes.wrapping_mul(7))
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            brightness,
            volume,
            changes,
        } = self;
        write!(f, "brightness {brightness}, volume {volume}, change {changes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Verifies: BH-LOCK-026.
    #[test]
    fn a_record_is_read_as_it_was_written_and_refused_when_half_written() {
        let record = [const { AtomicU64::new(0) }; 6];
        assert_eq!(Settings::read(&record), Some(Settings::default()));
        let wanted = Settings {
            brightness: 70,
            volume: 30,
            changes: 99,
        };
        for changes in 1..4 {
            wanted.write(&record);
            assert_eq!(Settings::read(&record), Some(Settings { changes, ..wanted }));
        }
        for word in &record[..4] {
            let whole = word.fetch_add(1, Ordering::Relaxed);
            assert_eq!(Settings::read(&record), None);
            word.store(whole, Ordering::Relaxed);
        }
        assert_eq!(Settings::read(&record[..3]), None);
    }
}
