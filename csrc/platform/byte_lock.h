/*
** platform/byte_lock: a lock of one byte.
**
** For objects that are many, and sections of a few instructions that never block. A thread that
** waits polls the byte, and yields its processor in between.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_BYTE_LOCK_H
#define TI_PLATFORM_BYTE_LOCK_H

#include <stdatomic.h>

#include "platform/compiler.h"

TI_INTERNAL_BEGIN

struct ti_byte_lock {
  atomic_uchar held; /* A: the acquire in lock pairs with the release in unlock */
};

/* Polls until the lock is free, and takes it. */
void ti_byte_lock_wait(struct ti_byte_lock *l);

static inline void ti_byte_lock_init(struct ti_byte_lock *l) { atomic_init(&l->held, 0); }
static inline void ti_byte_lock_lock(struct ti_byte_lock *l) {
  if (atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0) ti_byte_lock_wait(l);
}
static inline void ti_byte_lock_unlock(struct ti_byte_lock *l) {
  atomic_store_explicit(&l->held, 0, memory_order_release);
}

TI_INTERNAL_END

#endif
