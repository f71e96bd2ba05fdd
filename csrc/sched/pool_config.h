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
  /* On the worker's thread. open answers a worker, or NULL and a message in *why: a block of
  ** *whysize bytes that ends with a zero, from the pool's mem, freed by the pool; or NULL: out of
  ** memory, which does not break the pool. `stop` lives longer than the worker, and is open during
  ** open, close and run: it says how they are asked to end. */
  void *(*open)(void *ud, int index, struct ti_stop_token *stop, char **why, size_t *whysize);
  /* Runs a task that has begun: fills *out (empty, of the task's mem) and answers the outcome; out
  ** of memory in *out makes it TIDE_ENOMEM. May close the stop as its last act; if that was asked
  ** for a kind, this is the outcome, whatever it answers. */
  int (*run)(void *worker, struct ti_task *t, struct ti_message *out);
  /* After a task: whether a finalizer was stopped in it. Others like it may come when it is closed,
  ** so this is asked to end at once then. May be NULL: never. */
  bool (*stopped_in_finalizer)(void *worker);
  /* After a task: whether the worker is to be closed and, before the next task it takes, opened
  ** anew (a failing open then breaks the pool as at the start). May be NULL: never. */
  bool (*needs_replacing)(void *worker);
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

/* How a thread is blocked whose task waits (ti_pool_block_begin). */
enum ti_pool_block { BLOCK_NONE, BLOCK_OUTSIDE, BLOCK_ON_RUNNING };

TI_INTERNAL_END

#endif
