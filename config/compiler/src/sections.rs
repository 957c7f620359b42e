// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The blob's section tables, derived from the model and the plan.

mod cores;

use bulkhead_model::board::Trigger;
use bulkhead_model::health::SafeState;
use bulkhead_model::lock::Lock;
use bulkhead_model::system::{Console, Seed, System};
use bulkhead_types::image::Range;
use bulkhead_types::tables::{
    BoardDevices, Channel, Core, CoreVcpu, FirmwareCall, MAX_FIRMWARE_CALLS, MAX_PARTICIPANTS, NONE,
    Participant, Partition, PciBar, PciFunction, PlatformStream, RamBank, SPI_WORDS, Slot, Spi, Vcpu,
    channel_flag, partition_flag,
};

use crate::devices::{Assigned, OwnWatchdog};
use crate::machine;
use crate::plan::Plan;
use crate::units::{id, length};
use crate::{stage2, streams, words};

/// Time from the end of boot to the epoch, µs.
const EPOCH_DELAY_US: u32 = 1000;

/// All section tables.
#[derive(Clone, Debug)]
pub struct Sections {
    /// Physical cores.
    pub cores: Vec<Core>,
    /// Partitions.
    pub partitions: Vec<Partition>,
    /// vCPUs by partition.
    pub vcpus: Vec<Vcpu>,
    /// vCPUs by core.
    pub core_vcpus: Vec<CoreVcpu>,
    /// Slots by core.
    pub slots: Vec<Slot>,
    /// Owned SPIs.
    pub spis: Vec<Spi>,
    /// Assigned functions.
    pub pci_functions: Vec<PciFunction>,
    /// RAM.
    pub ram: Vec<RamBank>,
    /// EL2's devices.
    pub board: BoardDevices,
    /// Channels.
    pub channels: Vec<Channel>,
    /// Streams of bus masters at fixed addresses.
    pub streams: Vec<PlatformStream>,
}

/// Derives the tables.
///
/// Their lengths do not depend on where anything lies, so a plan for other table sizes gives tables of the
/// same size.
pub fn derive(
    system: &System,
    plan: &Plan,
    devices: &[Assigned],
    watchdog: Option<&OwnWatchdog>,
) -> Sections {
    let spis = spis(system, devices);
    let vcpus = vcpus(system, plan);
    let (cores, core_vcpus, slots) = cores::cores(system, plan, &vcpus);
    Sections {
        cores,
        partitions: partitions(system, plan, &spis),
        vcpus,
        core_vcpus,
        slots,
        pci_functions: pci_functions(system, devices, watchdog),
        spis,
        ram: system
            .board
            .ram
            .iter()
            .map(|r| RamBank {
                base: r.value.base,
                size: r.value.size,
            })
            .collect(),
        board: board(system, plan),
        channels: channels(system, plan),
        streams: streams::platform(system, devices),
    }
}

/// The memories of channels, then locks.
fn channels(system: &System, plan: &Plan) -> Vec<Channel> {
    let locks = system.locks.iter().map(Some);
    let first = system.channel_memories().len();
    let ends = (0..first).map(|_| None).chain(locks);
    let entry = |(number, (range, lock)): (usize, (&Range, Option<&Lock>))| {
        let mut entry = Channel {
            base: range.start,
            size: range.end - range.start,
            ipa: 0,
            hold_ns: lock.map_or(0, |l| l.hold.value),
            flags: 0,
            participant_count: lock.map_or(0, |l| id(l.participants.len())),
            participants: [Participant {
                partition: 0,
                priority: 0,
                acquisitions: 0,
                reserved: 0,
            }; MAX_PARTICIPANTS],
        };
        if let Some(lock) = lock {
            entry.ipa = machine::lock(number - first);
            entry.flags = channel_flag::LOCK | if lock.inherits { channel_flag::INHERITS } else { 0 };
            for (to, from) in entry.participants.iter_mut().zip(&lock.participants) {
                *to = Participant {
                    partition: id(from.partition.value),
                    priority: from.priority.into(),
                    acquisitions: from.acquisitions,
                    reserved: 0,
                };
            }
        }
        entry
    };
    plan.channels.iter().zip(ends).enumerate().map(entry).collect()
}

/// VMID of a partition.
pub fn vmid(partition: usize) -> u32 {
    id(partition + 1)
}

/// Global index of a vCPU.
pub fn global_vcpu(system: &System, partition: usize, vcpu: usize) -> u32 {
    let before: usize = system
        .partitions
        .iter()
        .take(partition)
        .map(|p| p.core_list().len())
        .sum();
    id(before + vcpu)
}

fn vcpus(system: &System, plan: &Plan) -> Vec<Vcpu> {
    let mut result = Vec::new();
    for (number, partition) in system.partitions.iter().enumerate() {
        for (index, core) in partition.core_list().iter().enumerate() {
            result.push(Vcpu {
                partition: id(number),
                index: id(index),
                core: id(core.value),
                reserved: 0,
                vmpidr: words::vmpidr(id(index)),
                vpidr: system.board.cores[core.value].midr,
                hcr: words::hcr(&partition.cores),
                vtcr: stage2::vtcr(system.board.physical_address_bits),
                vttbr: stage2::vttbr(plan.live_root(number), vmid(number)),
                cnthctl: words::CNTHCTL,
                mdcr: words::mdcr(cores::budget(system, core.value).map(|(_, traffic)| traffic)),
                cptr: words::CPTR,
                hstr: words::HSTR,
                ich_hcr: words::ich_hcr(&partition.cores),
                cntvoff: words::CNTVOFF,
                stolen_time: plan.stolen[number]
                    .map_or(0, |page| page.start + index as u64 * bulkhead_abi::steal::SIZE),
            });
        }
    }
    result
}

/// No IPA: where a partition with a GICv2 has its redistributors.
const NO_IPA: u64 = 1 << 63;

fn partitions(system: &System, plan: &Plan, spis: &[Spi]) -> Vec<Partition> {
    let mut result = Vec::new();
    for (index, partition) in system.partitions.iter().enumerate() {
        let uart = partition.console.value == Console::Uart;
        let mut words = [0; SPI_WORDS];
        for spi in spis.iter().filter(|s| s.partition == id(index)) {
            let bit = spi.intid - 32;
            words[bit as usize / 32] |= 1 << (bit % 32);
        }
        let mut name = [0; 32];
        let text = partition.name.value.as_bytes();
        name[..text.len()].copy_from_slice(text);
        let flags = [
            (partition.marks_steady, partition_flag::MAY_MARK),
            (partition.reads_ledger, partition_flag::MAY_READ_LEDGER),
            (uart, partition_flag::EMULATED_UART),
            (partition.autostart, partition_flag::AUTOSTART),
            (partition.seed == Seed::Fixed, partition_flag::FIXED_SEED),
            (
                partition.safe_state == SafeState::Output,
                partition_flag::SAFE_OUTPUT,
            ),
        ];
        result.push(Partition {
            name,
            vcpu_first: global_vcpu(system, index, 0),
            vcpu_count: id(partition.core_list().len()),
            flags: flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum(),
            vmid: vmid(index),
            live_root: plan.live_root(index),
            pristine_root: plan.pristine_root(index),
            window: plan.windows[index].start,
            gicd_ipa: machine::GICD,
            gicr_ipa: if system.board.gic.v2().is_some() {
                NO_IPA
            } else {
                machine::GICR
            },
            uart_ipa: if uart { machine::UART } else { 0 },
            ram_ipa: machine::RAM,
            ram_size: partition.memory.size.value,
            uart_intid: if uart { machine::UART_INTID } else { 0 },
            spi_lines: system.board.gic.spi_lines,
            restart_limit: partition.restart_limit,
            interrupt_limit: partition.interrupt_limit.unwrap_or(0),
            spis: words,
            reserved1: 0,
            health: partition.health,
            heartbeat_ns: partition.heartbeat.map_or(0, |h| h.every.value),
            heartbeat_grace_ns: partition.heartbeat.map_or(0, |h| h.grace),
            calls: calls(&partition.smc),
        });
    }
    result
}

/// The functions of the firmware that a partition may call. Implements: BH-SMC-020.
fn calls(stated: &[bulkhead_model::smc::FirmwareCall]) -> [FirmwareCall; MAX_FIRMWARE_CALLS] {
    let mut calls = [FirmwareCall::default(); MAX_FIRMWARE_CALLS];
    for (call, stated) in calls.iter_mut().zip(stated) {
        *call = FirmwareCall {
            within_ns: stated.within.value,
            function: stated.function.value,
            reserved: 0,
        };
    }
    calls
}

/// Owned interrupts by INTID: of devices, and of doorbells, which are rung by their place in the table.
pub(crate) fn spis(system: &System, devices: &[Assigned]) -> Vec<Spi> {
    let mut result: Vec<Spi> = Vec::new();
    for assigned in devices {
        let first = system.partitions[assigned.partition].core_list().first();
        for interrupt in &system.board.devices[assigned.device].interrupts {
            result.push(Spi {
                intid: interrupt.value.intid,
                partition: id(assigned.partition),
                core: first.map_or(NONE, |c| id(c.value)),
                edge: match interrupt.value.trigger {
                    Trigger::Edge => 1,
                    Trigger::Level => 0,
                },
                ringer: NONE,
                doorbell: 0,
                interval_ns: 0,
            });
        }
    }
    result.extend(system.doorbells().map(|bell| {
        Spi {
            intid: bell.intid,
            partition: id(bell.rung),
            core: system.partitions[bell.rung]
                .core_list()
                .first()
                .map_or(NONE, |c| id(c.value)),
            edge: 1,
            ringer: id(bell.ringer),
            doorbell: id(bell.number),
            interval_ns: bell.interval,
        }
    }));
    result.sort_by_key(|s| s.intid);
    // Devices of one partition may share an interrupt: it is one record. The rules hold that they agree.
    result.dedup_by_key(|s| (s.intid, s.partition, s.ringer));
    result
}

fn pci_functions(system: &System, devices: &[Assigned], watchdog: Option<&OwnWatchdog>) -> Vec<PciFunction> {
    let owned = devices.iter().map(|d| (d.device, id(d.partition), d.bars));
    let own = watchdog.map(|w| (w.device, NONE, w.bars));
    let functions = owned.chain(own).filter_map(|(device, partition, bars)| {
        let device = &system.board.devices[device];
        let pci = device.pci.as_ref()?;
        Some(PciFunction {
            bdf: pci.bdf(),
            id: u32::from(pci.vendor) | u32::from(pci.device) << 16,
            partition,
            bus_master: u32::from(device.bus_master),
            bars: bars.map(|bar| {
                let bar = bar.unwrap_or_default();
                PciBar {
                    address: bar.start,
                    size: bar.end - bar.start,
                }
            }),
        })
    });
    let mut functions: Vec<_> = functions.collect();
    functions.sort_by_key(|f| f.bdf);
    functions
}

fn board(system: &System, plan: &Plan) -> BoardDevices {
    let board = &system.board;
    BoardDevices {
        gicd: board.gic.distributor,
        uart: board.uart.base,
        smmu: board.smmu.as_ref().map_or(0, |s| s.base),
        ecam: board.pcie.as_ref().map_or(0, |p| p.ecam),
        ecam_buses: board.pcie.as_ref().map_or(0, |p| u64::from(p.buses)),
        stream_table: plan.layout.stream_table,
        stream_bits: board.smmu.as_ref().map_or(0, |s| s.stream_bits),
        uart_intid: board.uart.interrupt,
        smmu_queues: plan.queues.map_or(0, |q| q.start),
        poll_bound: board.poll_bound,
        system_core: id(system.schedule.system_core),
        epoch_delay_us: EPOCH_DELAY_US,
        health_core: system.health.core,
        health_system: system.health.system,
        monitor: system.health.monitor.map_or(NONE, |m| id(m.value)),
        watchdog: system.watchdog.map_or(0, |w| w.count()),
    }
}

impl Sections {
    /// Bytes that the tables need in the blob.
    pub fn size(&self) -> u64 {
        let (bytes, _) = self.emit(0);
        length(&bytes)
    }
}

/// Where each table lies in the blob.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offsets {
    /// In the order of the fields of [`Sections`].
    pub sections: [bulkhead_types::blob::Section; 11],
}

impl Sections {
    /// The tables one after the other, each at a multiple of 8 bytes, the first at blob offset `start`.
    pub fn emit(&self, start: u64) -> (Vec<u8>, Offsets) {
        use zerocopy::IntoBytes;
        let tables: [(&[u8], usize); 11] = [
            (self.cores.as_bytes(), self.cores.len()),
            (self.partitions.as_bytes(), self.partitions.len()),
            (self.vcpus.as_bytes(), self.vcpus.len()),
            (self.core_vcpus.as_bytes(), self.core_vcpus.len()),
            (self.slots.as_bytes(), self.slots.len()),
            (self.spis.as_bytes(), self.spis.len()),
            (self.pci_functions.as_bytes(), self.pci_functions.len()),
            (self.ram.as_bytes(), self.ram.len()),
            (self.board.as_bytes(), 1),
            (self.channels.as_bytes(), self.channels.len()),
            (self.streams.as_bytes(), self.streams.len()),
        ];
        let mut bytes = Vec::new();
        let mut offsets = Offsets::default();
        for ((table, count), section) in tables.into_iter().zip(&mut offsets.sections) {
            crate::units::pad(&mut bytes, 8);
            section.offset = u32::try_from(start + length(&bytes)).unwrap_or(u32::MAX);
            section.count = id(count);
            bytes.extend_from_slice(table);
        }
        (bytes, offsets)
    }
}
