// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where everything of a built system lies, and who may map it: from blob and image, where the text form is not needed.

use crate::range::{PAGE, Range};
use crate::reach::Access;
use crate::ste;
use crate::system::System;
use crate::tables::{Core, Mode, NONE, STANDBY, span};

/// Bytes of the GIC distributor's registers (IHI 0069, "The GIC Distributor register map").
const GICD_SIZE: u64 = 0x1_0000;
/// Bytes of a redistributor: RD_base and SGI_base frames (IHI 0069, "GIC Redistributor register map").
pub(crate) const GICR_SIZE: u64 = 0x2_0000;
/// Bytes of a GICv2's virtual CPU interface, and of the physical one with its deactivation register (IHI 0048B, "CPU interface register map").
pub(crate) const GICC_SIZE: u64 = 0x2000;
/// Bytes of a GICv2's virtual interface control (IHI 0048B, "Virtual interface control register map").
pub(crate) const GICH_SIZE: u64 = 0x1000;
/// Bytes of a PL011 (DDI 0183, "Summary of registers").
pub(crate) const UART_SIZE: u64 = 0x1000;
/// Bytes of an SMMUv3: pages 0 and 1 (IHI 0070, "Memory-mapped registers").
const SMMU_SIZE: u64 = 0x2_0000;
/// Configuration space of one PCI bus.
const BUS_SIZE: u64 = 0x10_0000;
/// Bytes of a partition's window (`hypervisor/abi/src/window.rs`).
const WINDOW_SIZE: u64 = 0x8000;
/// Bytes of a vCPU's stolen time (`hypervisor/abi/src/steal.rs`).
pub(crate) const STOLEN_TIME: u64 = 64;
/// Bytes of a core's statistics (`hypervisor/abi/src/stats.rs`).
const STATS_SIZE: u64 = 0x8000;

/// How [`System::el2_private`] calls the watchdog's page.
pub(crate) const WATCHDOG: &str = "EL2's watchdog";

impl System<'_> {
    /// The blob and its certificate page, in physical memory.
    pub(crate) fn blob_area(&self) -> Range {
        Range::sized(
            self.blob.header.base,
            self.blob.header.certificate.saturating_add(PAGE),
        )
    }

    /// The live area.
    pub(crate) fn live_area(&self) -> Range {
        Range::sized(self.blob.header.live_base, self.blob.header.live_size)
    }

    /// The live stream table, when the board has an SMMU.
    pub(crate) fn stream_table(&self) -> Option<Range> {
        let board = &self.blob.board;
        let start = self.blob.header.live_base.saturating_add(board.stream_table);
        (board.smmu != 0).then(|| Range::sized(start, ste::table_size(board.stream_bits)))
    }

    /// Command and event queue of the SMMU, when the board has one.
    pub(crate) fn smmu_queues(&self) -> Option<Range> {
        let board = &self.blob.board;
        (board.smmu != 0).then(|| Range::sized(board.smmu_queues, 2 * PAGE))
    }

    /// The distributor.
    pub(crate) fn gicd(&self) -> Range {
        Range::sized(self.blob.board.gicd, GICD_SIZE)
    }

    /// Whether the GIC is a GICv2: its cores have no redistributors.
    pub(crate) fn is_gicv2(&self) -> bool {
        self.blob.cores.iter().all(|c| c.redistributor == 0)
    }

    /// Ranges that the text form places as `name` of `owner` on a board with a GICv2.
    fn gicv2_part(&self, owner: &str, name: &str) -> Vec<Range> {
        let memory = self.grants.memory.iter().filter(|_| self.is_gicv2());
        let here = memory.filter(|placed| placed.owner == owner && placed.name == name);
        here.map(|placed| placed.range).collect()
    }

    /// Physical CPU interface of a GICv2 without its deactivation register: each core finds its own there.
    pub(crate) fn gicc(&self) -> Vec<Range> {
        self.gicv2_part("gic", "gicc")
    }

    /// Virtual CPU interface of a GICv2: each core finds its own there.
    pub(crate) fn gicv(&self) -> Vec<Range> {
        self.gicv2_part("gic", "gicv")
    }

    /// The page with that register, EL2's alone.
    pub(crate) fn gicc_dir(&self) -> Vec<Range> {
        self.gicv2_part("el2", "gicc-dir")
    }

    /// Virtual interface control of a GICv2, EL2's alone.
    pub(crate) fn gich(&self) -> Vec<Range> {
        self.gicv2_part("el2", "gich")
    }

    /// The interface of a GICv2 through which partition `index` takes its interrupts: the physical one when every core
    /// that it runs on is its own, else the virtual one.
    pub(crate) fn interface_of(&self, index: usize) -> Vec<Range> {
        let own = self
            .blob
            .vcpus
            .iter()
            .filter(|v| usize::try_from(v.partition) == Ok(index));
        let modes: Vec<_> = own
            .map(|v| {
                let core = usize::try_from(v.core)
                    .ok()
                    .and_then(|core| self.blob.cores.get(core));
                core.and_then(|core| core.mode)
            })
            .collect();
        if modes.iter().all(|mode| *mode == Some(Mode::Direct)) {
            self.gicc()
        } else if modes.iter().all(|mode| *mode == Some(Mode::Sliced)) {
            self.gicv()
        } else {
            Vec::new()
        }
    }

    /// Whether partition `index` may map `physical` as its CPU interface.
    pub(crate) fn is_interface(&self, index: usize, physical: Range, access: Access) -> bool {
        access == Access::DEVICE && self.interface_of(index).iter().any(|own| own.contains(physical))
    }

    /// The redistributor of each core.
    pub(crate) fn redistributors(&self) -> Vec<Range> {
        self.blob
            .cores
            .iter()
            .filter(|_| !self.is_gicv2())
            .map(|c| Range::sized(c.redistributor, GICR_SIZE))
            .collect()
    }

    /// UART, SMMU, configuration space: the devices of EL2 beside the GIC.
    pub(crate) fn el2_devices(&self) -> Vec<(&'static str, Range)> {
        let board = &self.blob.board;
        let mut devices = vec![("UART", Range::sized(board.uart, UART_SIZE))];
        if board.smmu != 0 {
            devices.push(("SMMU", Range::sized(board.smmu, SMMU_SIZE)));
        }
        if board.ecam != 0 {
            let size = board.ecam_buses.saturating_mul(BUS_SIZE);
            devices.push(("PCI configuration space", Range::sized(board.ecam, size)));
        }
        devices
    }

    /// Window of each partition that has one, and its partition.
    pub(crate) fn windows(&self) -> Vec<(usize, Range)> {
        let windows = self.blob.partitions.iter().enumerate();
        windows
            .filter(|(_, p)| p.window != 0)
            .map(|(i, p)| (i, Range::sized(p.window, WINDOW_SIZE)))
            .collect()
    }

    /// Page of the stolen time of each partition that has one, by the entry of its vCPU 0, and its partition.
    pub(crate) fn stolen(&self) -> Vec<(usize, Range)> {
        let firsts = self
            .blob
            .vcpus
            .iter()
            .filter(|v| v.index == 0 && v.stolen_time != 0);
        firsts
            .filter_map(|v| {
                Some((
                    usize::try_from(v.partition).ok()?,
                    Range::sized(v.stolen_time, PAGE),
                ))
            })
            .collect()
    }

    /// What EL2 and one partition use together: windows and stolen time, with the partition's rights.
    pub(crate) fn talks(&self) -> Vec<(usize, Range, Access)> {
        let windows = self
            .windows()
            .into_iter()
            .map(|(i, range)| (i, range, Access::WRITE));
        let stolen = self
            .stolen()
            .into_iter()
            .map(|(i, range)| (i, range, Access::READ));
        windows.chain(stolen).collect()
    }

    /// The writable part of each core's block: all but the guard page at its begin.
    pub(crate) fn per_core_blocks(&self) -> Vec<Range> {
        let (area, stride) = (self.image.per_core, self.image.per_core_stride);
        let block = |k: u64| Range::sized(area.start.saturating_add(k.saturating_mul(stride)), stride);
        (0..self.image.max_cores.min(PAGE))
            .map(|k| Range {
                start: block(k).start.saturating_add(PAGE),
                end: block(k).end,
            })
            .collect()
    }

    /// Statistics of core `k`.
    pub(crate) fn core_stats(&self, k: usize) -> Range {
        let index = u64::try_from(k).unwrap_or(u64::MAX);
        Range::sized(
            self.image
                .stats
                .start
                .saturating_add(index.saturating_mul(STATS_SIZE)),
            STATS_SIZE,
        )
    }

    /// BARs that exist: index of the function in its table, BAR number, range.
    pub(crate) fn bars(&self) -> Vec<(usize, usize, Range)> {
        let functions = self.blob.pci_functions.iter().enumerate();
        functions
            .flat_map(|(f, function)| function.bars.iter().enumerate().map(move |(b, bar)| (f, b, bar)))
            .filter(|(_, _, (address, size))| (*address, *size) != (0, 0))
            .map(|(f, b, (address, size))| (f, b, Range::sized(*address, *size)))
            .collect()
    }

    /// The page with the registers of EL2's watchdog, BAR 0 of the function that is nobody's.
    pub(crate) fn watchdog(&self) -> Option<Range> {
        let function = self.blob.pci_functions.iter().find(|f| f.partition == NONE)?;
        let (address, _) = function.bars.first()?;
        Some(Range::sized(address & !(PAGE - 1), PAGE))
    }

    /// Whether core `k` is watched, and so keeps the watchdog quiet: a sliced one that a partition or EL2 uses.
    pub(crate) fn is_watched(&self, k: usize) -> bool {
        let core = self.blob.cores.get(k);
        let has_slots = |c: &Core| c.mode == Some(Mode::Sliced) && c.vcpus.1 > 0;
        core.is_some_and(has_slots) || self.keeps_house(k)
    }

    /// Whether EL2's housekeeping is done on core `k`, always or when EL2 has failed on the system core: it has the
    /// devices and the windows for that.
    pub(crate) fn keeps_house(&self, k: usize) -> bool {
        usize::try_from(self.blob.board.system_core) == Ok(k) || self.has_slot(k, STANDBY)
    }

    /// Whether core `k` has a slot of a kind.
    pub(crate) fn has_slot(&self, k: usize, kind: u32) -> bool {
        let slots = self
            .blob
            .cores
            .get(k)
            .and_then(|c| span(&self.blob.slots, c.slots));
        slots.is_some_and(|slots| slots.iter().any(|slot| slot.kind == kind))
    }

    /// Everything of EL2 that no partition may reach, known without the text form or EL2's tables.
    pub(crate) fn el2_private(&self) -> Vec<(String, Range)> {
        let image = self.image.extent.minus(&[self.image.loader]);
        let mut all: Vec<(String, Range)> = image
            .into_iter()
            .map(|r| ("the hypervisor image".to_owned(), r))
            .collect();
        all.push(("the blob".to_owned(), self.blob_area()));
        all.push(("the live area".to_owned(), self.live_area()));
        all.extend(self.smmu_queues().map(|r| ("the SMMU's queues".to_owned(), r)));
        all.push(("the GIC distributor".to_owned(), self.gicd()));
        let redistributors = self.redistributors().into_iter().enumerate();
        all.extend(redistributors.map(|(k, r)| (format!("the redistributor of core {k}"), r)));
        all.extend(
            self.gich()
                .into_iter()
                .map(|r| ("the GIC's virtual interface control".to_owned(), r)),
        );
        all.extend(
            self.gicc_dir()
                .into_iter()
                .map(|r| ("the GIC's deactivation register".to_owned(), r)),
        );
        all.extend(
            self.el2_devices()
                .into_iter()
                .map(|(name, r)| (format!("EL2's {name}"), r)),
        );
        all.extend(self.watchdog().map(|r| (WATCHDOG.to_owned(), r)));
        all
    }

    /// Whether partition `index` may map `physical` as its part of the loader.
    pub(crate) fn is_loader(&self, physical: Range, access: Access) -> bool {
        self.image.loader.contains(physical) && access == Access::EXECUTE
    }
}
