/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Locks with priority inheritance that partitions share, for bare-metal partitions in C11.

   The device tree names each lock (compatible "bulkhead,lock-1"): the first range of `reg` is its page, which has to be
   mapped Normal Non-cacheable; `bulkhead,lock` is the lock's number, then this partition's position among its
   participants. Taking a free lock and giving back one that nobody waits for are one compare-and-swap each; the rest is
   a call of EL2. A partition may wait for a lock only while it owns no other.

   With GCC or Clang for a core without LSE atomics, compile with -mno-outline-atomics. */
#ifndef BULKHEAD_LOCK_H
#define BULKHEAD_LOCK_H

#include <stdint.h>

#include "bulkhead.h"

/* A lock as one vCPU uses it. */
struct bulkhead_lock {
    uint64_t *page;      /* its page: the word, and from BULKHEAD_LOCK_RECORD on the record that it guards */
    uint32_t number;     /* its number */
    uint8_t participant; /* position of this partition among the participants */
    uint8_t vcpu;        /* index of this vCPU in its partition */
};

enum bulkhead_lock_taken {
    BULKHEAD_LOCK_IS_MINE, /* give it back with the word that was stored */
    BULKHEAD_LOCK_IS_BUSY, /* another owns it, or was faster */
    BULKHEAD_LOCK_REFUSED  /* this partition is no participant, or owns a lock already */
};

enum bulkhead_lock_given {
    BULKHEAD_LOCK_IS_FREE, /* it was given back */
    BULKHEAD_LOCK_WAS_LOST /* it had been revoked: what was written since may be mixed with another owner's writes */
};

/* What EL2 answers in x0 and x1. */
struct bulkhead_answer {
    int64_t x0;
    uint64_t x1;
};

#ifdef __aarch64__
/* Calls EL2; x0 to x3 are used (SMC Calling Convention, version 1.1). */
static inline struct bulkhead_answer bulkhead_call(uint32_t function, uint64_t first, uint64_t second)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = first;
    register uint64_t x2 __asm__("x2") = second;
    register uint64_t x3 __asm__("x3") = 0;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return (struct bulkhead_answer){ (int64_t)x0, x1 };
}
#else
/* Elsewhere whoever tests a partition on the host provides it. */
struct bulkhead_answer bulkhead_call(uint32_t function, uint64_t first, uint64_t second);
#endif

/* The record that the lock guards: only for who holds the lock. */
static inline volatile uint64_t *bulkhead_lock_record(const struct bulkhead_lock *lock)
{
    return lock->page + BULKHEAD_LOCK_RECORD / 8;
}

/* Whether the owner before died or was revoked, so that the record may be half written. */
static inline int bulkhead_lock_owner_died(uint64_t word)
{
    return (word & BULKHEAD_LOCK_DIED) != 0;
}

/* Takes the lock if it is free; calls nobody, waits for nobody. */
static inline enum bulkhead_lock_taken bulkhead_lock_try(const struct bulkhead_lock *lock, uint64_t *word)
{
    for (unsigned tries = 0; tries < BULKHEAD_LOCK_TRIES; tries++) {
        uint64_t seen = __atomic_load_n(lock->page, __ATOMIC_RELAXED);
        if ((seen & BULKHEAD_LOCK_OWNER) != 0)
            return BULKHEAD_LOCK_IS_BUSY;
        uint64_t taking = (seen & BULKHEAD_LOCK_TAKING) + BULKHEAD_LOCK_ONE_TAKING;
        uint64_t mine = taking | (seen & BULKHEAD_LOCK_DIED) | (uint64_t)lock->vcpu << 8
            | (uint64_t)(uint8_t)(lock->participant + 1);
        if (__atomic_compare_exchange_n(lock->page, &seen, mine, 1, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            *word = mine;
            return BULKHEAD_LOCK_IS_MINE;
        }
    }
    return BULKHEAD_LOCK_IS_BUSY;
}

/* Takes the lock, waiting for its owner, who inherits the urgency of the waiter. */
static inline enum bulkhead_lock_taken bulkhead_lock_take(const struct bulkhead_lock *lock, uint64_t *word)
{
    if (bulkhead_lock_try(lock, word) == BULKHEAD_LOCK_IS_MINE)
        return BULKHEAD_LOCK_IS_MINE;
    for (;;) {
        struct bulkhead_answer answer = bulkhead_call(BULKHEAD_HVC_LOCK_WAIT, lock->number, 0);
        if (answer.x0 == 0) {
            *word = answer.x1;
            return BULKHEAD_LOCK_IS_MINE;
        }
        if (answer.x0 != BULKHEAD_LOCK_AGAIN)
            return BULKHEAD_LOCK_REFUSED;
    }
}

/* Gives back a lock that was taken with this word. */
static inline enum bulkhead_lock_given bulkhead_lock_give(const struct bulkhead_lock *lock, uint64_t word)
{
    const uint64_t mine = BULKHEAD_LOCK_TAKING | BULKHEAD_LOCK_OWNER | BULKHEAD_LOCK_VCPU;
    for (unsigned tries = 0; (word & BULKHEAD_LOCK_WAITERS) == 0 && tries < BULKHEAD_LOCK_TRIES; tries++) {
        uint64_t seen = word;
        if (__atomic_compare_exchange_n(lock->page, &seen, word & BULKHEAD_LOCK_TAKING, 1, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return BULKHEAD_LOCK_IS_FREE;
        seen = __atomic_load_n(lock->page, __ATOMIC_RELAXED);
        if ((seen & mine) != (word & mine))
            return BULKHEAD_LOCK_WAS_LOST;
        if ((seen & BULKHEAD_LOCK_WAITERS) != 0)
            break;
    }
    struct bulkhead_answer answer = bulkhead_call(BULKHEAD_HVC_LOCK_RELEASE, lock->number, word);
    return answer.x0 == 0 ? BULKHEAD_LOCK_IS_FREE : BULKHEAD_LOCK_WAS_LOST;
}

#endif
