// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Has its virtio entropy function read descriptors and rings, and write random bytes and the used ring, where nothing is
//! granted. It has no configuration space: the places of the structures in the BAR are those of QEMU.
//!
//! # References
//! Virtio 1.2, "Device Initialization", "Split Virtqueues", "Virtio Over PCI Bus" ("Common configuration structure
//! layout", "Notification structure layout"), "Entropy Device"; QEMU, `hw/virtio/virtio-pci.c`, `virtio_pci_realize`.

use bulkhead_partition::el1::{Partition, console, stop, time};

use crate::Tried;
use crate::dma::FORBIDDEN;
use crate::edge::{Operation, attempt, read, write};

/// Where QEMU has the notifications; the common configuration is at 0.
const NOTIFY: u64 = 0x3000;
/// What QEMU says as `notify_off_multiplier`.
const NOTIFY_STRIDE: u64 = 4;
// Registers of the common configuration.
const OFFERED_SELECT: u64 = 0x00;
const OFFERED: u64 = 0x04;
const ACCEPTED_SELECT: u64 = 0x08;
const ACCEPTED: u64 = 0x0C;
const STATUS: u64 = 0x14;
const QUEUE_SELECT: u64 = 0x16;
const QUEUE_SIZE: u64 = 0x18;
const QUEUE_ENABLE: u64 = 0x1C;
const QUEUE_NOTIFY: u64 = 0x1E;
const QUEUE_DESCRIPTORS: u64 = 0x20;
const QUEUE_AVAILABLE: u64 = 0x28;
const QUEUE_USED: u64 = 0x30;
// Bits of the status.
const ACKNOWLEDGE: u64 = 1;
const DRIVER: u64 = 2;
const DRIVER_OK: u64 = 4;
const FEATURES_OK: u64 = 8;
const NEEDS_RESET: u64 = 64;
/// Bits of the second word of features: `VIRTIO_F_VERSION_1` (32), `VIRTIO_F_ACCESS_PLATFORM` (33).
const VERSION_1: u64 = 1;
const ACCESS_PLATFORM: u64 = 2;

/// A descriptor's flag: the function writes the buffer.
const WRITABLE: u64 = 2;
/// A flag of the available ring: no interrupts.
const NO_INTERRUPT: u64 = 1;
/// Bytes of the buffer. The board's QEMU gives as many every 50 ms, and serves a request at the end of such a period.
const BYTES: u64 = 64;
const LONGEST_NS: u64 = 120_000_000;
const PAUSE_NS: u64 = 5_000_000;

const PAGE: u64 = 4096;
/// The page that the function is granted, from the begin of RAM.
const GRANTED: u64 = 0x18_0000;
/// What lies where the function must not write.
const MARK: u64 = 0x5EED_0000_D0D0_5EED;

/// A constant, in a segment that is only read.
static CONSTANT: [u64; 8] = [MARK; 8];

/// Accesses memory as the function does, past the caches.
fn get(address: u64) -> u64 {
    attempt(Operation::Load, address, 0).0
}

fn put(address: u64, value: u64) {
    let _ = attempt(Operation::Store, address, value);
}

/// What the function is told of: a queue of one descriptor.
#[derive(Clone, Copy)]
struct Queue {
    descriptors: u64,
    available: u64,
    used: u64,
    buffer: u64,
}

/// The parts of a queue, each of which may lie elsewhere.
#[derive(Clone, Copy, Debug)]
enum Part {
    Descriptors,
    Available,
    Used,
    Buffer,
}

const PARTS: [Part; 4] = [Part::Descriptors, Part::Available, Part::Used, Part::Buffer];

impl Queue {
    /// All of it in one page.
    const fn within(page: u64) -> Self {
        Self {
            descriptors: page,
            available: page + 0x100,
            used: page + 0x200,
            buffer: page + 0x400,
        }
    }

    /// With one part of it elsewhere.
    fn with(self, part: Part, elsewhere: u64) -> Self {
        let mut queue = self;
        *match part {
            Part::Descriptors => &mut queue.descriptors,
            Part::Available => &mut queue.available,
            Part::Used => &mut queue.used,
            Part::Buffer => &mut queue.buffer,
        } = elsewhere;
        queue
    }

    /// Offers the buffer: one entry of the available ring, none of the used ring.
    fn fill(self) {
        put(self.descriptors, self.buffer);
        put(self.descriptors + 8, BYTES | WRITABLE << 32);
        put(self.available, NO_INTERRUPT | 1 << 16);
        put(self.used, 0);
        for word in 0..BYTES / 8 {
            put(self.buffer + 8 * word, MARK);
        }
    }

    /// Whether the function used the entry, by the used ring.
    fn is_used(self) -> bool {
        get(self.used) >> 16 & 0xffff == 1
    }

    /// Whether the function wrote the buffer.
    fn is_written(self) -> bool {
        (0..BYTES / 8).any(|word| get(self.buffer + 8 * word) != MARK)
    }
}

/// What the function lacks.
struct Lacks(&'static str);

/// A virtio function by the address of its registers.
#[derive(Clone, Copy)]
struct Function(u64);

impl Function {
    fn status(self, bit: u64) {
        write::<1>(self.0 + STATUS, read::<1>(self.0 + STATUS) | bit);
    }

    /// Resets it, gives it the queue, and tells it of the one request.
    fn begin(self, queue: Queue) -> Result<(), Lacks> {
        let Self(registers) = self;
        write::<1>(registers + STATUS, 0);
        let until = time::now() + LONGEST_NS;
        while read::<1>(registers + STATUS) != 0 {
            if time::now() > until {
                return Err(Lacks("a reset"));
            }
        }
        self.status(ACKNOWLEDGE);
        self.status(DRIVER);
        write::<4>(registers + OFFERED_SELECT, 1);
        let offered = read::<4>(registers + OFFERED);
        for (feature, name) in [
            (VERSION_1, "VIRTIO_F_VERSION_1"),
            (ACCESS_PLATFORM, "VIRTIO_F_ACCESS_PLATFORM"),
        ] {
            if offered & feature == 0 {
                return Err(Lacks(name));
            }
        }
        for (word, features) in [(0, 0), (1, VERSION_1 | ACCESS_PLATFORM)] {
            write::<4>(registers + ACCEPTED_SELECT, word);
            write::<4>(registers + ACCEPTED, features);
        }
        self.status(FEATURES_OK);
        if read::<1>(registers + STATUS) & FEATURES_OK == 0 {
            return Err(Lacks("a device that agrees"));
        }
        write::<2>(registers + QUEUE_SELECT, 0);
        write::<2>(registers + QUEUE_SIZE, 1);
        for (register, address) in [
            (QUEUE_DESCRIPTORS, queue.descriptors),
            (QUEUE_AVAILABLE, queue.available),
            (QUEUE_USED, queue.used),
        ] {
            write::<4>(registers + register, address & 0xffff_ffff);
            write::<4>(registers + register + 4, address >> 32);
        }
        let notify = NOTIFY + NOTIFY_STRIDE * read::<2>(registers + QUEUE_NOTIFY);
        write::<2>(registers + QUEUE_ENABLE, 1);
        self.status(DRIVER_OK);
        write::<2>(registers + notify, 0);
        Ok(())
    }

    /// Waits until `done`, until it needs a reset, or long enough.
    fn wait(self, done: impl Fn() -> bool) {
        let until = time::now() + LONGEST_NS;
        while !done() && read::<1>(self.0 + STATUS) & NEEDS_RESET == 0 && time::now() < until {
            time::sleep_until(time::now() + PAUSE_NS);
        }
    }
}

/// Whether a request in the granted page is served: the buffer is written, and the used ring says so.
fn lands(function: Function, queue: Queue) -> Result<bool, Lacks> {
    queue.fill();
    function.begin(queue)?;
    function.wait(|| queue.is_used());
    Ok(queue.is_used() && queue.is_written() && get(queue.used + 8) & 0xffff_ffff == BYTES)
}

fn says(lands: bool) {
    let what = if lands { "lands" } else { "is lost" };
    console::line(format_args!("granted DMA: {what}"));
}

fn attacks(function: Function, partition: &Partition, tried: &mut Tried) -> Result<(), Lacks> {
    let ram = partition.machine.ram;
    let own = Queue::within(ram.start + GRANTED);
    says(lands(function, own)?);
    let mut note = |part: Part, at: u64, succeeded: bool| {
        tried.note(succeeded);
        if succeeded {
            console::line(format_args!("{part:?} at {at:#x}"));
        }
    };
    // RAM of its own that the function is not granted: what it did there is seen.
    for page in [ram.start + GRANTED - PAGE, ram.start + GRANTED + PAGE] {
        let elsewhere = Queue::within(page);
        for part in PARTS {
            let (queue, at) = match part {
                Part::Descriptors => (own.with(part, elsewhere.descriptors), elsewhere.descriptors),
                Part::Available => (own.with(part, elsewhere.available), elsewhere.available),
                Part::Used => (own.with(part, elsewhere.used), elsewhere.used),
                Part::Buffer => (own.with(part, elsewhere.buffer), elsewhere.buffer),
            };
            queue.fill();
            function.begin(queue)?;
            function.wait(|| queue.is_used());
            let succeeded = match part {
                Part::Descriptors | Part::Available => queue.is_used() || queue.is_written(),
                Part::Used => queue.is_used(),
                Part::Buffer => queue.is_written(),
            };
            note(part, at, succeeded);
        }
    }
    // What is only read, and what belongs to others: that nothing was written there, others see.
    let constant = core::ptr::from_ref(&CONSTANT).addr() as u64;
    let after_ram = ram.start + ram.size;
    for address in FORBIDDEN.into_iter().chain([constant, after_ram]) {
        for part in PARTS {
            own.fill();
            let queue = own.with(part, address);
            if let Part::Buffer = part {
                put(own.descriptors, address);
            }
            function.begin(queue)?;
            function.wait(|| own.is_used());
            let succeeded = match part {
                Part::Descriptors | Part::Available => own.is_used() || own.is_written(),
                Part::Used | Part::Buffer => (0..BYTES / 8).any(|word| get(constant + 8 * word) != MARK),
            };
            note(part, address, succeeded);
        }
    }
    // Faults have not taken the function from its partition.
    says(lands(function, own)?);
    Ok(())
}

pub(crate) fn attack(partition: &Partition) -> Tried {
    let mut tried = Tried::default();
    let Some(registers) = partition.machine.virtio else {
        return tried;
    };
    if let Err(Lacks(what)) = attacks(Function(registers.start), partition, &mut tried) {
        console::line(format_args!("the function lacks {what}"));
        return Tried::default();
    }
    tried
}

/// Leaves a request unserved that will be at the end of the period, and ends, or stays to see it served.
pub(crate) fn late(partition: &Partition, ends: bool) -> Tried {
    let mut tried = Tried::default();
    let Some(registers) = partition.machine.virtio else {
        return tried;
    };
    let function = Function(registers.start);
    let first = Queue::within(partition.machine.ram.start + GRANTED);
    let second = Queue::within(partition.machine.ram.start + GRANTED + PAGE);
    let begun = lands(function, first).and_then(|lands| {
        says(lands);
        second.fill();
        function.begin(second)
    });
    if let Err(Lacks(what)) = begun {
        console::line(format_args!("the function lacks {what}"));
        return tried;
    }
    let early = second.is_used() || second.is_written();
    let when = if early { "already" } else { "not yet" };
    console::line(format_args!("at {:#x}: {when} served", second.buffer));
    if ends {
        stop()
    }
    function.wait(|| second.is_used());
    tried.note(second.is_used() && second.is_written());
    tried
}
