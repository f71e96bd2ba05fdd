/*
** sched/pool_threads: the life of a pool's threads.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_THREADS_H
#define TI_SCHED_POOL_THREADS_H

#include "sched/pool_config.h"

TI_INTERNAL_BEGIN

/* True on a thread of this pool. */
bool ti_pool_threads_is_worker(struct ti_pool *p);

/* Starts a thread; the lock is let go meanwhile. There must be a place for one. 0 or errno. */
int ti_pool_threads_start_locked(struct ti_pool *p);
/* Joins the threads that have ended; the lock is let go meanwhile. False: there was none. */
bool ti_pool_threads_reap_locked(struct ti_pool *p);

TI_INTERNAL_END

#endif
