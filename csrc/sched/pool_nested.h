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

/* Functions for a pool's threads */

/* Enters that t, taken from the queue, runs in this worker from now on. */
void ti_pool_nested_begin_locked(struct ti_pool *p, struct ti_nested_worker *w, struct ti_task *t);
/* Runs t in the worker and stores its outcome and *out. Returns false if t was cancelled without
** the pool. */
bool ti_pool_nested_run(struct ti_pool *p, struct ti_nested_worker *w, struct ti_task *t,
                        int *outcome, struct ti_message *out);
/* Counts the task that ended. */
void ti_pool_nested_end_locked(struct ti_pool *p, struct ti_nested_worker *w, bool begun,
                               int outcome);
/* Makes the task done, which notifies its waiters, and releases the thread's reference. */
void ti_pool_nested_deliver(struct ti_task *t, bool begun, int outcome, struct ti_message *out);
/* Returns whether the worker is to be closed after the task that it ran. */
bool ti_pool_nested_needs_replacing(const struct ti_pool *p, const struct ti_nested_worker *w);
/* Opens the worker. Returns false if the pool is broken now, or if there was no memory
** (*no_memory). */
bool ti_pool_nested_open(struct ti_pool *p, struct ti_nested_worker *w, bool *no_memory);
/* Returns a task that is to fail with TIDE_ENOMEM once the lock is free, or NULL. For a thread
** whose worker could not be opened for lack of memory. */
struct ti_task *ti_pool_nested_out_of_memory_locked(struct ti_pool *p);
/* Closes the worker; does nothing if it is not open. */
void ti_pool_nested_close(struct ti_pool *p, struct ti_nested_worker *w);
/* Closes and frees the workers above `w` that are more than `depth` deep. */
void ti_pool_nested_close_above(struct ti_pool *p, struct ti_nested_worker *w, int depth);

/* Functions for tasks that wait, and for their submitters */

/* Runs t, a queued task of this pool, in a nested worker of the calling thread. For the task with
** the token `self`, which waits for t. Returns true: t is done. Returns false if t is not queued,
** or cannot run here for lack of memory or C stack; the task then sleeps until t is done. */
bool ti_pool_nested_run_inline(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t);

/* Returns the task that runs with the token `self`. On its own thread. */
struct ti_task *ti_pool_nested_task_of(struct ti_stop_token *self);

/* Runs one queued task in a nested worker of the calling thread, if all threads that max_threads
** allows wait, so that none is left to serve the queue. For the blocked task with the token `self`.
** The task is t if it is queued; with NULL, the next one. Returns whether it ran. The calling task
** is not blocked then: *how is BLOCK_NONE. */
bool ti_pool_nested_help(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t,
                         enum ti_pool_block *how);
/* Breaks the pool since a worker could not be opened: all queued tasks fail with that message.
** Takes `why`, of p's memory; the first message stays. On a thread of the pool, or between
** ti_pool_run_begin and ti_pool_run_end. */
void ti_pool_nested_break(struct ti_pool *p, char *why, size_t whysize);

TI_INTERNAL_END

#endif
