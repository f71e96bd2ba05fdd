/*
** sched/pool_cancel: cancelling and interrupting a pool's tasks.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_CANCEL_H
#define TI_SCHED_POOL_CANCEL_H

#include "sched/pool_config.h"

TI_INTERNAL_BEGIN

/* Cancels t, a task of this pool, and takes it out of the queue. Returns whether it is cancelled
** now or was before. Notifies its waiters: no lock may be held. The caller holds a reference. */
bool ti_pool_cancel_task(struct ti_pool *p, struct ti_task *t);

/* Cancels t as above or, if it runs, requests it to end with TIDE_EINTERRUPTED. Returns true if it
** was cancelled, or ends by this request or an earlier one. Returns false if it ended by itself, or
** if no signal reaches its thread: then it ends only if it checks by itself. Never waits. */
bool ti_pool_cancel_interrupt(struct ti_pool *p, struct ti_task *t);

/* Stores the names of the running tasks in `text`, for instance "crunch, 2 without a name", cut to
** `size` bytes with the final zero. Returns how many tasks run. */
size_t ti_pool_cancel_names(struct ti_pool *p, char *text, size_t size);

/* Starts the thread that enforces time limits. Returns 0 or an errno code; ENOTSUP: no signal
** reaches the workers. */
int ti_pool_cancel_start_watchdog(struct ti_pool *p);

/* Returns how many running tasks were requested to end and cannot be reached, since the program has
** taken all signals. */
size_t ti_pool_cancel_unreachable(struct ti_pool *p);

/* Interrupts all running tasks, and the opening and closing of workers. For a pool that was closed
** with `cancel`. */
void ti_pool_cancel_interrupt_all(struct ti_pool *p);

TI_INTERNAL_END

#endif
