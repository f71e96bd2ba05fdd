/*
** api/executor: what the files behind tidepool.h share.
**
** Here threads and Lua meet: a pool (floor 1) whose runner is a vm (floor 2). No lock of
** a pool, task or mailbox is ever held while Lua is called.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_API_EXECUTOR_H
#define TI_API_EXECUTOR_H

#include <stdatomic.h>

#include "codec/pack.h"
#include "codec/package_paths.h"
#include "sched/pool.h"
#include "sched/pool_cancel.h"
#include "sched/pool_nested.h"
#include "sched/pool_threads.h"
#include "platform/seed.h"
#include "util/shared_cache.h"
#include "include/tidepool.h"
#include "vm/worker_state.h"
#include "sched/warnings.h"
#include "platform/clock.h"
#include "platform/mutex.h"

TI_INTERNAL_BEGIN

struct ti_owner_hold;

struct tide_executor {
  struct ti_alloc mem;          /* I: the host's, or `shelf` */
  struct ti_shared_cache shelf; /* for messages that are large */
  struct ti_pool *pool;         /* I */
  atomic_size_t handles;        /* A: users' references; each holds one of the pool's too */
  atomic_bool adopted;          /* A: a state sees to the end of the threads when it closes */
  _Atomic(struct ti_owner_hold *)
      hold;                    /* A: of the state that adopted it; NULL: of none, or a worker's */
  atomic_size_t states;        /* A: lua_States alive */
  int max_workers;             /* I */
  int max_threads;             /* I */
  size_t max_tasks;            /* I */
  int signal;                  /* I: that stops tasks; 0: none */
  bool limited;                /* I: tasks have a time limit of the executor's */
  bool run_inline;             /* I: it has no threads (inline_executor.h) */
  bool daemon;                 /* I: its owner's end does not wait for tasks */
  struct ti_worker_config vm;  /* I */
  struct ti_pack_rules rules;  /* I: of its tasks, before an initializer is set, */
  struct ti_pack_rules opened; /* I: and after: that may give workers what the program has */
  atomic_bool opens;           /* A: an initializer is set */
  void (*thread_start)(int index, void *ud); /* I */
  void (*thread_stop)(int index, void *ud);  /* I */
  void *ud;                                  /* I */
  /* Where random numbers begin: */
  bool seeded;                    /* I: its tasks' at `seed` */
  uint64_t seed;                  /* I */
  struct ti_seeding initializer;  /* I: the initializer's */
  uint64_t seeds;                 /* A: tasks that were numbered so far (task_seed.c) */
  struct ti_mutex lock;           /* guards what is below; a leaf */
  struct ti_package_paths *paths; /* L: for workers whose first task brings none */
  struct tide_executor
      *orphans;    /* L: a list (child_executor.h); each holds a reference of its pool */
  size_t norphans; /* L: ever */
  int closed;      /* L: the flags of all calls of ti_executor_close */
  struct tide_executor *orphan_next; /* guarded by the lock of whose orphan this is */
  size_t orphan_number;              /* its place in that list; I once it is in it */
  struct ti_message
      *init; /* L until the first submit, then I; an initializer and perhaps a finalizer */
  struct ti_message *final;     /* the same; a finalizer alone; NULL: none */
  atomic_ullong ids;            /* A: how many tasks were given a number */
  atomic_bool submitted;        /* A: written under lock, which orders it */
  struct ti_warnings *warnings; /* L: set once; held: of the state that adopted it, or NULL */
  struct tide_executor
      *home; /* L: set once: whose worker's state adopted it, or NULL; lives longer */
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

/* By which its tasks are packed. */
static inline const struct ti_pack_rules *ti_executor_rules(const struct tide_executor *ex) {
  return atomic_load_explicit(&ex->opens, memory_order_relaxed) ? &ex->opened : &ex->rules;
}

/* In a child that was forked: the task's threads are not here. Promises have none. */
static inline bool ti_executor_future_forked(const tide_future *f) {
  const struct ti_task *t = ti_executor_c_task_of(f);
  return t->home != NULL && ti_pool_forked(t->home->pool);
}
#define TI_FORKED "the process was forked: the executor's threads are not in this one"

/* How long a wait with a lua_State sleeps before it looks whether a hook (Ctrl-C) was set. */
#define TI_SLICE 0.1
/* The same inside a task, which may be asked to stop. */
#define TI_WORKER_SLICE 0.02
/* How long the end of a state waits for running tasks before it says so. */
#define TI_PATIENCE 2.0

/* 0: none. (executor.c) */
ti_time ti_executor_nanoseconds(double seconds);
/* Shutdown's first step, with its flags: no more tasks are taken. Never waits. (executor.c) */
void ti_executor_close(tide_executor *ex, int flags);

/* A new task of ex that L (may be NULL) submits; NULL: out of memory. *n is the number that it
** took, to be given back if the submit fails (task_seed.h). (submit.c) */
struct ti_numbered;
struct ti_task *ti_submit_new_task(tide_executor *ex, lua_State *L, const tide_taskopts *o,
                                   struct ti_numbered *n);
/* Raises what kept a task out of the pool; err: errno of TIDE_ETHREAD. [-0, +0, e] (submit.c) */
int ti_submit_refuse(lua_State *L, tide_executor *ex, int code, int err);
/* The first submit ends the time when an initializer may be set. (submit.c) */
void ti_submit_mark(tide_executor *ex);

TI_INTERNAL_END

#endif
