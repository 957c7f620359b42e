// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts and PCI functions.

use super::masters;
use crate::places::WATCHDOG;
use crate::range::{PAGE, Range};
use crate::system::System;
use crate::tables::{FLAG_UART, NONE, Spi};

const SPI_FIRST: u32 = 32;
const SPI_LAST: u32 = 1019;

/// Largest count of a stage of the watchdog: 20 bits.
const WATCHDOG_COUNT: u32 = (1 << 20) - 1;

/// Bit of `intid` in a partition's SPI words.
fn bit(words: &[u32], intid: u32) -> bool {
    let index = intid.saturating_sub(SPI_FIRST);
    let word = usize::try_from(index / 32).ok().and_then(|word| words.get(word));
    word.is_some_and(|word| word & (1 << (index % 32)) != 0)
}

/// Doorbells for which EL2 has room, and the shortest time between two rings in ns.
const DOORBELLS: u32 = 16;
const SHORTEST: u64 = 10_000;

/// Implements: BH-CHK-052.
pub(crate) fn spis(system: &System<'_>, out: &mut Vec<String>) {
    let blob = &system.blob;
    for pair in blob.spis.windows(2) {
        if let [a, b] = pair
            && a.intid >= b.intid
        {
            out.push(format!("SPI {}: listed after {}, or twice", b.intid, a.intid));
        }
    }
    let own = blob.board.uart_intid;
    if own != u32::MAX && !(SPI_FIRST..=SPI_LAST).contains(&own) {
        out.push(format!(
            "board: {own} is no SPI, yet EL2's UART is said to raise it"
        ));
    }
    for spi in &blob.spis {
        let intid = spi.intid;
        if !(SPI_FIRST..=SPI_LAST).contains(&intid) || spi.edge > 1 {
            out.push(format!(
                "SPI {intid}: is no SPI, or its trigger {} is none",
                spi.edge
            ));
        }
        let rings_itself = spi.ringer == spi.partition;
        let device = spi.ringer == u32::MAX;
        let known = usize::try_from(spi.ringer).is_ok_and(|r| r < blob.partitions.len());
        let good = if device {
            spi.doorbell == 0 && spi.interval == 0
        } else {
            known && !rings_itself && spi.edge == 1 && spi.doorbell < DOORBELLS && spi.interval >= SHORTEST
        };
        if !good {
            out.push(format!(
                "SPI {intid}: partition {} rings it as doorbell {} each {} ns",
                spi.ringer, spi.doorbell, spi.interval
            ));
        }
        let same = |s: &&Spi| !device && s.ringer != u32::MAX && s.doorbell == spi.doorbell;
        if blob.spis.iter().filter(same).count() > 1 {
            out.push(format!(
                "SPI {intid}: shares doorbell {} with another",
                spi.doorbell
            ));
        }
        if intid == blob.board.uart_intid {
            out.push(format!("SPI {intid}: is that of EL2's UART"));
        }
        let runs_there = blob
            .vcpus
            .iter()
            .any(|v| v.partition == spi.partition && v.core == spi.core);
        if !runs_there {
            out.push(format!(
                "SPI {intid}: partition {} has no vCPU on core {}",
                spi.partition, spi.core
            ));
        }
    }
    for (i, p) in blob.partitions.iter().enumerate() {
        let name = system.name(i);
        for intid in SPI_FIRST..SPI_FIRST + 31 * 32 {
            let owned = blob
                .spis
                .iter()
                .any(|s| s.intid == intid && usize::try_from(s.partition) == Ok(i));
            if bit(&p.spis, intid) != owned {
                out.push(format!(
                    "partition {name}: its bit for SPI {intid} contradicts the table of SPIs"
                ));
            }
            if owned && intid - SPI_FIRST >= p.spi_lines {
                out.push(format!(
                    "partition {name}: SPI {intid} is beyond its {} lines",
                    p.spi_lines
                ));
            }
        }
        if !p.spi_lines.is_multiple_of(32) || p.spi_lines > 31 * 32 {
            out.push(format!("partition {name}: {} SPI lines", p.spi_lines));
        }
        let uart = p.uart_ipa != 0;
        if uart != (p.flags & FLAG_UART != 0) || !p.uart_ipa.is_multiple_of(PAGE) {
            out.push(format!(
                "partition {name}: emulated PL011 at {:#x}, flags {:#x}",
                p.uart_ipa, p.flags
            ));
        }
        let shown = p
            .uart_intid
            .checked_sub(SPI_FIRST)
            .is_some_and(|n| n < p.spi_lines);
        if uart && (!shown || bit(&p.spis, p.uart_intid)) {
            let intid = p.uart_intid;
            out.push(format!(
                "partition {name}: INTID {intid} of its PL011 is not shown, or a physical SPI of it"
            ));
        }
    }
}

/// Implements: BH-CHK-053.
pub(crate) fn pci(system: &System<'_>, out: &mut Vec<String>) {
    let blob = &system.blob;
    let buses = if blob.board.ecam == 0 {
        0
    } else {
        blob.board.ecam_buses
    };
    for function in &blob.pci_functions {
        let bdf = function.bdf;
        if u64::from(bdf >> 8) >= buses {
            out.push(format!(
                "PCI function {bdf:#x}: is on no bus of the configuration space"
            ));
        }
        if blob.pci_functions.iter().filter(|other| other.bdf == bdf).count() > 1 {
            out.push(format!("PCI function {bdf:#x}: is assigned twice"));
        }
        let is_watchdog = function.partition == NONE;
        if !is_watchdog && usize::try_from(function.partition).map_or(true, |i| i >= blob.partitions.len()) {
            out.push(format!(
                "PCI function {bdf:#x}: partition {} does not exist",
                function.partition
            ));
        }
        if function.bus_master > 1 {
            out.push(format!(
                "PCI function {bdf:#x}: bus master is {}",
                function.bus_master
            ));
        }
        let owner = usize::try_from(function.partition).ok();
        let guarded = system.stream_owner(bdf.into()) == owner && blob.board.smmu != 0;
        if function.bus_master == 1 && !guarded && masters::excepted(system, bdf.into()) != owner {
            out.push(format!(
                "PCI function {bdf:#x}: masters the bus, but its partition owns no such stream"
            ));
        }
    }
    let watchdogs: Vec<_> = blob
        .pci_functions
        .iter()
        .filter(|f| f.partition == NONE)
        .collect();
    let is_one =
        matches!(watchdogs.as_slice(), [w] if w.bus_master == 0 && w.bars.first().is_some_and(|b| b.1 >= 16));
    let count = blob.board.watchdog;
    if count > WATCHDOG_COUNT || (count != 0) != is_one || (count == 0 && !watchdogs.is_empty()) {
        out.push(format!(
            "board: a watchdog that counts down from {count}, and {} PCI functions of nobody that could be one",
            watchdogs.len()
        ));
    }
    masters::check(system, out);
    let mut private = system.el2_private();
    private.extend(blob.ram.iter().map(|bank| ("RAM".to_owned(), *bank)));
    let bars = system.bars();
    for (i, (f, b, range)) in bars.iter().enumerate() {
        let bdf = blob.pci_functions.get(*f).map_or(0, |function| function.bdf);
        let size = range.size();
        if range.start == 0 || !size.is_power_of_two() || !range.start.is_multiple_of(size) {
            out.push(format!(
                "PCI function {bdf:#x}: BAR {b} {range} is not aligned to its size"
            ));
        }
        let pages = Range {
            start: range.start & !(PAGE - 1),
            end: range.end.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX),
        };
        let of_el2 = blob
            .pci_functions
            .get(*f)
            .is_some_and(|function| function.partition == NONE);
        for (other, at) in private.iter().filter(|(name, _)| !of_el2 || name != WATCHDOG) {
            if pages.intersection(*at).is_some() {
                out.push(format!(
                    "PCI function {bdf:#x}: BAR {b} {range} overlaps {other} {at}"
                ));
            }
        }
        for (g, c, at) in bars.iter().skip(i + 1) {
            if pages.intersection(*at).is_some() {
                let other = blob.pci_functions.get(*g).map_or(0, |function| function.bdf);
                out.push(format!(
                    "PCI function {bdf:#x}: BAR {b} {range} shares a page with BAR {c} of {other:#x}"
                ));
            }
        }
    }
}
