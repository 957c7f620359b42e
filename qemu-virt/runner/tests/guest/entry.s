// SPDX-License-Identifier: Apache-2.0 OR MIT
// The test guest's begin at EL2, its vectors, and a stay at EL1 that causes a known number of entries to EL2.

.section .text.start, "ax"
.global _start
_start:
    adrp x9, stack_end
    add  x9, x9, :lo12:stack_end
    mov  sp, x9
    adr  x9, vectors
    msr  vbar_el2, x9
    bl   main
1:  wfi
    b    1b

// stay(x0 = hypercalls, x1 = secure calls, x2 = interrupts, x3 = counters): returns when EL1 is done.
.global stay
stay:
    stp  x29, x30, [sp, #-16]!
    mov  x9, #0x80080000        // RW, TSC
    orr  x9, x9, #0x10          // IMO
    msr  hcr_el2, x9
    mov  x9, #3
    msr  cnthctl_el2, x9
    mov  x9, #0x3c5             // EL1h, all masked
    msr  spsr_el2, x9
    adr  x9, at_el1
    msr  elr_el2, x9
    isb
    eret

at_el1:
    cbz  x0, 2f
    hvc  #0
    sub  x0, x0, #1
    b    at_el1
2:  cbz  x1, 3f
    smc  #0
    sub  x1, x1, #1
    b    2b
3:  cbz  x2, 5f
    ldr  x10, [x3, #512]
    mov  x11, #1
    msr  cntp_tval_el0, x11
    msr  cntp_ctl_el0, x11
4:  ldr  x11, [x3, #512]
    cmp  x10, x11
    b.eq 4b
    sub  x2, x2, #1
    b    3b
5:  hvc  #1

// A synchronous entry: counts by exception class; HVC #1 ends the stay.
synchronous:
    mrs  x9, esr_el2
    lsr  x10, x9, #26
    ldr  x11, [x3, x10, lsl #3]
    add  x11, x11, #1
    str  x11, [x3, x10, lsl #3]
    cmp  x10, #0x17             // a trapped SMC is stepped over
    b.ne 1f
    mrs  x11, elr_el2
    add  x11, x11, #4
    msr  elr_el2, x11
    eret
1:  tst  x9, #1
    b.ne 2f
    eret
2:  msr  hcr_el2, xzr
    isb
    ldp  x29, x30, [sp], #16
    ret

// An interrupt: counts, silences the timer, completes it.
interrupt:
    msr  cntp_ctl_el0, xzr
    isb
    mrs  x11, s3_0_c12_c12_0    // ICC_IAR1_EL1
    msr  s3_0_c12_c12_1, x11    // ICC_EOIR1_EL1
    ldr  x11, [x3, #512]
    add  x11, x11, #1
    str  x11, [x3, #512]
    eret

.balign 2048
vectors:
.rept 8
    b    .
    .balign 128
.endr
    b    synchronous
    .balign 128
    b    interrupt
    .balign 128
.rept 6
    b    .
    .balign 128
.endr
