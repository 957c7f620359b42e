// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Everything that a partition depends on, as named facts that can be compared.
//!
//! A *placement* fact is a physical address or a number that only tells resources apart (VMID, index): software
//! in the partition cannot see it. Everything else is *essence*. The tables enter as a digest over every leaf, so
//! that nothing escapes that the text form would not name.

pub(super) mod global;
mod signals;
mod vcpu;

use std::collections::BTreeMap;

use bulkhead_abi::health::Level;
use bulkhead_types::tables::{Core, partition_flag};
use sha2::{Digest, Sha256};

use crate::at::slot_owner;
use crate::built::{Built, BuiltError, hex};
use crate::content;
use crate::records::GrantRecord;
use crate::stated::Facts;
use crate::walk::{Root, Use, roots, runs};
use crate::why::health;
use crate::words::{count, size, time};

/// What somebody depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct Footprint {
    /// What software or timing can notice.
    pub(super) essence: Facts,
    /// Where things lie.
    pub(super) placement: Facts,
}

impl Footprint {
    fn essence(&mut self, what: impl Into<String>, value: impl ToString) {
        self.essence.insert(what.into(), value.to_string());
    }

    fn placement(&mut self, what: impl Into<String>, value: impl ToString) {
        self.placement.insert(what.into(), value.to_string());
    }
}

/// Enough of a digest to tell two apart by eye; 64 bits.
fn short(digest: Sha256) -> String {
    hex(&digest.finalize()).chars().take(16).collect()
}

/// The hypervisor: code and the control words of EL2 itself.
pub(super) fn hypervisor(built: &Built<'_>) -> Footprint {
    let mut facts = Footprint::default();
    let header = &built.header;
    facts.essence("build ID", built.hypervisor_id());
    facts.essence("TCR_EL2", format!("{:#x}", header.el2_tcr));
    facts.essence("MAIR_EL2", format!("{:#x}", header.el2_mair));
    facts.essence("SCTLR_EL2", format!("{:#x}", header.el2_sctlr));
    facts
}

/// The board as EL2 is told of it.
pub(super) fn board(built: &Built<'_>) -> Footprint {
    let mut facts = Footprint::default();
    facts.essence("number", built.header.board_id);
    for (k, core) in built.cores.iter().enumerate() {
        facts.essence(
            format!("core {k}"),
            format!(
                "MPIDR {:#x}, MIDR {:#x}, redistributor {:#x}",
                core.mpidr, core.midr, core.redistributor
            ),
        );
    }
    for ram in &built.ram {
        facts.essence(format!("RAM at {:#x}", ram.base), size(ram.size));
    }
    let devices = built.board;
    for (what, value) in [
        ("distributor", devices.gicd),
        ("UART", devices.uart),
        ("SMMU", devices.smmu),
        ("PCI configuration space", devices.ecam),
        ("PCI buses", devices.ecam_buses),
        ("poll bound", devices.poll_bound),
    ] {
        facts.essence(what, format!("{value:#x}"));
    }
    // Nobody is isolated from them, so they concern everybody.
    for unguarded in &built.records.unguarded {
        facts.essence(
            format!("unguarded bus master {}", unguarded.what),
            format!(
                "of partition {}, accepted for {}",
                unguarded.partition, unguarded.reason
            ),
        );
    }
    facts
}

/// EL2's own data: what its roots reach, and its slots. No partition sees it.
pub(super) fn el2(built: &Built<'_>) -> Result<Footprint, BuiltError> {
    let mut facts = Footprint::default();
    let (mut seen, mut lies) = (Sha256::new(), Sha256::new());
    for root in roots(built) {
        if let Use::Boot | Use::Core(_) = root.serves {
            runs_joined(built, &root, &mut seen, &mut lies)?;
        }
    }
    facts.essence("tables: addresses, rights, types", short(seen));
    facts.placement("tables: physical addresses", short(lies));
    let mut reached: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for grant in built.records.grants.iter().filter(|g| g.root.starts_with("el2:")) {
        let how = format!(
            "{} {} {}",
            grant.rights,
            grant.memory,
            size(grant.physical.size())
        );
        reached.entry(&grant.name).or_default().push(how);
    }
    for (name, mut ways) in reached {
        let roots = ways.len();
        ways.sort();
        ways.dedup();
        facts.essence(
            format!("`{name}`"),
            format!("{} in {}", ways.join(", "), count(roots, "mapping")),
        );
    }
    facts.essence("core of the system slot", built.board.system_core);
    let standby = |core: &Core| {
        built
            .slots_of(core)
            .iter()
            .any(|s| slot_owner(built, s) == "standby")
    };
    let successor = built.cores.iter().position(standby);
    let successor = successor.map_or("none".to_owned(), |core| core.to_string());
    facts.essence("core of the standby slot", successor);
    let (core, system) = (&built.board.health_core, &built.board.health_system);
    for (level, table) in [(Level::Core, core), (Level::System, system)] {
        for (error, action) in health::reactions(level, table) {
            facts.essence(
                format!("reaction to {error} on the {} level", level.word()),
                action,
            );
        }
    }
    facts.essence("monitor", health::monitor(built));
    for (k, core) in built.cores.iter().enumerate() {
        for slot in built
            .slots_of(core)
            .iter()
            .filter(|s| ["system", "standby"].contains(&slot_owner(built, s)))
        {
            facts.essence(
                format!(
                    "{} slot on core {k} at {}",
                    slot_owner(built, slot),
                    time(slot.offset_ns)
                ),
                time(slot.length_ns),
            );
        }
    }
    Ok(facts)
}

/// Grants with a key that tells those of one name apart.
fn numbered<'a>(grants: impl Iterator<Item = &'a GrantRecord>) -> Vec<(String, &'a GrantRecord)> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    grants
        .map(|grant| {
            let part = seen.entry(&grant.name).or_default();
            *part += 1;
            let number = if *part == 1 {
                String::new()
            } else {
                format!(" (part {part})")
            };
            (format!("`{}`{number}", grant.name), grant)
        })
        .collect()
}

/// Digests over every leaf of a partition's root: what software sees, and where that lies.
fn tables(built: &Built<'_>, root: &Root, facts: &mut Footprint) -> Result<(), BuiltError> {
    let (mut seen, mut lies) = (Sha256::new(), Sha256::new());
    runs_joined(built, root, &mut seen, &mut lies)?;
    let name = match root.serves {
        Use::Stream(id) => format!("leaves of StreamID {id:#x}"),
        Use::Partition(_) | Use::Boot | Use::Core(_) => "stage-2 leaves".to_owned(),
    };
    facts.essence(format!("{name}: addresses, rights, types"), short(seen));
    facts.placement(format!("{name}: physical addresses"), short(lies));
    Ok(())
}

/// Runs as software sees them: joined over physical seams, so that the size of blocks and the places do not count.
fn runs_joined(
    built: &Built<'_>,
    root: &Root,
    seen: &mut Sha256,
    lies: &mut Sha256,
) -> Result<(), BuiltError> {
    let mut open: Option<(u64, u64, String)> = None;
    let mut put = |(start, end, how): (u64, u64, String)| {
        seen.update(start.to_le_bytes());
        seen.update(end.to_le_bytes());
        seen.update(how.as_bytes());
    };
    runs(built, root, &mut |run| {
        lies.update(run.input.to_le_bytes());
        lies.update(run.output.to_le_bytes());
        lies.update(run.size.to_le_bytes());
        let how = format!("{} {}", run.rights, run.memory);
        let end = run.input.saturating_add(run.size);
        match &mut open {
            Some((_, last, same)) if *last == run.input && *same == how => *last = end,
            other => {
                if let Some(done) = other.replace((run.input, end, how)) {
                    put(done);
                }
            }
        }
    })?;
    if let Some(last) = open {
        put(last);
    }
    Ok(())
}

/// A partition.
pub(super) fn partition(built: &Built<'_>, index: usize) -> Result<Footprint, BuiltError> {
    let mut facts = Footprint::default();
    let name = built.partition_name(index).to_owned();
    let is_own = |partition: u32| usize::try_from(partition) == Ok(index);
    for root in roots(built) {
        let serves = match root.serves {
            Use::Partition(partition) => partition == index,
            Use::Stream(id) => built
                .records
                .streams
                .iter()
                .any(|(stream, owner, _)| (*stream, owner) == (id, &name)),
            Use::Boot | Use::Core(_) => false,
        };
        if serves {
            tables(built, &root, &mut facts)?;
        }
    }
    memory(built, &name, &mut facts);
    for part in content::of(built, index)? {
        facts.essence(
            format!("content of `{}`", part.name),
            format!("SHA-256 {}", part.hash),
        );
    }
    if let Some(entry) = built.partitions.get(index) {
        facts.essence(
            "RAM",
            format!("{} from {:#x}", size(entry.ram_size), entry.ram_ipa),
        );
        facts.essence(
            "distributor as it sees it",
            format!("{:#x}, {} SPIs", entry.gicd_ipa, entry.spi_lines),
        );
        facts.essence("redistributors as it sees them", format!("{:#x}", entry.gicr_ipa));
        facts.essence(
            "emulated UART",
            format!("{:#x}, INTID {}", entry.uart_ipa, entry.uart_intid),
        );
        facts.essence("restart limit", entry.restart_limit);
        for (error, action) in health::reactions(Level::Partition, &entry.health) {
            facts.essence(format!("reaction to {error}"), action);
        }
        facts.essence("heartbeat", health::heartbeat(entry));
        facts.essence("interrupts of its devices in a slot", health::storm(entry));
        for call in entry.calls() {
            facts.essence(
                format!("function {:#x} of the firmware", call.function),
                crate::firmware::bound(call),
            );
        }
        for (what, bit) in [
            ("marks the steady state", partition_flag::MAY_MARK),
            ("reads the time ledger", partition_flag::MAY_READ_LEDGER),
            ("has an emulated UART", partition_flag::EMULATED_UART),
            ("started at boot", partition_flag::AUTOSTART),
            ("fixed seeds", partition_flag::FIXED_SEED),
            ("gives a safe output", partition_flag::SAFE_OUTPUT),
        ] {
            facts.essence(what, entry.flags & bit != 0);
        }
        facts.placement("VMID", entry.vmid);
        facts.placement("index", index);
        facts.placement("ring of its console", format!("{:#x}", entry.window));
    }
    for (_, vcpu) in built.vcpus_of(index) {
        vcpu::words(vcpu, &mut facts);
        vcpu::time_of(built, vcpu, &mut facts);
    }
    signals::interrupts(built, index, &mut facts);
    signals::locks(built, index, &mut facts);
    for function in built.pci_functions.iter().filter(|f| is_own(f.partition)) {
        let bars = function
            .bars
            .iter()
            .map(|b| format!("{:#x}+{:#x}", b.address, b.size));
        let bars: Vec<String> = bars.collect();
        let master = if function.bus_master == 1 {
            "may master the bus"
        } else {
            "no bus master"
        };
        facts.essence(
            format!("PCI function {:#x}", function.bdf),
            format!("ID {:#x}, {master}, BARs {}", function.id, bars.join(" ")),
        );
    }
    for (id, owner, device) in &built.records.streams {
        if *owner == name {
            let of = device.as_ref().map_or_else(String::new, |d| format!(", of {d}"));
            facts.essence(format!("StreamID {id:#x}"), format!("granted{of}"));
        }
    }
    for (owner, device, controller) in &built.records.controllers {
        if *owner == name {
            let place = format!("controller:{controller}");
            let pages = built.records.memory.iter().filter(|p| p.owner == place);
            let pages: Vec<String> = pages.map(|p| format!("{:#x}", p.physical.start)).collect();
            facts.essence(
                format!("controller {controller} of `{device}`"),
                format!("registers at {}", pages.join(" ")),
            );
        }
    }
    Ok(facts)
}

/// Its grants by name, what the image puts there, and with whom it shares.
fn memory(built: &Built<'_>, name: &str, facts: &mut Footprint) {
    let root = format!("partition:{name}");
    let own = built.records.all_grants().filter(|g| g.root == root);
    for (key, grant) in numbered(own) {
        let what = format!(
            "{} {} {} at {:#x}",
            grant.rights,
            grant.memory,
            size(grant.physical.size()),
            grant.input
        );
        facts.essence(key.clone(), what);
        facts.placement(key.clone(), format!("physical {:#x}", grant.physical.start));
    }
    for shared in &built.records.shared {
        let mut parties: Vec<&str> = shared.parties.iter().map(String::as_str).collect();
        let mine = format!("{root}=");
        // The loader is read-only code that every partition executes: who else does is of no effect.
        if shared.name != "loader" && parties.iter().any(|p| p.starts_with(&mine)) {
            parties.sort_unstable();
            facts.essence(format!("who shares `{}`", shared.name), parties.join(" "));
        }
    }
}
