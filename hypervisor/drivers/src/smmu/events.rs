// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the SMMU reports: its event queue and its global errors.
//!
//! # References
//! Arm IHI 0070, "Event queue, Fault model and error reporting", "SMMU_EVENTQ_PROD", "SMMU_GERROR".

use super::{Command, EVENT_BITS, QUEUE_MASK, Smmu, offset};

/// Index of the event queue with its wrap bit.
const MASK: u32 = (2 << EVENT_BITS) - 1;
/// `SMMU_EVENTQ_PROD.OVFLG` and `SMMU_EVENTQ_CONS.OVACKFLG`: they differ after an overflow.
const OVERFLOW: u32 = 1 << 31;
/// `SMMU_GERROR.CMDQ_ERR`: the command queue has stopped at a command.
pub const COMMAND_QUEUE_ERROR: u32 = 1 << 0;

/// What [`Smmu::drain`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Records taken.
    pub records: u32,
    /// Whether records were lost since the last time, because the queue was full.
    pub overflowed: bool,
    /// Whether records are left.
    pub more: bool,
}

impl Smmu {
    /// Takes at most `budget` records, oldest first; `order` keeps the reads of records after that of the index
    /// (a DSB). An overflow is acknowledged, so that the next one is seen. Implements: BH-DMA-020.
    ///
    /// # Timing
    /// Four loads and one call of `each` for a record, four register accesses.
    pub fn drain(&self, budget: u32, order: &impl Fn(), mut each: impl FnMut([u64; 4])) -> Drained {
        let produced = self.registers.read32(offset::EVENTQ_PROD);
        let mut position = self.registers.read32(offset::EVENTQ_CONS) & MASK;
        let waiting = (produced.wrapping_sub(position) & MASK).min(1 << EVENT_BITS);
        let records = waiting.min(budget);
        order();
        let overflowed = (produced ^ self.registers.read32(offset::EVENTQ_CONS)) & OVERFLOW != 0;
        for _ in 0..records {
            let index = usize::try_from(position & (MASK >> 1)).unwrap_or(usize::MAX);
            let at = index.saturating_mul(32);
            let word = |n: usize| self.events.read64(at.saturating_add(n));
            each([word(0), word(8), word(16), word(24)]);
            position = position.wrapping_add(1) & MASK;
        }
        if records > 0 || overflowed {
            let state = position | produced & OVERFLOW;
            self.registers.write32(offset::EVENTQ_CONS, state);
        }
        Drained {
            records,
            overflowed,
            more: waiting > records,
        }
    }

    /// Errors that are active in `SMMU_GERROR`, acknowledged; but the command queue's, see [`Smmu::resume_commands`].
    pub fn take_global_errors(&self) -> u32 {
        let errors = self.registers.read32(offset::GERROR);
        let known = self.registers.read32(offset::GERRORN);
        let active = errors ^ known;
        let settled = active & !COMMAND_QUEUE_ERROR;
        if settled != 0 {
            self.registers.write32(offset::GERRORN, known ^ settled);
        }
        active
    }

    /// Lets the command queue go on after the command at which it stopped, which becomes a CMD_SYNC. Nobody puts
    /// commands meanwhile.
    pub fn resume_commands(&self, publish: &impl Fn()) {
        let at = self.registers.read32(offset::CMDQ_CONS) & QUEUE_MASK;
        self.put(at, Command::Sync);
        publish();
        let known = self.registers.read32(offset::GERRORN);
        let errors = self.registers.read32(offset::GERROR);
        let settled = (errors ^ known) & COMMAND_QUEUE_ERROR;
        self.registers.write32(offset::GERRORN, known ^ settled);
    }
}

#[cfg(test)]
mod tests {
    use super::super::SIZE;
    use super::*;

    struct Machine {
        registers: Vec<u64>,
        queue: Vec<u64>,
    }

    impl Machine {
        fn new() -> Self {
            let mut queue = vec![0u64; 512 * 2];
            for (number, record) in (0..).zip(queue[512..].chunks_mut(4)) {
                record[0] = number;
            }
            let registers = vec![0; SIZE / 8];
            Self { registers, queue }
        }

        fn smmu(&mut self) -> Smmu {
            let base = self.registers.as_mut_ptr().expose_provenance();
            let page = u64::try_from(self.queue.as_mut_ptr().expose_provenance()).expect("fits");
            // SAFETY: both vectors outlive the driver of each test and are used only through it meanwhile.
            unsafe { Smmu::new(base, page) }
        }
    }

    fn drain(smmu: &Smmu, budget: u32) -> (Vec<u64>, Drained) {
        let mut seen = Vec::new();
        let drained = smmu.drain(budget, &|| (), |[first, ..]| seen.push(first));
        (seen, drained)
    }

    /// Verifies: BH-DMA-020.
    #[test]
    fn a_flood_costs_its_budget_and_no_record_twice() {
        let mut machine = Machine::new();
        let smmu = machine.smmu();
        smmu.registers.write32(offset::EVENTQ_PROD, 0x80);
        let (seen, drained) = drain(&smmu, 100);
        assert_eq!(
            (seen.len(), seen.first(), seen.last()),
            (100, Some(&0), Some(&99))
        );
        assert!(drained.more && !drained.overflowed);
        assert_eq!(smmu.registers.read32(offset::EVENTQ_CONS), 100);
        smmu.registers.write32(offset::EVENTQ_PROD, 0x82);
        let (seen, drained) = drain(&smmu, 100);
        assert_eq!((seen.len(), seen.last()), (30, Some(&1)));
        assert!(!drained.more);
        assert_eq!(drain(&smmu, 100).1.records, 0);
    }

    /// Verifies: BH-DMA-020.
    #[test]
    fn an_overflow_is_seen_once_and_the_next_one_too() {
        let mut machine = Machine::new();
        let smmu = machine.smmu();
        let overflow = |on: bool, index| index | if on { OVERFLOW } else { 0 };
        smmu.registers.write32(offset::EVENTQ_PROD, overflow(true, 0x80));
        assert!(drain(&smmu, 128).1.overflowed);
        assert_eq!(smmu.registers.read32(offset::EVENTQ_CONS), overflow(true, 0x80));
        assert!(!drain(&smmu, 128).1.overflowed);
        smmu.registers.write32(offset::EVENTQ_PROD, overflow(false, 0x80));
        assert_eq!(
            drain(&smmu, 128).1,
            Drained {
                records: 0,
                overflowed: true,
                more: false
            }
        );
    }

    #[test]
    fn a_producer_that_lies_costs_a_queue_at_most() {
        let mut machine = Machine::new();
        let smmu = machine.smmu();
        smmu.registers.write32(offset::EVENTQ_PROD, 0x7FFF_FFFF);
        assert_eq!(drain(&smmu, u32::MAX).0.len(), 128);
    }

    #[test]
    fn global_errors_are_acknowledged_and_the_command_queue_goes_on() {
        let mut machine = Machine::new();
        let smmu = machine.smmu();
        smmu.registers.write32(offset::GERROR, 0x85);
        smmu.registers.write32(offset::GERRORN, 0x04);
        assert_eq!(smmu.take_global_errors(), 0x81);
        assert_eq!(smmu.registers.read32(offset::GERRORN), 0x84);
        smmu.registers.write32(offset::CMDQ_CONS, 0x0100_0103);
        smmu.resume_commands(&|| ());
        assert_eq!(smmu.registers.read32(offset::GERRORN), 0x85);
        assert_eq!(smmu.take_global_errors(), 0);
        assert_eq!(machine.queue.get(6), Some(&0x46));
    }
}
