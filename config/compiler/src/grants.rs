// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `grants.txt`: the flat text form of a built system, for reviewers and for the independent checker.
//!
//! `FORMAT.md` in this crate's folder defines it: one record a line, the first field says its kind, fields
//! separated by spaces, addresses in hexadecimal, ranges end exclusive, kinds in the order of its table. Implements: BH-CFG-015.

mod controllers;
mod devices;
mod firmware;
mod health;
mod masters;

use std::fmt::Write;

use bulkhead_model::lock::Lock;
use bulkhead_model::system::System;
use bulkhead_types::image::Range;
use bulkhead_types::tables::{Share, core_mode, predictors, share_kind, slot_kind};

use crate::access::{Grant, Root};
use crate::grant_list::{Sources, shared};
use crate::machine;
use crate::placement::slug;
use crate::sections::Sections;
use crate::stage1;
use crate::units::id;

/// First line.
const VERSION: &str = "bulkhead-grants 1";

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn range(range: Range) -> String {
    format!("{:#x}-{:#x}", range.start, range.end)
}

fn root(system: &System, root: Root) -> String {
    match root {
        Root::Boot => "el2:boot".to_owned(),
        Root::Core(k) => format!("el2:core:{k}"),
        Root::Partition(p) => format!("partition:{}", name(system, id(p))),
        Root::Stream { id, .. } => format!("stream:{id:#x}"),
    }
}

fn name(system: &System, partition: u32) -> &str {
    let partition = system.partitions.get(partition as usize);
    partition.map_or("-", |p| p.name.value.as_str())
}

/// Who shares slots.
fn shares(text: &mut Text, sections: &Sections) {
    for (number, core) in sections.cores.iter().enumerate() {
        let slots = sections.slots.iter().skip(core.slot_first as usize);
        let slots = slots.take(core.slot_count as usize);
        for (slot, share) in slots.flat_map(|slot| slot.shares().map(move |share| (slot, share))) {
            let kind = if share.kind == share_kind::SLACK {
                "slack"
            } else {
                "budget"
            };
            let Share { vcpu, budget_ns, .. } = share;
            text.line(format!(
                "share {number} {} {kind} {vcpu} {budget_ns}",
                slot.offset_ns
            ));
        }
    }
}

/// Lines under construction.
struct Text(String);

impl Text {
    fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref().trim_end());
        self.0.push('\n');
    }

    fn title(&mut self, title: &str) {
        self.line(format!("# {title}"));
    }
}

/// Renders the text form.
pub fn render(sources: Sources<'_>, grants: &[Grant], sections: &Sections) -> String {
    let mut text = Text(String::new());
    text.line(VERSION);
    header(&mut text, sources);
    parties(&mut text, sources, sections);
    colours(&mut text, sources.system);
    words(&mut text, sources, sections);
    text.title("what more than one party may reach");
    for shared in shared(sources) {
        let el2 = shared.el2.map(|rights| format!(" el2={rights}"));
        let partitions = shared.partitions.iter().map(|(p, rights)| {
            let name = name(sources.system, id(*p));
            format!(" partition:{name}={rights}")
        });
        let parties: String = el2.into_iter().chain(partitions).collect();
        text.line(format!(
            "shared {:<24} {:<25}{parties}",
            shared.name,
            range(shared.range)
        ));
    }
    text.title("what each root reaches: root, name, physical range, rights, memory type, input address");
    for grant in grants.iter().filter(|g| g.pattern.is_none()) {
        text.line(format!(
            "grant {:<24} {:<20} {:<29} {} {:<12} {:#x}",
            root(sources.system, grant.root),
            grant.name,
            range(grant.range),
            grant.rights,
            grant.memory.to_string(),
            grant.address
        ));
    }
    coloured(&mut text, sources, grants);
    locks(&mut text, sources.system);
    devices::records(&mut text, sources, sections);
    text.title("everything that was placed: physical range, owner, name");
    for area in sources.plan.map.areas() {
        text.line(format!(
            "memory {:<29} {:<24} {}",
            range(area.range),
            area.owner,
            area.name
        ));
    }
    let placed = sources.plan.map.coloured();
    if !placed.is_empty() {
        text.title("of which only the pages of the owner's colours were placed: physical range, owner, name");
    }
    for area in placed.iter().map(|c| &c.area) {
        let range = range(area.range);
        text.line(format!(
            "coloured-memory {range:<29} {:<24} {}",
            area.owner, area.name
        ));
    }
    text.0
}

/// The locks that a partition may take, with their numbers.
pub fn taken_by(system: &System, partition: usize) -> impl Iterator<Item = (usize, &Lock)> {
    let locks = system.locks.iter().enumerate();
    locks.filter(move |(_, lock)| lock.position(partition).is_some())
}

/// The locks: name, IPA, hold in ns, inheritance, participants with priority and acquisitions a frame.
fn locks(text: &mut Text, system: &System) {
    if system.locks.is_empty() {
        return;
    }
    text.title("locks: name, input address, longest hold in ns, inheritance, each participant's priority/acquisitions");
    for (number, lock) in system.locks.iter().enumerate() {
        let participants = lock.participants.iter().map(|p| {
            let name = name(system, id(p.partition.value));
            format!(" {name}={}/{}", p.priority, p.acquisitions)
        });
        let participants: String = participants.collect();
        let inheritance = if lock.inherits { "priority" } else { "none" };
        text.line(format!(
            "lock channel:{} {:#x} {} {inheritance}{participants}",
            lock.name.value,
            machine::lock(number),
            lock.hold.value
        ));
    }
}

/// Grants of pages of the root's colours.
fn coloured(text: &mut Text, sources: Sources<'_>, grants: &[Grant]) {
    let mut titled = false;
    for grant in grants.iter().filter(|g| g.pattern.is_some()) {
        if !titled {
            text.title(
                "only the pages of the partition's colours in the range, ascending from the input address",
            );
            titled = true;
        }
        text.line(format!(
            "coloured {:<24} {:<20} {:<29} {} {:<12} {:#x}",
            root(sources.system, grant.root),
            grant.name,
            range(grant.range),
            grant.rights,
            grant.memory.to_string(),
            grant.address
        ));
    }
}

/// The board's colours, when a partition has some, and those of each partition.
fn colours(text: &mut Text, system: &System) {
    let coloured = system.partitions.iter().any(|p| p.memory.colours.is_some());
    let Some(colouring) = system.board.colouring.filter(|_| coloured) else {
        return;
    };
    text.title(
        "page colours: their number, bytes of a granule; a granule's colour is its number modulo theirs",
    );
    text.line(format!("colours {} {:#x}", colouring.count, colouring.granule));
    for partition in &system.partitions {
        let name = &partition.name.value;
        match partition.memory.colours {
            Some(set) => text.line(format!("colour {name} {set}")),
            None => text.line(format!("colour {name} any")),
        }
    }
}

fn header(text: &mut Text, sources: Sources<'_>) {
    let Sources {
        system, info, plan, ..
    } = sources;
    let board = &system.board;
    let image = Range {
        start: info.base,
        end: info.end,
    };
    text.line(format!("system {}", slug(&system.name.value)));
    text.line(format!(
        "board {} {} {}",
        slug(&board.name.value),
        board.id.value,
        board.physical_address_bits
    ));
    text.line(format!("image {} {}", range(image), hex(&info.build_id)));
    text.line(format!("blob {}", range(plan.blob)));
    text.line(format!("certificate {}", range(plan.certificate)));
    text.line(format!("live {}", range(plan.live)));
    if let (Some(table), Some(smmu)) = (plan.stream_table(), &board.smmu) {
        text.line(format!("stream-table {} {}", range(table), smmu.stream_bits));
    }
}

fn parties(text: &mut Text, sources: Sources<'_>, sections: &Sections) {
    let Sources { system, plan, .. } = sources;
    for (number, core) in sections.cores.iter().enumerate() {
        let mode = match core.mode {
            core_mode::DIRECT => "direct",
            core_mode::GUARDED => "guarded",
            _ => "sliced",
        };
        let predictors = match core.predictors {
            predictors::NONE => "none",
            predictors::ISOLATED => "isolated",
            predictors::RESTRICTED => "restricted",
            _ => "firmware",
        };
        text.line(format!(
            "core {number} {:#x} {:#x} {mode} {predictors}",
            core.mpidr, core.midr
        ));
    }
    for (number, core) in sections.cores.iter().enumerate().filter(|(_, c)| c.budget != 0) {
        text.line(format!(
            "bandwidth {number} {} {} {:#x} {} {} {}",
            core.budget,
            core.budget_period_ns,
            core.budget_event,
            core.budget_counters,
            core.budget_kept,
            core.budget_intid
        ));
    }
    for (number, partition) in sections.partitions.iter().enumerate() {
        let name = name(system, id(number));
        text.line(format!("partition {number} {name} {}", partition.vmid));
    }
    for (number, vcpu) in sections.vcpus.iter().enumerate() {
        let name = name(system, vcpu.partition);
        text.line(format!("vcpu {number} {name} {} {}", vcpu.index, vcpu.core));
    }
    for (number, core) in sections.cores.iter().enumerate() {
        let first = core.slot_first as usize;
        for slot in sections.slots.iter().skip(first).take(core.slot_count as usize) {
            let user = match slot.kind {
                slot_kind::VCPU => format!("vcpu {}", slot.vcpu),
                slot_kind::SYSTEM => "system -".to_owned(),
                slot_kind::STANDBY => "standby -".to_owned(),
                _ => "idle -".to_owned(),
            };
            text.line(format!(
                "slot {number} {} {} {user}",
                slot.offset_ns, slot.length_ns
            ));
        }
    }
    shares(text, sections);
    health::records(text, system, sections);
    text.title("translation roots: physical address in use, physical address in the blob");
    for number in 0..=sections.cores.len() {
        let name = root(system, number.checked_sub(1).map_or(Root::Boot, Root::Core));
        let address = plan.el2_root(number);
        text.line(format!("root {name} {address:#x} {address:#x}"));
    }
    for (number, partition) in sections.partitions.iter().enumerate() {
        let name = root(system, Root::Partition(number));
        let pristine = plan.blob.start + partition.pristine_root;
        text.line(format!("root {name} {:#x} {pristine:#x}", partition.live_root));
    }
}

fn words(text: &mut Text, sources: Sources<'_>, sections: &Sections) {
    text.title("control words");
    let bits = sources.system.board.physical_address_bits;
    for (register, value) in [
        ("tcr_el2", stage1::tcr(bits)),
        ("mair_el2", stage1::MAIR),
        ("sctlr_el2", stage1::SCTLR),
    ] {
        text.line(format!("word el2 {register} {value:#x}"));
    }
    for (number, vcpu) in sections.vcpus.iter().enumerate() {
        for (register, value) in [
            ("hcr_el2", vcpu.hcr),
            ("vtcr_el2", vcpu.vtcr),
            ("vttbr_el2", vcpu.vttbr),
            ("vmpidr_el2", vcpu.vmpidr),
            ("vpidr_el2", vcpu.vpidr),
            ("cnthctl_el2", vcpu.cnthctl),
            ("mdcr_el2", vcpu.mdcr),
            ("cptr_el2", vcpu.cptr),
            ("hstr_el2", vcpu.hstr),
            ("ich_hcr_el2", vcpu.ich_hcr),
            ("cntvoff_el2", vcpu.cntvoff),
        ] {
            text.line(format!("word vcpu:{number} {register} {value:#x}"));
        }
    }
}
