/*
** sched/pool_threads: the life of a pool's threads.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_THREADS_H
#define TI_SCHED_POOL_THREADS_H

#include "sched/pool_config.h"

TI_INTERNAL_BEGIN

/* Returns whether the calling thread is one of this pool. Takes the lock. */
bool ti_pool_threads_is_worker(struct ti_pool *p);

/* Starts a thread, for which max_threads must have a place. Releases the lock meanwhile. Returns 0
** or an errno code. */
int ti_pool_threads_start_locked(struct ti_pool *p);
/* Joins the threads that have ended, with the lock released meanwhile. Returns false if there was
** none. */
bool ti_pool_threads_reap_locked(struct ti_pool *p);

TI_INTERNAL_END

#endif
