// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Distributor, and what redistributors say of themselves.
//!
//! Verifies: BH-GIC-005, BH-GIC-010, BH-TRAP-010.
//!
//! # References
//! Arm IHI 0069, "Distributor register descriptions", "GICR_TYPER", "GICR_WAKER", "Affinity routing".
#![forbid(unsafe_code)]

use crate::board::Board;
use crate::check::{Case, Outcome, equal, holds};
use crate::gic::{self, CHILDREN_ASLEEP, PROCESSOR_SLEEP};
use crate::timer;

pub(super) const CASES: &[Case] = &[
    Case::one("GIC-DIST-01", "GICD_TYPER tells at least 10 bits of INTID", typer),
    Case::one("GIC-DIST-02", "GICD_IIDR is read-only", iidr),
    Case::one(
        "GIC-DIST-03",
        "PIDR2 of GICD and GICR tell the same architecture, 3 or 4",
        pidr2,
    ),
    Case::one(
        "GIC-DIST-04",
        "GICD_CTLR: ARE is one, EnableGrp1 can be set and cleared, RWP clears",
        ctlr,
    ),
    Case::one(
        "GIC-DIST-05",
        "registers of SGIs and PPIs in GICD are reserved with affinity routing",
        banked,
    ),
    Case::one(
        "GIC-DIST-06",
        "reserved registers of GICD read as zero and ignore writes",
        reserved,
    ),
    Case::one(
        "GIC-DIST-07",
        "enables of SPIs beyond GICD_TYPER.ITLinesNumber read as zero and ignore writes",
        beyond,
    ),
    Case::one(
        "GIC-REDIST-01",
        "GICR_TYPER tells each CPU's affinity, and Last on the last alone",
        frames,
    ),
    Case::one(
        "GIC-REDIST-02",
        "GICR_TYPER.Processor_Number differs from CPU to CPU",
        numbers,
    ),
    Case::one(
        "GIC-REDIST-03",
        "GICR_TYPER reads the same as one word or two",
        halves,
    ),
    Case::one(
        "GIC-REDIST-04",
        "GICR_WAKER: without ProcessorSleep the children wake",
        waker,
    ),
];

fn typer(_: &Board) -> Outcome {
    let typer = gic::distributor().read32(gic::TYPER_GICD);
    let bits = (typer >> 19 & 0x1f) + 1;
    holds("IDbits of at least 10", bits >= 10, bits)
}

fn iidr(_: &Board) -> Outcome {
    let frame = gic::distributor();
    let before = frame.read32(gic::IIDR_GICD);
    frame.write32(gic::IIDR_GICD, !before);
    equal("GICD_IIDR", before, frame.read32(gic::IIDR_GICD))
}

fn pidr2(_: &Board) -> Outcome {
    let revision = gic::distributor().read32(gic::PIDR2) >> 4 & 0xf;
    holds("ArchRev 3 or 4", revision == 3 || revision == 4, revision)?;
    let other = gic::redistributor().read32(gic::PIDR2) >> 4 & 0xf;
    equal("GICR_PIDR2.ArchRev", revision, other)
}

fn ctlr(_: &Board) -> Outcome {
    let frame = gic::distributor();
    for on in [false, true] {
        gic::forward(on);
        let value = frame.read32(gic::CTLR);
        let group = value & gic::ENABLE_GROUP1 != 0;
        equal("EnableGrp1", on, group)?;
        holds("ARE set", value & gic::AFFINITY_ROUTING != 0, value)?;
        holds("RWP clear", value & gic::WRITE_PENDING == 0, value)?;
    }
    Ok(())
}

fn banked(board: &Board) -> Outcome {
    let timer = 1 << board.virtual_timer;
    let frame = gic::distributor();
    frame.write32(gic::ISENABLER, timer);
    equal("GICD_ISENABLER0", 0_u64, frame.read32(gic::ISENABLER))?;
    equal("GICD_ISPENDR0", 0_u64, frame.read32(gic::ISPENDR))?;
    equal("GICD_IPRIORITYR0", 0_u64, frame.read32(gic::IPRIORITYR))?;
    let enabled = gic::private().read32(gic::ISENABLER) & timer;
    equal("the timer's bit of GICR_ISENABLER0", 0_u64, enabled)
}

fn reserved(_: &Board) -> Outcome {
    let frame = gic::distributor();
    for offset in [0x000c, 0x0030] {
        frame.write32(offset, u32::MAX);
        equal("reserved register", 0_u64, frame.read32(offset))?;
    }
    Ok(())
}

fn beyond(_: &Board) -> Outcome {
    let frame = gic::distributor();
    let words = frame.read32(gic::TYPER_GICD) & 0x1f;
    // INTIDs 1020 to 1023 are special: the last word has no full set of SPIs on any GIC.
    for word in words + 1..31 {
        let offset = gic::ISENABLER + 4 * u64::from(word);
        frame.write32(offset, u32::MAX);
        equal("GICD_ISENABLER beyond the lines", 0_u64, frame.read32(offset))?;
    }
    Ok(())
}

fn frames(board: &Board) -> Outcome {
    let mut seen = 0_u64;
    let mut last = 0_u64;
    for frame in gic::redistributors(board) {
        let typer = frame.read64(gic::TYPER_GICR);
        let affinity = typer >> 32;
        let index = board
            .cpus
            .iter()
            .position(|m| *m == (affinity & 0xff_ffff | (affinity >> 24) << 32));
        holds("an affinity of the device tree", index.is_some(), affinity)?;
        let bit = 1 << index.unwrap_or(0);
        equal("affinities told twice", 0_u64, seen & bit)?;
        seen |= bit;
        last += u64::from(typer & gic::LAST != 0);
    }
    equal("CPUs with a redistributor", (1_u64 << board.cpus.len()) - 1, seen)?;
    equal("redistributors with Last", 1_u64, last)
}

fn numbers(board: &Board) -> Outcome {
    let mut seen = 0_u64;
    for frame in gic::redistributors(board) {
        let number = frame.read64(gic::TYPER_GICR) >> 8 & 0xffff;
        let bit = 1 << (number & 63);
        equal("numbers told twice", 0_u64, seen & bit)?;
        seen |= bit;
    }
    Ok(())
}

fn halves(_: &Board) -> Outcome {
    let frame = gic::redistributor();
    let (low, high) = (frame.read32(gic::TYPER_GICR), frame.read32(gic::TYPER_GICR + 4));
    let whole = frame.read64(gic::TYPER_GICR);
    equal("GICR_TYPER", whole, u64::from(high) << 32 | u64::from(low))
}

fn waker(_: &Board) -> Outcome {
    let frame = gic::redistributor();
    frame.write32(gic::WAKER, frame.read32(gic::WAKER) & !PROCESSOR_SLEEP);
    let awake = timer::eventually(|| frame.read32(gic::WAKER) & (CHILDREN_ASLEEP | PROCESSOR_SLEEP) == 0);
    holds("ChildrenAsleep clear", awake, frame.read32(gic::WAKER))
}
