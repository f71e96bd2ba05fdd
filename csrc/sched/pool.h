/*
** sched/pool: a queue of tasks and the threads that serve it.
**
** The pool knows nothing of Lua: a runner (pool_config.h) opens a worker, runs a task, closes the
** worker. Threads start on demand. They end at shutdown, or when they were idle too long.
**
** States
**   OPEN -> CLOSING            no more tasks are taken; the queue is served, then threads end
**   OPEN, CLOSING -> BROKEN    a worker could not be opened: queued tasks and all submits fail with
**                              TIDE_EBROKEN, and threads end
**
** Lack of memory to open a worker does not break the pool. The thread ends and leaves the queue to
** the others. If there is no other thread, one task fails with TIDE_ENOMEM for each attempt.
**
** Locks: one lock guards everything marked L. No lock of a task or waiter is taken, and no runner
** function is called, while it is held.
**
** References: one of the maker, one of each task, one of each `hold`. Threads have none. The last
** of the maker's and holders' references is released only after ti_pool_wait succeeded, or if no
** thread was ever started.
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
  size_t tasks;   /* tasks that exist, in any state */
};

/* Makes a pool. Returns NULL and an errno code in *err on failure. `mem` must outlive the pool. */
struct ti_pool *ti_pool_new(const struct ti_pool_config *cfg, const struct ti_alloc *mem,
                            const struct ti_pool_runner *runner, void *ud, int *err);
void ti_pool_hold(struct ti_pool *p);
void ti_pool_release(struct ti_pool *p);
/* Returns what the pool's tasks are allocated from (task.h). It lives as long as the pool. */
struct ti_task_home *ti_pool_home(struct ti_pool *p);
/* Returns whether the process is a forked child of the pool's. The threads do not exist there, and
** one of them may hold a lock for ever. Then only ti_pool_mem, ti_pool_spin_time and ti_pool_name
** may be called, and no task may be released. */
bool ti_pool_forked(const struct ti_pool *p);
const struct ti_alloc *ti_pool_mem(const struct ti_pool *p);
ti_time ti_pool_spin_time(const struct ti_pool *p);
const char *ti_pool_name(struct ti_pool *p);

/* Queues t, and takes a reference to it if it returns TIDE_OK. Starts a thread if no worker is
** idle, fewer than max_workers threads exist that are not blocked, and fewer than max_threads in
** all. A worker counts as idle before its task is seen to be done. A caller that submits, waits and
** submits again therefore keeps one thread busy.
**
** While the queue is full it waits until `deadline`, or returns TIDE_EFULL if full_is_error. Other
** errors, after which nothing is queued: TIDE_ETIMEOUT (callers check their signals and try again);
** TIDE_ENOMEM for a priority other than 0; TIDE_ESHUTDOWN; TIDE_EBROKEN (ti_pool_broken_reason);
** TIDE_ETHREAD, with an errno code in *err, if no thread exists and none could be started. No lock
** may be held. */
int ti_pool_submit(struct ti_pool *p, struct ti_task *t, ti_time deadline, int *err);

/* Begins and ends a task of this pool that its submitter runs itself, without the queue. `begin`
** returns TIDE_OK; or TIDE_ESHUTDOWN or TIDE_EBROKEN, and then the task must not run. ti_pool_wait
** waits for it. `end` returns whether the pool is still open. */
int ti_pool_run_begin(struct ti_pool *p);
bool ti_pool_run_end(struct ti_pool *p, bool failed);

/* Closes the pool for new tasks. With `cancel` it cancels those that have not begun. Never waits.
** May be called again. */
void ti_pool_close(struct ti_pool *p, bool cancel);
/* Waits until a closing or broken pool has ended, and joins its threads. Returns false at the
** deadline. Any number of threads may wait, but none of the pool's own. */
bool ti_pool_wait(struct ti_pool *p, ti_time deadline);
/* Returns the message of a broken pool, which lives as long as the pool; NULL if it is not
** broken. */
const char *ti_pool_broken_reason(struct ti_pool *p);
void ti_pool_stats(struct ti_pool *p, struct ti_pool_stats *out);

TI_INTERNAL_END

#endif
