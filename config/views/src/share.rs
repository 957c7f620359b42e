// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who has a part of a slot. Implements: BH-EXPL-002.

use bulkhead_types::tables::{Share, Slot, share_kind};

use crate::at::slot_owner;
use crate::built::Built;
use crate::words::time;

/// What runs in a slot: its owner, or those who share it, the most urgent first.
pub(crate) fn slot_use(built: &Built<'_>, slot: &Slot) -> String {
    let parts: Vec<String> = slot.shares().map(|share| part(built, share)).collect();
    if parts.is_empty() {
        slot_owner(built, slot).to_owned()
    } else {
        parts.join(" before ")
    }
}

fn part(built: &Built<'_>, share: &Share) -> String {
    let name = name(built, share.vcpu);
    if share.kind == share_kind::SLACK {
        format!("{name} as slack")
    } else {
        format!("{name} for at most {}", time(share.budget_ns))
    }
}

fn name<'a>(built: &'a Built<'_>, vcpu: u32) -> &'a str {
    let partition = built.vcpu(vcpu).and_then(|v| usize::try_from(v.partition).ok());
    partition.map_or("?", |p| built.partition_name(p))
}

/// Whether a vCPU, by its partition and its index there, has a part of a slot, slack or not.
pub(crate) fn takes_part(built: &Built<'_>, slot: &Slot, vcpu: (u32, u32)) -> bool {
    let is = |global| built.vcpu(global).is_some_and(|v| (v.partition, v.index) == vcpu);
    is(slot.vcpu) || slot.shares().any(|share| is(share.vcpu))
}

/// How long a partition may run in a slot at most, without slack: the slot, or its budget in it.
pub(crate) fn longest(built: &Built<'_>, slot: &Slot, partition: &str) -> u64 {
    if slot.shares().next().is_none() {
        return if slot_owner(built, slot) == partition {
            slot.length_ns
        } else {
            0
        };
    }
    let own = slot.shares().filter(|share| name(built, share.vcpu) == partition);
    own.map(|share| share.budget_ns).sum()
}
