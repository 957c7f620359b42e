// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Locks between partitions.

use crate::span::Spanned;

/// A lock and the record that it guards.
#[derive(Clone, Debug)]
pub struct Lock {
    /// Its name.
    pub name: Spanned<String>,
    /// Who may take it, in the order of the spec.
    pub participants: Vec<Participant>,
    /// Longest time that it is held while somebody waits, in ns.
    pub hold: Spanned<u64>,
    /// Physical address of its page, if the spec pins it.
    pub at: Option<Spanned<u64>>,
    /// Whether its owner runs ahead of the slot table while somebody waits.
    pub inherits: bool,
}

/// A participant of a lock.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Partition index.
    pub partition: Spanned<usize>,
    /// Its place among those who wait: 0 is the most urgent.
    pub priority: u8,
    /// Times that it takes the lock in a major frame.
    pub acquisitions: u32,
}

impl Lock {
    /// Position of a partition among the participants.
    pub fn position(&self, partition: usize) -> Option<usize> {
        self.participants
            .iter()
            .position(|p| p.partition.value == partition)
    }

    /// Longest time in ns for which participants for whom `counts` holds run ahead of the slot table in a major
    /// frame.
    pub fn boosts(&self, counts: impl Fn(&Participant) -> bool) -> u64 {
        self.takings(counts).saturating_mul(self.hold.value)
    }

    /// Most boosts of those participants in a major frame.
    pub fn takings(&self, counts: impl Fn(&Participant) -> bool) -> u64 {
        let counted = self.participants.iter().filter(|p| self.inherits && counts(p));
        counted.map(|p| u64::from(p.acquisitions)).sum()
    }
}
