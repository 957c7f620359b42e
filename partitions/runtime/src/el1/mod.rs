// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The edge of a partition: everything that touches the processor and its devices at EL1.
//!
//! [`crate::entry!`] names the program's main function; it gets the [`Partition`]. Interrupts are served by
//! the runtime: the timer's wakes [`time::sleep_until`], a CAN controller's fills a queue ([`can`]).

pub mod can;
pub mod console;
mod critical;
mod entry;
mod fault;
mod hypercall;
mod interrupts;
pub mod lock;
mod mmu;
mod shared;
pub mod time;

pub use entry::main;
pub use fault::{panic, stop};

use core::sync::atomic::AtomicU64;

use bulkhead_abi::window::Metrics;

use crate::machine::{Hypercalls, Machine, Role};
use crate::metrics;
use crate::sampling::{PortError, Reader, Writer};

/// What a partition's main function is given.
pub struct Partition {
    /// What the device tree says.
    pub machine: Machine<'static>,
    metrics: Option<&'static metrics::Memory>,
}

impl Partition {
    /// Publishes the partition's own counts in its window.
    pub fn publish(&self, counts: &Metrics) {
        if let Some(memory) = self.metrics {
            metrics::publish(memory, counts);
        }
    }

    fn port(&self, label: &str, role: Role, bytes: usize) -> Result<&'static [AtomicU64], PortError> {
        let found = self
            .machine
            .channels
            .iter()
            .find(|c| c.label == label && c.role == role);
        let channel = found.ok_or(PortError::NotReady)?;
        if usize::try_from(channel.message_size) != Ok(bytes) {
            return Err(PortError::Length(channel.message_size.into()));
        }
        Ok(shared::words(channel.range))
    }

    /// The writer of the channel `label`.
    ///
    /// # Errors
    /// [`PortError::NotReady`] when the spec gives this partition no such channel; errors of [`Writer::new`].
    pub fn writer<const N: usize>(&self, label: &str) -> Result<Writer<&'static [AtomicU64], N>, PortError> {
        Writer::new(self.port(label, Role::Writer, N * 8)?)
    }

    /// A reader of the channel `label`.
    ///
    /// # Errors
    /// [`PortError::NotReady`] also when the spec gives this partition no such channel; errors of [`Reader::new`].
    pub fn reader<const N: usize>(&self, label: &str) -> Result<Reader<&'static [AtomicU64], N>, PortError> {
        Reader::new(self.port(label, Role::Reader, N * 8)?)
    }

    /// The lock `label`; `None` when the spec gives this partition no such lock.
    pub fn lock(&self, label: &str) -> Option<lock::Lock> {
        let found = self.machine.locks.iter().find(|l| l.label == label)?;
        lock::Lock::open(found)
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
        extern "C" fn partition_main(device_tree: usize) -> ! {
            $crate::el1::main(device_tree, $main)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::el1::panic(info)
        }
    };
}
