// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `at`: whose a core is at a time of the major frame, and what may interrupt it then.
//!
//! The answer comes from the slot tables, routes and control words of the blob. Implements: BH-EXPL-002.

use std::fmt::Write;

use bulkhead_model::units;
use bulkhead_types::tables::{
    Core, NONE, Slot, Spi, Vcpu, channel_flag, core_mode, partition_flag, slot_kind,
};
use serde::Serialize;

use crate::built::{Built, participants};
use crate::firmware::longest_on;
use crate::share::slot_use;
use crate::target::AskError;
use crate::words::{budget, listed, numbers, time};

/// `HCR_EL2.IMO`: physical IRQs are taken to EL2.
const IMO: u64 = 1 << 4;

/// A slot as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlotAt {
    /// Position in the core's table.
    pub index: usize,
    /// Begin in the frame.
    pub offset_ns: u64,
    /// Length.
    pub length_ns: u64,
    /// Partition, `system` or `idle`.
    pub owner: String,
    /// Who shares it and how; none where it is its owner's alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
}

/// Whose a core is.
#[derive(Clone, Debug, Serialize)]
pub struct At {
    /// Version of this form.
    pub version: u32,
    /// Core.
    pub core: usize,
    /// Time that was asked for.
    pub asked_ns: u64,
    /// That time in the major frame; none on a dedicated core.
    pub time_ns: Option<u64>,
    /// Major frame; none on a dedicated core.
    pub frame_ns: Option<u64>,
    /// Partition, `system`, `idle`, or `el2` for a core that nobody owns.
    pub owner: String,
    /// vCPU of the partition.
    pub vcpu: Option<u32>,
    /// Slot; none on a dedicated core.
    pub slot: Option<SlotAt>,
    /// The slot after it.
    pub next: Option<SlotAt>,
    /// What may interrupt the owner then.
    pub interrupts: Vec<String>,
}

/// Answers `at`.
///
/// # Errors
/// [`AskError::Unknown`] for a core that is not there and a text that is no time.
pub fn at(built: &Built<'_>, core: &str, moment: &str) -> Result<At, AskError> {
    let index = core.parse::<usize>().ok().filter(|k| *k < built.cores.len());
    let (Some(index), Some(entry)) = (index, index.and_then(|k| built.cores.get(k))) else {
        let known = numbers(0..built.cores.len());
        return Err(AskError::unknown(
            format!("there is no core `{core}`"),
            format!("cores: {known}"),
        ));
    };
    let asked = units::nanoseconds(moment).map_err(|_| {
        AskError::unknown(
            format!("`{moment}` is no time"),
            "write a whole number with a unit: ns, us, ms or s, for example 2500us",
        )
    })?;
    Ok(owner(built, index, entry, asked))
}

fn owner(built: &Built<'_>, index: usize, core: &Core, asked: u64) -> At {
    let nobody = At {
        version: 1,
        core: index,
        asked_ns: asked,
        time_ns: None,
        frame_ns: None,
        owner: "el2".to_owned(),
        vcpu: None,
        slot: None,
        next: None,
        interrupts: Vec::new(),
    };
    if core.mode != core_mode::SLICED {
        let Some((_, vcpu)) = built.vcpus_on(core).next() else {
            return nobody;
        };
        return At {
            owner: partition_of(built, vcpu).to_owned(),
            vcpu: Some(vcpu.index),
            interrupts: dedicated(built, (index, core), vcpu),
            ..nobody
        };
    }
    let slots = built.slots_of(core);
    // A core without a table, or a frame of no length, is idle for ever.
    let Some(time_ns) = asked.checked_rem(core.major_frame_ns) else {
        return nobody;
    };
    let position = slots.partition_point(|s| s.offset_ns <= time_ns).checked_sub(1);
    let Some((position, slot)) = position.and_then(|p| Some((p, slots.get(p)?))) else {
        return nobody;
    };
    let next = match position + 1 {
        n if n < slots.len() => n,
        _ => 0,
    };
    let vcpu = built.vcpu(slot.vcpu).filter(|_| slot.kind == slot_kind::VCPU);
    At {
        time_ns: Some(time_ns),
        frame_ns: Some(core.major_frame_ns),
        owner: slot_owner(built, slot).to_owned(),
        vcpu: vcpu.map(|v| v.index),
        slot: Some(shown(built, position, slot)),
        next: slots.get(next).map(|s| shown(built, next, s)),
        interrupts: sliced(built, (index, core), slot, vcpu),
        ..nobody
    }
}

fn shown(built: &Built<'_>, index: usize, slot: &Slot) -> SlotAt {
    SlotAt {
        index,
        offset_ns: slot.offset_ns,
        length_ns: slot.length_ns,
        owner: slot_owner(built, slot).to_owned(),
        shared: slot.shares().next().map(|_| slot_use(built, slot)),
    }
}

/// What runs in a slot: a partition, `system`, `standby` or `idle`.
pub(crate) fn slot_owner<'a>(built: &'a Built<'_>, slot: &Slot) -> &'a str {
    match slot.kind {
        slot_kind::VCPU => built.vcpu(slot.vcpu).map_or("?", |v| partition_of(built, v)),
        slot_kind::SYSTEM => "system",
        slot_kind::STANDBY => "standby",
        slot_kind::IDLE => "idle",
        _ => "?",
    }
}

fn partition_of<'a>(built: &'a Built<'_>, vcpu: &Vcpu) -> &'a str {
    usize::try_from(vcpu.partition).map_or("?", |p| built.partition_name(p))
}

/// INTIDs that are routed to a core and belong to a partition, or to any other.
fn spis(built: &Built<'_>, core: usize, wanted: impl Fn(u32) -> bool) -> Vec<u32> {
    let here = built.spis.iter().filter(|s| usize::try_from(s.core) == Ok(core));
    here.filter(|s| wanted(s.partition)).map(|s| s.intid).collect()
}

fn own_spis<'a>(built: &'a Built<'_>, core: usize, vcpu: &Vcpu) -> impl Iterator<Item = &'a Spi> {
    let partition = vcpu.partition;
    let here = built
        .spis
        .iter()
        .filter(move |s| usize::try_from(s.core) == Ok(core));
    here.filter(move |s| s.partition == partition)
}

/// An interrupt of a partition, by what raises it.
fn of_whom(built: &Built<'_>, spi: &Spi) -> String {
    match spi.ringer {
        NONE => format!("INTID {} of its device", spi.intid),
        _ => doorbell(built, spi),
    }
}

/// A doorbell in words.
pub(crate) fn doorbell(built: &Built<'_>, spi: &Spi) -> String {
    let name = |partition: u32| usize::try_from(partition).map_or("?", |p| built.partition_name(p));
    format!(
        "INTID {}, the doorbell of {} that {} may ring at most once in {}",
        spi.intid,
        name(spi.partition),
        name(spi.ringer),
        time(spi.interval_ns)
    )
}

/// What may take the time of a sliced core from the owner of a slot, or give the core to somebody else in it.
fn thieves(built: &Built<'_>, core: usize, owner: Option<&Vcpu>) -> Vec<String> {
    let mut list = Vec::new();
    if let Some(entry) = built.cores.get(core).filter(|c| c.budget != 0) {
        list.push(format!(
            "INTID {} of the core's performance counter when its budget is spent ({}): the core then stands still until the period ends",
            entry.budget_intid,
            budget(entry)
        ));
    }
    let calls = u32::try_from(core).map(|core| longest_on(built, core, owner.map(|o| o.partition)));
    for (who, call) in calls.into_iter().flatten() {
        list.push(format!(
            "a call of the firmware by {who}, which nothing interrupts: the slot begins behind it, {} later at most",
            time(call.within_ns)
        ));
    }
    for (name, lock) in built
        .locks()
        .filter(|(_, l)| l.flags & channel_flag::INHERITS != 0)
    {
        for party in participants(lock) {
            let is_here = |v: &Vcpu| v.partition == party.partition && usize::try_from(v.core) == Ok(core);
            let is_other = owner.is_none_or(|o| o.partition != party.partition);
            if is_other && built.vcpus.iter().any(is_here) {
                let who = usize::try_from(party.partition).map_or("?", |p| built.partition_name(p));
                list.push(format!(
                    "a boost of {who}, while it owns lock `{name}` and somebody waits: at most {} times {} a frame",
                    party.acquisitions,
                    time(lock.hold_ns)
                ));
            }
        }
    }
    list
}

fn other_vcpus(built: &Built<'_>, vcpu: &Vcpu) -> Option<String> {
    let others = built
        .vcpus
        .iter()
        .filter(|v| v.partition == vcpu.partition && v.index != vcpu.index);
    let others: Vec<String> = others.map(|v| v.index.to_string()).collect();
    (!others.is_empty()).then(|| format!("SGIs of its vCPUs {}", listed(others)))
}

/// How another core calls EL2 on this one. Whether a GICv3 has two security states, so that the firmware keeps Group 0, is
/// found at boot and stands in no blob.
pub(crate) fn kick(core: &Core) -> &'static str {
    let is_gicv2 = core.redistributor == 0;
    match (core.mode == core_mode::SLICED, is_gicv2) {
        (true, false) => {
            "SGI 15 of Group 0, which no guest can mask; where the firmware keeps Group 0, SGI 7 of Group 1, taken to EL2 with all others"
        }
        (true, true) => "SGI 15, taken to EL2 with all others",
        (false, false) => {
            "SGI 15 of Group 0, which no guest can mask; where the firmware keeps Group 0, no interrupt: EL2 revokes its memory"
        }
        (false, true) => "no interrupt: EL2 revokes its memory",
    }
}

fn dedicated(built: &Built<'_>, (core, entry): (usize, &Core), vcpu: &Vcpu) -> Vec<String> {
    let mut list = vec!["its virtual timer (INTID 27) and physical timer (INTID 30), without EL2".to_owned()];
    for spi in own_spis(built, core, vcpu) {
        list.push(format!("{}, without EL2", of_whom(built, spi)));
    }
    list.extend(other_vcpus(built, vcpu).map(|sgis| format!("{sgis}; sending one traps to EL2")));
    list.push(format!("EL2 only to stop or restart it, by {}", kick(entry)));
    if vcpu.hcr & IMO != 0 {
        list.push("every physical interrupt, by way of EL2".to_owned());
    }
    list.push("no slot ends: the core is its own at every time".to_owned());
    list
}

fn sliced(built: &Built<'_>, (core, entry): (usize, &Core), slot: &Slot, vcpu: Option<&Vcpu>) -> Vec<String> {
    let end = slot.offset_ns.saturating_add(slot.length_ns);
    let mut list = vec![format!(
        "EL2's slot timer (INTID 26) at {}, the end of the slot",
        time(end)
    )];
    list.extend(thieves(built, core, vcpu));
    let Some(vcpu) = vcpu else {
        list.push(format!("the kick of another core: {}", kick(entry)));
        let pending = spis(built, core, |_| true);
        if !pending.is_empty() {
            list.push(format!(
                "nothing else: {} stay pending until their partitions run",
                intids(&pending)
            ));
        }
        return list;
    };
    if slot.shares().next().is_some() {
        list.push("the end of a budget, and what wakes a more urgent partition of the slot: by EL2's timer (INTID 26), its device or the kick".to_owned());
    }
    list.push("its virtual timer (INTID 27) and physical timer (INTID 30), by way of EL2".to_owned());
    for spi in own_spis(built, core, vcpu) {
        list.push(format!("{}, by way of EL2", of_whom(built, spi)));
    }
    let partition = usize::try_from(vcpu.partition)
        .ok()
        .and_then(|p| built.partitions.get(p));
    if let Some(partition) =
        partition.filter(|p| p.flags & partition_flag::EMULATED_UART != 0 && p.uart_intid != NONE)
    {
        list.push(format!("INTID {} of its emulated UART", partition.uart_intid));
    }
    list.extend(other_vcpus(built, vcpu));
    list.push(format!(
        "the kick of another core, for what concerns this vCPU: {}",
        kick(entry)
    ));
    let foreign = spis(built, core, |p| p != vcpu.partition);
    if !foreign.is_empty() {
        list.push(format!(
            "not {}: masked and pending until their partitions run",
            intids(&foreign)
        ));
    }
    list
}

fn intids(list: &[u32]) -> String {
    match list {
        [one] => format!("INTID {one}"),
        many => format!("INTIDs {}", numbers(many)),
    }
}

impl At {
    /// As text.
    pub fn text(&self) -> String {
        let owner = match (self.owner.as_str(), self.vcpu) {
            ("system", _) => "EL2's housekeeping".to_owned(),
            ("standby", _) => {
                "EL2's housekeeping if EL2 has failed on the system core; else nobody: the core sleeps"
                    .to_owned()
            }
            ("idle", _) => "nobody: the core sleeps".to_owned(),
            ("el2", _) => "nobody: the core sleeps in EL2".to_owned(),
            (name, Some(vcpu)) => format!("partition {name}, vCPU {vcpu}"),
            (name, None) => format!("partition {name}"),
        };
        let mut text = format!("core {} at {}: {owner}\n", self.core, time(self.asked_ns));
        if let (Some(moment), Some(frame), Some(slot)) = (self.time_ns, self.frame_ns, &self.slot) {
            let end = slot.offset_ns.saturating_add(slot.length_ns);
            let _ = writeln!(
                text,
                "  slot {}: {} to {} of the {} frame; {} are over, {} are left",
                slot.index,
                time(slot.offset_ns),
                time(end),
                time(frame),
                time(moment.saturating_sub(slot.offset_ns)),
                time(end.saturating_sub(moment))
            );
            if let Some(shared) = &slot.shared {
                let _ = writeln!(text, "  shared: {shared}");
            }
        }
        if let Some(next) = &self.next {
            let _ = writeln!(text, "  then: {} for {}", next.owner, time(next.length_ns));
        }
        if !self.interrupts.is_empty() {
            text.push_str("may interrupt:\n");
        }
        for line in &self.interrupts {
            let _ = writeln!(text, "  {line}");
        }
        text
    }
}
