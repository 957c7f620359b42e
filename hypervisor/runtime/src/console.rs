// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Consoles (design decision D11): guests write into rings, the drainer moves rings to the UART.
//!
//! The line to the host is one, and so is its state: a word, which each step of the drainer loads and stores as part of the
//! housekeeping ([`crate::housekeeping`]). The rings keep their own ends. A step that broke off leaves at most its chunk of a
//! console to be printed twice, and a byte of EL2's log or of the input lost.
//!
//! Nobody waits: a full ring drops and counts; the drainer moves at most [`BUDGET`] bytes in a system slot, [`CHUNK`]
//! in a step, and stops when the UART has no room. Indices in a window are a guest's claims and bound nothing but their own
//! console. Implements: BH-CON-005.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use bulkhead_abi::window::{RX_CONTROL, RX_DATA, RX_SIZE, RingControl, TX_CONTROL, TX_DATA, TX_SIZE};
use bulkhead_arch::barrier::counter;
use bulkhead_arch::words::SharedBlock;
use bulkhead_policy::line::Line;
use bulkhead_policy::mux::Channel;
use bulkhead_policy::ring::Ring;
use bulkhead_policy::sysreg::Direction;
use bulkhead_policy::uart::{Effect, Pl011};
use bulkhead_policy::vgic::VcpuSet;
use bulkhead_types::system::System;
use bulkhead_types::tables::partition_flag;

use crate::core_state::PerCore;
use crate::log::RINGS;
use crate::{core_field, entry, view};

/// Bytes that the drainer moves in one system slot, each way.
const BUDGET: u32 = 2048;
/// Bytes that it moves in one step, each way: a step is a path through EL2.
const CHUNK: u32 = 8;

/// Bytes that an emulated UART is given at once.
const FEED: u32 = 4;

const HEAD: usize = offset_of!(RingControl, head);
const TAIL: usize = offset_of!(RingControl, tail);
const DROPPED: usize = offset_of!(RingControl, dropped);

fn position(data: usize, offset: u32) -> usize {
    data.wrapping_add(usize::try_from(offset).unwrap_or(0))
}

/// Appends a byte to the ring from a partition to the host.
fn append(window: SharedBlock, byte: u8) {
    let head = window.read32_acquire(TX_CONTROL + HEAD);
    let tail = window.read32_acquire(TX_CONTROL + TAIL);
    if Ring::<TX_SIZE>::free(head, tail) == 0 {
        let dropped = window.read32_acquire(TX_CONTROL + DROPPED);
        window.write32(TX_CONTROL + DROPPED, dropped.wrapping_add(1));
        return;
    }
    window.write8(position(TX_DATA, Ring::<TX_SIZE>::offset(head)), byte);
    window.write32_release(TX_CONTROL + HEAD, head.wrapping_add(1));
}

/// Moves some bytes from the ring to a partition into its emulated UART; each byte that it takes out of there asks for more.
fn receive(window: SharedBlock, uart: &mut Pl011) {
    let head = window.read32_acquire(RX_CONTROL + HEAD);
    for _ in 0..FEED {
        let tail = window.read32_acquire(RX_CONTROL + TAIL);
        if Ring::<RX_SIZE>::used(head, tail) == 0 || !uart.has_room() {
            return;
        }
        uart.receive(window.read8(position(RX_DATA, Ring::<RX_SIZE>::offset(tail))));
        window.write32_release(RX_CONTROL + TAIL, tail.wrapping_add(1));
    }
}

impl PerCore {
    /// A guest's access to its emulated UART; gives what a load returns.
    pub fn uart_access(&mut self, offset: u64, direction: Direction, stored: u64) -> u64 {
        let Some((vcpu, _)) = self.current() else { return 0 };
        let window = view::window(vcpu.partition);
        let intid = vcpu.partition.uart_intid;
        let mut value = 0;
        self.with_machine(|machine| {
            let before = machine.uart.line();
            let effect = match direction {
                Direction::Read => {
                    let (read, effect) = machine.uart.read(offset);
                    value = u64::from(read);
                    effect
                }
                Direction::Write => machine.uart.write(offset, stored),
            };
            match effect {
                Effect::None => {}
                Effect::Transmit(byte) => append(window, byte),
                Effect::ReceiveSpace => receive(window, &mut machine.uart),
            }
            let line = machine.uart.line();
            if line == before {
                VcpuSet::EMPTY
            } else {
                machine.vgic.set_line(intid, line)
            }
        });
        value
    }

    /// At a slot's begin: gives the emulated UART of the vCPU at `local` what the host typed since.
    pub fn feed_console(&mut self, local: Option<usize>) {
        let Some(running) = self.running.as_ref() else {
            return;
        };
        let Some(Some(vcpu)) = local.and_then(|o| self.vcpus.get(o)) else {
            return;
        };
        if vcpu.entry.index != 0 || vcpu.partition.flags & partition_flag::EMULATED_UART == 0 {
            return;
        }
        let window = view::window(vcpu.partition);
        let head = window.read32_acquire(RX_CONTROL + HEAD);
        if Ring::<RX_SIZE>::used(head, window.read32_acquire(RX_CONTROL + TAIL)) == 0 {
            return;
        }
        let intid = vcpu.partition.uart_intid;
        let refresh = vcpu.shared.machine.with(running.index, |machine| {
            receive(window, &mut machine.uart);
            let line = machine.uart.line();
            machine.vgic.set_line(intid, line)
        });
        let bits = refresh.map_or(0, |set| u32::from(set.bits()));
        vcpu.shared.refresh.fetch_or(bits, Ordering::SeqCst);
    }
}

/// [`Line::bits`] of the line to the host. Used by who has claimed a step of the housekeeping.
static LINE: AtomicU64 = AtomicU64::new(Line::new().bits());

/// Begins the line anew, after a step that broke off. Implements: BH-CON-006.
pub fn broken_off() {
    LINE.store(Line::broken_off().bits(), Ordering::Relaxed);
}

/// What the drainer does in a slot.
pub struct Drainer {
    /// The partition that is drained first.
    next: usize,
    /// Counter at which this slot's work ends.
    until: u64,
    /// Bytes that may be moved in this slot.
    budget: u32,
}

impl Default for Drainer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drainer {
    /// Before its first slot.
    pub const fn new() -> Self {
        Self {
            next: 0,
            until: 0,
            budget: 0,
        }
    }

    /// Begins a slot, whose work ends when the counter reaches `until`: nothing is moved after that, so that a slot
    /// shorter than the whole budget does not make the next one late.
    pub fn begin(&mut self, system: &System<'static>, until: u64) {
        self.until = until;
        self.budget = BUDGET;
        // Begins with another partition each time, so that none waits for ever behind a flood.
        self.next = if self.next.wrapping_add(1) >= system.partitions.len() {
            0
        } else {
            self.next.wrapping_add(1)
        };
    }

    /// Moves a chunk; gives whether there may be more in this slot.
    ///
    /// # Timing
    /// At most [`CHUNK`] bytes from rings to the UART and as many from the UART to rings.
    pub fn step(&mut self, system: &System<'static>, stats: SharedBlock) -> bool {
        let mut line = Line::from_bits(LINE.load(Ordering::Relaxed));
        let chunk = CHUNK.min(self.budget);
        let mut left = chunk;
        for ring in &RINGS {
            while left > 0 && self.goes_on(&mut line) {
                let Some(byte) = ring.pop() else { break };
                line.push(Channel::DEFMT, byte);
                left = left.wrapping_sub(1);
            }
        }
        let count = system.partitions.len();
        for turn in 0..count {
            let index = self.next.wrapping_add(turn);
            let index = if index >= count {
                index.wrapping_sub(count)
            } else {
                index
            };
            left = self.drain(&mut line, system, index, left);
        }
        self.budget = self.budget.wrapping_sub(chunk.wrapping_sub(left));
        stats.add64(core_field!(drained), u64::from(chunk.wrapping_sub(left)));
        let blocked = !flush(&mut line);
        let more = self.collect(&mut line, system) || left == 0 || blocked;
        LINE.store(line.bits(), Ordering::Relaxed);
        more && self.budget > 0 && counter() < self.until
    }

    /// Whether there is time for another byte, and the UART has taken those before.
    fn goes_on(&self, line: &mut Line) -> bool {
        counter() < self.until && flush(line)
    }

    /// Moves a partition's output.
    fn drain(&self, line: &mut Line, system: &System<'static>, index: usize, budget: u32) -> u32 {
        let channel = u32::try_from(index).ok().and_then(Channel::partition);
        let (Some(partition), Some(channel)) = (system.partitions.get(index), channel) else {
            return budget;
        };
        let window = view::window(partition);
        let head = window.read32_acquire(TX_CONTROL + HEAD);
        let tail = window.read32_acquire(TX_CONTROL + TAIL);
        let waiting = Ring::<TX_SIZE>::used(head, tail);
        let mut moved = 0;
        while moved < waiting && moved < budget && self.goes_on(line) {
            let at = Ring::<TX_SIZE>::offset(tail.wrapping_add(moved));
            line.push(channel, window.read8(position(TX_DATA, at)));
            moved = moved.wrapping_add(1);
        }
        window.write32_release(TX_CONTROL + TAIL, tail.wrapping_add(moved));
        budget.wrapping_sub(moved)
    }

    /// Moves input to the partitions' rings; what does not fit is lost and counted. Whether there may be more.
    fn collect(&self, line: &mut Line, system: &System<'static>) -> bool {
        for _ in 0..CHUNK {
            if counter() >= self.until {
                return false;
            }
            let Some(byte) = entry::uart_get() else {
                return false;
            };
            let Some((channel, byte)) = line.receive(byte) else {
                continue;
            };
            let Some(partition) = system.partitions.get(usize::from(channel.number())) else {
                continue;
            };
            let window = view::window(partition);
            let head = window.read32_acquire(RX_CONTROL + HEAD);
            if Ring::<RX_SIZE>::free(head, window.read32_acquire(RX_CONTROL + TAIL)) == 0 {
                let dropped = window.read32_acquire(RX_CONTROL + DROPPED);
                window.write32(RX_CONTROL + DROPPED, dropped.wrapping_add(1));
                continue;
            }
            window.write8(position(RX_DATA, Ring::<RX_SIZE>::offset(head)), byte);
            window.write32_release(RX_CONTROL + HEAD, head.wrapping_add(1));
        }
        true
    }
}

/// Hands what waits to the UART; whether nothing is left then.
fn flush(line: &mut Line) -> bool {
    for _ in 0..4 {
        let Some(byte) = line.front() else {
            return true;
        };
        if !entry::uart_try_put(byte) {
            return false;
        }
        line.sent();
    }
    line.front().is_none()
}
