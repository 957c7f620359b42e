// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes `grants.txt` of a model.

use std::fmt::Write;

use crate::encode::BLOB_SIZE;
use crate::model::*;

/// The health table, written from the words of the language.
fn health(model: &Model, line: &mut impl FnMut(String)) {
    const ERRORS: &str = "memory-fault illegal-call dma-fault deadline-overrun lock-held heartbeat interrupt-storm serror hardware-poll assertion crash";
    const ACTIONS: &str =
        "- log notify restart-partition stop-partition stop-core safe-state global-safe-state";
    let action = |code: u8| ACTIONS.split(' ').nth(code.into()).unwrap_or("?");
    let mut tables: Vec<(String, [u8; 16])> = ["core", "system"]
        .iter()
        .zip(model.health)
        .map(|(whose, table)| ((*whose).to_owned(), table))
        .collect();
    tables.extend(
        model
            .partitions
            .iter()
            .map(|p| (format!("partition:{}", p.name), p.health)),
    );
    for (whose, table) in tables {
        for (error, code) in ERRORS.split(' ').zip(table).filter(|(_, code)| *code != 0) {
            line(format!("health {whose} {error} {}", action(code)));
        }
    }
    let monitor = model.partitions.get(usize::try_from(model.monitor).unwrap());
    line(format!("monitor {}", monitor.map_or("?", |p| p.name)));
    for p in &model.partitions {
        line(format!("watch {} silent 50 20 3", p.name));
    }
    for p in &model.partitions {
        let boot = if p.flags & 4 == 0 { "off" } else { "boot" };
        let seed = if p.flags & 8 == 0 { "board" } else { "fixed" };
        let steady = if p.flags & 1 == 0 { "-" } else { "steady" };
        let ledger = if p.flags & 32 == 0 { "-" } else { "ledger" };
        line(format!("start {} {boot} 3 {seed} {steady} {ledger}", p.name));
    }
    for p in &model.partitions {
        for (function, within, reason) in &p.calls {
            line(format!("smc {} {function:#x} {within} {reason}", p.name));
        }
    }
}

/// `VTTBR_EL2` of a vCPU: root and VMID of its partition.
pub(crate) fn vttbr(model: &Model, vcpu: &Vcpu) -> u64 {
    let vmid = model.partitions[usize::try_from(vcpu.partition).unwrap()].vmid;
    LIVE + u64::from(vcpu.partition) * PAGE + (u64::from(vmid) << 48)
}

const WORDS: [&str; 11] = [
    "hcr_el2",
    "vtcr_el2",
    "vttbr_el2",
    "vmpidr_el2",
    "vpidr_el2",
    "cnthctl_el2",
    "mdcr_el2",
    "cptr_el2",
    "hstr_el2",
    "ich_hcr_el2",
    "cntvoff_el2",
];

fn range(start: u64, size: u64) -> String {
    format!("{start:#x}-{:#x}", start + size)
}

pub(crate) fn grants(model: &Model, hypervisor: &[u8], roots: &[u64]) -> String {
    let mut t = String::from("bulkhead-grants 1\n# a system for tests\nsystem tests\nboard fake 1 40\n");
    let mut line = |text: String| writeln!(t, "{text}").unwrap();
    let id: String = hypervisor[80..96].iter().map(|b| format!("{b:02x}")).collect();
    line(format!("image {} {id}", range(BASE, IMAGE_END - BASE)));
    line(format!("blob {}", range(BLOB, BLOB_SIZE)));
    line(format!("certificate {}", range(BLOB + BLOB_SIZE, PAGE)));
    line(format!("live {}", range(LIVE, 0x5000)));
    line(format!("stream-table {} 6", range(STREAMS, 64 * 64)));
    for (k, (mode, _)) in model.core_vcpus.iter().enumerate() {
        let mode = ["direct", "guarded", "sliced"][usize::try_from(*mode).unwrap()];
        line(format!("core {k} {k:#x} 0x410fd083 {mode} none"));
    }
    line("bandwidth 0 7 2000 0x8 6 2 23".to_owned());
    let name = |i: u32| model.partitions[usize::try_from(i).unwrap()].name;
    for (i, p) in model.partitions.iter().enumerate() {
        line(format!("partition {i} {} {}", p.name, p.vmid));
    }
    for (i, v) in model.vcpus.iter().enumerate() {
        line(format!("vcpu {i} {} {} {}", name(v.partition), v.index, v.core));
    }
    for (offset, length, kind, vcpu) in &model.slots {
        let what = match kind {
            0 => format!("vcpu {vcpu}"),
            1 => "system -".to_owned(),
            _ => "idle -".to_owned(),
        };
        line(format!("slot 0 {offset} {length} {what}"));
    }
    for (offset, kind, vcpu, budget) in &model.shares {
        let what = if *kind == 2 { "slack" } else { "budget" };
        line(format!("share 0 {offset} {what} {vcpu} {budget}"));
    }
    health(model, &mut line);
    let mut partition = 0;
    for (root, page) in model.roots.iter().zip(roots) {
        let stored = BLOB + page;
        let used = if root.name.starts_with("el2") {
            stored
        } else {
            LIVE + partition * PAGE
        };
        partition += u64::from(!root.name.starts_with("el2"));
        line(format!("root {} {used:#x} {stored:#x}", root.name));
    }
    for (register, word) in ["tcr_el2", "mair_el2", "sctlr_el2"].iter().zip(model.el2_words) {
        line(format!("word el2 {register} {word:#x}"));
    }
    for (i, v) in model.vcpus.iter().enumerate() {
        for (register, word) in WORDS.iter().zip(v.words) {
            let added = if *register == "vttbr_el2" {
                vttbr(model, v)
            } else {
                0
            };
            line(format!("word vcpu:{i} {register} {:#x}", word ^ added));
        }
    }
    model
        .shared
        .iter()
        .for_each(|shared| line(format!("shared {shared}")));
    let streams = model.streams.iter();
    let streams = streams.map(|(id, _, maps)| (format!("stream:{id:#x}"), maps));
    let roots = model.roots.iter().map(|root| (root.name.clone(), &root.maps));
    for (root, maps) in roots.chain(streams) {
        let mut maps: Vec<_> = maps.iter().collect();
        maps.sort_by_key(|m| m.input);
        for m in maps {
            let physical = range(m.physical, m.size);
            let name = &m.name;
            line(format!(
                "grant {root} {name} {physical} {} {} {:#x}",
                m.rights, m.memory, m.input
            ));
        }
    }
    for p in &model.partitions {
        line(format!(
            "emulated {} gicd {}",
            p.name,
            range(0x0800_0000, 0x1_0000)
        ));
        if !model.gicv2 {
            line(format!(
                "emulated {} gicr {}",
                p.name,
                range(0x080a_0000, u64::from(p.vcpus.1) * 0x2_0000)
            ));
        }
        if p.uart != 0 {
            line(format!("emulated {} uart {}", p.name, range(p.uart, PAGE)));
        }
    }
    for spi in &model.spis {
        line(format!(
            "spi {} {} {} {}",
            spi.intid,
            name(spi.partition),
            spi.core,
            ["level", "edge"][usize::from(spi.edge == 1)]
        ));
    }
    for spi in &model.spis {
        if let Some((ringer, number, interval)) = spi.bell {
            line(format!(
                "doorbell {} {} {number} {interval}",
                spi.intid,
                name(ringer)
            ));
        }
    }
    for f in &model.functions {
        let master = if f.master { "master" } else { "no-master" };
        line(format!(
            "pci {:#x} 0x1760 0xff00 {} {master}",
            f.bdf,
            name(f.partition)
        ));
    }
    for f in &model.functions {
        for (b, (at, size)) in f.bars.iter().enumerate() {
            line(format!("bar {:#x} {b} {}", f.bdf, range(*at, *size)));
        }
    }
    for (id, partition, _) in &model.streams {
        let mut platform = model.platform.iter();
        let device = platform.find(|(own, ..)| u64::from(*own) == *id);
        let device = device.map_or_else(String::new, |(_, _, device)| format!(" {device}"));
        line(format!("stream {id:#x} {}{device}", name(*partition)));
    }
    for fields in &model.controllers {
        line(format!("controller {}", fields.join(" ")));
    }
    let mut memory = model.memory.clone();
    memory.push((BLOB, BLOB_SIZE, "el2 blob".to_owned()));
    memory.push((BLOB + BLOB_SIZE, PAGE, "el2 certificate".to_owned()));
    memory.sort();
    memory
        .iter()
        .for_each(|(start, size, what)| line(format!("memory {} {what}", range(*start, *size))));
    t
}
