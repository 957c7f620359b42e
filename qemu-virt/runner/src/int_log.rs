// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The emulator's own exception log (`-d int`), counted as EL2 counts its entries.
//!
//! QEMU writes an exception as a few lines while it holds its global lock, so that the lines of one
//! exception follow each other; lines about exception *returns* come from other threads in between and are
//! passed over.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use bulkhead_abi::stats::{ENTRY_COUNTERS, ENTRY_FIQ, ENTRY_IRQ, ENTRY_SERROR};

use crate::reason;

/// Entries to EL2 from a lower exception level, by counter index as in
/// [`bulkhead_abi::stats::VcpuStats::entries`].
pub type Counts = [u64; ENTRY_COUNTERS];

/// An exception of which not all lines have been seen.
#[derive(Clone, Copy, Debug)]
struct Pending {
    cpu: u32,
    kind: Kind,
    to_el2: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter(usize),
    /// The class is in the syndrome line.
    Synchronous,
}

/// Counts per CPU; feed it lines, oldest first.
#[derive(Clone, Debug, Default)]
pub struct IntLog {
    cpus: BTreeMap<u32, Counts>,
    pending: Option<Pending>,
}

impl IntLog {
    /// Counts a whole log.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn read(log: impl BufRead) -> io::Result<Self> {
        let mut counts = Self::default();
        for line in log.split(b'\n') {
            counts.line(&String::from_utf8_lossy(&line?));
        }
        Ok(counts)
    }

    /// Counts of a CPU; all zero when it never entered EL2.
    pub fn cpu(&self, cpu: u32) -> Counts {
        self.cpus.get(&cpu).copied().unwrap_or([0; ENTRY_COUNTERS])
    }

    /// All entries of a CPU.
    pub fn total(&self, cpu: u32) -> u64 {
        self.cpu(cpu).iter().sum()
    }

    /// Counts of a CPU by cause, with the names of a report's `el2_entries.by_reason`.
    pub fn by_reason(&self, cpu: u32) -> BTreeMap<String, u64> {
        let counts = self.cpu(cpu).into_iter().enumerate();
        let caused = counts.filter(|&(_, count)| count != 0);
        caused
            .map(|(index, count)| (reason::name(index).into_owned(), count))
            .collect()
    }

    /// Takes one line. Implements: BH-QEMU-006.
    pub fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("Taking exception ") {
            self.pending = begin(rest);
        } else if let Some(levels) = line.strip_prefix("...from EL") {
            self.levels(levels);
        } else if let Some(syndrome) = line.strip_prefix("...with ESR ") {
            self.syndrome(syndrome);
        } else if line.starts_with("...handled as") {
            // A call that the emulator's firmware answers does not enter EL2.
            self.pending = None;
        }
    }

    /// `1 to EL2`: an interrupt is complete with it, another exception waits for its syndrome.
    fn levels(&mut self, levels: &str) {
        let Some(pending) = &mut self.pending else { return };
        pending.to_el2 = matches!(levels, "0 to EL2" | "1 to EL2");
        let (pending, Kind::Counter(index)) = (*pending, pending.kind) else {
            return;
        };
        self.pending = None;
        if pending.to_el2 {
            self.count(pending.cpu, index);
        }
    }

    /// `0x16/0x5a000000`: exception class and whole syndrome.
    fn syndrome(&mut self, syndrome: &str) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let class = syndrome
            .split('/')
            .next()
            .and_then(|class| class.strip_prefix("0x"));
        let class = class.and_then(|class| usize::from_str_radix(class, 16).ok());
        if let (true, Some(class)) = (pending.to_el2, class) {
            self.count(pending.cpu, class);
        }
    }

    fn count(&mut self, cpu: u32, index: usize) {
        let counts = self.cpus.entry(cpu).or_insert([0; ENTRY_COUNTERS]);
        if let Some(counter) = counts.get_mut(index) {
            *counter += 1;
        }
    }
}

/// `5 [IRQ] on CPU 0`.
fn begin(rest: &str) -> Option<Pending> {
    let (name, cpu) = rest.split_once('[')?.1.split_once("] on CPU ")?;
    let kind = match name {
        "IRQ" | "NMI" => Kind::Counter(ENTRY_IRQ),
        "FIQ" => Kind::Counter(ENTRY_FIQ),
        "SERR" | "SError" => Kind::Counter(ENTRY_SERROR),
        _ => Kind::Synchronous,
    };
    Some(Pending {
        cpu: cpu.trim_end().parse().ok()?,
        kind,
        to_el2: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of QEMU 10.0; a return of the other core's comes in between.
    const LOG: &str = "\
Exception return from AArch64 EL2 to AArch64 EL1 PC 0x4100003c
Taking exception 11 [Hypervisor Call] on CPU 0
...from EL1 to EL2
...with ESR 0x16/0x5a000000
...with SPSR 0x3c5
...with ELR 0x41000044
...to EL2 PC 0x41000c00 PSTATE 0x3c9
Taking exception 5 [IRQ] on CPU 1
...from EL1 to EL2
...with ESR 0x16/0x5a000000
...with SPSR 0x800003c5
...with ELR 0x41000070
...to EL2 PC 0x41000c80 PSTATE 0x3c9
Taking exception 12 [Hypervisor Trap] on CPU 0
...from EL0 to EL2
Exception return from AArch64 EL2 to AArch64 EL1 PC 0x41000070
...with ESR 0x17/0x5e000000
...with SPSR 0x3c5
";

    fn counts(log: &str) -> Vec<(u32, String, u64)> {
        let log = IntLog::read(log.as_bytes()).expect("log");
        let cpus = (0..4).flat_map(|cpu| {
            log.by_reason(cpu)
                .into_iter()
                .map(move |(name, count)| (cpu, name, count))
        });
        cpus.collect()
    }

    /// Verifies: BH-QEMU-006.
    #[test]
    fn entries_are_counted_by_cpu_and_cause() {
        let expected = [(0, "hvc", 1), (0, "smc", 1), (1, "irq", 1)];
        let expected = expected.map(|(cpu, name, count)| (cpu, name.to_owned(), count));
        assert_eq!(counts(LOG), expected);
    }

    /// Verifies: BH-QEMU-006.
    #[test]
    fn what_does_not_enter_el2_from_below_is_not_counted() {
        for log in [
            "Taking exception 2 [SVC] on CPU 0\n...from EL0 to EL1\n...with ESR 0x15/0x56000000\n",
            "Taking exception 4 [Data Abort] on CPU 0\n...from EL2 to EL2\n...with ESR 0x25/0x96000050\n",
            "Taking exception 13 [Secure Monitor Call] on CPU 0\n...from EL2 to EL3\n...with ESR 0x17/0x5e000000\n\
             ...handled as PSCI call\n",
            "Taking exception 5 [IRQ] on CPU 0\n...from EL1 to EL1\n",
            "...from EL1 to EL2\n...with ESR 0x16/0x5a000000\n",
        ] {
            assert_eq!(counts(log), [], "{log}");
        }
    }
}
