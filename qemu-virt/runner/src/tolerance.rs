// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a partition's fault to the reaction: what EL2's log and the window of the partition that reacts say, against
//! the fault-tolerant time of the spec.
//!
//! Implements: BH-HEALTH-033.
//!
//! # References
//! ISO 26262-1, "fault tolerant time interval", "fault handling time interval".

use bulkhead_abi::health::{Action, Error, HealthEvent};
use bulkhead_abi::window::Metrics;
use bulkhead_model::manifest::Manifest;
use serde::{Deserialize, Serialize};

use crate::account::Known;
use crate::stats::{Core, Snapshot};

/// The newest fault of a partition, and what came of it. Times are ns since the epoch, of virtual time.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The partition that had the fault.
    pub partition: String,
    /// The partition that reacts.
    pub reaction: String,
    /// Longest time that the spec allows, in ns.
    pub limit_ns: u64,
    /// When the fault was, at the earliest; `null` when there was none.
    pub fault_ns: Option<u64>,
    /// When the partition that reacts brought its safe state; `null` when it did not after the fault.
    pub degraded_ns: Option<u64>,
    /// When it took the newest valid frame before which some had been missing; `null` when it did not after the fault.
    pub resumed_ns: Option<u64>,
    /// From the fault to the first of both; `null` when there is none yet.
    pub took_ns: Option<u64>,
}

impl Reaction {
    /// Why a run fails that goes on until `now_ns`. Where frames came back after the fault, later gaps may have hidden
    /// what answered it first: no run fails by that.
    pub(crate) fn reason(&self, now_ns: u64) -> Option<String> {
        let fault = self.fault_ns.filter(|_| self.resumed_ns.is_none())?;
        let (took, how) = match self.took_ns {
            Some(took) => (took, "answered after"),
            None => (now_ns.saturating_sub(fault), "unanswered for"),
        };
        (took > self.limit_ns).then(|| {
            format!(
                "a fault of `{}` was {how} {took} ns, and is tolerated for {} ns",
                self.partition, self.limit_ns
            )
        })
    }
}

/// Whether EL2 took the partition's execution away.
fn ends(event: &HealthEvent) -> bool {
    let action = u8::try_from(event.action).ok().and_then(Action::from_code);
    match action {
        Some(
            Action::RestartPartition | Action::StopPartition | Action::SafeState | Action::GlobalSafeState,
        ) => true,
        Some(Action::Log | Action::Notify | Action::StopCore) | None => false,
    }
}

/// When the newest fault of a partition was: a missing heartbeat began with the last sign of life.
fn fault(stats: &Snapshot, partition: usize, heartbeat: u64) -> Option<u64> {
    let times = stats.cores.iter().flatten().flat_map(|core: &Core| {
        let events = core.health.events.iter();
        let own = events.filter(|e| e.number > 0 && e.partition as usize == partition && ends(e));
        own.map(|event| {
            let at = core.ns(event.last_time);
            if event.error == u32::from(Error::Heartbeat.code()) {
                at.saturating_sub(heartbeat)
                    .saturating_sub(core.ns(event.detail[0]))
            } else {
                at
            }
        })
    });
    times.max()
}

/// All partitions of which a fault is tolerated for some time only.
pub(crate) fn reactions(manifest: &Manifest, stats: &Snapshot, known: &[Known]) -> Vec<Reaction> {
    let epoch = stats.cores.iter().flatten().next();
    let epoch = epoch.map_or(0, |core| core.ns(core.stats.epoch));
    let one = |(index, partition): (usize, &bulkhead_model::manifest::Partition)| {
        let tolerance = partition.fault_tolerant_time?;
        let reaction = tolerance.reaction as usize;
        let metrics = known.get(reaction).and_then(|k| k.metrics);
        let fault_ns = fault(stats, index, tolerance.heartbeat);
        let after = |at: fn(&Metrics) -> u64| {
            let at = metrics.as_ref().map(at)?.checked_sub(epoch)?;
            (at >= fault_ns?).then_some(at)
        };
        let (degraded_ns, resumed_ns) = (after(|m| m.degraded_ns), after(|m| m.resumed_ns));
        let first = degraded_ns.into_iter().chain(resumed_ns).min();
        Some(Reaction {
            partition: partition.name.clone(),
            reaction: manifest
                .partitions
                .get(reaction)
                .map_or_else(String::new, |p| p.name.clone()),
            limit_ns: tolerance.limit,
            fault_ns,
            degraded_ns,
            resumed_ns,
            took_ns: first.zip(fault_ns).map(|(at, fault)| at - fault),
        })
    };
    manifest.partitions.iter().enumerate().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::manifest;
    use crate::stats::tests::{area, core};
    use bulkhead_abi::health::{HEALTH_OFFSET, HealthLog};
    use bulkhead_abi::stats::CORE_STATS_SIZE;
    use bulkhead_model::manifest::Tolerance;
    use zerocopy::{FromZeros, IntoBytes};

    /// What becomes of a fault of partition 1 at 1 600 ns that partition 0 answers: the core's counter runs at
    /// 62.5 MHz, its epoch is 0.
    fn judged(error: Error, action: Action, degraded: u64, resumed: u64) -> Reaction {
        let mut bytes = area(&[(core(0, 0, 1), vec![]), (core(1, 0, 1), vec![])]);
        let mut log = HealthLog::new_zeroed();
        let mut event = HealthEvent::new_zeroed();
        (event.number, event.time, event.last_time, event.partition) = (1, 50, 100, 1);
        (event.error, event.action) = (error.code().into(), action.code().into());
        event.detail[0] = 10;
        log.events[0] = event;
        log.write_to_prefix(&mut bytes[CORE_STATS_SIZE + HEALTH_OFFSET..])
            .expect("log");
        let stats = Snapshot::parse(&bytes, 2).expect("snapshot");
        let epoch = stats.core(0).map_or(0, |c| c.ns(c.stats.epoch));
        let mut manifest = manifest();
        manifest.partitions[1].fault_tolerant_time = Some(Tolerance {
            limit: 1000,
            reaction: 0,
            timeout: 500,
            heartbeat: 40,
        });
        let at = |ns: u64| if ns == 0 { 0 } else { ns + epoch };
        let known = [Known {
            metrics: Some(Metrics {
                degraded_ns: at(degraded),
                resumed_ns: at(resumed),
                ..Metrics::default()
            }),
            ..Known::default()
        }];
        reactions(&manifest, &stats, &known).remove(0)
    }

    /// Verifies: BH-HEALTH-033.
    #[test]
    fn a_fault_has_to_be_answered_in_time() {
        let memory =
            |degraded, resumed| judged(Error::MemoryFault, Action::RestartPartition, degraded, resumed);
        let late = |reaction: Reaction, now: u64| reaction.reason(now).is_some();
        // By whichever answer comes first, and none from before the fault counts.
        assert_eq!(memory(2000, 1700).took_ns, Some(100));
        assert_eq!(memory(1900, 2000).took_ns, Some(300));
        assert_eq!(memory(1500, 1599).took_ns, None);
        assert!(!late(memory(2600, 0), 9000));
        assert!(late(memory(2601, 0), 9000));
        assert!(!late(memory(0, 0), 2600));
        assert!(late(memory(0, 0), 2601));
        // A hang began with the last sign of life: 160 ns overdue, 40 ns allowed.
        let hang = judged(Error::Heartbeat, Action::StopPartition, 1700, 0);
        assert_eq!((hang.fault_ns, hang.took_ns), (Some(1400), Some(300)));
        // What is only recorded ends nothing.
        let logged = judged(Error::MemoryFault, Action::Log, 1700, 0);
        assert_eq!((logged.fault_ns, late(logged, 9000)), (None, false));
    }
}
