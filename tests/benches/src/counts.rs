// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the plugin counted: its file, and the reason of each path through EL2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bulkhead_abi::stats::{ENTRY_FIQ, ENTRY_IRQ, ENTRY_SERROR};
use bulkhead_runner::reason::name;

use crate::Error;

/// Values with how often each was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(BTreeMap<u64, u64>);

impl Histogram {
    /// Adds a value that was seen so often.
    pub fn add(&mut self, value: u64, times: u64) {
        *self.0.entry(value).or_default() += times;
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (value, times) in &other.0 {
            self.add(*value, *times);
        }
    }

    /// Each value with how often it was seen.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(value, times)| (*value, *times))
    }

    /// How many values there are.
    pub fn samples(&self) -> u64 {
        self.0.values().sum()
    }

    /// The largest.
    pub fn max(&self) -> Option<u64> {
        self.0.keys().next_back().copied()
    }

    /// The smallest.
    pub fn min(&self) -> Option<u64> {
        self.0.keys().next().copied()
    }

    /// The lower median.
    pub fn median(&self) -> Option<u64> {
        let half = self.samples().div_ceil(2);
        let mut seen = 0;
        let middle = self.0.iter().find(|(_, times)| {
            seen += **times;
            seen >= half
        });
        middle.map(|(value, _)| *value)
    }
}

/// Counts of EL0, EL1 and EL2 up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(pub [u64; 3]);

impl Moment {
    /// Instructions of all levels since `earlier`.
    pub fn since(self, earlier: Self) -> u64 {
        let all = |moment: Self| moment.0.iter().sum::<u64>();
        all(self).saturating_sub(all(earlier))
    }
}

/// What a run's plugin counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lengths of the paths by reason.
    pub paths: BTreeMap<String, Histogram>,
    /// How often a vector was entered, by cause; the names are the report's.
    pub entries: BTreeMap<String, u64>,
    /// Marks.
    pub marks: BTreeMap<String, Moment>,
    /// Instructions in ranges, by name.
    pub ranges: BTreeMap<String, u64>,
    /// Instructions of EL0, EL1 and EL2 on all CPUs.
    pub total: [u64; 3],
    /// Instructions of the boot core from reset to the first return to a lower level or sleep.
    pub boot: u64,
}

impl Counts {
    /// Instructions of a path that EL2's ledger cannot see: before the vCPU is charged behind the vector, and after
    /// EL2 is.
    const UNSEEN: u64 = 160;

    /// What EL2 counted otherwise: of its entries by cause, exactly, and of its time, which is that of all paths, one
    /// instruction a ns, without what the ledger cannot see of each.
    ///
    /// It holds when nothing is under way: when all partitions are off. Implements: BH-BENCH-014.
    pub fn audit(&self, entries: &BTreeMap<String, u64>, el2_ns: u64) -> Vec<String> {
        let causes: BTreeSet<&String> = self.entries.keys().chain(entries.keys()).collect();
        let of = |map: &BTreeMap<String, u64>, cause| map.get(cause).copied().unwrap_or(0);
        let pairs = causes
            .into_iter()
            .map(|cause| (cause, of(entries, cause), of(&self.entries, cause)));
        let mut found: Vec<String> = pairs
            .filter(|(_, own, counted)| own != counted)
            .map(|(cause, own, counted)| {
                format!("entries for {cause}: EL2 counted {own}, the emulator {counted}")
            })
            .collect();
        let sum = |of: fn(u64) -> u64| -> u64 {
            let lengths = self.paths.values().flat_map(Histogram::iter);
            lengths.map(|(length, times)| of(length) * times).sum()
        };
        let (most, least) = (
            sum(|length| length),
            sum(|length| length.saturating_sub(Self::UNSEEN)),
        );
        if !(least..=most).contains(&el2_ns) {
            found.push(format!(
                "EL2's time: its ledger has {el2_ns} ns, of {most} instructions it can see at least {least}"
            ));
        }
        found
    }
}

impl Counts {
    /// What EL2's ledger says otherwise of its sleep since the epoch than the emulator, on a machine with one core: the
    /// time in which nothing was executed, one instruction a ns, and what the ledger cannot see of each sleep. `self`
    /// has counted all levels, and the boot part ended with the sleep until the epoch.
    ///
    /// Implements: BH-BENCH-014.
    pub fn audit_sleep(&self, elapsed_ns: u64, idle_ns: u64) -> Option<String> {
        let executed = self.total.iter().sum::<u64>().saturating_sub(self.boot);
        let wakes = self.paths.iter().filter(|(id, _)| id.starts_with("wake"));
        let wakes: u64 = wakes.map(|(_, lengths)| lengths.samples()).sum();
        let least = elapsed_ns.saturating_sub(executed);
        let most = least.saturating_add(wakes.saturating_mul(Self::UNSEEN));
        (!(least..=most).contains(&idle_ns)).then(|| {
            format!("EL2's sleep: its ledger has {idle_ns} ns, and by the emulator it is {least} to {most}")
        })
    }
}

/// EL2 entries that a path's beginning names; the numbers of the plugin's output.
const START: u32 = 8;
const SLEEP: u32 = 9;

/// The reason of a path, as `bounds.toml` names it.
///
/// # References
/// Arm DDI 0487, "ESR_EL2", "ISS encoding for an exception from MSR, MRS, or System instruction execution".
pub fn reason(from: u32, class: u32, detail: u64, ended: &str, switched: &str) -> String {
    /// `ICC_SGI1R_EL1`, written.
    const SGI1R: u64 = 0x003a_3016;
    const STORE: u64 = 1 << 63;
    let base = match (from, class) {
        (SLEEP, _) => "wake",
        (START, _) => "start",
        (0 | 4, 0x01) => "wfi",
        (0 | 4, 0x16) if detail == 0xc600_0001 => "hvc_null",
        (0 | 4, 0x16) if detail == 0xc600_0020 => "hvc_doorbell",
        (0 | 4, 0x16) => "hvc",
        (0 | 4, 0x17) if detail == 0x8200_0010 => "smc_forward",
        (0 | 4, 0x17) => "smc",
        (0 | 4, 0x18) if detail == SGI1R => "sgi",
        (0 | 4, 0x18) => "sysreg",
        (0 | 4, 0x24) => match (detail & !STORE, detail & STORE != 0) {
            (0x0800_0000..=0x0800_ffff, false) => "gicd_read",
            (0x0800_0000..=0x0800_ffff, true) => "gicd_write",
            (0x080a_0000..=0x08ff_ffff, false) => "gicr_read",
            (0x080a_0000..=0x08ff_ffff, true) => "gicr_write",
            (0x0900_0000..=0x0900_0fff, _) => "uart",
            (0x0b80_0000..=0x0b8f_ffff, _) => "lock",
            _ => "fault",
        },
        (0 | 4, _) => "fault",
        (1 | 5, _) => "irq",
        (2 | 6, _) => "fiq",
        _ => "serror",
    };
    let switch = match switched {
        "2" => "_start",
        "1" if from != START => "_switch",
        _ => "",
    };
    let sleep = if ended == "wfi" { "_sleep" } else { "" };
    format!("{base}{switch}{sleep}")
}

/// The cause of an entry, by which EL2 counts it, if the path began at a vector.
fn cause(from: u32, class: u32) -> Option<String> {
    let counter = match from {
        0 | 4 => usize::try_from(class).ok()?,
        1 | 5 => ENTRY_IRQ,
        2 | 6 => ENTRY_FIQ,
        3 | 7 => ENTRY_SERROR,
        _ => return None,
    };
    Some(name(counter).into_owned())
}

/// Reads the plugin's file.
///
/// # Errors
/// It is not there, or has another form.
pub fn read(path: &Path) -> Result<Counts, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
    parse(&text).ok_or_else(|| Error::Counts(path.display().to_string()))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn parse(text: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut lines = text.lines();
    if lines.next()? != "count\t1" {
        return None;
    }
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            // A path that found no room would be missing below.
            ["total", _, el0, el1, el2, "0"] => {
                for (sum, level) in counts.total.iter_mut().zip([el0, el1, el2]) {
                    *sum += number(level)?;
                }
            }
            ["path", cpu, from, class, detail, ended, switched, length, times] => {
                let (from, class) = (from.parse().ok()?, u32::try_from(number(class)?).ok()?);
                let (length, times) = (number(length)?, number(times)?);
                if from == START {
                    if *cpu == "0" {
                        counts.boot = length;
                    }
                    continue;
                }
                if let Some(cause) = cause(from, class) {
                    *counts.entries.entry(cause).or_default() += times;
                }
                let id = reason(from, class, number(detail)?, ended, switched);
                counts.paths.entry(id).or_default().add(length, times);
            }
            ["mark", name, _, el0, el1, el2] => {
                let moment = Moment([number(el0)?, number(el1)?, number(el2)?]);
                counts.marks.insert((*name).to_owned(), moment);
            }
            ["range", name, length] => {
                *counts.ranges.entry((*name).to_owned()).or_default() += number(length)?;
            }
            _ => return None,
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_named_by_reason_and_counted() {
        let text = "count\t1\ntotal\t0\t1\t2\t900\t0\n\
            path\t0\t8\t0\t0\teret\t1\t500\t1\n\
            path\t0\t0\t0x16\t0xc6000001\teret\t0\t30\t2\n\
            path\t1\t0\t0x16\t0xc6000001\teret\t0\t32\t3\n\
            path\t0\t2\t0\t0\teret\t1\t300\t1\n\
            path\t0\t2\t0\t0\teret\t2\t900\t1\n\
            path\t0\t0\t0x24\t0x8000000008000104\teret\t0\t90\t1\n\
            path\t0\t9\t0\t0\twfi\t0\t7\t1\n\
            mark\tuser\t0\t1\t2\t3\nrange\tv\t5\nrange\tv\t6\n";
        let counts = parse(text).expect("well-formed");
        let calls = counts.paths.get("hvc_null").expect("calls");
        assert_eq!(
            (calls.samples(), calls.min(), calls.median(), calls.max()),
            (5, Some(30), Some(32), Some(32))
        );
        let names: Vec<&str> = counts.paths.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["fiq_start", "fiq_switch", "gicd_write", "hvc_null", "wake_sleep"]
        );
        assert_eq!(counts.total, [1, 2, 900]);
        assert_eq!(counts.boot, 500);
        assert_eq!(counts.ranges.get("v"), Some(&11));
        assert_eq!(counts.marks.get("user"), Some(&Moment([1, 2, 3])));
    }

    #[test]
    fn a_count_that_lost_paths_is_refused() {
        assert_eq!(parse("count\t1\ntotal\t0\t1\t2\t3\t4\n"), None);
        assert_eq!(parse("count\t2\n"), None);
    }

    /// Verifies: BH-BENCH-014.
    #[test]
    fn sleep_that_the_emulator_did_not_see_is_a_breach() {
        let mut counts = Counts {
            total: [0, 30_000, 90_000],
            boot: 20_000,
            ..Counts::default()
        };
        let wakes = counts.paths.entry("wake_sleep".to_owned()).or_default();
        wakes.add(200, 10);
        let judged = |idle| counts.audit_sleep(1_000_000, idle);
        assert_eq!(judged(900_000), None);
        assert_eq!(judged(901_600), None);
        for idle in [899_999, 901_601] {
            let wanted = "ns, and by the emulator it is 900000 to 901600";
            let wanted = format!("EL2's sleep: its ledger has {idle} {wanted}");
            assert_eq!(judged(idle), Some(wanted));
        }
    }
}
