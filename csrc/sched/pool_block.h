/*
** sched/pool_block: a pool's threads whose tasks wait.
**
** Terms
**   blocked  a thread whose task waits for something that its thread cannot provide. It does not
**            count as one of max_workers, so the pool may start another one.
**   turn     a number of the pool that changes whenever a task begins or ends to wait
**
** All functions take the pool's lock, except ti_pool_block_at_max_threads. None of them waits.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_BLOCK_H
#define TI_SCHED_POOL_BLOCK_H

#include "sched/pool_config.h"

TI_INTERNAL_BEGIN

/* Marks the calling thread as blocked while its task waits for t, or for something outside the pool
** (NULL). A blocked thread does not count as one of max_workers, so the pool may start another one.
** If another thread of the pool runs t, the thread counts, as t continues by itself. But if all
** threads that count wait for running tasks and others are blocked, one more may start.
**
** Stores in *how what ti_pool_block_end needs. Never waits. Returns TIDE_OK; or TIDE_ENOMEM or
** TIDE_ETHREAD if something is queued that no thread could serve. Then *how is BLOCK_NONE, and the
** task must not sleep. If max_threads exist no thread takes its place: the caller calls
** ti_pool_nested_help and ti_pool_block_agree before the sleep, and now and then during it. */
int ti_pool_block_begin(struct ti_pool *p, const struct ti_task *t, enum ti_pool_block *how);
void ti_pool_block_end(struct ti_pool *p, enum ti_pool_block how); /* BLOCK_NONE is legal */

/* Returns whether max_threads threads exist: a hint, without the lock. If not, ti_pool_nested_help
** and ti_pool_block_agree have nothing to do. */
bool ti_pool_block_at_max_threads(const struct ti_pool *p);
/* Returns whether no wait of the pool's tasks would ever end: all threads wait, and none is left to
** serve the queue. For the task with the token `self`, which is blocked and waits without a limit
** of time for tasks of this pool alone. It has just seen that they are not done. Before that check
** it called this function, unless this is the first call of the wait. */
bool ti_pool_block_agree(struct ti_pool *p, struct ti_stop_token *self);

TI_INTERNAL_END

#endif
