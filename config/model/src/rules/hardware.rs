// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules for what a board file says of the hardware.

use super::Facts;
use crate::board::{Board, GicV2, GicVersion, Region};
use crate::diagnostic::{Diagnostic, Rule};
use crate::span::Span;
use crate::spec::Mode;
use crate::system::Interrupts;

/// Two owners in a page.
static SHARED_PAGE: Rule = Rule {
    number: "BH023",
    id: "board/shared-page",
    text: "No two register blocks of a board, nor its RAM, share a page of 4 KiB.",
    fix: "Correct the address in the board file; what shares a page cannot have two owners.",
};
/// Two devices that are one.
static SAME_FUNCTION: Rule = Rule {
    number: "BH024",
    id: "board/same-function",
    text: "Each device of a board is a PCI function of its own, and so has StreamIDs of its own.",
    fix: "Correct the slot in the board file.",
};
/// DMA that the SMMU does not see.
static VIRTIO_BYPASS: Rule = Rule {
    number: "BH025",
    id: "board/virtio-bypass",
    text: "A virtio device is a modern PCI function whose DMA passes the SMMU, for which the runner sets QEMU's properties.",
    fix: "Use a `virtio-…-pci` device, and leave `iommu_platform`, `disable-legacy` and `disable-modern` to the runner.",
};
/// Two cores that are one.
static SAME_CORE: Rule = Rule {
    number: "BH026",
    id: "board/same-core",
    text: "Each core of a board has its own MPIDR.",
    fix: "Correct the `mpidr` of one of the two in the board file.",
};

/// Registers of another version.
static GIC: Rule = Rule {
    number: "BH027",
    id: "board/gic",
    text: "An interrupt controller has the registers of its version, and no others.",
    fix: "Give a GICv3 `redistributors`, and a GICv2 `cpu`, `control` and `virtual_cpu`.",
};
/// A guarded partition that EL2 could not reach.
static GUARDED: Rule = Rule {
    number: "BH029",
    id: "board/guarded",
    text: "On a board with a GICv2 the interrupts of a dedicated partition are `direct`: EL2 has no interrupt there that its guest cannot mask.",
    fix: "Write `interrupts: direct`, or make the partition `sliced`.",
};

/// A recipe that cannot work.
static RESET: Rule = Rule {
    number: "BH290",
    id: "board/reset",
    text: "The steps of a device's reset lie in its register blocks, at multiples of 4, and what a poll waits for can be.",
    fix: "Correct the step in the board file: `write` and `poll` are offsets of 32-bit registers in `block`, counted from 0, `until` has bits of `mask` only.",
};
/// A function on no bus.
static NO_SUCH_BUS: Rule = Rule {
    number: "BH291",
    id: "board/no-such-bus",
    text: "The bus of each PCI function is one of the buses of the host bridge.",
    fix: "Correct `bus` or `buses` in the board file.",
};

pub(super) static ALL: &[&Rule] = &[
    &RESET,
    &NO_SUCH_BUS,
    &SHARED_PAGE,
    &SAME_FUNCTION,
    &VIRTIO_BYPASS,
    &SAME_CORE,
    &GIC,
    &GUARDED,
];
pub(super) const CHECKS: &[super::Check] = &[
    shared_page,
    same_function,
    virtio_bypass,
    same_core,
    guarded,
    reset,
    no_such_bus,
];

/// Translation granule.
const PAGE: u64 = 4096;

/// Something at fixed addresses.
struct Block {
    name: String,
    region: Region,
    span: Span,
}

/// Implements: BH-BRD-020.
pub(crate) fn gic(span: Span, what: &str, complaint: &str) -> Diagnostic {
    let message = format!("{what} {complaint}");
    Diagnostic::new(&GIC, span, message, "its version has other registers", GIC.fix)
}

/// Everything at fixed addresses; sizes of blocks that have no size in the file are those of the architecture.
fn blocks(board: &Board) -> Vec<Block> {
    let block = |name: &str, base: u64, size: u64, span: Span| Block {
        name: name.to_owned(),
        region: Region { base, size },
        span,
    };
    let mut blocks = Vec::new();
    if !board.unread.gic {
        blocks.extend(of_gic(board));
    }
    blocks.push(block("the UART", board.uart.base, PAGE, board.uart.span));
    if let Some(smmu) = &board.smmu {
        blocks.push(block("the SMMU", smmu.base, 128 << 10, smmu.span));
    }
    if let Some(pcie) = &board.pcie {
        let size = u64::from(pcie.buses) << 20;
        blocks.push(block("the PCIe configuration space", pcie.ecam, size, pcie.span));
        blocks.push(block(
            "the PCIe window",
            pcie.window.base,
            pcie.window.size,
            pcie.span,
        ));
    }
    for controller in &board.controllers {
        if let Some(registers) = &controller.registers {
            let Region { base, size } = registers.value;
            let name = format!("controller `{}`", controller.name.value);
            blocks.push(block(&name, base, size, registers.span));
        }
    }
    for device in &board.devices {
        for (index, part) in device.blocks().iter().enumerate() {
            let Region { base, size } = part.region;
            let span = if device.blocks().len() == 1 {
                device.name.span
            } else {
                part.span
            };
            blocks.push(block(&device.block_title(index), base, size, span));
        }
    }
    for ram in &board.ram {
        blocks.push(block("RAM", ram.base, ram.size, ram.span));
    }
    blocks
}

/// The registers of the interrupt controller.
fn of_gic(board: &Board) -> Vec<Block> {
    let block = |(name, base, size): (&str, u64, u64)| Block {
        name: name.to_owned(),
        region: Region { base, size },
        span: board.gic.span,
    };
    let cores = u64::try_from(board.cores.len()).unwrap_or(u64::MAX);
    let mut all = vec![("the distributor", board.gic.distributor, 64 << 10)];
    match board.gic.version {
        GicVersion::V3 { redistributors } => {
            all.push((
                "the redistributors",
                redistributors,
                cores.saturating_mul(128 << 10),
            ));
        }
        GicVersion::V2(own) => all.extend([
            ("the CPU interface", own.cpu, GicV2::INTERFACE),
            ("the virtual interface control", own.control, GicV2::CONTROL),
            ("the virtual CPU interface", own.virtual_cpu, GicV2::INTERFACE),
        ]),
    }
    all.into_iter().map(block).collect()
}

/// Whole pages around a block.
fn pages(region: &Region) -> Region {
    let base = region.base - region.base % PAGE;
    let end = region.end().checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
    Region {
        base,
        size: end - base,
    }
}

/// Implements: BH-LANG-010.
fn shared_page(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let blocks = blocks(board);
    for (index, block) in blocks.iter().enumerate() {
        let shares = |other: &&Block| pages(&other.region).overlaps(&pages(&block.region));
        for other in blocks.iter().take(index).filter(shares) {
            let place = |b: &Block| format!("{}: {:#x} to {:#x}", b.name, b.region.base, b.region.end());
            diagnostics.push(
                Diagnostic::new(
                    &SHARED_PAGE,
                    block.span,
                    format!("{} and {} share a page", other.name, block.name),
                    place(block),
                    SHARED_PAGE.fix,
                )
                .and(other.span, place(other)),
            );
        }
    }
}

/// Implements: BH-LANG-011.
fn same_function(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let devices = facts.board.map_or(&[][..], |b| &b.devices);
    for (index, device) in devices.iter().enumerate() {
        let Some(function) = &device.pci else { continue };
        let same = |other: &&crate::board::Device| other.bdf() == Some(function.bdf());
        for other in devices.iter().take(index).filter(same) {
            diagnostics.push(
                Diagnostic::new(
                    &SAME_FUNCTION,
                    device.name.span,
                    format!(
                        "`{}` and `{}` are one PCI function",
                        other.name.value, device.name.value
                    ),
                    format!("bus {}, slot {}", function.bus, function.slot),
                    SAME_FUNCTION.fix,
                )
                .and(
                    other.name.span,
                    format!("bus {}, slot {}", function.bus, function.slot),
                ),
            );
        }
    }
}

/// virtio-mmio has no StreamID, and virtio over PCI goes around the SMMU unless it is told not to, which is the runner's
/// part. An argument that hides its model, as JSON or behind a property, is not understood and so refused.
/// Implements: BH-LANG-012.
fn virtio_bypass(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let qemu = facts.board.and_then(|b| b.qemu.as_ref());
    for (_, argument) in qemu.iter().flat_map(|q| &q.devices) {
        if !["virtio", "vhost"].iter().any(|word| argument.contains(word)) {
            continue;
        }
        let mut words = argument.split(',');
        let model = words.next().unwrap_or_default();
        let is_function = model.starts_with("virtio-") && model.contains("-pci");
        let mut properties = words.map(|word| word.split('=').next().unwrap_or_default());
        let of_the_runner = ["iommu_platform", "disable-legacy", "disable-modern"];
        let cause = match properties.find(|name| of_the_runner.contains(name)) {
            None if is_function => continue,
            Some(name) if is_function => {
                format!("`{name}` is what the runner sets, so that its DMA passes the SMMU")
            }
            _ => "a virtio transport without StreamID: its DMA goes around the SMMU".to_owned(),
        };
        diagnostics.push(Diagnostic::new(
            &VIRTIO_BYPASS,
            argument.span,
            format!("`{model}` would reach all memory"),
            cause,
            VIRTIO_BYPASS.fix,
        ));
    }
}

/// Implements: BH-LANG-013.
fn same_core(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    for (index, core) in board.cores.iter().enumerate() {
        let earlier = board.cores.iter().take(index);
        if let Some(other) = earlier.into_iter().find(|o| o.mpidr == core.mpidr) {
            diagnostics.push(
                Diagnostic::new(
                    &SAME_CORE,
                    core.span,
                    format!("two cores have the MPIDR {:#x}", core.mpidr),
                    format!("core {index}"),
                    SAME_CORE.fix,
                )
                .and(other.span, "the other"),
            );
        }
    }
}

/// Implements: BH-BRD-021.
fn guarded(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board.filter(|board| board.gic.v2().is_some()) else {
        return;
    };
    for partition in &facts.spec.partitions {
        let mode = partition.cores.as_ref().map(|cores| &cores.mode);
        if let Some(Mode::Dedicated(Some(interrupts))) = mode
            && interrupts.value == Interrupts::Guarded
        {
            let diagnostic = Diagnostic::new(
                &GUARDED,
                interrupts.span,
                format!(
                    "`{}` cannot be guarded on board `{}`",
                    partition.name.value, board.name.value
                ),
                "EL2 has no interrupt that its guest cannot mask",
                GUARDED.fix,
            );
            diagnostics.push(diagnostic.and(board.gic.span, "a GICv2"));
        }
    }
}

/// Implements: BH-CFG-221.
fn reset(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let devices = facts.board.map_or(&[][..], |b| &b.devices);
    for device in devices {
        let sizes = Board::register_sizes(device);
        let steps = device.reset.iter().flatten();
        for (span, flaw) in steps.filter_map(|step| step.flaw(&sizes)) {
            diagnostics.push(
                Diagnostic::new(
                    &RESET,
                    span,
                    format!("`{}` cannot be reset so", device.name.value),
                    flaw,
                    RESET.fix,
                )
                .and(device.name.span, "this device"),
            );
        }
    }
}

/// Implements: BH-CFG-222.
fn no_such_bus(facts: &Facts<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(board) = facts.board else { return };
    let Some(pcie) = &board.pcie else { return };
    for device in &board.devices {
        let Some(function) = device.pci.as_ref().filter(|f| f.bus >= pcie.buses) else {
            continue;
        };
        diagnostics.push(
            Diagnostic::new(
                &NO_SUCH_BUS,
                device.name.span,
                format!("`{}` is on bus {}", device.name.value, function.bus),
                "its bus does not exist",
                NO_SUCH_BUS.fix,
            )
            .and(pcie.span, format!("the last bus is {}", pcie.buses - 1)),
        );
    }
}
