// SPDX-License-Identifier: Apache-2.0 OR MIT
// Entries of both CPUs (EL1, MMU off), vectors, and the call that shows all registers.

.section .text.entry, "ax"
.global conformance_start
conformance_start:
    msr     daifset, #0xf
    // A loader of ELF files passes no device tree; QEMU puts it at the start of RAM.
    mov     x19, x0
    cbnz    x19, 1f
    mov     x19, #0x40000000
1:  ldr     x1, =__stack_end
    mov     sp, x1
    ldr     x1, =__bss_start
    ldr     x2, =__second_stack_end
2:  cmp     x1, x2
    b.hs    3f
    stp     xzr, xzr, [x1], #16
    b       2b
3:  ldr     x1, =conformance_vectors
    msr     vbar_el1, x1
    msr     tpidr_el1, xzr
    isb
    mov     x0, x19
    bl      conformance_build_map
    // What was written with the MMU off lies in memory; no older line may hide it.
    ldr     x1, =__rodata_end
    ldr     x2, =__second_stack_end
    mrs     x3, ctr_el0
    ubfx    x3, x3, #16, #4
    mov     x4, #4
    lsl     x3, x4, x3
4:  cmp     x1, x2
    b.hs    5f
    dc      ivac, x1
    add     x1, x1, x3
    b       4b
5:  bl      conformance_mmu_on
    mov     x0, x19
    bl      conformance_main
    brk     #0

// CPU_ON enters here. The registers that the standard speaks of are kept as they were found.
.global conformance_second_start
conformance_second_start:
    mov     x19, x0
    mrs     x20, daif
    mrs     x21, sctlr_el1
    mrs     x22, CurrentEL
    mrs     x23, SPSel
    msr     daifset, #0xf
    msr     SPSel, #1
    ldr     x1, =__second_stack_end
    mov     sp, x1
    ldr     x1, =conformance_vectors
    msr     vbar_el1, x1
    mov     x1, #1
    msr     tpidr_el1, x1
    isb
    bl      conformance_mmu_on
    mov     x0, x19
    mov     x1, x20
    mov     x2, x21
    mov     x3, x22
    mov     x4, x23
    bl      conformance_second_main
    brk     #0

conformance_mmu_on:
    dsb     sy
    ldr     x1, ={mair}
    msr     mair_el1, x1
    ldr     x1, ={tcr}
    msr     tcr_el1, x1
    ldr     x1, =conformance_tables
    msr     ttbr0_el1, x1
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, ={sctlr}
    msr     sctlr_el1, x1
    isb
    ret

.macro fault_vector number
    .balign 0x80
    mov     x0, #\number
    mrs     x1, esr_el1
    mrs     x2, elr_el1
    mrs     x3, far_el1
    b       conformance_on_fault
.endm

.balign 0x800
conformance_vectors:
    fault_vector 0
    fault_vector 1
    fault_vector 2
    fault_vector 3
    fault_vector 4
    .balign 0x80
    // An interrupt may be taken inside the handler of another: ELR and SPSR are kept too.
    // The counter is read by the third instruction: `interrupt::BEFORE_STAMP`.
    sub     sp, sp, #192
    stp     x0, x1, [sp]
    mrs     x0, cntvct_el0
    str     x0, [sp, #184]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x29, [sp, #144]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x30, x0, [sp, #160]
    str     x1, [sp, #176]
    ldr     x0, [sp, #184]
    bl      conformance_interrupt
    b       conformance_interrupt_return
    fault_vector 6
    fault_vector 7
    fault_vector 8
    fault_vector 9
    fault_vector 10
    fault_vector 11
    fault_vector 12
    fault_vector 13
    fault_vector 14
    fault_vector 15

    .balign 0x80
conformance_interrupt_return:
    ldr     x1, [sp, #176]
    ldp     x30, x0, [sp, #160]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x0, x1, [sp]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x29, [sp, #144]
    add     sp, sp, #192
    eret

// conformance_hvc, conformance_smc(x0 = arguments, x1 = results): loads x0 to x30 from 31 words, calls, stores x0 to x30.
.macro caller name, instruction
.global \name
\name:
    stp     x29, x30, [sp, #-112]!
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    stp     x18, x1, [sp, #96]
    ldp     x2, x3, [x0, #16]
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x8, x9, [x0, #64]
    ldp     x10, x11, [x0, #80]
    ldp     x12, x13, [x0, #96]
    ldp     x14, x15, [x0, #112]
    ldp     x16, x17, [x0, #128]
    ldp     x18, x19, [x0, #144]
    ldp     x20, x21, [x0, #160]
    ldp     x22, x23, [x0, #176]
    ldp     x24, x25, [x0, #192]
    ldp     x26, x27, [x0, #208]
    ldp     x28, x29, [x0, #224]
    ldr     x30, [x0, #240]
    ldp     x0, x1, [x0]
    \instruction #0
    // x30 first, through the stack, then it carries the pointer.
    str     x30, [sp, #-16]!
    ldr     x30, [sp, #120]
    stp     x0, x1, [x30]
    stp     x2, x3, [x30, #16]
    stp     x4, x5, [x30, #32]
    stp     x6, x7, [x30, #48]
    stp     x8, x9, [x30, #64]
    stp     x10, x11, [x30, #80]
    stp     x12, x13, [x30, #96]
    stp     x14, x15, [x30, #112]
    stp     x16, x17, [x30, #128]
    stp     x18, x19, [x30, #144]
    stp     x20, x21, [x30, #160]
    stp     x22, x23, [x30, #176]
    stp     x24, x25, [x30, #192]
    stp     x26, x27, [x30, #208]
    stp     x28, x29, [x30, #224]
    ldr     x0, [sp], #16
    str     x0, [x30, #240]
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldr     x18, [sp, #96]
    ldp     x29, x30, [sp], #112
    ret
.endm
caller conformance_hvc, hvc
caller conformance_smc, smc
.ltorg
