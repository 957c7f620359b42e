// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Judges what the consoles say: expected lines, forbidden lines, EL2's own words.
//!
//! A line is looked at whenever more of it is seen. A text that part of a line contains, the whole line
//! contains too, so that the result does not depend on how the bytes arrive.

use bulkhead_abi::stats::{core_state, partition_state};
use bulkhead_model::manifest::{Expectation, Manifest};

use crate::console::{Line, contains};
use crate::stats::Snapshot;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// A partition, by index.
    Partition(usize),
    /// EL2's boot messages.
    HypervisorText,
    /// EL2's log.
    HypervisorLog,
}

/// A line that is looked for.
#[derive(Clone, Debug)]
pub struct Watch {
    /// What and where.
    pub line: Expectation,
    /// Index of its partition.
    pub partition: Option<usize>,
    /// Whether it was seen.
    pub seen: bool,
    /// Virtual time when it was seen; follows when the statistics have been read.
    pub at_ns: Option<u64>,
}

impl Watch {
    fn new(line: &Expectation, manifest: &Manifest) -> Self {
        let partition = manifest.partitions.iter().position(|p| p.name == line.partition);
        Self {
            line: line.clone(),
            partition,
            seen: false,
            at_ns: None,
        }
    }
}

/// All that is looked for, and what was found.
#[derive(Clone, Debug)]
pub struct Judge {
    /// Lines that must be seen.
    pub expect: Vec<Watch>,
    /// Lines that must not be seen.
    pub never: Vec<Watch>,
    /// The blob's hash as EL2 said it.
    pub blob_hash: Option<String>,
    /// Who did not start the system and why, in its own words.
    pub refusal: Option<String>,
    /// Whether a boot loader has spoken, and EL2 not yet.
    boot_loader: bool,
}

impl Judge {
    /// Nothing seen yet.
    pub fn new(manifest: &Manifest) -> Self {
        let watches = |lines: &[Expectation]| lines.iter().map(|line| Watch::new(line, manifest)).collect();
        Self {
            expect: watches(&manifest.expect),
            never: watches(&manifest.never),
            blob_hash: None,
            refusal: None,
            boot_loader: false,
        }
    }

    /// Takes a line. Implements: BH-QEMU-003, BH-QEMU-004.
    pub fn line(&mut self, speaker: Speaker, line: Line<'_>) {
        match (speaker, line) {
            (Speaker::Partition(index), Line::Whole(line) | Line::Part(line)) => self.partition(index, line),
            (Speaker::HypervisorText, Line::Whole(line)) => self.hypervisor(&String::from_utf8_lossy(line)),
            // U-Boot's prompt: it has tried everything.
            (Speaker::HypervisorText, Line::Part(b"=> ")) if self.boot_loader => {
                self.refuse("found nothing to start".to_owned());
            }
            (Speaker::HypervisorText, Line::Part(_)) | (Speaker::HypervisorLog, _) => {}
        }
    }

    fn partition(&mut self, index: usize, line: &[u8]) {
        for watch in self.expect.iter_mut().chain(&mut self.never) {
            if watch.partition == Some(index) && contains(line, &watch.line.text) {
                watch.seen = true;
            }
        }
    }

    /// `BLOB <hash> …`, `refused: …`, `stopped: …`.
    fn hypervisor(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("U-Boot") => self.boot_loader = true,
            Some("Bulkhead") => self.boot_loader = false,
            Some("BLOB") => self.blob_hash = words.next().map(str::to_ascii_lowercase),
            Some("refused:" | "stopped:") => self.refuse(line.trim().to_owned()),
            Some(_) | None => {}
        }
    }

    /// The first refusal counts.
    fn refuse(&mut self, words: String) {
        let who = if self.boot_loader {
            "the boot loader"
        } else {
            "EL2"
        };
        self.refusal.get_or_insert(format!("{who} {words}"));
    }

    /// Whether a line was seen whose time is not known yet.
    pub fn wants_time(&self) -> bool {
        let mut watches = self.expect.iter().chain(&self.never);
        watches.any(|watch| watch.seen && watch.at_ns.is_none())
    }

    /// Gives the time to all lines that were seen since the last call.
    pub fn stamp(&mut self, now_ns: u64) {
        for watch in self.expect.iter_mut().chain(&mut self.never) {
            if watch.seen && watch.at_ns.is_none() {
                watch.at_ns = Some(now_ns);
            }
        }
    }

    /// Whether every expected line was seen.
    pub fn satisfied(&self) -> bool {
        self.expect.iter().all(|watch| watch.seen)
    }

    /// The first forbidden line that was seen.
    pub fn forbidden(&self) -> Option<&Watch> {
        self.never.iter().find(|watch| watch.seen)
    }

    /// Why a line that was not seen cannot be seen any more.
    pub fn impossible(&self, manifest: &Manifest, stats: &Snapshot) -> Option<String> {
        let missing = self.expect.iter().filter(|watch| !watch.seen);
        missing.filter_map(|watch| watch.partition).find_map(|index| {
            let name = &manifest.partitions.get(index)?.name;
            let vcpus = manifest.vcpus.iter().enumerate();
            let mut own = vcpus.filter(|(_, vcpu)| usize::try_from(vcpu.partition) == Ok(index));
            own.find_map(|(global, vcpu)| {
                let (core, counts) = stats.vcpu(manifest, global)?;
                if core.stats.state == core_state::FAILED {
                    return Some(format!("core {} of partition `{name}` failed", vcpu.core));
                }
                // The core of vCPU 0 keeps the state of the whole partition.
                match counts.partition_state {
                    partition_state::FAILED if vcpu.index == 0 => Some(format!("partition `{name}` failed")),
                    partition_state::OFF if vcpu.index == 0 => Some(format!("partition `{name}` is off")),
                    _ => None,
                }
            })
        })
    }

    /// Reasons against a pass; none means pass. Implements: BH-QEMU-003.
    pub fn reasons(&self, blob_hash: &str) -> Vec<String> {
        let mut reasons: Vec<String> = self.refusal.iter().cloned().collect();
        match &self.blob_hash {
            Some(said) if said == blob_hash => {}
            Some(said) => reasons.push(format!("EL2 runs blob {said}, but {blob_hash} was built")),
            None => reasons.push("EL2 never told which blob it runs".to_owned()),
        }
        let quoted = |watch: &Watch| format!("`{}` on `{}`", watch.line.text, watch.line.partition);
        let forbidden = self.never.iter().filter(|watch| watch.seen);
        reasons.extend(forbidden.map(|watch| format!("{} must not be seen, but was", quoted(watch))));
        let missing = self.expect.iter().filter(|watch| !watch.seen);
        reasons.extend(missing.map(|watch| format!("{} was not seen", quoted(watch))));
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{HASH, manifest};
    use crate::stats::tests as stats;
    use bulkhead_abi::stats::VcpuStats;
    use zerocopy::FromZeros;

    fn judge() -> Judge {
        Judge::new(&manifest())
    }

    fn said(judge: &mut Judge, partition: usize, line: &str) {
        judge.line(Speaker::Partition(partition), Line::Whole(line.as_bytes()));
    }

    fn banner(judge: &mut Judge, line: &str) {
        judge.line(Speaker::HypervisorText, Line::Whole(line.as_bytes()));
    }

    /// Verifies: BH-QEMU-003.
    #[test]
    fn a_run_passes_with_its_blob_and_all_lines() {
        let mut judge = judge();
        banner(&mut judge, &format!("BLOB {HASH} (2 partitions)"));
        judge.line(Speaker::Partition(0), Line::Part(b"scenario 3: STOP"));
        assert!(!judge.satisfied());
        judge.line(Speaker::Partition(0), Line::Part(b"scenario 3: STOPPED"));
        assert!(judge.satisfied() && judge.wants_time());
        judge.stamp(7);
        judge.stamp(9);
        assert!(!judge.wants_time());
        assert_eq!(judge.expect[0].at_ns, Some(7));
        assert_eq!(judge.reasons(HASH), Vec::<String>::new());
    }

    /// Verifies: BH-QEMU-003.
    #[test]
    fn each_lack_is_a_reason() {
        let mut judge = judge();
        assert_eq!(
            judge.reasons(HASH),
            [
                "EL2 never told which blob it runs",
                "`scenario 3: STOPPED` on `vehicle` was not seen"
            ]
        );
        banner(&mut judge, "BLOB 00ff");
        said(&mut judge, 0, "scenario 3: STOPPED");
        said(&mut judge, 0, "scenario 4: CRASHED");
        let reasons = judge.reasons(HASH);
        assert_eq!(reasons[0], format!("EL2 runs blob 00ff, but {HASH} was built"));
        assert_eq!(reasons[1], "`CRASHED` on `vehicle` must not be seen, but was");
        banner(&mut judge, "refused: cores (blob: 4, board: 2)");
        assert_eq!(judge.reasons(HASH)[0], "EL2 refused: cores (blob: 4, board: 2)");
    }

    /// Verifies: BH-FLSH-003.
    #[test]
    fn who_refuses_is_said() {
        let mut judge = judge();
        judge.line(Speaker::HypervisorText, Line::Part(b"=> "));
        assert_eq!(judge.refusal, None);
        let mut other = judge.clone();
        banner(&mut judge, "U-Boot 2023.01 (Jun 22 2026)");
        banner(&mut other, "U-Boot 2023.01 (Jun 22 2026)");
        judge.line(Speaker::HypervisorText, Line::Part(b"=> "));
        assert_eq!(
            judge.refusal.as_deref(),
            Some("the boot loader found nothing to start")
        );
        banner(&mut other, "Bulkhead 0.1.0 on qemu-virt");
        banner(&mut other, "refused: cores (blob: 4, board: 2)");
        assert_eq!(
            other.refusal.as_deref(),
            Some("EL2 refused: cores (blob: 4, board: 2)")
        );
    }

    /// Verifies: BH-QEMU-004.
    #[test]
    fn a_partition_cannot_speak_for_another_or_for_el2() {
        let mut judge = judge();
        said(&mut judge, 1, "scenario 3: STOPPED");
        said(&mut judge, 1, &format!("BLOB {HASH}"));
        said(&mut judge, 1, "refused: me");
        assert!(!judge.satisfied());
        assert_eq!((judge.blob_hash, judge.refusal), (None, None));
    }

    /// Verifies: BH-QEMU-005.
    #[test]
    fn what_a_stopped_partition_has_not_said_it_never_says() {
        let state = |core_state, partition_state| {
            let area: Vec<_> = (0..2)
                .map(|index| {
                    let mut core = stats::core(index, 1, 1);
                    let mut vcpu = VcpuStats::new_zeroed();
                    vcpu.vcpu = u64::from(index);
                    vcpu.partition_state = partition_state::RUNNING;
                    if index == 0 {
                        (core.state, vcpu.partition_state) = (core_state, partition_state);
                    }
                    (core, vec![vcpu])
                })
                .collect();
            Snapshot::parse(&stats::area(&area), 2).expect("snapshot")
        };
        let mut judge = judge();
        let why = |judge: &Judge, snapshot| judge.impossible(&manifest(), &snapshot);
        let running = state(core_state::RUNNING, partition_state::RUNNING);
        assert_eq!(why(&judge, running), None);
        let restarting = state(core_state::RUNNING, partition_state::RESTARTING);
        assert_eq!(why(&judge, restarting), None);
        let off = || state(core_state::RUNNING, partition_state::OFF);
        assert_eq!(why(&judge, off()).as_deref(), Some("partition `vehicle` is off"));
        let core = state(core_state::FAILED, partition_state::RUNNING);
        assert_eq!(
            why(&judge, core).as_deref(),
            Some("core 0 of partition `vehicle` failed")
        );
        said(&mut judge, 0, "scenario 3: STOPPED");
        assert_eq!(why(&judge, off()), None);
    }
}
