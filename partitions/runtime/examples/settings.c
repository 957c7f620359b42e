/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A record that a bare-metal partition reads and changes under a lock that it shares with others: two words of settings
   and the number of changes. Freestanding; a start file of your own calls these functions. */
#include "bulkhead_lock.h"

enum { BRIGHTNESS, VOLUME, CHANGES };

/* Changes both settings as one. Gives 1 when they are written, 0 when they are not or may be mixed with another's. */
int settings_write(const struct bulkhead_lock *lock, uint64_t brightness, uint64_t volume)
{
    uint64_t word;
    if (bulkhead_lock_take(lock, &word) != BULKHEAD_LOCK_IS_MINE)
        return 0;
    volatile uint64_t *record = bulkhead_lock_record(lock);
    record[BRIGHTNESS] = brightness;
    record[VOLUME] = volume;
    record[CHANGES] = record[CHANGES] + 1;
    return bulkhead_lock_give(lock, word) == BULKHEAD_LOCK_IS_FREE;
}

/* Reads both settings as one, without waiting: 1 when it could, and nobody died in the middle of a change. */
int settings_read(const struct bulkhead_lock *lock, uint64_t *brightness, uint64_t *volume)
{
    uint64_t word;
    if (bulkhead_lock_try(lock, &word) != BULKHEAD_LOCK_IS_MINE)
        return 0;
    volatile uint64_t *record = bulkhead_lock_record(lock);
    *brightness = record[BRIGHTNESS];
    *volume = record[VOLUME];
    int whole = !bulkhead_lock_owner_died(word);
    return bulkhead_lock_give(lock, word) == BULKHEAD_LOCK_IS_FREE && whole;
}
