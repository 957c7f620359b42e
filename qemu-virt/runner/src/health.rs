// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the health monitor recorded, from the logs of the cores.

use std::collections::BTreeMap;

use bulkhead_abi::health::{Action, CORE_ROW, Error, HealthEvent, Level, SYSTEM_ROW};
use bulkhead_model::manifest::Manifest;
use serde::{Deserialize, Serialize};

use crate::stats::Snapshot;

/// An event of the health monitor.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The core that reported it.
    pub core: u32,
    /// Its number among the core's events, from 1.
    pub number: u64,
    /// When it happened first, ns since the epoch.
    pub at_ns: u64,
    /// When it happened last.
    pub last_ns: u64,
    /// Times that it happened.
    pub times: u32,
    /// The error, as the language says it.
    pub error: String,
    /// `partition`, `core` or `system`.
    pub level: String,
    /// What was done, as the language says it.
    pub action: String,
    /// The partition that is to blame.
    pub partition: Option<String>,
    /// Its vCPU.
    pub vcpu: Option<u32>,
    /// See `HealthEvent` in `hypervisor/abi/src/health.rs`.
    pub detail: [u64; 3],
}

/// How often each error was blamed on `partition:NAME`, `core:N` or `system`; what never happened is left out.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The word of a code, or the code.
fn word<T>(code: u32, find: impl Fn(u8) -> Option<T>, word: impl Fn(T) -> &'static str) -> String {
    let known = u8::try_from(code).ok().and_then(find).map(word);
    known.map_or_else(|| code.to_string(), str::to_owned)
}

/// The newest events of all cores, by time. Implements: BH-HEALTH-019.
pub(crate) fn events(manifest: &Manifest, stats: &Snapshot) -> Vec<Event> {
    let mut all = Vec::new();
    for (index, core) in (0u32..).zip(&stats.cores) {
        let Some(core) = core else { continue };
        let valid = |event: &&HealthEvent| event.number > 0;
        all.extend(core.health.events.iter().filter(valid).map(|event| {
            Event {
                core: index,
                number: event.number,
                at_ns: core.ns(event.time),
                last_ns: core.ns(event.last_time),
                times: event.times,
                error: word(event.error, Error::from_code, Error::word),
                level: word(event.level, Level::from_code, Level::word),
                action: word(event.action, Action::from_code, Action::word),
                partition: manifest
                    .partitions
                    .get(event.partition as usize)
                    .map(|p| p.name.clone()),
                vcpu: (event.vcpu != bulkhead_abi::health::NOBODY).then_some(event.vcpu),
                detail: event.detail,
            }
        }));
    }
    all.sort_by_key(|event| (event.at_ns, event.core, event.number));
    all
}

/// The counts of all cores. Implements: BH-HEALTH-019.
pub(crate) fn counts(manifest: &Manifest, stats: &Snapshot) -> Counts {
    let mut all = Counts::new();
    for (index, core) in stats.cores.iter().enumerate() {
        let Some(core) = core else { continue };
        for (row, errors) in core.health.counts.iter().enumerate() {
            let whose = match row {
                CORE_ROW => format!("core:{index}"),
                SYSTEM_ROW => "system".to_owned(),
                partition => match manifest.partitions.get(partition) {
                    Some(partition) => format!("partition:{}", partition.name),
                    None => continue,
                },
            };
            for (code, count) in (0u32..).zip(errors).filter(|(_, count)| **count > 0) {
                let error = word(code, Error::from_code, Error::word);
                *all.entry(whose.clone()).or_default().entry(error).or_insert(0) += u64::from(*count);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::manifest;
    use crate::stats::tests::{area, core};
    use bulkhead_abi::health::{EVENTS, HEALTH_OFFSET, HealthLog, NOBODY};
    use bulkhead_abi::stats::CORE_STATS_SIZE;
    use zerocopy::{FromZeros, IntoBytes};

    fn event(number: u64, time: u64, error: Error, partition: u32) -> HealthEvent {
        let mut event = HealthEvent::new_zeroed();
        (event.number, event.time, event.last_time, event.times) = (number, time, time, 1);
        (event.error, event.action) = (error.code().into(), Action::Log.code().into());
        (event.partition, event.vcpu) = (partition, 0);
        event
    }

    /// Verifies: BH-HEALTH-019.
    #[test]
    fn events_of_all_cores_come_in_order_and_are_attributed() {
        let mut bytes = area(&[(core(0, 0, 1), vec![]), (core(1, 0, 1), vec![])]);
        let mut logs = [HealthLog::new_zeroed(), HealthLog::new_zeroed()];
        logs[0].events[0] = event(1, 125, Error::MemoryFault, 1);
        logs[1].events[EVENTS - 1] = event(48, 62, Error::Crash, NOBODY);
        (logs[1].events[EVENTS - 1].level, logs[1].events[EVENTS - 1].vcpu) = (1, NOBODY);
        logs[1].events[0] = event(0, 9, Error::Crash, 0);
        logs[0].counts[1][0] = 2;
        logs[1].counts[1][0] = 3;
        logs[1].counts[CORE_ROW][10] = 1;
        logs[1].counts[SYSTEM_ROW][2] = 4;
        for (k, log) in logs.iter().enumerate() {
            log.write_to_prefix(&mut bytes[k * CORE_STATS_SIZE + HEALTH_OFFSET..])
                .expect("log");
        }
        let stats = Snapshot::parse(&bytes, 2).expect("snapshot");
        let found = events(&manifest(), &stats);
        let told: Vec<_> = found
            .iter()
            .map(|e| (e.core, e.at_ns, e.error.as_str(), e.partition.as_deref(), e.vcpu))
            .collect();
        assert_eq!(
            told,
            [
                (1, 992, "crash", None, None),
                (0, 2000, "memory-fault", Some("infotainment"), Some(0))
            ]
        );
        let counts = counts(&manifest(), &stats);
        assert_eq!(counts["partition:infotainment"]["memory-fault"], 5);
        assert_eq!(counts["core:1"]["crash"], 1);
        assert_eq!(counts["system"]["dma-fault"], 4);
        assert_eq!(counts.len(), 3);
    }
}
