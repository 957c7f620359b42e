// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that a partition sees: addresses of QEMU's `virt` board where a guest expects them.
//!
//! # References
//! QEMU documentation, "'virt' generic virtual platform"; `hw/arm/virt.c`, memory map.

use bulkhead_abi::sampling::{MESSAGE, SLOT_COUNT, SLOTS};
use bulkhead_model::channel::{ChannelMemory, MEMORY_ROOM, MOST_PORTS, PORT_SIZE, alignment, lay_out};
use bulkhead_model::system::{Console, System};

use crate::grants::taken_by;

/// First IPA of RAM.
pub const RAM: u64 = 0x4000_0000;
/// GIC distributor, emulated.
pub const GICD: u64 = 0x0800_0000;
/// Bytes of the distributor's frame.
pub const GICD_SIZE: u64 = 0x1_0000;
/// First redistributor, emulated.
pub const GICR: u64 = 0x080a_0000;
/// Bytes of a redistributor's two frames, also of a physical one.
pub const GICR_SIZE: u64 = 0x2_0000;
/// CPU interface of a GICv2, as QEMU's `virt,gic-version=2` has it: the physical or the virtual one, mapped.
pub const GICC: u64 = 0x0801_0000;
/// PL011, emulated.
pub const UART: u64 = 0x0900_0000;
/// Bytes of the PL011's frame.
pub const UART_SIZE: u64 = 0x1000;
/// INTID of the PL011.
pub const UART_INTID: u32 = 33;
/// The partition window.
pub const WINDOW: u64 = 0x0b00_0000;
/// The first sampling port; one follows the other.
pub const PORTS: u64 = 0x0b10_0000;
/// The memories of all other channels.
pub const CHANNELS: u64 = 0x0c00_0000;
/// The first lock: its page, then the page of its registers, which EL2 emulates.
pub const LOCKS: u64 = 0x0b80_0000;
/// Bytes from lock to lock.
pub const LOCK_STRIDE: u64 = 0x1_0000;
/// Bytes of a lock's own memory.
pub const LOCK_SIZE: u64 = 0x1000;
const _: () =
    assert!(PORTS + MOST_PORTS as u64 * PORT_SIZE <= LOCKS && CHANNELS + MEMORY_ROOM <= 0x1000_0000);
/// Bytes of the page of a partition's stolen time.
pub const STOLEN_TIME_SIZE: u64 = bulkhead_abi::steal::PAGE;
/// INTIDs of the generic timer: secure and non-secure physical, virtual, hypervisor.
pub const TIMER_INTIDS: [u32; 4] = [29, 30, 27, 26];

/// IPA of each of all memories of channels, the same in all partitions.
pub fn channels(memories: &[ChannelMemory]) -> Vec<u64> {
    let others = memories.iter().filter(|m| !m.is_port);
    let (offsets, _) = lay_out(others.map(|m| (m.size, alignment(m.size))));
    let mut ports = (PORTS..LOCKS).step_by(PORT_SIZE as usize);
    let mut others = offsets.into_iter().map(|offset| CHANNELS + offset);
    let address = |m: &ChannelMemory| if m.is_port { ports.next() } else { others.next() };
    // The rule `channels/no-room` holds.
    memories
        .iter()
        .map(address)
        .map(Option::unwrap_or_default)
        .collect()
}

/// IPA of a lock's page, the same in all partitions.
pub fn lock(index: usize) -> u64 {
    LOCKS + index as u64 * LOCK_STRIDE
}

/// IPA of a lock's registers.
pub fn lock_registers(index: usize) -> u64 {
    lock(index) + LOCK_SIZE
}

/// What EL2 emulates for a partition, where stage 2 maps nothing: its name, first IPA, bytes.
pub fn emulated(system: &System, index: usize) -> impl Iterator<Item = (&'static str, u64, u64)> {
    let partition = &system.partitions[index];
    let vcpus = partition.core_list().len() as u64;
    let gicr = system
        .board
        .gic
        .v2()
        .is_none()
        .then_some(("gicr", GICR, vcpus * GICR_SIZE));
    let uart = (partition.console.value == Console::Uart).then_some(("uart", UART, UART_SIZE));
    let locks = taken_by(system, index).map(|(number, _)| ("lock", lock_registers(number), LOCK_SIZE));
    [("gicd", GICD, GICD_SIZE)]
        .into_iter()
        .chain(gicr)
        .chain(uart)
        .chain(locks)
}

/// Bytes that a sampling port needs for messages of `message` bytes.
pub fn port_size(message: u64) -> u64 {
    let stride = (MESSAGE as u64).saturating_add(message).next_multiple_of(64);
    (SLOTS as u64).saturating_add(stride.saturating_mul(u64::from(SLOT_COUNT)))
}
