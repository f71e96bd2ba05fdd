/*
** tidepool, floor 1: pool, a queue of tasks and the threads that serve it.
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
** gives back the last of the maker's and holders' references has seen tide_pool_wait
** succeed (or no thread was ever started).
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_POOL_H
#define TIDE_POOL_H

#include "task.h"

TIDE_INTERNAL_BEGIN

struct runner {
  /* On the worker's thread. open answers a worker, or NULL and a message in *why: a block
  ** of *whysize bytes that ends with a zero, from the pool's mem, freed by the pool; or NULL:
  ** out of memory, which does not break the pool. `stop` lives longer than the worker, and is open during open, close and run:
  ** it says how they are asked to end. */
  void *(*open)(void *ud, int index, struct stop *stop, char **why, size_t *whysize);
  /* Runs a task that has begun: fills *out (empty, of the task's mem) and answers the outcome;
  ** out of memory in *out makes it FAULT_NOMEM. May close the stop as its last act; if that was asked
  ** for a kind, this is the outcome, whatever it answers. */
  int (*run)(void *worker, struct task *t, struct message *out);
  /* After a task: whether a finalizer was stopped in it. Others like it may come when it is closed, so
  ** this is asked to end at once then. May be NULL: never. */
  bool (*tainted)(void *worker);
  /* After a task: whether the worker is to be closed and, before the next task it takes, opened
  ** anew (a failing open then breaks the pool as at the start). May be NULL: never. */
  bool (*worn)(void *worker);
  void (*close)(void *worker);
  void (*free_context)(void *context); /* of a task that is freed; may be NULL */
  /* Whether queued tasks are held back now: before each that a thread takes. May be NULL: never. The one
  ** function here that is called with the lock held: it reads some words and calls nothing. It answers true
  ** for a while only, and is asked again meanwhile. */
  bool (*held)(void *ud);
  void (*thread_start)(void *ud, int index); /* may be NULL */
  void (*thread_stop)(void *ud, int index);  /* may be NULL */
  void (*dispose)(void *ud);                 /* the pool was freed; may be NULL */
};

struct pool_config {
  int max_workers;     /* >= 1 */
  int max_threads;     /* >= max_workers; of all kinds, those included that replace waiting ones */
  size_t max_queue;    /* tasks that may wait while all max_workers are busy; 0: unbounded */
  bool full_is_error;  /* else a submit waits */
  double idle_timeout; /* seconds; negative: never */
  size_t stack_size;   /* bytes; 0: the system's */
  sys_time spin_time;  /* how long to look before sleeping, nanoseconds; 0: never */
  int signal; /* that reaches a worker, claimed (sys.h), while it is free; 0: none does, ever */
  sys_time time_limit; /* nanoseconds that a task may run; 0: any */
  const char *name;    /* copied: threads are NAME_0, NAME_1, … */
};

struct pool_stats {
  size_t workers, idle, queued, running, submitted, finished, failed, cancelled;
  size_t threads; /* started and not yet joined */
  size_t tasks;   /* alive: references to the pool held by tasks */
};

/* NULL and *err (errno code) on failure. mem must outlive the pool. */
struct pool *tide_pool_new(const struct pool_config *cfg, const struct mem *mem,
                           const struct runner *runner, void *ud, int *err);
void tide_pool_hold(struct pool *p);
void tide_pool_rele(struct pool *p);
/* A task's own reference (counted apart for the stats). */
void tide_pool_holdtask(struct pool *p);
void tide_pool_reletask(struct pool *p);
void tide_pool_freecontext(struct pool *p, void *context);
/* Memory for a task, and back. NULL: out of memory. Any thread; the lock is the tasks' own. */
struct task *tide_pool_alloctask(struct pool *p);
void tide_pool_freetask(struct pool *p, struct task *t);
/* In a child that was forked: the threads are not here, and a lock may be held by one of them for ever. No
** other function here but _mem, _spintime and _name may be called then, and tasks not be released. */
bool tide_pool_lost(const struct pool *p);
const struct mem *tide_pool_mem(const struct pool *p);
sys_time tide_pool_spintime(const struct pool *p);
const char *tide_pool_name(struct pool *p);

/* Takes a reference to t when it answers FAULT_NONE. Starts a thread if no worker is idle and
** fewer than max_workers exist, those not counted that wait, and fewer than max_threads in all. A worker counts as idle before its task is seen to be done, so
** who submits, waits and submits again keeps one thread busy. While the queue is full it waits
** until `deadline` (FAULT_TIMEOUT: try again, so that callers can look at signals), or answers
** FAULT_FULL. FAULT_NOMEM, for a priority other than 0 only; FAULT_SHUTDOWN; FAULT_BROKEN
** (tide_pool_why says why); FAULT_THREAD with errno in *err if no thread could be started and
** none exists. After any of these nothing is queued. */
int tide_pool_submit(struct pool *p, struct task *t, sys_time deadline, int *err);

/* Cancels t (of this pool) and takes it out of the queue; true if it is cancelled now or was
** before. Delivers its watches: no lock may be held. The caller holds a reference. */
bool tide_pool_cancel(struct pool *p, struct task *t);

/* Cancels t (of this pool) as above or, if it runs, asks it to end with FAULT_INTERRUPTED. True: it was
** cancelled, or ends by a stop: this one, or one that came before. False: it ended by itself; or it was asked, and
** there is no signal for its thread, so that it ends only if it looks. Never waits. */
bool tide_pool_interrupt(struct pool *p, struct task *t);

/* For the task that runs with `self`, and waits for t, of this pool: if t is queued, runs it on this
** thread, in another worker, and true: it is done. False: it is not queued, or this cannot be done
** here: no memory, or too little stack is left. Then the task is to sleep for it. */
bool tide_pool_runhere(struct pool *p, struct stop *self, struct task *t);

/* Up to `size` bytes of text, a zero included: the names of the tasks that run ("crunch, 2 without a name"); and
** how many they are. */
size_t tide_pool_names(struct pool *p, char *text, size_t size);

/* The task that runs with `self`: for its own thread. */
struct task *tide_pool_taskof(struct stop *self);

/* Around a sleep of a task of this pool, on its thread; for t, or NULL: for something else. Mostly the
** thread is away: it does not count as one of max_workers, so that others can do what is waited for. If
** another thread of this pool has t it is resting: it counts, as that one goes on by itself; but one that
** is away may need a thread to come back, so that they do not all rest then. *how is for `back`. Never
** waits. FAULT_NONE; or FAULT_NOMEM, FAULT_THREAD: something is queued, and no thread that could serve it is
** there or can be started; then it is neither (ABSENCE_NONE), and must not sleep. With max_threads there
** nobody takes its place; then _help and _agree are to be called before the sleep, and now and then. */
enum absence { ABSENCE_NONE, ABSENCE_AWAY, ABSENCE_RESTING };
int tide_pool_away(struct pool *p, const struct task *t, enum absence *how);
void tide_pool_back(struct pool *p, enum absence how); /* ABSENCE_NONE is legal */

/* Whether there are max_threads now: a hint, without the lock. If not, _help and _agree have nothing to do. */
bool tide_pool_crowded(const struct pool *p);
/* For the task that runs with `self`, and is away or resting (*how). If all threads that max_threads allows
** wait, so that nobody is left to serve the queue, and t is queued in it (NULL: whatever is next), this runs it on
** the calling thread, in another worker, and returns true: the task is back (*how is ABSENCE_NONE). */
bool tide_pool_help(struct pool *p, struct stop *self, struct task *t, enum absence *how);
/* For the task that runs with `self`, is away or resting, and waits without a limit of time for tasks
** of this pool alone. It has just seen that they are not done; before it saw that, it has called this
** function, unless this is the first call of this wait. Returns true if the same holds for all threads of the
** pool, and none is left to serve its queue: none of these waits would ever end. */
bool tide_pool_agree(struct pool *p, struct stop *self);

/* Around a task of this pool that its submitter runs itself, out of any queue. FAULT_NONE; or FAULT_SHUTDOWN,
** FAULT_BROKEN, and then it must not run. tide_pool_wait waits for it. `runend` answers whether the
** pool is still open. */
int tide_pool_runbegin(struct pool *p);
bool tide_pool_runend(struct pool *p, bool failed);

/* A worker could not be opened. Takes `why`, of p's memory; the first message wins; all that is queued fails. The
** caller is a thread of the pool, or between runbegin and runend. */
void tide_pool_break(struct pool *p, char *why, size_t whysize);

/* Makes sure that there is a thread that sees to time limits, and a signal. 0 or errno; ENOTSUP: no signal. */
int tide_pool_watch(struct pool *p);

/* How many running tasks were asked to end, and cannot be reached: the program has all signals. */
size_t tide_pool_unreachable(struct pool *p);

/* For a pool that was closed with `cancel`: interrupts what runs, and workers' opening and closing. */
void tide_pool_interruptall(struct pool *p);

/* Stops taking tasks; with `cancel` cancels what has not started. Never waits. Idempotent. */
void tide_pool_close(struct pool *p, bool cancel);
/* Waits until a closing or broken pool has ended and joins its threads; false if the
** deadline passed first. Any number of threads may wait; not one of its workers. */
bool tide_pool_wait(struct pool *p, sys_time deadline);
/* True on a thread of this pool. */
bool tide_pool_is_worker(struct pool *p);

/* The message of a broken pool, NULL if it is not broken; lives as long as the pool. */
const char *tide_pool_why(struct pool *p);
void tide_pool_stats(struct pool *p, struct pool_stats *out);

TIDE_INTERNAL_END

#endif
