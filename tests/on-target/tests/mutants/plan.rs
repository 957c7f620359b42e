// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a mutated system is asked when it runs, and what the walk says must come of it.

use bulkhead_mutants::bytes::PAGE;
use bulkhead_mutants::descriptor::{Kind, R, W, X};
use bulkhead_mutants::image::Range;
use bulkhead_mutants::judge::{Verdict, judge};
use bulkhead_mutants::mutate::Class;
use bulkhead_mutants::predict::{Dma, Target, View, target};
use bulkhead_mutants::rng::Rng;
use bulkhead_mutants::stream::Entry;
use bulkhead_mutants::walk::Map;

use crate::machine::{Machine, Order, RAM};
use crate::scene::Scene;

/// Where in a page a probe looks: beyond what windows keep at their begin.
pub(crate) const OFFSET: u64 = 0x800;
/// IPA at which DMA lands, and at which DMA finds more of the partition's RAM.
const LANDING: u64 = 0x4010_8000;
const OWN: u64 = 0x4021_0000 + OFFSET;
/// `ret`: the low half of every tag, so that a tag can be called.
const RET: u64 = 0xD65F_03C0;

/// What a probe must show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// A load gives what the physical address held.
    Held(u64),
    /// No fault of stage 2; what the bus says is not ours.
    Reached,
    /// The physical address then holds the value.
    Stored(u64, u64),
    /// It returns.
    Returned,
    /// EL2 stops the partition.
    Denied,
    /// The device reads from the first and writes to the second physical address, where each is one.
    Copied(Option<u64>, Option<u64>),
}

/// A command with what must come of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) operation: u64,
    pub(crate) address: u64,
    pub(crate) value: u64,
    pub(crate) expected: Expected,
}

/// All that is asked of one boot.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) blob: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
    pub(crate) class: Class,
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
    pub(crate) probes: Vec<Probe>,
    /// Physical addresses that get a tag before the partition is let go.
    pub(crate) tags: Vec<u64>,
}

/// What a tagged address holds.
pub(crate) fn tag(address: u64) -> u64 {
    (address >> 12) << 32 | RET
}

/// Tags where nothing depends on what is there.
fn can_be_tagged(scene: &Scene, address: u64) -> bool {
    let free = Range {
        start: RAM,
        end: RAM + scene.memory,
    };
    let inside = |range: &Range| range.start <= address && address < range.end;
    inside(&free) && !scene.occupied.iter().any(inside)
}

/// The plan for mutation `seed`, if it changes what the prober or its bus master reaches and leaves the prober able
/// to run.
pub(crate) fn plan(scene: &Scene, seed: u64) -> Option<Plan> {
    let mutant = scene.base.mutate(seed);
    if mutant.files.text != scene.files.text || mutant.files.blob == scene.files.blob {
        return None;
    }
    // Whatever EL2 reads is as it was.
    let until = scene.sections_end;
    if mutant.files.blob.get(48..until) != scene.files.blob.get(48..until) {
        return None;
    }
    let view = View::of(&mutant.files)?;
    let maps = view.reach.partitions.get(scene.prober)?;
    if view.reach.lost || !runs(scene, maps) {
        return None;
    }
    let mut rng = Rng::new(!seed);
    let sound = &scene.sound;
    let dma = view.dma(&mutant.files.blob, scene.stream, sound);
    let before = scene.view.dma(&scene.files.blob, scene.stream, sound);
    let entry = |view: &View, bytes: &[u8]| {
        let table = view.blob.live_image + view.blob.board.stream_table;
        Entry::read(bytes, table, scene.stream)
    };
    let same_entry = entry(&view, &mutant.files.blob) == entry(&scene.view, &scene.files.blob);
    let mut plan = Plan {
        certificate: mutant.files.certificate(),
        blob: mutant.files.blob.clone(),
        class: mutant.class,
        verdict: judge(&mutant.files).verdict(),
        text: mutant.text.clone(),
        probes: Vec::new(),
        tags: Vec::new(),
    };
    let same_walk = match (&dma, &before) {
        (Dma::Walk(one), Dma::Walk(other)) => one == other,
        _ => false,
    };
    if same_entry && same_walk {
        by_cpu(scene, &view, maps, &mut plan, &mut rng);
    } else {
        if matches!(dma, Dma::Unknown) {
            return None;
        }
        by_dma(scene, &dma, &mut plan, &mut rng);
    }
    (!plan.probes.is_empty()).then_some(plan)
}

/// Whether the prober still has what it needs to be loaded and to run.
fn runs(scene: &Scene, maps: &[Map]) -> bool {
    let own = &scene.view.reach.partitions[scene.prober];
    let pages = scene.needed.iter().flat_map(|r| (r.start..r.end).step_by(4096));
    pages
        .into_iter()
        .all(|page| target(maps, page) == target(own, page))
}

/// Asks about input pages whose leaves differ.
fn by_cpu(scene: &Scene, view: &View, maps: &[Map], plan: &mut Plan, rng: &mut Rng) {
    let root = view.reach.el2.len() + scene.prober;
    let leaves = |view: &View| -> Vec<(u64, u32, u64)> {
        let own = view
            .seen
            .iter()
            .filter(|s| s.root == root && (s.level == 3 || s.raw & 3 == 1));
        own.map(|s| (s.input, s.level, s.raw)).collect()
    };
    let (old, new) = (leaves(&scene.view), leaves(view));
    let only = |these: &[(u64, u32, u64)], those: &[(u64, u32, u64)]| -> Vec<(u64, u32)> {
        these
            .iter()
            .filter(|leaf| !those.contains(leaf))
            .map(|(input, level, _)| (*input, *level))
            .collect()
    };
    let mut changed = only(&old, &new);
    changed.extend(only(&new, &old));
    let mut denied = Vec::new();
    for _ in 0..4 {
        let Some((input, level)) = rng.pick(&changed).copied() else {
            return;
        };
        let page = input + if level == 3 { 0 } else { rng.below(512) * PAGE };
        let address = page + OFFSET;
        if plan.probes.iter().any(|p| p.address == address)
            || denied.iter().any(|p: &Probe| p.address == address)
        {
            continue;
        }
        let emulated = scene.emulated.iter().any(|r| r.start <= page && page < r.end);
        match target(maps, page) {
            None if emulated => {}
            None => denied.push(Probe {
                operation: 0,
                address,
                value: 0,
                expected: Expected::Denied,
            }),
            Some(target) => page_of(scene, address, target, plan, &mut denied),
        }
    }
    // The first that is denied ends the partition, so it comes last.
    plan.probes.extend(rng.pick(&denied).copied());
}

/// Asks about a page that is mapped.
fn page_of(scene: &Scene, address: u64, target: Target, plan: &mut Plan, denied: &mut Vec<Probe>) {
    let physical = target.page + OFFSET;
    let mut ask = |operation: u64, value: u64, expected: Expected| {
        let probe = Probe {
            operation,
            address,
            value,
            expected,
        };
        match expected {
            Expected::Denied => denied.push(probe),
            _ => plan.probes.push(probe),
        }
    };
    let taggable = can_be_tagged(scene, physical) && !plan.tags.contains(&physical);
    let in_ram = (RAM..RAM + scene.memory).contains(&physical);
    let (readable, writable) = (target.rights & R != 0, target.rights & W != 0);
    let executable = target.rights & X != 0;
    let normal = matches!(target.kind, Kind::WriteBack | Kind::NonCacheable);
    match (readable, in_ram) {
        (true, true) => ask(0, 0, Expected::Held(physical)),
        // Registers, or nothing at all: what matters is that stage 2 lets it through.
        (true, false) => ask(5, 0, Expected::Reached),
        (false, _) => ask(0, 0, Expected::Denied),
    }
    if taggable && executable && normal && readable {
        ask(2, 0, Expected::Returned);
    }
    if !executable && normal {
        ask(2, 0, Expected::Denied);
    }
    if !writable {
        ask(1, 0, Expected::Denied);
    } else if taggable {
        let value = tag(physical) ^ 1 << 63;
        ask(1, value, Expected::Stored(physical, value));
    }
    if taggable {
        plan.tags.push(physical);
    }
}

/// Asks what the bus master reaches: its own RAM, the other partition's by its physical address, pages that moved.
fn by_dma(scene: &Scene, dma: &Dma, plan: &mut Plan, rng: &mut Rng) {
    let foreign = scene.victim_ram + 0x1_0000 + OFFSET;
    let mut places = vec![OWN, foreign];
    if let Dma::Walk(maps) = dma
        && let Some(map) = rng.pick(maps)
    {
        places.push(map.input + rng.below(map.size / PAGE) * PAGE + OFFSET);
    }
    let at = |address: u64, right: u8| {
        let target = dma.target(address).filter(|t| t.rights & right != 0)?;
        Some(target.page + address % PAGE)
    };
    let asked = *rng.pick(&places).unwrap_or(&OWN);
    for address in [asked, OWN] {
        let (source, landing) = (at(address, R), at(LANDING, W));
        let known =
            source.is_none_or(|s| can_be_tagged(scene, s)) && landing.is_none_or(|l| on_ram(scene, l));
        if known && !plan.probes.iter().any(|p| p.address == address) {
            plan.tags.extend(source);
            plan.tags.extend([scene.ram + (OWN - 0x4000_0000), foreign]);
            let expected = Expected::Copied(source, landing);
            plan.probes.push(Probe {
                operation: 3,
                address,
                value: !tag(address),
                expected,
            });
        }
    }
    let (source, end) = (at(LANDING, R), at(asked, W));
    let safe = end.is_none_or(|e| can_be_tagged(scene, e)) && source.is_none_or(|s| on_ram(scene, s));
    if safe {
        // What must not be written is looked at, too: the page that the address names without translation.
        plan.tags.extend([scene.ram + (OWN - 0x4000_0000), foreign]);
        let expected = Expected::Copied(source, end);
        plan.probes.push(Probe {
            operation: 4,
            address: asked,
            value: tag(asked) ^ 0xFF << 40,
            expected,
        });
    }
}

/// Whether a word of RAM can be looked at, and written by DMA without harm to what must run: EL2 is elsewhere.
fn on_ram(scene: &Scene, address: u64) -> bool {
    let landing = scene.ram + (LANDING - 0x4000_0000);
    address == landing || can_be_tagged(scene, address)
}

/// Runs a plan; what differs from what was expected.
pub(crate) fn carry_out(scene: &Scene, plan: &Plan, machine: &mut Machine) -> Result<(), String> {
    machine.ready()?;
    for address in &plan.tags {
        machine.write(*address, tag(*address));
    }
    let held = |machine: &Machine, probe: &Probe| match probe.expected {
        Expected::Held(physical) => machine.read(physical),
        _ => 0,
    };
    let before: Vec<u64> = plan.probes.iter().map(|probe| held(machine, probe)).collect();
    let order = |p: &Probe| Order {
        operation: p.operation,
        address: p.address,
        value: p.value,
        state: 0,
    };
    let orders: Vec<Order> = plan.probes.iter().map(order).collect();
    let mut stores = std::collections::BTreeMap::new();
    for probe in &plan.probes {
        if let Expected::Copied(..) = probe.expected {
            // One copy at a time: each is looked at before the next.
            let orders = [order(probe)];
            let (done, _) = machine.run(scene.registers, &orders)?;
            copied(scene, plan, probe, done.first().copied(), machine)?;
        }
    }
    if plan
        .probes
        .iter()
        .any(|p| matches!(p.expected, Expected::Copied(..)))
    {
        return Ok(());
    }
    let (done, end) = machine.run(scene.registers, &orders)?;
    for ((probe, done), before) in plan.probes.iter().zip(&done).zip(before) {
        let fine = match probe.expected {
            Expected::Held(physical) => {
                let after = stores
                    .get(&physical)
                    .copied()
                    .unwrap_or_else(|| machine.read(physical));
                done.state == 2 && (done.value == before || done.value == after)
            }
            Expected::Reached => matches!(done.state, 2 | 3),
            Expected::Stored(physical, value) => {
                stores.insert(physical, value);
                done.state == 2 && machine.read(physical) == value
            }
            Expected::Returned => done.state == 2,
            Expected::Denied => done.state == 1 && is_denial(end, probe),
            Expected::Copied(..) => false,
        };
        if !fine {
            return Err(format!(
                "{probe:x?}: found {done:x?}, before {before:#x}, {end:x?}"
            ));
        }
    }
    Ok(())
}

/// Whether EL2 stopped the partition for this access: an abort from EL1 by stage 2.
fn is_denial(end: crate::machine::End, probe: &Probe) -> bool {
    let crate::machine::End::Stopped(esr, _) = end else {
        return false;
    };
    let class = esr >> 26;
    // Address size, translation, access flag, permission.
    let by_table = esr & 0x3F < 0x10;
    class == if probe.operation == 2 { 0x20 } else { 0x24 } && by_table
}

/// Compares memory after a copy.
fn copied(
    scene: &Scene,
    plan: &Plan,
    probe: &Probe,
    done: Option<Order>,
    machine: &Machine,
) -> Result<(), String> {
    let Expected::Copied(source, end) = probe.expected else {
        return Ok(());
    };
    let landing = scene.ram + (LANDING - 0x4000_0000);
    let wrong = |what: &str, address: u64| {
        Err(format!(
            "{probe:x?}: {what} at {address:#x}: {:#x}, {done:x?}",
            machine.read(address)
        ))
    };
    if done.is_none_or(|d| d.state != 2) {
        return wrong("the copy did not end", landing);
    }
    // What the device has to give: the tag it read, or the value if it read the very landing place.
    let given = match (probe.operation, source) {
        (3, Some(source)) => Some(tag(source)),
        (_, Some(source)) if source == landing => Some(probe.value),
        _ => None,
    };
    match (end, given) {
        (Some(end), Some(given)) if machine.read(end) != given => wrong("not written", end),
        (Some(end), None) if machine.read(end) == probe.value && probe.operation == 4 => {
            wrong("written", end)
        }
        (Some(end), None)
            if probe.operation == 3 && plan.tags.iter().any(|t| machine.read(end) == tag(*t)) =>
        {
            wrong("read", end)
        }
        (None, Some(given)) if probe.operation == 3 && machine.read(landing) == given => {
            wrong("landed", landing)
        }
        (None, _) if probe.operation == 4 => {
            let places = [
                scene.ram + (OWN - 0x4000_0000),
                scene.victim_ram + 0x1_0000 + OFFSET,
            ];
            match places.into_iter().find(|p| machine.read(*p) != tag(*p)) {
                Some(place) => wrong("written", place),
                None => Ok(()),
            }
        }
        (None, _) if machine.read(landing) != probe.value => wrong("overwritten", landing),
        _ => Ok(()),
    }
}
