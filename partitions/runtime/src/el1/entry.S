// SPDX-License-Identifier: Apache-2.0 OR MIT
// Entry of a partition (EL1, MMU off, x0 = device tree, x1 = how it is to live) and its vectors.

.section .text.entry, "ax"
.global partition_start
partition_start:
    msr     daifset, #0xf
    mov     x19, x0
    mov     x20, x1
    ldr     x1, =__stack_end
    mov     sp, x1
    ldr     x1, =__bss_start
    ldr     x2, =__fault_stack_end
1:  cmp     x1, x2
    b.hs    2f
    stp     xzr, xzr, [x1], #16
    b       1b
2:  ldr     x1, =partition_vectors
    msr     vbar_el1, x1
    isb
    mov     x0, x19
    bl      partition_build_map         // x0 = root table
    // What was written with the MMU off lies in memory; no older line may hide it (Arm DDI 0487, "Cache
    // maintenance requirement for mismatched attributes").
    ldr     x1, =__rodata_end
    ldr     x2, =__fault_stack_end
    mrs     x3, ctr_el0
    ubfx    x3, x3, #16, #4
    mov     x4, #4
    lsl     x3, x4, x3
3:  cmp     x1, x2
    b.hs    4f
    dc      ivac, x1
    add     x1, x1, x3
    b       3b
4:  dsb     sy
    ldr     x1, ={mair}
    msr     mair_el1, x1
    ldr     x1, ={tcr}
    msr     tcr_el1, x1
    msr     ttbr0_el1, x0
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, ={sctlr}
    msr     sctlr_el1, x1
    isb
    mov     x0, x19
    mov     x1, x20
    bl      partition_main
    brk     #0

// Every vector but the interrupt's is the end of the partition.
.macro fault_vector number
    .balign 0x80
    mov     x18, #\number
    b       partition_fault
.endm

.balign 0x800
partition_vectors:
    fault_vector 0
    fault_vector 1
    fault_vector 2
    fault_vector 3
    fault_vector 4
    .balign 0x80
    sub     sp, sp, #176
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x29, [sp, #144]
    str     x30, [sp, #160]
    bl      partition_interrupt
    b       partition_interrupt_return
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
partition_interrupt_return:
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
    ldr     x30, [sp, #160]
    add     sp, sp, #176
    eret

// The fault's own stack: the partition's may be what failed.
partition_fault:
    ldr     x1, =__fault_stack_end
    mov     sp, x1
    mov     x0, x18
    mrs     x1, esr_el1
    mrs     x2, elr_el1
    mrs     x3, far_el1
    bl      partition_on_fault
    brk     #1
.ltorg
