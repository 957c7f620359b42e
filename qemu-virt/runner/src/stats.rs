// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL2's statistics area and the partitions' metrics, as read from memory.

use bulkhead_abi::health::{HEALTH_OFFSET, HealthLog};
use bulkhead_abi::queuing::{self, QueueHeader, ReaderHeader};
use bulkhead_abi::stats::{self, CoreStats, VcpuStats};
use bulkhead_abi::window::{
    METRICS_MAGIC, METRICS_VERSION, Metrics, RingControl, TX_CONTROL, TX_DATA, TX_SIZE,
};
use bulkhead_model::manifest::Manifest;
use zerocopy::FromBytes;

use crate::report::QueueReport;

/// Why an area is not readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatsError {
    /// A block does not begin with the magic number.
    #[error("core {core}: magic {magic:#x}")]
    Magic {
        /// Core of the block.
        core: u32,
        /// What is there.
        magic: u32,
    },
    /// A block has a layout that this tool does not know.
    #[error("core {core}: layout version {version}")]
    Version {
        /// Core of the block.
        core: u32,
        /// Its version.
        version: u32,
    },
    /// A block names another core, or more vCPUs than fit.
    #[error("core {core}: block of core {found} with {vcpus} vCPUs")]
    Shape {
        /// Core of the block.
        core: u32,
        /// Core that it names.
        found: u32,
        /// vCPUs that it names.
        vcpus: u32,
    },
    /// A vCPU is not where the manifest says.
    #[error("vCPU {expected} expected on core {core}, found vCPU {found}")]
    Vcpu {
        /// Core of the block.
        core: u32,
        /// The manifest's vCPU.
        expected: u64,
        /// The one there.
        found: u64,
    },
    /// The area is shorter than its cores need.
    #[error("too short for core {core}")]
    Short {
        /// The first core that is missing.
        core: u32,
    },
}

/// The block of one core.
#[derive(Clone, Debug)]
pub struct Core {
    /// What EL2 wrote.
    pub stats: CoreStats,
    /// Its vCPUs in blob order.
    pub vcpus: Vec<VcpuStats>,
    /// What its health monitor recorded.
    pub health: Box<HealthLog>,
}

impl Core {
    /// A number of ticks in ns (0 when the frequency is not known).
    pub fn ns(&self, ticks: u64) -> u64 {
        const NS: u128 = 1_000_000_000;
        let ns = (u128::from(ticks) * NS).checked_div(u128::from(self.stats.frequency));
        u64::try_from(ns.unwrap_or(0)).unwrap_or(u64::MAX)
    }

    fn parse(block: &[u8], core: u32) -> Result<Option<Self>, StatsError> {
        let short = StatsError::Short { core };
        let (stats, _) = CoreStats::read_from_prefix(block).map_err(|_| short)?;
        match (stats.magic, stats.version) {
            (0, _) => return Ok(None),
            (stats::MAGIC, stats::VERSION) => {}
            (stats::MAGIC, version) => return Err(StatsError::Version { core, version }),
            (magic, _) => return Err(StatsError::Magic { core, magic }),
        }
        let count = usize::try_from(stats.vcpu_count).unwrap_or(usize::MAX);
        if stats.core != core || count > stats::MAX_VCPUS_PER_CORE {
            return Err(StatsError::Shape {
                core,
                found: stats.core,
                vcpus: stats.vcpu_count,
            });
        }
        let vcpus = (0..count)
            .map(|k| {
                let start = stats::VCPU_STATS_OFFSET + k * stats::VCPU_STATS_SIZE;
                let bytes = block.get(start..).ok_or(short)?;
                VcpuStats::read_from_prefix(bytes)
                    .map(|(vcpu, _)| vcpu)
                    .map_err(|_| short)
            })
            .collect::<Result<_, _>>()?;
        let health = block.get(HEALTH_OFFSET..).ok_or(short)?;
        let (health, _) = HealthLog::read_from_prefix(health).map_err(|_| short)?;
        let health = Box::new(health);
        Ok(Some(Self { stats, vcpus, health }))
    }
}

/// The steady state's begin.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// Virtual time of the mark, ns since the epoch.
    pub from_ns: u64,
    /// EL2 entries of each vCPU at the mark.
    pub entries: [u64; stats::MAX_VCPUS],
}

/// The whole area at one time; a core that has not started its run-time part is `None`.
/// Implements: BH-REP-002.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Cores by index.
    pub cores: Vec<Option<Core>>,
}

impl Snapshot {
    /// Whether no core was read between the two stores of a charge: first the ticks are added to their account, then
    /// the ledger says how far it has come. Implements: BH-REP-002.
    pub fn is_between_charges(&self) -> bool {
        self.cores.iter().flatten().all(|core| {
            let run = core.vcpus.iter().map(|vcpu| vcpu.run_ticks);
            let charged = [core.stats.el2_ticks, core.stats.idle_ticks]
                .into_iter()
                .chain(run);
            charged.fold(0, u64::saturating_add) <= core.stats.now
        })
    }

    /// Reads the area of `cores` cores.
    ///
    /// # Errors
    /// A block is neither empty nor of the version that this tool knows.
    pub fn parse(area: &[u8], cores: u32) -> Result<Self, StatsError> {
        let mut blocks = area.chunks(stats::CORE_STATS_SIZE);
        let cores = (0..cores)
            .map(|core| Core::parse(blocks.next().unwrap_or(&[]), core))
            .collect::<Result<_, _>>()?;
        Ok(Self { cores })
    }

    /// Checks that each vCPU is where the manifest says.
    ///
    /// # Errors
    /// One is not.
    pub fn check(&self, manifest: &Manifest) -> Result<(), StatsError> {
        for (expected, vcpu) in (0..).zip(&manifest.vcpus) {
            let Some(core) = self.core(vcpu.core) else {
                continue;
            };
            let found = core.vcpus.get(vcpu.slot as usize).map(|found| found.vcpu);
            if found != Some(expected) {
                return Err(StatsError::Vcpu {
                    core: vcpu.core,
                    expected,
                    found: found.unwrap_or(u64::MAX),
                });
            }
        }
        Ok(())
    }

    /// The block of a core.
    pub fn core(&self, index: u32) -> Option<&Core> {
        self.cores.get(index as usize)?.as_ref()
    }

    /// The block of a vCPU and that of its core, by global vCPU index.
    pub fn vcpu(&self, manifest: &Manifest, index: usize) -> Option<(&Core, &VcpuStats)> {
        let vcpu = manifest.vcpus.get(index)?;
        let core = self.core(vcpu.core)?;
        Some((core, core.vcpus.get(vcpu.slot as usize)?))
    }

    /// Virtual time in ns since the epoch: the newest that a core has noted.
    pub fn now_ns(&self) -> u64 {
        let cores = self.cores.iter().flatten();
        cores.map(|core| core.ns(core.stats.now)).max().unwrap_or(0)
    }

    /// The steady state's begin, when it was marked.
    pub fn steady(&self) -> Option<Steady> {
        let marked = self
            .cores
            .iter()
            .flatten()
            .filter(|core| core.stats.mark.time != 0);
        marked.min_by_key(|core| core.stats.mark.time).map(|core| Steady {
            from_ns: core.ns(core.stats.mark.time),
            entries: core.stats.mark.entries,
        })
    }
}

/// A partition's metrics, when it has published them.
pub fn metrics(bytes: &[u8]) -> Option<Metrics> {
    let (metrics, _) = Metrics::read_from_prefix(bytes).ok()?;
    (metrics.magic == METRICS_MAGIC && metrics.version == METRICS_VERSION).then_some(metrics)
}

/// What writer and reader of a queue say of it, from the begins of their memories; zeros before they began.
/// Implements: BH-REP-004.
pub fn queue(name: &str, writers: &[u8], readers: &[u8]) -> QueueReport {
    let writer = QueueHeader::read_from_prefix(writers)
        .ok()
        .map(|(header, _)| header);
    let writer = writer.filter(|h| (h.magic, h.version) == (queuing::MAGIC, queuing::VERSION));
    let reader = ReaderHeader::read_from_prefix(readers)
        .ok()
        .map(|(header, _)| header);
    let reader = reader.filter(|h| (h.magic, h.version) == (queuing::READER_MAGIC, queuing::VERSION));
    QueueReport {
        name: name.to_owned(),
        sent: writer.map_or(0, |h| h.sent),
        refused: writer.map_or(0, |h| h.refused),
        taken: reader.map_or(0, |h| h.taken),
        lost: reader.map_or(0, |h| h.lost),
    }
}

/// The bytes of a window's ring to the host that nobody has taken out yet.
/// Implements: BH-VIEW-003.
///
/// The indices are the guest's claim: nothing is read when they do not make sense.
pub fn undrained(window: &[u8]) -> Vec<u8> {
    let control = window
        .get(TX_CONTROL..)
        .and_then(|bytes| RingControl::read_from_prefix(bytes).ok());
    let Some((control, _)) = control else {
        return Vec::new();
    };
    let length = control.head.wrapping_sub(control.tail);
    if length > TX_SIZE {
        return Vec::new();
    }
    let byte = |number: u32| {
        let at = TX_DATA + (control.tail.wrapping_add(number) % TX_SIZE) as usize;
        window.get(at).copied()
    };
    (0..length).map_while(byte).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use bulkhead_abi::window::{METRICS, WINDOW_SIZE};
    use zerocopy::{FromZeros, IntoBytes};

    /// An area of `cores` blocks, as EL2 would write it.
    pub(crate) fn area(cores: &[(CoreStats, Vec<VcpuStats>)]) -> Vec<u8> {
        let mut bytes = vec![0; cores.len() * stats::CORE_STATS_SIZE];
        for (block, (core, vcpus)) in bytes.chunks_mut(stats::CORE_STATS_SIZE).zip(cores) {
            core.write_to_prefix(block).expect("core");
            for (k, vcpu) in vcpus.iter().enumerate() {
                let start = stats::VCPU_STATS_OFFSET + k * stats::VCPU_STATS_SIZE;
                vcpu.write_to_prefix(&mut block[start..]).expect("vcpu");
            }
        }
        bytes
    }

    /// Verifies: BH-REP-002.
    #[test]
    fn a_charge_that_is_half_done_is_seen() {
        let read = |now: u64| {
            let mut core = core(0, 1, now);
            (core.el2_ticks, core.idle_ticks) = (2, 3);
            let mut vcpu = VcpuStats::new_zeroed();
            vcpu.run_ticks = 5;
            let snapshot = Snapshot::parse(&area(&[(core, vec![vcpu])]), 1).expect("an area");
            snapshot.is_between_charges()
        };
        assert!(read(11) && read(10) && !read(9));
    }

    /// A running core at `now` ticks of 62.5 MHz.
    pub(crate) fn core(index: u32, vcpus: u32, now: u64) -> CoreStats {
        CoreStats {
            magic: stats::MAGIC,
            version: stats::VERSION,
            core: index,
            vcpu_count: vcpus,
            state: stats::core_state::RUNNING,
            frequency: 62_500_000,
            now,
            ..CoreStats::new_zeroed()
        }
    }

    /// Verifies: BH-REP-002.
    #[test]
    fn the_newest_core_tells_the_time() {
        let area = area(&[
            (core(0, 0, 62_500_000), vec![]),
            (core(1, 0, 125_000_000), vec![]),
        ]);
        let snapshot = Snapshot::parse(&area, 2).expect("parse");
        assert_eq!(snapshot.now_ns(), 2_000_000_000);
        assert!(snapshot.steady().is_none());
    }

    #[test]
    fn before_boot_there_is_no_time_and_no_error() {
        let snapshot = Snapshot::parse(&[0; 2 * stats::CORE_STATS_SIZE], 2).expect("parse");
        assert_eq!(snapshot.now_ns(), 0);
        assert!(snapshot.cores.iter().all(Option::is_none));
    }

    /// Verifies: BH-REP-002.
    #[test]
    fn foreign_blocks_are_refused() {
        let parse = |change: fn(&mut CoreStats)| {
            let mut block = core(0, 1, 1);
            change(&mut block);
            Snapshot::parse(&area(&[(block, vec![])]), 1).expect_err("refused")
        };
        assert_eq!(parse(|b| b.magic = 7), StatsError::Magic { core: 0, magic: 7 });
        assert_eq!(
            parse(|b| b.version = stats::VERSION + 1),
            StatsError::Version {
                core: 0,
                version: stats::VERSION + 1
            }
        );
        let (core, found, vcpus) = (0, 1, 1);
        assert_eq!(parse(|b| b.core = 1), StatsError::Shape { core, found, vcpus });
        let (core, found, vcpus) = (0, 0, 8);
        assert_eq!(
            parse(|b| b.vcpu_count = 8),
            StatsError::Shape { core, found, vcpus }
        );
        assert_eq!(
            Snapshot::parse(&[0; 16], 1).expect_err("short"),
            StatsError::Short { core: 0 }
        );
    }

    #[test]
    fn ticks_do_not_overflow() {
        let area = area(&[(core(0, 0, u64::MAX / 16), vec![])]);
        let snapshot = Snapshot::parse(&area, 1).expect("parse");
        assert_eq!(snapshot.now_ns(), u64::MAX - 15);
    }

    /// Verifies: BH-VIEW-003.
    #[test]
    fn what_is_left_in_a_ring_is_found_across_its_end() {
        let mut window = vec![0; WINDOW_SIZE];
        let mut control = RingControl::new_zeroed();
        (control.tail, control.head) = (u32::MAX - 1, 2);
        control.write_to_prefix(&mut window).expect("control");
        let end = TX_DATA + TX_SIZE as usize;
        window[end - 2..end].copy_from_slice(b"ab");
        window[TX_DATA..TX_DATA + 2].copy_from_slice(b"cd");
        assert_eq!(undrained(&window), b"abcd");
        control.head = control.tail.wrapping_add(TX_SIZE + 1);
        control.write_to_prefix(&mut window).expect("control");
        assert!(undrained(&window).is_empty());
        assert!(undrained(&window[..64]).is_empty());
    }

    #[test]
    fn metrics_count_once_they_are_published() {
        let mut window = vec![0; WINDOW_SIZE];
        assert!(metrics(&window[METRICS..]).is_none());
        let published = Metrics {
            magic: METRICS_MAGIC,
            version: METRICS_VERSION,
            can_tx: 5,
            ..Metrics::default()
        };
        published
            .write_to_prefix(&mut window[METRICS..])
            .expect("metrics");
        assert_eq!(metrics(&window[METRICS..]).map(|m| m.can_tx), Some(5));
    }
}
