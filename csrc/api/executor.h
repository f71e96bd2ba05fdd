/*
** api/executor: what an executor is, and what needs nothing but its fields.
**
** A comment of a field begins with a letter. I: never changed once the executor is made. A: atomic.
** L: guarded by `lock`, which is a leaf.
**
** Terms:
**   handle             a user's reference to an executor; it holds a reference to the pool, too
**   adopted executor   an executor whose threads a state joins when it closes
**   adopter            that state
**   child executor     an executor whose adopter, a worker's state, closed first (executor_tree.h)
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_EXECUTOR_H
#define TI_API_EXECUTOR_H

#include <stdatomic.h>

#include "codec/pack.h"
#include "codec/package_paths.h"
#include "include/tidepool.h"
#include "platform/clock.h"
#include "platform/mutex.h"
#include "platform/seed.h"
#include "sched/pool.h"
#include "sched/warnings.h"
#include "util/shared_cache.h"
#include "vm/worker_state.h"

TI_INTERNAL_BEGIN

struct ti_hold_back;

struct tide_executor {
  struct ti_alloc mem;          /* I: the host's allocator, or `cache` */
  struct ti_shared_cache cache; /* large blocks of messages, if the host has no allocator */
  struct ti_pool *pool;         /* I */
  atomic_size_t handles;        /* A */
  atomic_bool adopted;          /* A: some state joins the threads when it closes */
  /* A: the adopter's; NULL while there is no adopter, and if that is a worker's state */
  _Atomic(struct ti_hold_back *) hold_back;
  atomic_size_t states;       /* A: lua_States of workers that are alive */
  int max_workers;            /* I */
  int max_threads;            /* I */
  size_t max_tasks;           /* I: of a worker, until it is replaced; 0: no limit */
  int signal;                 /* I: stops tasks; 0: none does */
  bool limited;               /* I: the config has a time limit */
  bool run_inline;            /* I: tasks run at their submit, without threads */
  bool daemon;                /* I: tasks are interrupted when the adopter closes */
  struct ti_worker_config vm; /* I */
  struct ti_pack_rules rules; /* I: for its tasks while no initializer is set */
  struct ti_pack_rules rules_with_initializer; /* I */
  atomic_bool has_initializer;                 /* A */
  void (*thread_start)(int index, void *ud);   /* I */
  void (*thread_stop)(int index, void *ud);    /* I */
  void *ud;                                    /* I */

  /* Random numbers: */
  bool seeded;                        /* I: tasks begin at `seed` and their number */
  uint64_t seed;                      /* I */
  struct ti_seeding initializer_seed; /* I */
  uint64_t seeded_tasks;              /* A: the last task's number (task_seed.c) */

  struct ti_mutex lock;
  struct ti_package_paths *paths;   /* L: for workers whose first task brings none */
  struct ti_message *init;          /* L, I from the first submit on: an initializer and perhaps a
                                     ** finalizer; or NULL */
  struct ti_message *final;         /* the same: a finalizer alone; or NULL */
  atomic_bool submitted;            /* A: written under the lock, which orders it */
  atomic_ullong task_ids;           /* A: how many tasks have a number (tide_current_id) */
  struct ti_warnings *warnings;     /* L, set once: held; the adopter's; NULL: none */
  struct tide_executor *adopted_by; /* L, set once: the executor of the worker whose state adopted
                                     ** it, and which outlives it; or NULL */
  struct tide_executor *children;   /* L: in order of `number`; a pool reference for each */
  size_t numbered;                  /* L: the last child's number */
  int close_flags;                  /* L: flags of all calls of ti_executor_tree_close */
  struct tide_executor *next_child; /* parent's lock: behind this one in the parent's list */
  size_t number;                    /* I once it is in that list */
};

/* A future is a task under the API's name. */
static inline struct ti_task *ti_executor_task_of(tide_future *f) {
  return (struct ti_task *)(void *)f;
}
static inline const struct ti_task *ti_executor_c_task_of(const tide_future *f) {
  return (const struct ti_task *)(const void *)f;
}
static inline tide_future *ti_executor_future_of(struct ti_task *t) {
  return (tide_future *)(void *)t;
}

/* Returns the executor whose worker's state L is, or NULL. [-0, +0, -] */
static inline struct tide_executor *ti_executor_of_worker(lua_State *L) {
  return (struct tide_executor *)ti_worker_state_user(L);
}

/* Returns the rules by which tasks of ex are packed. */
static inline const struct ti_pack_rules *ti_executor_rules(const struct tide_executor *ex) {
  return atomic_load_explicit(&ex->has_initializer, memory_order_relaxed)
             ? &ex->rules_with_initializer
             : &ex->rules;
}

#define TI_EXECUTOR_FORKED "the process was forked: the executor's threads are not in this one"

/* Returns whether this process is a forked child without the task's threads. Promises have none. */
static inline bool ti_executor_future_forked(const tide_future *f) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  return t->home != NULL && ti_pool_forked(t->home->pool);
}

/* Raises kind broken if this process is a forked child without the threads of ex. [-0, +0, e] */
void ti_executor_check_forked(lua_State *L, const struct tide_executor *ex);

/* Returns a time limit for the pool. 0, a negative number and NaN mean no limit, which is 0. */
ti_time ti_executor_nanoseconds(double seconds);

/* Frees a message of ex. NULL is legal. */
void ti_executor_free_message(struct tide_executor *ex, struct ti_message *m);

TI_INTERNAL_END

#endif
