/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What both plugins know of the CPUs: which of them executes, and what its registers hold. */
#ifndef BULKHEAD_CPUS_H
#define BULKHEAD_CPUS_H

#include <stdlib.h>
#include <string.h>

#include "qemu.h"

#define EXPORT __attribute__((visibility("default")))
#define MOST_CPUS 16

#define OPCODE_ERET 0xd69f03e0u

enum { CPSR, X0, VBAR, ESR, FAR, HPFAR, TPIDR, ELR, VTTBR, REGISTERS };
static const char *const names[REGISTERS] = {"cpsr", "x0", "VBAR_EL2", "ESR_EL2", "FAR_EL2",
                                              "HPFAR_EL2", "TPIDR_EL2", "ELR_EL2", "VTTBR_EL2"};

/* The same for every CPU; a reading is of the CPU whose thread asks. */
static struct qemu_plugin_register *registers[REGISTERS];
/* Under `-icount` QEMU passes the index of the CPU that the code was translated for, since one thread runs all CPUs. */
static void *known[MOST_CPUS];
static unsigned int cpu_count;

static inline uint64_t get(int name)
{
    static __thread GByteArray *buffer;
    uint64_t value = 0;
    if (!buffer)
        buffer = g_byte_array_new();
    g_byte_array_set_size(buffer, 0);
    if (registers[name]) {
        int size = qemu_plugin_read_register(registers[name], buffer);
        if (size > 0)
            memcpy(&value, buffer->data, size < 8 ? (size_t)size : 8);
    }
    return value;
}

/* The CPU that executes: what QEMU says, unless one thread runs them all. */
static inline unsigned int executing(unsigned int index)
{
    for (unsigned int k = 0; k < cpu_count && cpu_count > 1; k++) {
        if (known[k] == current_cpu)
            return k;
    }
    return index;
}

/* The level that code is translated for: that which the CPU is at. */
static inline uint64_t level(void)
{
    return get(CPSR) >> 2 & 3;
}

/* The number of the vector of a lower level that begins at an address, 0 to 7 in their order, or more. */
static inline uint64_t vector(uint64_t address)
{
    uint64_t offset = address - get(VBAR) - 0x400;
    return offset % 0x80 == 0 ? offset / 0x80 : UINT64_MAX;
}

/* A CPU begins: finds it and its registers again. */
static inline void meet(unsigned int index)
{
    if (index >= MOST_CPUS)
        abort();
    known[index] = current_cpu;
    if (index >= cpu_count)
        cpu_count = index + 1;
    GArray *list = qemu_plugin_get_registers();
    const qemu_plugin_reg_descriptor *all = (const void *)list->data;
    for (unsigned int k = 0; k < list->len; k++) {
        for (int name = 0; name < REGISTERS; name++) {
            if (!strcmp(all[k].name, names[name]))
                registers[name] = all[k].handle;
        }
    }
    g_array_free(list, 1);
}

#endif
