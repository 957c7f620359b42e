// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition depends on that others may do to it: interrupts, doorbells, locks, boosts.

use bulkhead_types::tables::{NONE, channel_flag};

use super::Footprint;
use crate::built::{Built, participants};
use crate::words::time;

/// The SPIs that it gets, and the doorbells that it may ring.
pub(super) fn interrupts(built: &Built<'_>, index: usize, facts: &mut Footprint) {
    for spi in &built.spis {
        let name = |partition: u32| usize::try_from(partition).map_or("?", |p| built.partition_name(p));
        let interval = time(spi.interval_ns);
        if usize::try_from(spi.partition) == Ok(index) {
            let trigger = if spi.edge == 1 { "edge" } else { "level" };
            let rung = match spi.ringer {
                NONE => String::new(),
                ringer => format!(", a doorbell that {} may ring, once in {interval}", name(ringer)),
            };
            facts.essence(
                format!("interrupt INTID {}", spi.intid),
                format!("{trigger}, core {}{rung}", spi.core),
            );
        } else if usize::try_from(spi.ringer) == Ok(index) {
            facts.essence(
                format!("doorbell {} that it may ring", spi.doorbell),
                format!(
                    "INTID {} of {}, once in {interval}",
                    spi.intid,
                    name(spi.partition)
                ),
            );
        }
    }
}

/// The locks that it may take, and the boosts of others on its cores.
pub(super) fn locks(built: &Built<'_>, index: usize, facts: &mut Footprint) {
    let cores: Vec<u32> = built.vcpus_of(index).map(|(_, v)| v.core).collect();
    for (name, lock) in built.locks() {
        let (mut is_own, mut parties, mut boosts) = (false, Vec::new(), Vec::new());
        for party in participants(lock) {
            let Ok(partition) = usize::try_from(party.partition) else {
                continue;
            };
            let who = built.partition_name(partition);
            let (priority, times) = (party.priority, party.acquisitions);
            is_own |= partition == index;
            parties.push(format!("{who} with priority {priority}, {times} times a frame"));
            let meets = built.vcpus_of(partition).any(|(_, v)| cores.contains(&v.core));
            if partition != index && meets && lock.flags & channel_flag::INHERITS != 0 {
                boosts.push(format!("{who} {times} times {}", time(lock.hold_ns)));
            }
        }
        if is_own {
            let boosted = match lock.flags & channel_flag::INHERITS {
                0 => "no boosts",
                _ => "its owner is boosted",
            };
            facts.essence(
                format!("lock `{name}`"),
                format!(
                    "held for {} at most, {boosted}: {}",
                    time(lock.hold_ns),
                    parties.join("; ")
                ),
            );
        }
        if !boosts.is_empty() {
            facts.essence(
                format!("boosts by lock `{name}` on its cores, in a frame"),
                boosts.join("; "),
            );
        }
    }
}
