// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A spec as written: units converted, names not yet resolved, whatever could not be read absent.
//!
//! The rules look at this form, so that one part that is wrong does not hide the errors of another.

use crate::board::Region;
use crate::channel::ChannelKind;
use crate::decode_locks::LockSpec;
use crate::decode_tasks::TaskSpec;
use crate::health::{HealthSpec, PartitionHealthSpec};
use crate::pin::{HypervisorPins, PartitionPins};
use crate::smc::FirmwareCall;
use crate::span::{Span, Spanned};
use crate::system::{Bandwidth, Console, Criticality, Interrupts, MemoryRights, Seed};

/// A reference by name.
pub(crate) type Name = Spanned<String>;

/// A spec.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: Option<Name>,
    pub(crate) board: Option<Name>,
    pub(crate) partitions: Vec<PartitionSpec>,
    pub(crate) channels: Vec<ChannelSpec>,
    pub(crate) locks: Vec<LockSpec>,
    pub(crate) schedule: Option<ScheduleSpec>,
    pub(crate) wiring: Vec<WireSpec>,
    pub(crate) expect: Vec<ExpectationSpec>,
    pub(crate) never: Vec<ExpectationSpec>,
    pub(crate) health: HealthSpec,
    pub(crate) hypervisor: HypervisorPins,
    /// Timeout of the watchdog in ns.
    pub(crate) watchdog: Option<Spanned<u64>>,
}

#[derive(Debug)]
pub(crate) struct PartitionSpec {
    pub(crate) name: Name,
    pub(crate) criticality: Option<Spanned<Criticality>>,
    pub(crate) cores: Option<CoresSpec>,
    pub(crate) memory: Option<MemorySpec>,
    pub(crate) payload: Option<PayloadSpec>,
    pub(crate) pins: PartitionPins,
    pub(crate) args: Option<Name>,
    /// Absent when it could not be read.
    pub(crate) console: Option<Spanned<Console>>,
    pub(crate) devices: Vec<Name>,
    /// Bus masters without an SMMU, and why that is accepted.
    pub(crate) unguarded: Vec<(Name, Name)>,
    /// What its bus masters reach of its RAM.
    pub(crate) dma: Vec<DmaSpec>,
    pub(crate) device_tree: Option<Name>,
    pub(crate) restart_limit: u32,
    /// Name of the reserved range in which its RAM is kept.
    pub(crate) dump: Option<Name>,
    pub(crate) marks_steady: Option<Spanned<bool>>,
    pub(crate) reads_ledger: bool,
    pub(crate) seed: Seed,
    pub(crate) autostart: bool,
    pub(crate) tasks: Vec<TaskSpec>,
    pub(crate) health: PartitionHealthSpec,
    pub(crate) smc: Vec<FirmwareCall>,
}

/// What a bus master reaches of its partition's RAM.
#[derive(Debug)]
pub(crate) struct DmaSpec {
    pub(crate) device: Name,
    /// Offset and size, and where they stand; absent where they could not be read.
    pub(crate) ranges: Vec<Spanned<Region>>,
}

impl DmaSpec {
    /// The ranges in the order of their begins.
    pub(crate) fn ascending(&self) -> Vec<Region> {
        let mut ranges: Vec<Region> = self.ranges.iter().map(|r| r.value).collect();
        ranges.sort_by_key(|r| r.base);
        ranges
    }
}

#[derive(Debug)]
pub(crate) struct MemorySpec {
    pub(crate) size: Spanned<u64>,
    pub(crate) at: Option<Spanned<u64>>,
    pub(crate) rights: Option<Spanned<MemoryRights>>,
    pub(crate) colours: Option<ColoursSpec>,
    /// Partitions without colours that it accepts beside it.
    pub(crate) uncoloured: Vec<Name>,
}

#[derive(Debug)]
pub(crate) enum ColoursSpec {
    /// These.
    Listed {
        colours: Vec<Spanned<u32>>,
        /// The list.
        span: Span,
    },
    /// As many, which ones is the compiler's choice.
    Any(Spanned<u32>),
}

impl ColoursSpec {
    /// Where it is written.
    pub(crate) fn span(&self) -> Span {
        match self {
            ColoursSpec::Listed { span, .. } => *span,
            ColoursSpec::Any(count) => count.span,
        }
    }

    /// Colours that are wanted.
    pub(crate) fn count(&self) -> u32 {
        match self {
            ColoursSpec::Listed { colours, .. } => u32::try_from(colours.len()).unwrap_or(u32::MAX),
            ColoursSpec::Any(count) => count.value,
        }
    }
}

#[derive(Debug)]
pub(crate) struct CoresSpec {
    pub(crate) cores: Vec<Spanned<usize>>,
    pub(crate) mode: Mode,
}

#[derive(Debug)]
pub(crate) enum Mode {
    /// Absent when it could not be read.
    Dedicated(Option<Spanned<Interrupts>>),
    Sliced {
        /// Whether its slots may differ from core to core.
        unaligned: bool,
    },
}

#[derive(Debug)]
pub(crate) enum PayloadSpec {
    Elf(Name),
    Linux {
        kernel: Option<Name>,
        initrd: Option<InitrdSpec>,
        command_line: Option<Name>,
    },
    Raw(Name),
}

#[derive(Debug)]
pub(crate) enum InitrdSpec {
    File(Name),
    Build {
        busybox: Option<Name>,
        programs: Vec<Name>,
    },
}

#[derive(Debug)]
pub(crate) struct ChannelSpec {
    pub(crate) name: Name,
    /// Absent when it could not be read.
    pub(crate) kind: Option<ChannelKind>,
    /// Absent when the spec names none.
    pub(crate) writer: Option<Name>,
    pub(crate) readers: Vec<Name>,
    /// Where its memory is pinned.
    pub(crate) at: Option<Spanned<u64>>,
    /// Where the memory of its reader is pinned.
    pub(crate) reader_at: Option<Spanned<u64>>,
    /// Whether readers with a safety level accept a writer without one.
    pub(crate) from_qm: bool,
}

#[derive(Debug)]
pub(crate) struct ScheduleSpec {
    pub(crate) major_frame: Option<Spanned<u64>>,
    pub(crate) cores: Vec<CoreScheduleSpec>,
    pub(crate) bandwidth: Vec<Bandwidth>,
    /// Its key.
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct CoreScheduleSpec {
    pub(crate) core: Spanned<usize>,
    pub(crate) slots: Vec<SlotSpec>,
    /// Whether all slots could be read.
    pub(crate) complete: bool,
}

#[derive(Debug)]
pub(crate) struct SlotSpec {
    /// A partition, `system` or `idle`.
    pub(crate) run: Name,
    pub(crate) offset: u64,
    pub(crate) length: Spanned<u64>,
    /// Its key, where there is one.
    pub(crate) budget: Option<Spanned<u64>>,
    pub(crate) priority: Option<Spanned<u8>>,
    pub(crate) share: Vec<SharerSpec>,
    pub(crate) slack: Option<Name>,
}

/// A partition beside the slot's own.
#[derive(Debug)]
pub(crate) struct SharerSpec {
    pub(crate) partition: Name,
    pub(crate) budget: Option<Spanned<u64>>,
    pub(crate) priority: Spanned<u8>,
}

/// A partition with a budget in a slot, as written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimSpec<'a> {
    pub(crate) partition: &'a Name,
    pub(crate) budget: Option<Spanned<u64>>,
    pub(crate) priority: Option<Spanned<u8>>,
}

/// The word for EL2's housekeeping in a slot.
pub(crate) const SYSTEM: &str = "system";
/// The word for a slot of the core that takes the housekeeping over.
pub(crate) const STANDBY: &str = "standby";
/// The word for nothing in a slot.
pub(crate) const IDLE: &str = "idle";

impl SlotSpec {
    /// The partition that runs, if one does.
    pub(crate) fn partition(&self) -> Option<&Name> {
        (![SYSTEM, STANDBY, IDLE].contains(&self.run.value.as_str())).then_some(&self.run)
    }

    /// The partitions that have a part of the slot of their own, the slot's first.
    pub(crate) fn claims(&self) -> impl Iterator<Item = ClaimSpec<'_>> {
        let own = self.partition().map(|partition| ClaimSpec {
            partition,
            budget: self.budget,
            priority: self.priority,
        });
        let others = self.share.iter().map(|sharer| ClaimSpec {
            partition: &sharer.partition,
            budget: sharer.budget,
            priority: Some(sharer.priority),
        });
        own.into_iter().chain(others)
    }

    /// The partitions that it names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.claims().map(|c| c.partition).chain(&self.slack)
    }
}

#[derive(Debug)]
pub(crate) struct WireSpec {
    pub(crate) device: Name,
    pub(crate) bus: Name,
}

#[derive(Debug)]
pub(crate) struct ExpectationSpec {
    pub(crate) partition: Name,
    pub(crate) text: Name,
    pub(crate) span: Span,
}

impl Spec {
    /// The partition of a name.
    pub(crate) fn partition(&self, name: &str) -> Option<(usize, &PartitionSpec)> {
        self.partitions
            .iter()
            .enumerate()
            .find(|(_, p)| p.name.value == name)
    }

    /// Names of all partitions.
    pub(crate) fn partition_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.partitions.iter().map(|p| p.name.value.as_str())
    }

    /// The slot table of a core.
    pub(crate) fn table(&self, core: usize) -> Option<&CoreScheduleSpec> {
        self.schedule
            .as_ref()?
            .cores
            .iter()
            .find(|c| c.core.value == core)
    }
}

impl PartitionSpec {
    /// Its cores, none when they could not be read.
    pub(crate) fn core_list(&self) -> &[Spanned<usize>] {
        self.cores.as_ref().map_or(&[], |c| c.cores.as_slice())
    }

    /// Whether it shares its cores.
    pub(crate) fn is_sliced(&self) -> bool {
        matches!(
            self.cores,
            Some(CoresSpec {
                mode: Mode::Sliced { .. },
                ..
            })
        )
    }

    /// Whether it has its cores for itself.
    pub(crate) fn is_dedicated(&self) -> bool {
        matches!(
            self.cores,
            Some(CoresSpec {
                mode: Mode::Dedicated(_),
                ..
            })
        )
    }

    /// Where it says which console it has, if it can be read.
    pub(crate) fn has_console(&self, console: Console) -> Option<Span> {
        self.console.filter(|c| c.value == console).map(|c| c.span)
    }

    /// Where its first core is named.
    pub(crate) fn first_core(&self) -> Option<Span> {
        Some(self.cores.as_ref()?.cores.first()?.span)
    }

    /// Whether it has a safety level: it is not `qm`.
    pub(crate) fn has_level(&self) -> bool {
        self.criticality.is_some_and(|c| c.value != Criticality::Qm)
    }

    /// Whether it says that it has none.
    pub(crate) fn is_qm(&self) -> bool {
        self.criticality.is_some_and(|c| c.value == Criticality::Qm)
    }

    /// Whether its payload is Linux.
    pub(crate) fn is_linux(&self) -> bool {
        matches!(self.payload, Some(PayloadSpec::Linux { .. }))
    }

    /// Where it names the kernel of its Linux.
    pub(crate) fn kernel(&self) -> Option<Span> {
        match self.payload.as_ref()? {
            PayloadSpec::Linux { kernel, .. } => Some(kernel.as_ref()?.span),
            PayloadSpec::Elf(_) | PayloadSpec::Raw(_) => None,
        }
    }

    /// Where it says what leaves it without a window: a kernel of Linux, or an emulated UART.
    pub(crate) fn without_window(&self) -> Option<Span> {
        self.kernel().or(self.has_console(Console::Uart))
    }
}
