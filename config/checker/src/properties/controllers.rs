// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clock, reset, power and pin controllers: whoever reaches one can stop the devices that depend on it.
//!
//! They are known from the text form alone, which the reviewer compares with the board file: each `controller` record names
//! a device and what it depends on, the `memory` records of the owner `controller:NAME` say where that is.

use crate::grants::Placed;
use crate::reach::MemoryType;
use crate::system::{Party, Root, System, Use};

/// Fields of the `controller` records: partition, device, controller; `None` where a record has another form.
fn records<'a>(system: &'a System<'_>) -> impl Iterator<Item = (&'a str, Option<[&'a str; 3]>)> {
    system.grants.of("controller").map(|record| {
        let fields: Vec<&str> = record.split(' ').skip(1).collect();
        (record, fields.try_into().ok())
    })
}

/// Name of the controller that the owner of a `memory` record is.
fn name(placed: &Placed) -> Option<&str> {
    placed.owner.strip_prefix("controller:")
}

/// Whether a record names this owner of memory as a controller.
pub(super) fn is_named(system: &System<'_>, owner: &str) -> bool {
    let mut named = records(system).filter_map(|(_, fields)| fields);
    named.any(|[_, _, controller]| owner.strip_prefix("controller:") == Some(controller))
}

/// Implements: BH-CHK-082.
pub(crate) fn stated(system: &System<'_>, out: &mut Vec<String>) {
    let grants = &system.grants;
    for (index, (record, fields)) in records(system).enumerate() {
        let is_known = fields.is_some_and(|[partition, device, controller]| {
            let party = format!("partition:{partition}");
            let mut owners = system.partition_indices();
            let mut registers = grants.grants.iter();
            owners.any(|index| system.party(index) == party)
                && registers.any(|grant| {
                    let is_device = grant.run.access.memory == MemoryType::Device;
                    grant.root == party && grant.name == device && is_device
                })
                && grants
                    .memory
                    .iter()
                    .any(|placed| name(placed) == Some(controller))
        });
        if !is_known {
            out.push(format!(
                "grants.txt: {record}: no partition has such a device, or the controller has no pages"
            ));
        }
        if records(system).take(index).any(|(before, _)| before == record) {
            out.push(format!("grants.txt: {record}: stands twice"));
        }
    }
    for placed in grants.memory.iter().filter(|placed| name(placed).is_some()) {
        let (owner, range) = (&placed.owner, placed.range);
        if !range.is_page_aligned() {
            out.push(format!("grants.txt: {range} of {owner} is not whole pages"));
        }
        if !is_named(system, owner) {
            out.push(format!("grants.txt: {range} of {owner}: no device depends on it"));
        }
    }
}

/// Implements: BH-CHK-083.
pub(crate) fn stage2(system: &System<'_>, out: &mut Vec<String>) {
    reached(system, |root| matches!(root.serves, Use::Partition(_)), out);
}

/// Implements: BH-CHK-084.
pub(crate) fn dma(system: &System<'_>, out: &mut Vec<String>) {
    reached(system, |root| matches!(root.serves, Use::Stream(_)), out);
}

/// Tells each way by which one of some roots reaches a controller, with the devices that it could stop.
fn reached(system: &System<'_>, is_meant: impl Fn(&Root) -> bool, out: &mut Vec<String>) {
    for placed in &system.grants.memory {
        let Some(controller) = name(placed) else { continue };
        let depends = records(system).filter_map(|(_, fields)| fields);
        let depends = depends.filter(|[_, _, other]| *other == controller);
        let depends: Vec<String> = depends
            .map(|[partition, device, _]| format!("{device} of {partition}"))
            .collect();
        let partitions = system.roots.iter().filter(|root| root.party() != Party::El2);
        for root in partitions.filter(|root| is_meant(root)) {
            for run in &root.walk.runs {
                if let Some(page) = run.physical().intersection(placed.range) {
                    out.push(format!(
                        "{}: {} reaches {page} of controller {controller}, on which {} depends",
                        root.name,
                        run.input,
                        depends.join(" and ")
                    ));
                }
            }
        }
    }
}
