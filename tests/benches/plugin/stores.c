// SPDX-License-Identifier: Apache-2.0 OR MIT
// Sees each store of each CPU when it happens, and notes those into places by who may not write there. `README.md`
// describes the file that it shares with the test.
//
// A callback comes after the store, so that what a store that faults would have written is not noted.
//
// References: QEMU documentation, "QEMU TCG Plugins", "Plugin API"; Arm DDI 0487, "Exception vectors".

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cpus.h"

#define MOST_PLACES 64
#define MOST_NOTES 16
#define PAGE 4096u
// Pages of the address space's first 4 GiB; what is behind it is compared with each place.
#define PAGES (1u << 20)

// Who may write a place: whoever likes, whose stores are only counted; the writer that the test names, none among them;
// who was the last before `armed`.
enum { ANYBODY, NAMED, LAST };

// Physical addresses from `start` to before `end`. A `writer` is a guest, by its `VTTBR_EL2`, or EL2 of a CPU, by the
// CPU's number and 1: less than any table's address; 0 is nobody.
struct place {
    uint64_t start, end, rule, stores, writer;
};

// A store: where, who, by which instruction at which level of which CPU, how many exceptions of lower levels that CPU
// had taken to EL2, and what was last stored into a place that anybody may write.
struct note {
    uint64_t address, size, writer, instruction, level, cpu, entries, last;
};

// What the test shares. It writes `armed` and the places; the rest is written here.
static struct shared {
    // Whether stores of those who may not are found; until then they only say who was the last.
    uint64_t armed;
    uint64_t found;
    // Stores of which QEMU did not say the physical address.
    uint64_t unknown;
    uint64_t last;
    uint64_t count;
    struct place places[MOST_PLACES];
    struct note notes[MOST_NOTES];
} *shared;

static unsigned char pages[PAGES];
static uint64_t entries[MOST_CPUS];
// `VTTBR_EL2` when EL2 last left for a lower level.
static uint64_t guests[MOST_CPUS];

static void found(struct note store)
{
    if (shared->found < MOST_NOTES) {
        store.entries = entries[store.cpu];
        store.last = shared->last;
        shared->notes[shared->found] = store;
    }
    __atomic_store_n(&shared->found, shared->found + 1, __ATOMIC_RELEASE);
}

// A store of `size` bytes in one page.
static void stored(unsigned int index, uint32_t info, uint64_t vaddr, uint64_t size, void *by)
{
    const struct qemu_plugin_hwaddr *where = qemu_plugin_get_hwaddr(info, vaddr);
    if (!where) {
        shared->unknown++;
        return;
    }
    uint64_t address = qemu_plugin_hwaddr_phys_addr(where);
    if (address / PAGE < PAGES && !pages[address / PAGE])
        return;
    if (qemu_plugin_hwaddr_is_io(where))
        return;
    unsigned int cpu = executing(index);
    uint64_t at = (uintptr_t)by >> 62, writer = at == 2 ? cpu + 1 : guests[cpu];
    for (uint64_t k = 0; k < shared->count; k++) {
        struct place *place = &shared->places[k];
        if (address >= place->end || address + size <= place->start)
            continue;
        place->stores++;
        if (place->rule == ANYBODY)
            shared->last = qemu_plugin_mem_get_value(info).low;
        else if (!__atomic_load_n(&shared->armed, __ATOMIC_ACQUIRE))
            place->writer = place->rule == LAST ? writer : place->writer;
        else if (place->writer != writer)
            found((struct note){.address = address,
                                .size = size,
                                .writer = writer,
                                .instruction = (uint64_t)(uintptr_t)by << 2,
                                .level = at,
                                .cpu = cpu});
    }
}

static void store(unsigned int index, uint32_t info, uint64_t vaddr, void *by)
{
    uint64_t size = 1u << qemu_plugin_mem_size_shift(info), first = PAGE - vaddr % PAGE;
    if (size <= first) {
        stored(index, info, vaddr, size, by);
        return;
    }
    stored(index, info, vaddr, first, by);
    stored(index, info, vaddr + first, size - first, by);
}

static void entry(unsigned int index, void *data)
{
    (void)data;
    entries[executing(index)]++;
}

static void leave(unsigned int index, void *data)
{
    (void)data;
    guests[executing(index)] = get(VTTBR);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    uint64_t at = level();
    for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, k);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        // An instruction's address is a multiple of four: the level is where its upper bits would be.
        void *by = (void *)(uintptr_t)(address >> 2 | at << 62);
        qemu_plugin_register_vcpu_mem_cb(insn, store, NO_REGISTERS, STORES, by);
        if (at != 2)
            continue;
        uint32_t opcode = 0;
        qemu_plugin_insn_data(insn, &opcode, sizeof opcode);
        if (vector(address) < 8)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, entry, NO_REGISTERS, 0);
        if (opcode == OPCODE_ERET)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, leave, READS_REGISTERS, 0);
    }
}

static void start(qemu_plugin_id_t id, unsigned int index)
{
    (void)id;
    meet(index);
}

// Maps the file, which the test made and filled in.
static int share(const char *name)
{
    struct stat stat;
    int file = open(name, O_RDWR | O_CLOEXEC);
    if (file < 0 || fstat(file, &stat) || stat.st_size != sizeof *shared)
        return -1;
    shared = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared == MAP_FAILED || shared->count > MOST_PLACES)
        return -1;
    for (uint64_t k = 0; k < shared->count; k++) {
        for (uint64_t page = shared->places[k].start / PAGE; page * PAGE < shared->places[k].end && page < PAGES; page++)
            pages[page] = 1;
    }
    return 0;
}

EXPORT int qemu_plugin_version = API_VERSION;

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "shared=", 7) || share(argv[0] + 7)) {
        fprintf(stderr, "stores: shared=FILE\n");
        return -1;
    }
    qemu_plugin_register_vcpu_init_cb(id, start);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
