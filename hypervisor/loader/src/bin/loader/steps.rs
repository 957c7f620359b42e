// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The steps of the load list.

use core::arch::asm;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

use bulkhead_abi::crash::{DUMP_HEAD, DUMP_MAGIC, DumpHead};
use bulkhead_loader::{Random, Region};
use bulkhead_types::load::{MAX_STEPS, Step, step};

use crate::entry::{STACK, loader_fail};

/// Where the loader goes when it is done.
#[repr(C)]
struct Jump {
    entry: u64,
    argument: u64,
}

/// An IPA of this partition as a pointer's address.
fn address(ipa: u64) -> usize {
    usize::try_from(ipa).unwrap_or_else(|_| loader_fail())
}

/// Completes all accesses, devices included, before anything after it.
fn complete() {
    aarch64_cpu::asm::barrier::dsb(aarch64_cpu::asm::barrier::SY);
}

/// Bytes that `DC ZVA` zeroes, `None` when it is prohibited.
fn zero_block() -> Option<u64> {
    let dczid: u64;
    // SAFETY: DCZID_EL0 is readable at EL1 and has no side effect (DDI 0487, "DCZID_EL0").
    unsafe { asm!("mrs {}, dczid_el0", out(reg) dczid, options(nomem, nostack, preserves_flags)) };
    (dczid & 0x10 == 0).then_some(4 << (dczid & 0xF))
}

/// Bytes of the smallest data cache line.
fn line() -> u64 {
    let ctr: u64;
    // SAFETY: CTR_EL0 is readable at EL1 and has no side effect (DDI 0487, "CTR_EL0").
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) };
    4 << ((ctr >> 16) & 0xF)
}

/// Writes zeros to `count` bytes from `start`.
fn store_zeros(start: u64, count: u64) {
    let to: *mut u8 = with_exposed_provenance_mut(address(start));
    // SAFETY: the region is part of a ZERO step without the stack: memory of this partition that this program does
    // not use otherwise. Where the list is wrong, stage 2 refuses the store.
    unsafe { to.write_bytes(0, address(count)) }
}

/// Scrubs a region, whole blocks by `DC ZVA`.
fn zero(region: Region) {
    let (first, last) = match zero_block() {
        Some(block) => (region.start.next_multiple_of(block), region.end & !(block - 1)),
        None => (region.end, region.end),
    };
    if first >= last {
        return store_zeros(region.start, region.end.saturating_sub(region.start));
    }
    store_zeros(region.start, first.saturating_sub(region.start));
    let block = zero_block().unwrap_or_else(|| loader_fail());
    let mut at = first;
    while at < last {
        // SAFETY: `at` is aligned to the block, and [at, at + block) lies in the region, as in `store_zeros`; the
        // region is Normal memory (DDI 0487, "DC ZVA").
        unsafe { asm!("dc zva, {}", in(reg) at, options(nostack, preserves_flags)) };
        at = at.saturating_add(block);
    }
    store_zeros(last, region.end.saturating_sub(last));
}

/// Copies a payload.
fn copy(step: &Step) {
    let from: *const u8 = with_exposed_provenance(address(step.source));
    let to: *mut u8 = with_exposed_provenance_mut(address(step.target));
    // SAFETY: the source is the payload, which is read-only, so the writable target does not overlap it; the target
    // is memory of this partition outside the stack, which `_loader` chose outside every COPY step's target.
    unsafe { to.copy_from_nonoverlapping(from, address(step.size)) }
}

/// Keeps what the partition's RAM holds in its reserved range, as that of start `start`. `_loader` has kept what lay
/// where the stack is. Implements: BH-HEALTH-061.
fn dump(step: &Step, stack: Region, start: u64) {
    let line = line();
    let head: *mut DumpHead = with_exposed_provenance_mut(address(step.target));
    let set = |magic| {
        let size = step.size;
        let at = Region::new(step.target, DUMP_HEAD).unwrap_or_else(|| loader_fail());
        // SAFETY: the first bytes of the range, which stage 2 maps for this program alone and in whole pages; nothing
        // else of this program lies there.
        unsafe { head.write_volatile(DumpHead { magic, start, size }) };
        clean(at, line);
        complete();
    };
    set(0);
    let ram = Region::new(step.source, step.size).unwrap_or_else(|| loader_fail());
    let behind = step.target.saturating_add(DUMP_HEAD);
    for part in ram.without(stack) {
        let to = behind.saturating_add(part.start.saturating_sub(ram.start));
        let to: *mut u8 = with_exposed_provenance_mut(address(to));
        let from: *const u8 = with_exposed_provenance(address(part.start));
        let count = address(part.end.saturating_sub(part.start));
        // SAFETY: RAM of this partition without the stack, which nothing writes meanwhile, and the range behind its
        // head, which is as large as RAM and lies elsewhere; both are mapped as Normal memory.
        unsafe { to.copy_from_nonoverlapping(from, count) };
    }
    clean(
        Region::new(behind, step.size).unwrap_or_else(|| loader_fail()),
        line,
    );
    complete();
    set(DUMP_MAGIC);
}

/// Fills a slot with random bytes.
fn fill(step: &Step, random: &mut Random) {
    let mut at = step.target;
    let mut left = address(step.size);
    while left > 0 {
        let block = random.block();
        let count = left.min(block.len());
        let to: *mut u8 = with_exposed_provenance_mut(address(at));
        // SAFETY: `count` bytes of a RANDOM step's target, memory of this partition outside the stack, which
        // `_loader` chose outside every RANDOM step's target.
        unsafe { to.copy_from_nonoverlapping(block.as_ptr(), count) };
        at = at.saturating_add(32);
        left = left.saturating_sub(count);
    }
}

/// Stores to a device register.
fn write_register(step: &Step) {
    let [b0, b1, b2, b3, ..] = step.source.to_le_bytes();
    let register: *mut u32 = with_exposed_provenance_mut(address(step.target));
    // SAFETY: the list names a register of a device that this partition owns; stage 2 refuses any other address and
    // maps it as Device memory.
    unsafe { register.write_volatile(u32::from_le_bytes([b0, b1, b2, b3])) };
    complete();
}

/// Reads a device register until it has the wanted value, at most `size` times.
fn poll_register(step: &Step) {
    let (mask, value) = (step.source & 0xFFFF_FFFF, step.source >> 32);
    let register: *const u32 = with_exposed_provenance(address(step.target));
    for _ in 0..step.size {
        // SAFETY: as in `write_register`.
        let found = unsafe { register.read_volatile() };
        if u64::from(found) & mask == value {
            return;
        }
    }
    loader_fail()
}

/// Cleans and invalidates a region to the point of coherency.
fn clean(region: Region, line: u64) {
    let mut at = region.start & !(line - 1);
    while at < region.end {
        // SAFETY: changes no memory content (DDI 0487, "Cache maintenance instructions"); the region was just written,
        // so it is mapped.
        unsafe { asm!("dc civac, {}", in(reg) at, options(nostack, preserves_flags)) };
        at = at.saturating_add(line);
    }
}

/// What a step writes to memory.
fn written(step: &Step) -> Option<Region> {
    match step.kind {
        step::ZERO | step::COPY | step::RANDOM => {
            Some(Region::new(step.target, step.size).unwrap_or_else(|| loader_fail()))
        }
        _ => None,
    }
}

/// Step `index` of the list.
fn step_at(list: *const Step, index: usize) -> Step {
    // SAFETY: EL2 gave the address of the list, which is mapped up to its JUMP step; no step after that is read, and
    // `index` is below MAX_STEPS.
    unsafe { list.wrapping_add(index).read() }
}

#[unsafe(no_mangle)]
extern "C" fn loader_run(list: *const Step, secret: &[u64; 4], starts: u64, stack: u64, ended: u64) -> Jump {
    let mut random = Random::new(*secret, starts);
    let stack = Region::new(stack, STACK).unwrap_or_else(|| loader_fail());
    for index in 0..MAX_STEPS {
        let step = step_at(list, index);
        match step.kind {
            step::ZERO => {
                let region = written(&step).unwrap_or_else(|| loader_fail());
                region.without(stack).into_iter().for_each(zero);
            }
            step::DUMP if ended == 0 => {}
            step::DUMP => dump(&step, stack, starts.saturating_sub(1)),
            step::COPY => copy(&step),
            step::RANDOM => fill(&step, &mut random),
            step::WRITE32 => write_register(&step),
            step::POLL32 => poll_register(&step),
            step::JUMP => {
                let line = line();
                for done in (0..index).filter_map(|before| written(&step_at(list, before))) {
                    clean(done, line);
                }
                complete();
                return Jump {
                    entry: step.target,
                    argument: step.source,
                };
            }
            _ => loader_fail(),
        }
    }
    loader_fail()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loader_fail()
}
