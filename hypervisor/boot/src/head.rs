// SPDX-License-Identifier: Apache-2.0 OR MIT
//! First instructions of the boot core and of the other cores, and boot's own exception vectors.
//!
//! The first page holds the arm64 `Image` header, [`ImageInfo`] and everything up to the copy of the image
//! to its link address; until then no address but the program counter's is used. All caches are off for
//! data there, so each range that is written is first cleaned and invalidated (a boot loader may have left
//! dirty lines) and invalidated again (nothing stale may shadow the writes once the MMU is on).
//!
//! # References
//! Linux, "Booting AArch64 Linux", "Call the kernel image"; Arm DDI 0487 (Arm ARM), "The AArch64 Virtual
//! Memory System Architecture", "Behavior when stage 1 address translation is disabled"; "Cache maintenance
//! instructions"; "TLB maintenance instructions".

use core::arch::global_asm;

use bulkhead_types::image::{INFO_OFFSET, ImageInfo};

/// `HCR_EL2` of a core in EL2 code: RW, E2H = 0, TGE = 0, nothing routed or trapped.
const HCR: u64 = 1 << 31;
/// `SCTLR_EL2` with its RES1 bits alone: MMU and caches off, little-endian.
const SCTLR_OFF: u64 = 0x30C5_0830;

global_asm!(
    r#"
    .macro KNOWN_STATE scratch
        movz    \scratch, #{HCR_HIGH}, lsl #16
        msr     hcr_el2, \scratch
        movz    \scratch, #{SCTLR_LOW}
        movk    \scratch, #{SCTLR_HIGH}, lsl #16
        isb
        msr     sctlr_el2, \scratch
        isb
        msr     spsel, #1
    .endm

    .section .head, "a"
    .global _image
    _image:
        b       1f
        .long   0
        .quad   0                       // text_offset
        .quad   0                       // image_size: set when the image is packed
        .quad   0xa                     // little-endian, 4 KiB pages, anywhere in memory
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0
        .org    {INFO_OFFSET}
    .global __image_info
    __image_info:
        .skip   {INFO_SIZE}
    link_address:
        .quad   _image
    placed_address:
        .quad   placed

    1:  mrs     x20, cntpct_el0
        msr     daifset, #0xf
        mov     x19, x0
        mrs     x21, CurrentEL
        lsr     x21, x21, #2
        cmp     x21, #2
        b.ne    2f
        KNOWN_STATE x1
    2:  adr     x22, _image             // where the image is
        ldr     x23, link_address       // where it belongs
        ldr     x24, [x22, #16]         // its size, whole lines of 64 bytes
        add     x24, x24, #63
        bic     x24, x24, #63
        cmp     x22, x23
        b.eq    6f
        sub     x1, x22, x23
        tst     x1, #0xfff
        b.ne    halt_here               // the copies below need whole pages between the two places
        mov     x1, x23
        add     x2, x23, x24
        bl      clean_invalidate
        cmp     x23, x22
        b.hi    4f
        // Downwards: the first page goes first and the copy of this code goes on, since the rest of the
        // copy may overwrite the original.
        mov     x1, x22
        mov     x2, x23
        mov     x3, #4096
        bl      copy_up
        mov     x1, x23
        add     x2, x23, #4096
        bl      clean_invalidate
        ic      iallu
        dsb     sy
        isb
        adr     x4, 3f
        sub     x4, x4, x22
        add     x4, x4, x23
        br      x4
    3:  add     x1, x22, #4096
        add     x2, x23, #4096
        subs    x3, x24, #4096
        b.ls    5f
        bl      copy_up
        b       5f
        // Upwards: from the end; the original of this page is below every byte that is written.
    4:  add     x1, x22, x24
        add     x2, x23, x24
        mov     x3, x24
        bl      copy_down
    5:  mov     x1, x23
        add     x2, x23, x24
        bl      clean_invalidate
    6:  ic      iallu
        dsb     sy
        isb
        ldr     x4, placed_address
        br      x4

    // Copies x3 bytes from x1 to x2, lowest address first.
    copy_up:
        ldp     x4, x5, [x1], #16
        stp     x4, x5, [x2], #16
        subs    x3, x3, #16
        b.hi    copy_up
        ret
    // Copies x3 bytes that end at x1 to where they end at x2, highest address first.
    copy_down:
        ldp     x4, x5, [x1, #-16]!
        stp     x4, x5, [x2, #-16]!
        subs    x3, x3, #16
        b.hi    copy_down
        ret
    // Cleans and invalidates x1 up to x2 to the point of coherency.
    clean_invalidate:
        mrs     x3, ctr_el0
        ubfx    x3, x3, #16, #4
        mov     x4, #4
        lsl     x3, x4, x3
        sub     x4, x3, #1
        bic     x1, x1, x4
    7:  dc      civac, x1
        add     x1, x1, x3
        cmp     x1, x2
        b.lo    7b
        dsb     sy
        ret
    halt_here:
        wfi
        b       halt_here
        .org    4096                    // an error when the code above does not fit into the first page

    .section .text.head, "ax"
    placed:
        ldr     x1, =__boot_data_start
        ldr     x2, =__boot_data_end
        bl      clean_invalidate
        ldr     x1, =__boot_bss_start
        ldr     x2, =__boot_bss_end
    8:  cmp     x1, x2
        b.hs    9f
        stp     xzr, xzr, [x1], #16
        b       8b
    9:  ldr     x1, =__boot_data_start
        ldr     x2, =__boot_data_end
        bl      clean_invalidate
        ldr     x1, =__boot_stacks_end
        mov     sp, x1
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x21
        cmp     x21, #2
        b.ne    boot_wrong_level
        msr     tpidr_el2, x1
        ldr     x2, =boot_vectors
        msr     vbar_el2, x2
        isb
        mov     x0, x19
        mov     x1, x20
        b       boot_main

    // extern "C" fn(root, tcr, mair, sctlr): the running code and its stack are identity-mapped.
    .global boot_enable_mmu
    boot_enable_mmu:
        msr     mair_el2, x2
        msr     tcr_el2, x1
        msr     ttbr0_el2, x0
        dsb     sy
        isb
        tlbi    alle2
        ic      iallu
        dsb     sy
        isb
        msr     sctlr_el2, x3
        isb
        ret

    // Where PSCI starts a core: x0 = its index, MMU off. BOOT_CONTROL was cleaned to the point of coherency.
    .global boot_secondary
    boot_secondary:
        msr     daifset, #0xf
        mov     x19, x0
        mrs     x1, CurrentEL
        cmp     x1, #8
        b.ne    boot_halt
        KNOWN_STATE x1
        ldr     x4, =BOOT_CONTROL
        ldp     x0, x1, [x4]
        ldp     x2, x3, [x4, #16]
        bl      boot_enable_mmu
        ldr     x1, =__boot_stacks_start
        ldr     x2, =BOOT_STACK_SIZE
        add     x1, x1, x2
        madd    x1, x19, x2, x1
        mov     sp, x1
        msr     tpidr_el2, x1
        ldr     x2, =boot_vectors
        msr     vbar_el2, x2
        isb
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x19
        b       boot_core_main

    .global boot_halt
    boot_halt:
        wfi
        b       boot_halt
        .ltorg

    .section .text.vectors, "ax"
    .balign 2048
    boot_vectors:
    .set    vector, 0
    .rept   16
        .balign 128
        mov     x0, #vector
        b       boot_trap
        .set    vector, vector + 1
    .endr
    .balign 128
    // TPIDR_EL2 holds the top of the core's stack until the first exception; a second one is silent.
    boot_trap:
        mrs     x5, tpidr_el2
        cbz     x5, boot_halt
        msr     tpidr_el2, xzr
        mov     sp, x5
        mrs     x1, esr_el2
        mrs     x2, elr_el2
        mrs     x3, far_el2
        b       boot_exception
    "#,
    HCR_HIGH = const HCR >> 16,
    SCTLR_LOW = const SCTLR_OFF & 0xFFFF,
    SCTLR_HIGH = const SCTLR_OFF >> 16,
    INFO_OFFSET = const INFO_OFFSET,
    INFO_SIZE = const size_of::<ImageInfo>(),
);
const _: () = assert!(HCR & 0xFFFF == 0 && HCR >> 32 == 0 && SCTLR_OFF >> 32 == 0);

unsafe extern "C" {
    /// First byte of the image at its link address: the arm64 header.
    static _image: u8;
    /// Filled when the image is packed.
    static __image_info: ImageInfo;
    /// Entry point of the other cores.
    static boot_secondary: u8;
    /// Switches the MMU on.
    fn boot_enable_mmu(root: u64, tcr: u64, mair: u64, sctlr: u64);
    /// Parks this core.
    safe fn boot_halt() -> !;
}

/// The description of the image.
pub(crate) fn image_info() -> &'static ImageInfo {
    // SAFETY: reserved in `.head`, 8-byte aligned (64 bytes into a page), `ImageInfo` accepts every bit pattern,
    // and nothing writes it once the image is loaded.
    unsafe { &__image_info }
}

/// Bytes of the loaded image, from the arm64 header.
pub(crate) fn image_size() -> u64 {
    let size = (&raw const _image).wrapping_add(16).cast::<u64>();
    // SAFETY: `image_size` is the third doubleword of the 64-byte header at `_image`, which is page-aligned
    // (Linux, "Booting AArch64 Linux", "Call the kernel image"); volatile because it is patched after linking.
    unsafe { size.read_volatile() }
}

/// Physical address at which a core starts.
pub(crate) fn secondary_entry() -> u64 {
    u64::try_from((&raw const boot_secondary).addr()).unwrap_or(u64::MAX)
}

/// Words that a core loads to switch its MMU on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Translation {
    pub(crate) root: u64,
    pub(crate) tcr: u64,
    pub(crate) mair: u64,
    pub(crate) sctlr: u64,
}

/// Switches MMU and caches on.
///
/// # Safety
/// 1. `root` is a table that maps boot's code, constants, data, and this stack at their own addresses.
/// 2. No line of memory written with the MMU off is in a data cache.
pub(crate) unsafe fn enable_mmu(words: Translation) {
    // SAFETY: the caller's claims; the callee is the leaf above, which touches no memory.
    unsafe { boot_enable_mmu(words.root, words.tcr, words.mair, words.sctlr) }
}

/// Parks this core for ever.
pub(crate) fn halt() -> ! {
    boot_halt()
}
