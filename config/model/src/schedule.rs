// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The slot tables of sliced cores, and how much memory traffic these may make.

use crate::span::Spanned;

/// The slot tables of all sliced cores.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Length of the major frame in ns.
    pub major_frame: Spanned<u64>,
    /// The core whose table holds the system slots.
    pub system_core: usize,
    /// The core that does EL2's housekeeping in its standby slots when EL2 has failed on the system core.
    pub standby_core: Option<usize>,
    /// One table for each sliced core.
    pub cores: Vec<CoreSchedule>,
    /// Budgets of memory traffic, at most one for each sliced core.
    pub bandwidth: Vec<Bandwidth>,
}

/// How much memory traffic a sliced core may make.
#[derive(Clone, Copy, Debug)]
pub struct Bandwidth {
    /// The core.
    pub core: Spanned<usize>,
    /// Events in a period, above 0.
    pub events: Spanned<u32>,
    /// Length of a period in ns; the major frame is a whole number of them.
    pub period: Spanned<u64>,
}

impl Schedule {
    /// The table of a core.
    pub fn core(&self, core: usize) -> Option<&CoreSchedule> {
        self.cores.iter().find(|c| c.core.value == core)
    }

    /// Whether EL2's housekeeping is done on a core, at once or when EL2 has failed on the system core.
    pub fn keeps_house(&self, core: usize) -> bool {
        core == self.system_core || Some(core) == self.standby_core
    }

    /// The budget of a core.
    pub fn budget(&self, core: usize) -> Option<&Bandwidth> {
        self.bandwidth.iter().find(|b| b.core.value == core)
    }
}

/// The slot table of a core: its slots fill the major frame without gap or overlap.
#[derive(Clone, Debug)]
pub struct CoreSchedule {
    /// Index into [`crate::board::Board::cores`].
    pub core: Spanned<usize>,
    /// Slots in time order.
    pub slots: Vec<Slot>,
}

/// A slot.
#[derive(Clone, Debug)]
pub struct Slot {
    /// What runs.
    pub run: Spanned<Run>,
    /// Begin, ns from the begin of the frame.
    pub offset: u64,
    /// Length in ns.
    pub length: Spanned<u64>,
    /// The vCPUs that have a part of it, the most urgent first; none where it is one vCPU's, without more ado.
    pub shares: Vec<Share>,
    /// The vCPU that runs when none of these can, or has budget left.
    pub slack: Option<Spanned<Run>>,
}

/// A vCPU's part of a slot.
#[derive(Clone, Debug)]
pub struct Share {
    /// The vCPU.
    pub run: Spanned<Run>,
    /// Time in ns that it may use, above 0 and at most the slot.
    pub budget: u64,
}

impl Slot {
    /// The vCPUs to which the slot gives time, the most urgent first, with how much: [`Slot::shares`], or the whole
    /// slot.
    pub fn users(&self) -> Vec<Share> {
        if self.shares.is_empty() {
            vec![Share {
                run: self.run,
                budget: self.length.value,
            }]
        } else {
            self.shares.clone()
        }
    }
}

/// What a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// A vCPU.
    Vcpu {
        /// Partition index.
        partition: usize,
        /// vCPU index in the partition.
        vcpu: usize,
    },
    /// EL2's housekeeping.
    System,
    /// EL2's housekeeping when EL2 has failed on the system core; else nothing.
    Standby,
    /// Nothing.
    Idle,
}
