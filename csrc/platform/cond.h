/*
** platform/cond: a condition variable on the monotonic clock.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_PLATFORM_COND_H
#define TI_PLATFORM_COND_H

#include <pthread.h>
#include <stdbool.h>

#include "platform/clock.h"
#include "platform/compiler.h"
#include "platform/mutex.h"

TI_INTERNAL_BEGIN

struct ti_cond {
  pthread_cond_t c;
};

/* Returns 0, or an errno code when there is no memory for it. */
int ti_cond_init(struct ti_cond *c);
void ti_cond_fini(struct ti_cond *c);
void ti_cond_signal(struct ti_cond *c);
void ti_cond_broadcast(struct ti_cond *c);

/* Sleeps until signalled or until the deadline, and returns false at the deadline. The lock is held
** before and after. A sleep may end without a signal: the caller checks its predicate in a loop. */
bool ti_cond_wait(struct ti_cond *c, struct ti_mutex *l, ti_time deadline);

TI_INTERNAL_END

#endif
