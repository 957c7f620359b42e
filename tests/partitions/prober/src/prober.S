// SPDX-License-Identifier: Apache-2.0 OR MIT
// With the MMU off, so that each access is decided by stage 2 alone. The protocol is in README.md.

.equ MAILBOX, 0x40100000
.equ LANDING, 0x8000
.equ EDU_BUFFER, 0x40000

.section .text.entry, "ax"
.global prober_start
prober_start:
    msr     daifset, #0xf
    adr     x0, vectors
    msr     vbar_el1, x0
    isb
    ldr     x19, =MAILBOX
    mov     x0, #1
    dsb     sy
    str     x0, [x19]
1:  ldr     x0, [x19]
    cmp     x0, #2
    b.ne    1b
    dsb     sy
    isb
    ldr     x20, [x19, #8]
    ldr     x21, [x19, #16]
    add     x22, x19, #64

next_command:
    cbz     x20, all_done
    mov     x0, #1
    str     x0, [x22, #24]
    dsb     sy
    ldp     x1, x2, [x22]
    ldr     x3, [x22, #16]
    cmp     x1, #1
    b.lo    load
    b.eq    store
    cmp     x1, #3
    b.lo    call
    b.eq    dma_read
    cmp     x1, #5
    b.lo    dma_write
    b.hi    store_word

load_word:
    ldr     w3, [x2]
    b       loaded
load:
    ldr     x3, [x2]
loaded:
    dsb     sy
    str     x3, [x22, #16]
    b       done
store:
    str     x3, [x2]
    dsb     sy
    b       done
store_word:
    str     w3, [x2]
    dsb     sy
    b       done
call:
    blr     x2
    b       done

// The device reads 8 bytes at x2, then writes them to the landing place, which held x3.
dma_read:
    add     x23, x19, #LANDING
    str     x3, [x23]
    mov     x4, x2
    mov     x5, #EDU_BUFFER
    mov     x6, #1
    bl      dma
    mov     x4, #EDU_BUFFER
    mov     x5, x23
    mov     x6, #3
    bl      dma
    ldr     x3, [x23]
    str     x3, [x22, #16]
    b       done

// The device reads x3 from the landing place, then writes it to x2.
dma_write:
    add     x23, x19, #LANDING
    str     x3, [x23]
    mov     x4, x23
    mov     x5, #EDU_BUFFER
    mov     x6, #1
    bl      dma
    mov     x4, #EDU_BUFFER
    mov     x5, x2
    mov     x6, #3
    bl      dma

done:
    mov     x0, #2
end_command:
    dsb     sy
    str     x0, [x22, #24]
    add     x22, x22, #32
    sub     x20, x20, #1
    b       next_command

all_done:
    mov     x0, #3
    dsb     sy
    str     x0, [x19]
    b       1b

// 8 bytes from x4 to x5 by command x6; the device takes 100 ms.
dma:
    dsb     sy
    str     x4, [x21, #0x80]
    str     x5, [x21, #0x88]
    mov     x7, #8
    str     x7, [x21, #0x90]
    str     x6, [x21, #0x98]
3:  ldr     x7, [x21, #0x98]
    tbnz    x7, #0, 3b
    dsb     sy
    ret

.balign 0x800
vectors:
.rept 16
    .balign 0x80
    mrs     x0, esr_el1
    str     x0, [x22, #16]
    mov     x0, #3
    b       end_command
.endr
