// SPDX-License-Identifier: Apache-2.0 OR MIT
// Counts instructions: in total per exception level and CPU, and per path through EL2. `README.md` describes the
// output. A path begins with a vector's first instruction, or behind a WFI at EL2, and ends with ERET or WFI.
//
// References: Arm DDI 0487, "Exception vectors", "ESR_EL2", "HPFAR_EL2"; Arm ARM encodings of ERET and WFI.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpus.h"

#define MOST_MARKS 16
#define MOST_RANGES 256
#define TABLE 262144u

#define OPCODE_WFI 0xd503207fu

// What an instruction of EL2 is to the count.
enum { PLAIN, ENTRY, ERET, WFI };
// Where a path begins: vectors 0 to 7 are those of lower levels in their order.
enum { FROM_START = 8, FROM_WFI = 9 };

struct path {
    uint32_t from, class, ended, switched;
    uint64_t detail, length, times;
};

static struct cpu {
    struct path *paths;
    struct path now;
    uint64_t below[2], el2, loaded, lost;
    int inside;
} cpus[MOST_CPUS];

static struct mark {
    const char *name;
    uint64_t level, address;
    int once, reached;
    unsigned int cpu;
    uint64_t counts[3];
} marks[MOST_MARKS];
static unsigned int mark_count;

// Instructions of EL2 at addresses from `start` to before `end`.
static struct range {
    const char *name;
    uint64_t start, end, length;
} ranges[MOST_RANGES];
static unsigned int range_count;

static const char *out;
static uint64_t loader;
static int lower;

static struct cpu *self(unsigned int index)
{
    return &cpus[executing(index)];
}

static void counts(unsigned int index, uint64_t *now)
{
    now[0] = cpus[index].below[0];
    now[1] = cpus[index].below[1];
    now[2] = cpus[index].el2;
}

static void end(struct cpu *cpu, uint32_t how, uint64_t loaded)
{
    struct path *now = &cpu->now;
    if (!cpu->inside)
        return;
    cpu->inside = 0;
    now->ended = how;
    now->switched = how == ERET && loader && get(ELR) == loader ? 2 : cpu->loaded != loaded;
    cpu->loaded = loaded;
    uint64_t hash = now->from ^ now->class << 4 ^ now->ended << 11 ^ now->switched << 12;
    hash = (hash ^ now->detail * 31 ^ now->length * 131) * 0x9e3779b97f4a7c15u;
    for (unsigned int k = 0; k < 64; k++) {
        struct path *slot = &cpu->paths[((hash >> 40) + k) & (TABLE - 1)];
        if (!slot->times)
            *slot = *now;
        if (slot->from == now->from && slot->class == now->class && slot->ended == now->ended &&
            slot->switched == now->switched && slot->detail == now->detail && slot->length == now->length) {
            slot->times++;
            return;
        }
    }
    cpu->lost++;
}

static void begin(struct cpu *cpu, uint32_t from)
{
    cpu->now = (struct path){.from = from};
    cpu->inside = 1;
}

// What tells reasons of the same class apart: a call's function and immediate, a system register, a device's register.
static uint64_t detail(uint64_t esr)
{
    switch (esr >> 26 & 0x3f) {
    case 0x16:
    case 0x17:
        return (get(X0) & 0xffffffff) | (esr & 0xffff) << 32;
    case 0x18:
        return esr & 0x3ffc1f;
    case 0x24:
        return (get(HPFAR) & 0xfffffffff0) << 8 | (get(FAR) & 0xfff) | (esr >> 6 & 1) << 63;
    default:
        return 0;
    }
}

static void in_range(unsigned int index, void *data)
{
    (void)index;
    ((struct range *)data)->length++;
}

static void plain(unsigned int index, void *data)
{
    (void)data;
    struct cpu *cpu = self(index);
    cpu->el2++;
    cpu->now.length++;
}

static void entry(unsigned int index, void *data)
{
    struct cpu *cpu = self(index);
    uint32_t from = (uint32_t)(uintptr_t)data;
    begin(cpu, from);
    if ((from & 3) == 0) {
        uint64_t esr = get(ESR);
        cpu->now.class = esr >> 26 & 0x3f;
        cpu->now.detail = detail(esr);
    }
    plain(index, data);
}

static void eret(unsigned int index, void *data)
{
    plain(index, data);
    end(self(index), ERET, get(TPIDR));
}

static void wfi(unsigned int index, void *data)
{
    plain(index, data);
    struct cpu *cpu = self(index);
    end(cpu, WFI, cpu->loaded);
    begin(cpu, FROM_WFI);
}

static void reached(unsigned int index, void *data)
{
    struct mark *mark = data;
    if (mark->once && mark->reached)
        return;
    mark->reached = 1;
    mark->cpu = (unsigned int)(self(index) - cpus);
    counts(mark->cpu, mark->counts);
}

static void below(unsigned int index, void *at)
{
    self(index)->below[(uintptr_t)at]++;
}

static void translate_el2(struct qemu_plugin_insn *insn)
{
    uint32_t opcode = 0;
    qemu_plugin_insn_data(insn, &opcode, sizeof opcode);
    uint64_t address = qemu_plugin_insn_vaddr(insn), from = vector(address);
    for (unsigned int k = 0; k < range_count; k++) {
        if (ranges[k].start <= address && address < ranges[k].end)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, in_range, NO_REGISTERS, &ranges[k]);
    }
    if (from < FROM_START)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, entry, READS_REGISTERS, (void *)(uintptr_t)from);
    else if (opcode == OPCODE_ERET)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, eret, READS_REGISTERS, 0);
    else if (opcode == OPCODE_WFI)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, wfi, READS_REGISTERS, 0);
    else
        qemu_plugin_register_vcpu_insn_exec_cb(insn, plain, NO_REGISTERS, 0);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    uint64_t at = level();
    for (size_t k = 0; k < qemu_plugin_tb_n_insns(tb); k++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, k);
        uint64_t address = qemu_plugin_insn_vaddr(insn);
        for (unsigned int m = 0; m < mark_count; m++) {
            if (marks[m].level == at && (marks[m].address == address || marks[m].address == UINT64_MAX))
                qemu_plugin_register_vcpu_insn_exec_cb(insn, reached, NO_REGISTERS, &marks[m]);
        }
        if (at == 2)
            translate_el2(insn);
        else if (lower && at < 2)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, below, NO_REGISTERS, (void *)(uintptr_t)at);
    }
}

static void start(qemu_plugin_id_t id, unsigned int index)
{
    (void)id;
    meet(index);
    cpus[index].paths = calloc(TABLE, sizeof(struct path));
    if (!cpus[index].paths)
        abort();
    begin(&cpus[index], FROM_START);
}

static void finish(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    FILE *file = fopen(out, "w");
    if (!file) {
        perror(out);
        return;
    }
    fprintf(file, "count\t1\n");
    for (unsigned int index = 0; index < MOST_CPUS; index++) {
        struct cpu *cpu = &cpus[index];
        uint64_t now[3];
        if (!cpu->paths)
            continue;
        counts(index, now);
        fprintf(file, "total\t%u\t%lu\t%lu\t%lu\t%lu\n", index, now[0], now[1], now[2], cpu->lost);
        for (unsigned int k = 0; k < TABLE; k++) {
            const struct path *path = &cpu->paths[k];
            if (path->times)
                fprintf(file, "path\t%u\t%u\t%#x\t%#lx\t%s\t%u\t%lu\t%lu\n", index, path->from, path->class,
                        path->detail, path->ended == ERET ? "eret" : "wfi", path->switched, path->length, path->times);
        }
    }
    for (unsigned int m = 0; m < mark_count; m++) {
        const struct mark *mark = &marks[m];
        if (mark->reached)
            fprintf(file, "mark\t%s\t%u\t%lu\t%lu\t%lu\n", mark->name, mark->cpu, mark->counts[0], mark->counts[1],
                    mark->counts[2]);
    }
    for (unsigned int k = 0; k < range_count; k++)
        fprintf(file, "range\t%s\t%lu\n", ranges[k].name, ranges[k].length);
    fclose(file);
}

// `mark=NAME:LEVEL:ADDRESS` or `last=…`: the counts when an address is reached at a level for the first or the
// last time; ADDRESS `any` is the level's first instruction.
static int parse_mark(char *text, int once)
{
    char *level = strchr(text, ':');
    char *address = level ? strchr(level + 1, ':') : 0;
    if (!address || mark_count == MOST_MARKS)
        return -1;
    *level = *address = 0;
    marks[mark_count++] = (struct mark){
        .name = text,
        .level = strtoul(level + 1, 0, 0),
        .address = strcmp(address + 1, "any") ? strtoul(address + 1, 0, 0) : UINT64_MAX,
        .once = once,
    };
    return 0;
}

// `range=NAME:START:END`.
static int parse_range(char *text)
{
    char *start = strchr(text, ':');
    char *end = start ? strchr(start + 1, ':') : 0;
    if (!end || range_count == MOST_RANGES)
        return -1;
    *start = *end = 0;
    ranges[range_count++] =
        (struct range){.name = text, .start = strtoul(start + 1, 0, 0), .end = strtoul(end + 1, 0, 0)};
    return 0;
}

EXPORT int qemu_plugin_version = API_VERSION;

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info;
    int error = 0;
    for (int k = 0; k < argc; k++) {
        if (!strncmp(argv[k], "out=", 4))
            out = argv[k] + 4;
        else if (!strcmp(argv[k], "lower=on"))
            lower = 1;
        else if (!strncmp(argv[k], "loader=", 7))
            loader = strtoul(argv[k] + 7, 0, 0);
        else if (!strncmp(argv[k], "mark=", 5))
            error |= parse_mark(argv[k] + 5, 1);
        else if (!strncmp(argv[k], "last=", 5))
            error |= parse_mark(argv[k] + 5, 0);
        else if (!strncmp(argv[k], "range=", 6))
            error |= parse_range(argv[k] + 6);
        else
            error = -1;
    }
    if (error || !out) {
        fprintf(stderr, "count: out=FILE [lower=on] [loader=ADDRESS] [mark=NAME:LEVEL:ADDRESS]... [last=NAME:LEVEL:ADDRESS]... "
                        "[range=NAME:START:END]...\n");
        return -1;
    }
    qemu_plugin_register_vcpu_init_cb(id, start);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, finish, 0);
    return 0;
}
