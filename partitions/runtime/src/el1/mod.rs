// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The edge of a partition: everything that touches the processor and its devices at EL1.
//!
//! [`crate::entry!`] names the program's main function; it gets the [`Partition`]. Interrupts are served by
//! the runtime: the timer's wakes [`time::sleep_until`], a CAN controller's fills a queue ([`can`]).

pub mod can;
pub mod console;
mod critical;
pub mod doorbell;
mod entry;
mod fault;
mod hypercall;
mod interrupts;
pub mod lock;
mod mmu;
mod shared;
pub mod time;

pub use entry::main;
pub use fault::{panic, stop, trespass};

use core::sync::atomic::AtomicU64;

use bulkhead_abi::start::SAFE_OUTPUT;
use bulkhead_abi::window::Metrics;

use crate::ledger::{Ledger, LedgerError};
use crate::machine::{Channel, ChannelKind, Hypercalls, Machine, Role};
use crate::metrics;
use crate::queuing::{QueueError, QueueReader, QueueWriter};
use crate::sampling::{PortError, Reader, Writer};
use crate::shared::{SharedReader, SharedWriter};

/// Memory of a channel.
pub type Memory = &'static [AtomicU64];

/// What a partition's main function is given.
pub struct Partition {
    /// What the device tree says.
    pub machine: Machine<'static>,
    life: u64,
    metrics: Option<&'static metrics::Memory>,
}

impl Partition {
    /// Whether this is its last life, in which it gives its safe output and nothing else. Implements: BH-LIFE-010.
    pub fn gives_safe_output(&self) -> bool {
        self.life == SAFE_OUTPUT
    }

    /// Publishes the partition's own counts in its window.
    pub fn publish(&self, counts: &Metrics) {
        if let Some(memory) = self.metrics {
            metrics::publish(memory, counts);
        }
    }

    fn channel(&self, label: &str, role: Role) -> Option<&Channel<'static>> {
        let mut channels = self.machine.channels.iter();
        channels.find(|c| c.label == label && c.role == role)
    }

    fn port(&self, label: &str, role: Role, bytes: usize) -> Result<Memory, PortError> {
        let channel = self.channel(label, role).ok_or(PortError::NotReady)?;
        match channel.kind {
            ChannelKind::Sampling { message_size } if usize::try_from(message_size) == Ok(bytes) => {
                Ok(shared::words(channel.range))
            }
            ChannelKind::Sampling { message_size } => Err(PortError::Length(message_size.into())),
            ChannelKind::Queuing { .. } | ChannelKind::Shared => Err(PortError::NotReady),
        }
    }

    /// Memory of the queue `label`, the reader's memory, depth.
    fn queue(
        &self,
        label: &str,
        role: Role,
        bytes: usize,
    ) -> Result<(Memory, Option<Memory>, u32), QueueError> {
        let channel = self.channel(label, role).ok_or(QueueError::Unknown)?;
        match channel.kind {
            ChannelKind::Queuing {
                message_size,
                depth,
                reader,
            } if usize::try_from(message_size) == Ok(bytes) => {
                Ok((shared::words(channel.range), reader.map(shared::words), depth))
            }
            ChannelKind::Queuing { .. } | ChannelKind::Sampling { .. } | ChannelKind::Shared => {
                Err(QueueError::Unknown)
            }
        }
    }

    /// The writer of the queuing channel `label`, whose messages are `N` words.
    ///
    /// # Errors
    /// [`QueueError::Unknown`] when the spec gives this partition no such channel; errors of [`QueueWriter::new`].
    pub fn queue_writer<const N: usize>(&self, label: &str) -> Result<QueueWriter<Memory, N>, QueueError> {
        let (words, reader, depth) = self.queue(label, Role::Writer, N * 8)?;
        QueueWriter::new(words, reader, depth)
    }

    /// The reader of the queuing channel `label`, whose messages are `N` words.
    ///
    /// # Errors
    /// [`QueueError::Unknown`] when the spec gives this partition no such channel; errors of [`QueueReader::new`].
    pub fn queue_reader<const N: usize>(&self, label: &str) -> Result<QueueReader<Memory, N>, QueueError> {
        let (words, own, depth) = self.queue(label, Role::Reader, N * 8)?;
        QueueReader::new(words, own.ok_or(QueueError::TooSmall)?, depth)
    }

    fn memory(&self, label: &str, role: Role) -> Option<Memory> {
        let channel = self.channel(label, role)?;
        (channel.kind == ChannelKind::Shared).then(|| shared::words(channel.range))
    }

    /// The shared memory `label` that this partition writes; `None` when the spec gives it none.
    pub fn shared_writer(&self, label: &str) -> Option<SharedWriter<Memory>> {
        self.memory(label, Role::Writer).map(SharedWriter::new)
    }

    /// The shared memory `label` that this partition reads; `None` when the spec gives it none.
    pub fn shared_reader(&self, label: &str) -> Option<SharedReader<Memory>> {
        self.memory(label, Role::Reader).map(SharedReader::new)
    }

    /// The writer of the channel `label`.
    ///
    /// # Errors
    /// [`PortError::NotReady`] when the spec gives this partition no such channel; errors of [`Writer::new`].
    pub fn writer<const N: usize>(&self, label: &str) -> Result<Writer<Memory, N>, PortError> {
        Writer::new(self.port(label, Role::Writer, N * 8)?)
    }

    /// A reader of the channel `label`.
    ///
    /// # Errors
    /// [`PortError::NotReady`] also when the spec gives this partition no such channel; errors of [`Reader::new`].
    pub fn reader<const N: usize>(&self, label: &str) -> Result<Reader<Memory, N>, PortError> {
        Reader::new(self.port(label, Role::Reader, N * 8)?)
    }

    /// The doorbell `label`, which this partition rings; `None` when the spec gives it none.
    pub fn bell(&self, label: &str) -> Option<doorbell::Bell> {
        let found = self.machine.doorbells.iter().find(|bell| bell.label == label)?;
        doorbell::Bell::of(found)
    }

    /// How often the doorbell `label` was heard; 0 when this partition hears no such.
    pub fn heard(&self, label: &str) -> u64 {
        let place = self.machine.doorbells.iter().position(|bell| bell.label == label);
        place.map_or(0, doorbell::count)
    }

    /// The lock `label`; `None` when the spec gives this partition no such lock.
    pub fn lock(&self, label: &str) -> Option<lock::Lock> {
        let found = self.machine.locks.iter().find(|l| l.label == label)?;
        lock::Lock::open(found)
    }

    /// How the time of core `core` of the board was used since the start.
    ///
    /// # Errors
    /// [`LedgerError`]; [`LedgerError::NotEntitled`] also where there is no Bulkhead.
    ///
    /// # Timing
    /// At most [`crate::ledger::TRIES`] hypercalls.
    pub fn ledger(&self, core: u32) -> Result<Ledger, LedgerError> {
        match self.machine.hypercalls {
            Hypercalls::Present => Ledger::read(|| hypercall::ledger(core)),
            Hypercalls::Absent => Err(LedgerError::NotEntitled),
        }
    }

    /// Tells EL2 that the system has reached its steady state; does nothing where there is no Bulkhead.
    ///
    /// # Errors
    /// What the hypercall returned, when it is not entitled or not the first.
    pub fn mark_steady(&self) -> Result<(), i64> {
        match self.machine.hypercalls {
            Hypercalls::Present => hypercall::mark_steady(),
            Hypercalls::Absent => Ok(()),
        }
    }
}

/// Makes `main`, a `fn(Partition) -> !`, the program of the partition.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(export_name = "partition_main")]
        extern "C" fn partition_main(device_tree: usize, life: u64) -> ! {
            $crate::el1::main(device_tree, life, $main)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::el1::panic(info)
        }
    };
}
