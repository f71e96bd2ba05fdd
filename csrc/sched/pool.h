/*
** sched/pool: a queue of tasks and the threads that serve it.
**
** The pool knows nothing of Lua: a `runner` says what a worker is and how it
** runs a task. Threads start on demand and end at shutdown or when idle too long.
**
** States:  OPEN -> CLOSING (no more tasks; the queue is served, then threads end)
**          OPEN or CLOSING -> BROKEN (a worker could not be opened: what is queued
**          fails with TIDE_EBROKEN and so does every submit; threads end)
** A worker that there is no memory to open breaks nothing: its thread ends and leaves the queue to
** the others; the only one fails a task (TIDE_ENOMEM) for each time it tried.
**
** One lock guards everything marked L. No task's or mailbox's lock is taken and no
** runner function is called while it is held.
**
** References: one for the maker, one per task, one per `hold`. Threads have none: whoever
** gives back the last of the maker's and holders' references has seen ti_pool_wait
** succeed (or no thread was ever started).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_H
#define TI_SCHED_POOL_H

#include "sched/pool_config.h"
#include "platform/clock.h"

TI_INTERNAL_BEGIN

struct ti_pool_stats {
  size_t workers, idle, queued, running, submitted, finished, failed, cancelled;
  size_t threads; /* started and not yet joined */
  size_t tasks;   /* alive: references to the pool held by tasks */
};

/* NULL and *err (errno code) on failure. mem must outlive the pool. */
struct ti_pool *ti_pool_new(const struct ti_pool_config *cfg, const struct ti_alloc *mem,
                            const struct ti_pool_runner *runner, void *ud, int *err);
void ti_pool_hold(struct ti_pool *p);
void ti_pool_release(struct ti_pool *p);
/* Where its tasks come from; lives as long as the pool. */
struct ti_task_home *ti_pool_home(struct ti_pool *p);
/* In a child that was forked: the threads are not here, and a lock may be held by one of them for
** ever. No other function here but _mem, _spintime and _name may be called then, and tasks not be
** released. */
bool ti_pool_forked(const struct ti_pool *p);
const struct ti_alloc *ti_pool_mem(const struct ti_pool *p);
ti_time ti_pool_spin_time(const struct ti_pool *p);
const char *ti_pool_name(struct ti_pool *p);

/* Takes a reference to t when it answers TIDE_OK. Starts a thread if no worker is idle and fewer
** than max_workers exist, those not counted that wait, and fewer than max_threads in all. A worker
** counts as idle before its task is seen to be done, so who submits, waits and submits again keeps
** one thread busy. While the queue is full it waits until `deadline` (TIDE_ETIMEOUT: try again, so
** that callers can look at signals), or answers TIDE_EFULL. TIDE_ENOMEM, for a priority other than
** 0 only; TIDE_ESHUTDOWN; TIDE_EBROKEN (ti_pool_broken_reason says why); TIDE_ETHREAD with errno in
** *err if no thread could be started and none exists. After any of these nothing is queued. */
int ti_pool_submit(struct ti_pool *p, struct ti_task *t, ti_time deadline, int *err);

/* Around a sleep of a task of this pool, on its thread; for t, or NULL: for something else. Mostly
** the thread is away: it does not count as one of max_workers, so that others can do what is waited
** for. If another thread of this pool has t it is resting: it counts, as that one goes on by
** itself; but one that is away may need a thread to come back, so that they do not all rest then.
** *how is for `back`. Never waits. TIDE_OK; or TIDE_ENOMEM, TIDE_ETHREAD: something is queued,
** and no thread that could serve it is there or can be started; then it is neither (BLOCK_NONE),
** and must not sleep. With max_threads there nobody takes its place; then _help and _agree are to
** be called before the sleep, and now and then. */
int ti_pool_block_begin(struct ti_pool *p, const struct ti_task *t, enum ti_pool_block *how);
void ti_pool_block_end(struct ti_pool *p, enum ti_pool_block how); /* BLOCK_NONE is legal */

/* Whether there are max_threads now: a hint, without the lock. If not, _help and _agree have
** nothing to do. */
bool ti_pool_crowded(const struct ti_pool *p);
/* For the task that runs with `self`, is away or resting, and waits without a limit of time for
** tasks of this pool alone. It has just seen that they are not done; before it saw that, it has
** called this function, unless this is the first call of this wait. Returns true if the same holds
** for all threads of the pool, and none is left to serve its queue: none of these waits would ever
** end. */
bool ti_pool_agree(struct ti_pool *p, struct ti_stop_token *self);

/* Around a task of this pool that its submitter runs itself, out of any queue. TIDE_OK; or
** TIDE_ESHUTDOWN, TIDE_EBROKEN, and then it must not run. ti_pool_wait waits for it. `runend`
** answers whether the pool is still open. */
int ti_pool_run_begin(struct ti_pool *p);
bool ti_pool_run_end(struct ti_pool *p, bool failed);

/* Stops taking tasks; with `cancel` cancels what has not started. Never waits. Idempotent. */
void ti_pool_close(struct ti_pool *p, bool cancel);
/* Waits until a closing or broken pool has ended and joins its threads; false if the
** deadline passed first. Any number of threads may wait; not one of its workers. */
bool ti_pool_wait(struct ti_pool *p, ti_time deadline);
/* The message of a broken pool, NULL if it is not broken; lives as long as the pool. */
const char *ti_pool_broken_reason(struct ti_pool *p);
void ti_pool_stats(struct ti_pool *p, struct ti_pool_stats *out);

TI_INTERNAL_END

#endif
