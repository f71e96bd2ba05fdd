/*
** sched/pool_config: what a pool is made with.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_CONFIG_H
#define TI_SCHED_POOL_CONFIG_H

#include "sched/task.h"
#include "platform/clock.h"

TI_INTERNAL_BEGIN

struct ti_pool_runner {
  /* Opens a worker on the calling pool thread. On failure returns NULL and a message in *why: a
  ** block of *whysize bytes that ends with a zero, from the pool's allocator; the pool frees it.
  ** NULL in *why means out of memory, which does not break the pool. `stop` outlives the worker. It
  ** is open during open, close and run, and tells that they are requested to end. */
  void *(*open)(void *ud, int index, struct ti_stop_token *stop, char **why, size_t *whysize);
  /* Runs a task that has begun. Fills *out, an empty message of the task's allocator, and returns
  ** the outcome. If *out ran out of memory the outcome is TIDE_ENOMEM. May close the stop token as
  ** its last act. A kind that was requested by then is the outcome, whatever is returned. */
  int (*run)(void *worker, struct ti_task *t, struct ti_message *out);
  /* Returns whether a finalizer was stopped in the last task. More like it may follow when the
  ** worker is closed, so that is requested to end at once. NULL: never. */
  bool (*stopped_in_finalizer)(void *worker);
  /* Returns, after a task, whether the worker is to be closed, and opened again before the next
  ** task. An open that fails then breaks the pool as the first one does. NULL: never. */
  bool (*needs_replacing)(void *worker);
  void (*close)(void *worker);
  void (*free_context)(void *context); /* of a task that is freed; NULL: nothing to free */
  /* Returns whether queued tasks are held back now. Called before each task that a thread takes,
  ** and again while it returns true, which it does for a limited time only. NULL: never. This is
  ** the one runner function that is called under the pool's lock: it reads a few words and calls
  ** nothing. */
  bool (*held)(void *ud);
  void (*thread_start)(void *ud, int index); /* may be NULL */
  void (*thread_stop)(void *ud, int index);  /* may be NULL */
  void (*dispose)(void *ud);                 /* the pool was freed; may be NULL */
};

struct ti_pool_config {
  int max_workers; /* >= 1 */
  /* at least max_workers; includes threads that replace blocked ones */
  int max_threads;
  size_t max_queue;    /* tasks that may wait while all max_workers are busy; 0: unbounded */
  bool full_is_error;  /* else a submit waits */
  double idle_timeout; /* seconds; negative: never */
  size_t stack_size;   /* bytes; 0: the system's */
  ti_time spin_time;   /* nanoseconds to spin before a sleep; 0: never */
  /* a claimed signal (ti_signal_claim) by which workers are reached; 0: none, ever */
  int signal;
  ti_time time_limit; /* nanoseconds that a task may run; 0: any */
  const char *name;   /* copied: threads are NAME_0, NAME_1, … */
};

/* How a thread waits while its task does (ti_pool_block_begin): not at all; for something outside
** its reach, so it does not count as one of max_workers; for a task that another thread runs, so it
** counts. */
enum ti_pool_block { BLOCK_NONE, BLOCK_OUTSIDE, BLOCK_ON_RUNNING };

TI_INTERNAL_END

#endif
