/*
** sched/pool_nested: the workers of a thread, and running one task in one of them.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_NESTED_H
#define TI_SCHED_POOL_NESTED_H

#include "sched/pool_config.h"

TI_INTERNAL_BEGIN

struct ti_nested_worker;

/* For a pool's threads: */

/* t, out of the queue, runs in this level's worker from now on. */
void ti_pool_nested_begin_locked(struct ti_pool *p, struct ti_nested_worker *l, struct ti_task *t);
/* Runs it: true, and its outcome; or false if it was cancelled behind the pool's back. */
bool ti_pool_nested_run(struct ti_pool *p, struct ti_nested_worker *l, struct ti_task *t,
                        int *outcome, struct ti_message *out);
/* Accounts for it. */
void ti_pool_nested_end_locked(struct ti_pool *p, struct ti_nested_worker *l, bool begun,
                               int outcome);
/* Lets all know that it is done, and gives its reference back. */
void ti_pool_nested_deliver(struct ti_task *t, bool begun, int outcome, struct ti_message *out);
bool ti_pool_nested_needs_replacing(const struct ti_pool *p, const struct ti_nested_worker *l);
/* Opens its worker. False: the pool is broken now, or (*no_memory) there was no memory. */
bool ti_pool_nested_open(struct ti_pool *p, struct ti_nested_worker *l, bool *no_memory);
/* The calling thread no_memory: a task that fails now with TIDE_ENOMEM, once the lock is free; or
** NULL. */
struct ti_task *ti_pool_nested_out_of_memory_locked(struct ti_pool *p);
void ti_pool_nested_close(struct ti_pool *p,
                          struct ti_nested_worker *l); /* one that is not open: legal */
/* Closes and frees those above `l` that are more than `depth` deep. */
void ti_pool_nested_close_above(struct ti_pool *p, struct ti_nested_worker *l, int depth);

/* For tasks that wait, and their submitters: */

/* For the task that runs with `self`, and waits for t, of this pool: if t is queued, runs it on
** this thread, in another worker, and true: it is done. False: it is not queued, or this cannot be
** done here: no memory, or too little stack is left. Then the task is to sleep for it. */
bool ti_pool_nested_run_inline(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t);

/* The task that runs with `self`: for its own thread. */
struct ti_task *ti_pool_nested_task_of(struct ti_stop_token *self);

/* For the task that runs with `self`, and is away or resting (*how). If all threads that
** max_threads allows wait, so that nobody is left to serve the queue, and t is queued in it (NULL:
** whatever is next), this runs it on the calling thread, in another worker, and returns true: the
** task is back (*how is BLOCK_NONE). */
bool ti_pool_nested_help(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t,
                         enum ti_pool_block *how);
/* A worker could not be opened. Takes `why`, of p's memory; the first message wins; all that is
** queued fails. The caller is a thread of the pool, or between runbegin and runend. */
void ti_pool_nested_break(struct ti_pool *p, char *why, size_t whysize);

TI_INTERNAL_END

#endif
