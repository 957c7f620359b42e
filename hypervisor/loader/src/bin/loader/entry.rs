// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entry and exit: stack, MMU, the jump.

use core::arch::global_asm;

use bulkhead_abi::crash::DUMP_HEAD;
use bulkhead_types::load::{LOADER_IPA, MAX_STEPS, step};

/// Bytes of the stack.
pub(crate) const STACK: u64 = 4096;
/// `SCTLR_EL1`: the bits that are RES1 in Armv8.0.
const SCTLR_OFF: u64 = 0x30D0_0800;
/// `SCTLR_EL1` with M, C and I.
const SCTLR_ON: u64 = SCTLR_OFF | 1 | 1 << 2 | 1 << 12;
/// `TCR_EL1`: 39-bit VA (T0SZ 25) by TTBR0 alone (EPD1), 4 KiB granule, walks Write-Back Inner Shareable, 40-bit
/// output.
const TCR: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32;
/// `MAIR_EL1`: attribute 0 is Normal Write-Back.
const MAIR: u64 = 0xFF;
/// `SPSR_EL1` of the jump: EL1h, all interrupts masked.
const SPSR: u64 = 0x3C5;

/// Number of the 1 GiB block that holds the loader and the load list.
const LOADER_BLOCK: u64 = LOADER_IPA >> 30;

/// All IPAs at their own address, 1 GiB a block: the loader's block read-only and executable, the payloads'
/// read-only, all others writable.
#[repr(C, align(4096))]
struct Table([u64; 512]);

const fn table() -> Table {
    /// Block, access flag, Inner Shareable, never executable at EL0; attribute 0.
    const BLOCK: u64 = 1 | 1 << 10 | 3 << 8 | 1 << 54;
    const READ_ONLY: u64 = 2 << 6;
    const EXECUTE_NEVER: u64 = 1 << 53;
    let mut entries = [0; 512];
    let mut number: u64 = 0;
    let mut rest: &mut [u64] = &mut entries;
    while let Some((entry, tail)) = rest.split_first_mut() {
        let rights = if number < LOADER_BLOCK {
            EXECUTE_NEVER
        } else if number == LOADER_BLOCK {
            READ_ONLY
        } else {
            READ_ONLY | EXECUTE_NEVER
        };
        *entry = (number << 30) | BLOCK | rights;
        number += 1;
        rest = tail;
    }
    Table(entries)
}

#[unsafe(no_mangle)]
static LOADER_TABLE: Table = table();

global_asm!(
    r#"
    .section .text.entry, "ax"
    .global _loader
    // x0 = load list, x1..x4 = secret, x5 = starts so far, x6 = whether an error ended the last life,
    // x7 = how this one is to be lived; MMU off.
    _loader:
        msr     daifset, #0xf
        mov     x20, x6
        mov     x21, x7
        adr     x6, loader_vectors
        msr     vbar_el1, x6

        // The last page of the first ZERO step's region that no COPY or RANDOM step writes: x9.
        mov     x6, x0
        mov     x7, #{MAX_STEPS}
    1:  ldp     x8, x9, [x6]
        cmp     x8, #{ZERO}
        b.eq    2f
        add     x6, x6, #32
        subs    x7, x7, #1
        b.ne    1b
        b       loader_fail
    2:  ldr     x10, [x6, #24]
        mov     x8, x9                  // lowest address of the region
        add     x9, x9, x10
        sub     x9, x9, #{STACK}
        mov     x15, #{MAX_STEPS}       // each search ends at a lower page, below a different step
    3:  bic     x9, x9, #({STACK} - 1)
        cmp     x9, x8
        b.lo    loader_fail
        subs    x15, x15, #1
        b.eq    loader_fail
        mov     x6, x0
        mov     x7, #{MAX_STEPS}
    4:  ldp     x10, x11, [x6]          // kind, target
        cmp     x10, #{JUMP}
        b.eq    6f
        cmp     x10, #{COPY}
        ccmp    x10, #{RANDOM}, #4, ne
        b.ne    5f
        ldr     x12, [x6, #24]          // size
        add     x12, x11, x12
        add     x13, x9, #{STACK}
        cmp     x11, x13
        b.hs    5f
        cmp     x9, x12
        b.hs    5f
        sub     x9, x11, #{STACK}       // below this step's target
        b       3b
    5:  add     x6, x6, #32
        subs    x7, x7, #1
        b.ne    4b
        b       loader_fail

        // Own tables and caches on; what earlier software of this partition left in TLB and I-cache goes.
    6:  ldr     x6, ={MAIR}
        msr     mair_el1, x6
        ldr     x6, ={TCR}
        msr     tcr_el1, x6
        ldr     x6, =LOADER_TABLE
        msr     ttbr0_el1, x6
        isb
        tlbi    vmalle1
        ic      iallu
        dsb     nsh
        isb
        ldr     x6, ={SCTLR_ON}
        msr     sctlr_el1, x6
        isb

        // What lies where the stack will be is part of what is kept.
        cbz     x20, 2f
        ldp     x6, x7, [x0]            // kind, target
        cmp     x6, #{DUMP}
        b.ne    2f
        ldr     x8, [x0, #16]           // source
        add     x7, x7, #{DUMP_HEAD}
        sub     x8, x9, x8
        add     x7, x7, x8
        mov     x8, x9
        add     x10, x9, #{STACK}
    1:  ldp     x11, x12, [x8], #16
        stp     x11, x12, [x7], #16
        cmp     x8, x10
        b.lo    1b

    2:  msr     spsel, #1
        add     x6, x9, #{STACK}
        mov     sp, x6
        mov     x19, x9
        stp     x3, x4, [sp, #-16]!
        stp     x1, x2, [sp, #-16]!
        mov     x29, xzr
        mov     x30, xzr
        mov     x1, sp
        mov     x2, x5
        mov     x3, x19
        mov     x4, x20
        bl      loader_run              // x0 = entry, x1 = its x0

        // No stack from here on: scrub it, clean it, and leave as if nothing had run.
        mov     x2, x19
        add     x3, x19, #{STACK}
    7:  stp     xzr, xzr, [x2], #16
        cmp     x2, x3
        b.lo    7b
        mrs     x4, ctr_el0
        ubfx    x4, x4, #16, #4
        mov     x5, #4
        lsl     x4, x5, x4
    8:  dc      civac, x19
        add     x19, x19, x4
        cmp     x19, x3
        b.lo    8b
        dsb     sy
        ldr     x2, ={SCTLR_OFF}
        msr     sctlr_el1, x2
        isb
        tlbi    vmalle1is
        ic      ialluis
        dsb     ish
        isb
        msr     ttbr0_el1, xzr
        msr     tcr_el1, xzr
        msr     mair_el1, xzr
        msr     vbar_el1, xzr
        msr     sp_el0, xzr
        mov     x2, #{SPSR}
        msr     spsr_el1, x2
        msr     elr_el1, x0
        mov     x0, x1
        mov     x1, x21
        mov     x2, xzr
        mov     sp, x2
        mov     x3, xzr
        mov     x4, xzr
        mov     x5, xzr
        mov     x6, xzr
        mov     x7, xzr
        mov     x8, xzr
        mov     x9, xzr
        mov     x10, xzr
        mov     x11, xzr
        mov     x12, xzr
        mov     x13, xzr
        mov     x14, xzr
        mov     x15, xzr
        mov     x16, xzr
        mov     x17, xzr
        mov     x18, xzr
        mov     x19, xzr
        mov     x20, xzr
        mov     x21, xzr
        mov     x22, xzr
        mov     x23, xzr
        mov     x24, xzr
        mov     x25, xzr
        mov     x26, xzr
        mov     x27, xzr
        mov     x28, xzr
        mov     x29, xzr
        mov     x30, xzr
        isb
        eret

    // Stage 1 off, so that stage 2 judges the store: it refuses it and EL2 takes over.
    .global loader_fail
    loader_fail:
        ldr     x6, ={SCTLR_OFF}
        msr     sctlr_el1, x6
        isb
        ldr     x6, =_loader
        str     xzr, [x6]
        b       loader_fail
        .ltorg

    .balign 2048
    loader_vectors:
    .rept   16
        .balign 128
        b       loader_fail
    .endr
    "#,
    STACK = const STACK,
    MAX_STEPS = const MAX_STEPS,
    ZERO = const step::ZERO,
    COPY = const step::COPY,
    RANDOM = const step::RANDOM,
    JUMP = const step::JUMP,
    DUMP = const step::DUMP,
    DUMP_HEAD = const DUMP_HEAD,
    MAIR = const MAIR,
    TCR = const TCR,
    SCTLR_ON = const SCTLR_ON,
    SCTLR_OFF = const SCTLR_OFF,
    SPSR = const SPSR,
);

unsafe extern "C" {
    /// Tells EL2 that the partition cannot be loaded.
    pub(crate) safe fn loader_fail() -> !;
}
