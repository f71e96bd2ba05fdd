/*
** sched/pool: a queue of tasks and the threads that serve it.
**
** The pool knows nothing of Lua: a `runner` says what a worker is and how it
** runs a task. Threads start on demand and end at shutdown or when idle too long.
**
** States:  OPEN -> CLOSING (no more tasks; the queue is served, then threads end)
**          OPEN or CLOSING -> BROKEN (a worker could not be opened: what is queued
**          fails with FAULT_BROKEN and so does every submit; threads end)
** A worker that there is no memory to open breaks nothing: its thread ends and leaves the queue to
** the others; the only one fails a task (FAULT_NOMEM) for each time it tried.
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

#include "sched/task.h"

TI_INTERNAL_BEGIN

struct ti_pool_runner {
  /* On the worker's thread. open answers a worker, or NULL and a message in *why: a block
  ** of *whysize bytes that ends with a zero, from the pool's mem, freed by the pool; or NULL:
  ** out of memory, which does not break the pool. `stop` lives longer than the worker, and is open
  ** during open, close and run: it says how they are asked to end. */
  void *(*open)(void *ud, int index, struct ti_stop_token *stop, char **why, size_t *whysize);
  /* Runs a task that has begun: fills *out (empty, of the task's mem) and answers the outcome;
  ** out of memory in *out makes it FAULT_NOMEM. May close the stop as its last act; if that was
  ** asked for a kind, this is the outcome, whatever it answers. */
  int (*run)(void *worker, struct ti_task *t, struct ti_message *out);
  /* After a task: whether a finalizer was stopped in it. Others like it may come when it is closed,
  ** so this is asked to end at once then. May be NULL: never. */
  bool (*tainted)(void *worker);
  /* After a task: whether the worker is to be closed and, before the next task it takes, opened
  ** anew (a failing open then breaks the pool as at the start). May be NULL: never. */
  bool (*worn)(void *worker);
  void (*close)(void *worker);
  void (*free_context)(void *context); /* of a task that is freed; may be NULL */
  /* Whether queued tasks are held back now: before each that a thread takes. May be NULL: never.
  ** The one function here that is called with the lock held: it reads some words and calls nothing.
  ** It answers true for a while only, and is asked again meanwhile. */
  bool (*held)(void *ud);
  void (*thread_start)(void *ud, int index); /* may be NULL */
  void (*thread_stop)(void *ud, int index);  /* may be NULL */
  void (*dispose)(void *ud);                 /* the pool was freed; may be NULL */
};

struct ti_pool_config {
  int max_workers;     /* >= 1 */
  int max_threads;     /* >= max_workers; of all kinds, those included that replace waiting ones */
  size_t max_queue;    /* tasks that may wait while all max_workers are busy; 0: unbounded */
  bool full_is_error;  /* else a submit waits */
  double idle_timeout; /* seconds; negative: never */
  size_t stack_size;   /* bytes; 0: the system's */
  ti_time spin_time;   /* how long to look before sleeping, nanoseconds; 0: never */
  int signal; /* that reaches a worker, claimed (thread.h), while it is free; 0: none does, ever */
  ti_time time_limit; /* nanoseconds that a task may run; 0: any */
  const char *name;   /* copied: threads are NAME_0, NAME_1, … */
};

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
/* A task's own reference (counted apart for the stats). */
void ti_pool_hold_task(struct ti_pool *p);
void ti_pool_release_task(struct ti_pool *p);
void ti_pool_free_context(struct ti_pool *p, void *context);
/* Memory for a task, and back. NULL: out of memory. Any thread; the lock is the tasks' own. */
struct ti_task *ti_pool_alloc_task(struct ti_pool *p);
void ti_pool_free_task(struct ti_pool *p, struct ti_task *t);
/* In a child that was forked: the threads are not here, and a lock may be held by one of them for
** ever. No other function here but _mem, _spintime and _name may be called then, and tasks not be
** released. */
bool ti_pool_forked(const struct ti_pool *p);
const struct ti_alloc *ti_pool_mem(const struct ti_pool *p);
ti_time ti_pool_spin_time(const struct ti_pool *p);
const char *ti_pool_name(struct ti_pool *p);

/* Takes a reference to t when it answers FAULT_NONE. Starts a thread if no worker is idle and
** fewer than max_workers exist, those not counted that wait, and fewer than max_threads in all. A
** worker counts as idle before its task is seen to be done, so who submits, waits and submits again
** keeps one thread busy. While the queue is full it waits until `deadline` (FAULT_TIMEOUT: try
** again, so that callers can look at signals), or answers FAULT_FULL. FAULT_NOMEM, for a priority
** other than 0 only; FAULT_SHUTDOWN; FAULT_BROKEN (ti_pool_broken_reason says why); FAULT_THREAD
** with errno in *err if no thread could be started and none exists. After any of these nothing is
** queued. */
int ti_pool_submit(struct ti_pool *p, struct ti_task *t, ti_time deadline, int *err);

/* Cancels t (of this pool) and takes it out of the queue; true if it is cancelled now or was
** before. Delivers its watches: no lock may be held. The caller holds a reference. */
bool ti_pool_cancel_task(struct ti_pool *p, struct ti_task *t);

/* Cancels t (of this pool) as above or, if it runs, asks it to end with FAULT_INTERRUPTED. True: it
** was cancelled, or ends by a stop: this one, or one that came before. False: it ended by itself;
** or it was asked, and there is no signal for its thread, so that it ends only if it looks. Never
** waits. */
bool ti_pool_cancel_interrupt(struct ti_pool *p, struct ti_task *t);

/* For the task that runs with `self`, and waits for t, of this pool: if t is queued, runs it on
** this thread, in another worker, and true: it is done. False: it is not queued, or this cannot be
** done here: no memory, or too little stack is left. Then the task is to sleep for it. */
bool ti_pool_nested_run_inline(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t);

/* Up to `size` bytes of text, a zero included: the names of the tasks that run ("crunch, 2 without
** a name"); and how many they are. */
size_t ti_pool_cancel_names(struct ti_pool *p, char *text, size_t size);

/* The task that runs with `self`: for its own thread. */
struct ti_task *ti_pool_nested_task_of(struct ti_stop_token *self);

/* Around a sleep of a task of this pool, on its thread; for t, or NULL: for something else. Mostly
** the thread is away: it does not count as one of max_workers, so that others can do what is waited
** for. If another thread of this pool has t it is resting: it counts, as that one goes on by
** itself; but one that is away may need a thread to come back, so that they do not all rest then.
** *how is for `back`. Never waits. FAULT_NONE; or FAULT_NOMEM, FAULT_THREAD: something is queued,
** and no thread that could serve it is there or can be started; then it is neither (BLOCK_NONE),
** and must not sleep. With max_threads there nobody takes its place; then _help and _agree are to
** be called before the sleep, and now and then. */
enum ti_pool_block { BLOCK_NONE, BLOCK_AWAY, BLOCK_RESTING };
int ti_pool_block_begin(struct ti_pool *p, const struct ti_task *t, enum ti_pool_block *how);
void ti_pool_block_end(struct ti_pool *p, enum ti_pool_block how); /* BLOCK_NONE is legal */

/* Whether there are max_threads now: a hint, without the lock. If not, _help and _agree have
** nothing to do. */
bool ti_pool_crowded(const struct ti_pool *p);
/* For the task that runs with `self`, and is away or resting (*how). If all threads that
** max_threads allows wait, so that nobody is left to serve the queue, and t is queued in it (NULL:
** whatever is next), this runs it on the calling thread, in another worker, and returns true: the
** task is back (*how is BLOCK_NONE). */
bool ti_pool_nested_help(struct ti_pool *p, struct ti_stop_token *self, struct ti_task *t,
                         enum ti_pool_block *how);
/* For the task that runs with `self`, is away or resting, and waits without a limit of time for
** tasks of this pool alone. It has just seen that they are not done; before it saw that, it has
** called this function, unless this is the first call of this wait. Returns true if the same holds
** for all threads of the pool, and none is left to serve its queue: none of these waits would ever
** end. */
bool ti_pool_agree(struct ti_pool *p, struct ti_stop_token *self);

/* Around a task of this pool that its submitter runs itself, out of any queue. FAULT_NONE; or
** FAULT_SHUTDOWN, FAULT_BROKEN, and then it must not run. ti_pool_wait waits for it. `runend`
** answers whether the pool is still open. */
int ti_pool_run_begin(struct ti_pool *p);
bool ti_pool_run_end(struct ti_pool *p, bool failed);

/* A worker could not be opened. Takes `why`, of p's memory; the first message wins; all that is
** queued fails. The caller is a thread of the pool, or between runbegin and runend. */
void ti_pool_nested_break(struct ti_pool *p, char *why, size_t whysize);

/* Makes sure that there is a thread that sees to time limits, and a signal. 0 or errno; ENOTSUP: no
** signal. */
int ti_pool_cancel_watch(struct ti_pool *p);

/* How many running tasks were asked to end, and cannot be reached: the program has all signals. */
size_t ti_pool_cancel_unreachable(struct ti_pool *p);

/* For a pool that was closed with `cancel`: interrupts what runs, and workers' opening and
** closing. */
void ti_pool_cancel_interrupt_all(struct ti_pool *p);

/* Stops taking tasks; with `cancel` cancels what has not started. Never waits. Idempotent. */
void ti_pool_close(struct ti_pool *p, bool cancel);
/* Waits until a closing or broken pool has ended and joins its threads; false if the
** deadline passed first. Any number of threads may wait; not one of its workers. */
bool ti_pool_wait(struct ti_pool *p, ti_time deadline);
/* True on a thread of this pool. */
bool ti_pool_threads_is_worker(struct ti_pool *p);

/* The message of a broken pool, NULL if it is not broken; lives as long as the pool. */
const char *ti_pool_broken_reason(struct ti_pool *p);
void ti_pool_stats(struct ti_pool *p, struct ti_pool_stats *out);

TI_INTERNAL_END

#endif
