/*
** platform/byte_lock: a lock of one byte.
**
** SPDX-License-Identifier: MIT
*/
#include "platform/byte_lock.h"

#include <sched.h>

#include "platform/thread.h"

void ti_byte_lock_wait(struct ti_byte_lock *l) {
  enum { CHECKS = 64 }; /* more than any section takes: its holder is not running */
  do {
    for (int i = 0; i < CHECKS && atomic_load_explicit(&l->held, memory_order_relaxed) != 0; i++)
      ti_thread_relax();
    if (atomic_load_explicit(&l->held, memory_order_relaxed) != 0) sched_yield();
  } while (atomic_exchange_explicit(&l->held, 1, memory_order_acquire) != 0);
}
