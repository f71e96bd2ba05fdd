/*
** api/child_executor: executors whose owner, a worker's state, closed before they ended.
**
** A worker that waited for them while it closes its state could wait for ever: what they still have
** to do may wait for a task that this worker is to run. So they go to the worker's own executor:
** who waits for the end of that waits for theirs, and who has it cancelled or interrupted, those.
**
** The list is in order of `orphan_number` and guarded by the executor's lock, under which nothing
** is done to an orphan but taking a reference: who goes through it takes the least number above the
** last, each time.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_CHILD_EXECUTOR_H
#define TI_API_CHILD_EXECUTOR_H

#include "api/executor.h"
#include "platform/clock.h"

TI_INTERNAL_BEGIN

/* Gives `ex`, closed, with one reference to its pool, to `to`, whose worker the calling thread is;
** first it lets go of those that have ended, so that a worker may leave any number. Never waits. */
void ti_child_executor_give(tide_executor *to, tide_executor *ex);

/* To go through the orphans of ex: the first one after number *last (0: the first), which becomes
** *last, with a reference to its pool for the caller; NULL: there are no more. */
tide_executor *ti_child_executor_next(tide_executor *ex, size_t *last);

/* As ti_executor_close, for the orphans of ex. */
void ti_child_executor_close(tide_executor *ex, int flags);

/* Waits as ti_pool_wait for ex, then for its orphans, and lets go of those: TIDE_OK, or
** TIDE_ETIMEOUT. TIDE_EDEADLOCK: the calling thread is a worker of one of them; there may have been
** a wait before that was seen. */
int ti_child_executor_wait(tide_executor *ex, ti_time deadline);

/* Lets go of the orphans of ex that have ended. Never waits. */
void ti_child_executor_trim(tide_executor *ex);

TI_INTERNAL_END

#endif
