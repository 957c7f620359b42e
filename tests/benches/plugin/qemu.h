/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the plugins use of QEMU's plugin interface, version 4 (QEMU 9.2 and later), and of GLib's arrays.
   References: QEMU documentation, "QEMU TCG Plugins", "Plugin API"; GLib reference, "GArray", "GByteArray". */
#ifndef BULKHEAD_QEMU_H
#define BULKHEAD_QEMU_H

#include <stddef.h>
#include <stdint.h>

#define API_VERSION 4

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_register;

/* Whether a callback reads the CPU's registers. */
enum { NO_REGISTERS = 0, READS_REGISTERS = 1 };
/* Accesses of which a callback is told: those that write, read-modify-writes among them. */
enum { STORES = 2 };

typedef struct {
    struct qemu_plugin_register *handle;
    const char *name;
    const char *feature;
} qemu_plugin_reg_descriptor;

typedef struct {
    char *data;
    unsigned int len;
} GArray;

typedef struct {
    uint8_t *data;
    unsigned int len;
} GByteArray;

/* What an access read or wrote: the power of two of its bytes, and at most sixteen of them. */
typedef struct {
    int type;
    uint64_t low, high;
} qemu_plugin_mem_value;

struct qemu_plugin_hwaddr;

typedef uint64_t qemu_plugin_id_t;
typedef void (*udata_cb)(qemu_plugin_id_t, void *);
typedef void (*vcpu_cb)(qemu_plugin_id_t, unsigned int);
typedef void (*exec_cb)(unsigned int, void *);
typedef void (*mem_cb)(unsigned int, uint32_t, uint64_t, void *);
typedef void (*trans_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);

extern GByteArray *g_byte_array_new(void);
/* The CPU that this thread executes. Not of the plugin interface, but every build of QEMU that loads its own modules
   exports it. */
extern __thread void *current_cpu;

extern GByteArray *g_byte_array_set_size(GByteArray *, unsigned int);
extern char *g_array_free(GArray *, int);

extern void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t, vcpu_cb);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, trans_cb);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, udata_cb, void *);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, exec_cb, int, void *);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, mem_cb, int, int, void *);
extern unsigned int qemu_plugin_mem_size_shift(uint32_t);
extern qemu_plugin_mem_value qemu_plugin_mem_get_value(uint32_t);
extern struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t, uint64_t);
extern _Bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *);
extern uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern GArray *qemu_plugin_get_registers(void);
extern int qemu_plugin_read_register(struct qemu_plugin_register *, GByteArray *);

#endif
