/*
** sched/task: one submitted call and its outcome.
**
**            begin                 finish
**   PENDING --------> RUNNING ---------------> FINISHED
**      |                                           ^
**      | cancel                                    |  finish (a broken pool, or a
**      +-----------> CANCELLED                     |  promise that never began)
**      +-------------------------------------------+
**
** A task in FINISHED or CANCELLED is done. set_state_locked in task.c alone writes the state, under
** the task's lock; any thread may read it.
**
** The bytes of an outcome: vm/worker_state.h has those of TIDE_OK and TIDE_EERROR. Any other code:
** varint n, message of n bytes, varint k, traceback of k bytes (k is 0: none). They are missing if
** there was no memory for them, and for every cancelled task.
**
** Locks: the task's lock is a leaf, never held together with another. There may be millions of
** tasks, so a struct ti_task is small, its message included, and its lock is one byte.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_TASK_H
#define TI_SCHED_TASK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/errcode.h"
#include "util/list.h"
#include "util/message.h"
#include "util/refcount.h"
#include "platform/seed.h"
#include "sched/stop_token.h"
#include "platform/byte_lock.h"
#include "platform/clock.h"

TI_INTERNAL_BEGIN

enum ti_task_place { TASK_OUTSIDE, TASK_QUEUED, TASK_TAKEN };

struct ti_pool;

/* What tasks are allocated from and belong to: their pool. Any thread may call the functions. */
struct ti_task_home {
  struct ti_pool *pool;                                       /* I */
  const struct ti_alloc *mem;                                 /* I: for the tasks' messages */
  struct ti_task *(*alloc)(struct ti_task_home *home);        /* I; returns NULL if out of memory */
  void (*free)(struct ti_task_home *home, struct ti_task *t); /* I */
  void (*hold)(struct ti_task_home *home);    /* I: a task takes a reference to its home */
  void (*release)(struct ti_task_home *home); /* I: and gives it back */
  void (*free_context)(void *context);        /* I; NULL: nothing to free */
};

/* What is notified when a task is done. */
struct ti_task_waiter {
  struct ti_list_node link; /* task's lock while `on_task`, then the waiter's own */
  bool on_task;             /* task's lock: it is in the task's list */
  /* Called once by the thread that makes the task done, with no lock held, after `on_task` became
  ** false. The task does not access *w afterwards. */
  void (*notify)(struct ti_task_waiter *w, bool failed);
};

/* The options of a submit. */
struct ti_task_options {
  const char *name;                 /* NULL: none */
  int priority;                     /* higher first */
  ti_time time_limit;               /* nanoseconds that it may run; 0: the pool's limit */
  size_t memory_limit;              /* bytes; 0: none of its own */
  const struct ti_seeding *seeding; /* where its random numbers begin; NULL: anywhere */
};

/* The options that few tasks have, in one block. */
struct ti_task_stored_options {
  ti_time time_limit;
  size_t memory_limit;
  struct ti_seeding seeding; /* if `seeded` */
  bool seeded;
  size_t size; /* of the block */
  char name[]; /* "": none */
};

struct ti_task {
  struct ti_refcount ref;                 /* A */
  struct ti_task_home *home;              /* I; a reference is held; NULL: a promise */
  struct ti_task_stored_options *options; /* I; owned; NULL: none of them */
  union {
    /* I; of a pool's task: what the runner needs to run msg. The runner frees it. */
    void *context;
    const struct ti_alloc *mem; /* I; of a promise; outlives it */
  };
  union {
    /* pool's lock, while PENDING: the link in the pool's queue */
    struct ti_list_node queued;
    /* lock, while RUNNING */
    struct {
      struct ti_stop_token *stop; /* its worker's; or NULL */
      struct ti_task *awaited;    /* what it waits for without a limit of time; or NULL */
    };
  };
  struct ti_task_waiter *waiters; /* lock: the oldest of a ring; NULL: none */
  int priority;                   /* I */
  /* tide_status; written under the lock with release, read by any thread with acquire */
  _Atomic unsigned char state;
  struct ti_byte_lock lock;
  /* pool's lock: enum ti_task_place. TASK_TAKEN: a worker or a failure took it off the queue */
  unsigned char place;
  /* written with msg. TIDE_OK: values; TIDE_EERROR: an error of its own; else one of the library's
  ** codes */
  unsigned char outcome;
  /* Until the task is done: the call, written by the submitter before the pool takes the task, then
  ** its worker's. Afterwards: the outcome, written before the state, and read-only. A cancelled
  ** task's is empty. */
  struct ti_message msg;
};

/* Makes a task, which takes a reference to `home`. `home` may be NULL, for a promise. `options` are
** copied; NULL: none. Returns NULL if out of memory. The caller owns one reference. */
struct ti_task *ti_task_new(struct ti_task_home *home, const struct ti_alloc *mem,
                            const struct ti_task_options *options);
struct ti_task *ti_task_hold(struct ti_task *t);
/* Releases a reference; NULL is legal. Takes no lock except those of the allocator. */
void ti_task_release(struct ti_task *t);

static inline struct ti_pool *ti_task_pool(const struct ti_task *t) {
  return t->home != NULL ? t->home->pool : NULL;
}

static inline const char *ti_task_name(const struct ti_task *t) {
  return t->options != NULL && t->options->name[0] != '\0' ? t->options->name : NULL;
}

/* Returns the allocator of the task and its messages: the pool's, or a promise's own. */
const struct ti_alloc *ti_task_mem(const struct ti_task *t);

static inline tide_status ti_task_state(const struct ti_task *t) {
  /* acquire: pairs with the release in set_state_locked, so `outcome` and `msg` are seen */
  return (tide_status)atomic_load_explicit(&t->state, memory_order_acquire);
}
static inline bool ti_task_done(const struct ti_task *t) {
  return ti_task_state(t) >= TIDE_FINISHED;
}

/* PENDING -> RUNNING. Returns false if the task was not pending. `stop` is an open token, or NULL:
** until the task is finished, it can be requested to stop by that. */
bool ti_task_begin(struct ti_task *t, struct ti_stop_token *stop);

/* Calls ti_stop_token_pin for the token of a RUNNING task and stores that in *stop. Returns
** STOP_TOO_LATE for other tasks. */
enum ti_stop_pin_result ti_task_stop(struct ti_task *t, int kind, struct ti_stop_token **stop);

/* Enters that the running task `self` waits for t, until t is done; NULL: for none any more. The
** caller holds a reference to t until then. Returns false, and enters nothing, if t is `self` or
** waits for it, perhaps through others. If several tasks close such a ring at the same time, each
** of them may get false. */
bool ti_task_await(struct ti_task *self, struct ti_task *t);

/* PENDING -> CANCELLED. Returns whether this call did it. For promises: it does not take the task
** out of a pool's queue as ti_pool_cancel_task does. Frees the call in msg and notifies the
** waiters: no lock may be held. The caller holds a reference. */
bool ti_task_cancel(struct ti_task *t);

/* PENDING or RUNNING -> FINISHED. Frees the call in msg and moves *out there (NULL: empty). Returns
** false if the task is done already; then *out is unchanged. Notifies the waiters: no lock may be
** held. The caller holds a reference. */
bool ti_task_finish(struct ti_task *t, int outcome, struct ti_message *out);

/* Puts w on the task's list. Returns false if the task is done. For waiter.c. */
bool ti_task_add_waiter(struct ti_task *t, struct ti_task_waiter *w);
/* Takes w off the list. Returns false if it is not there: the completer has it, or it never was. */
bool ti_task_remove_waiter(struct ti_task *t, struct ti_task_waiter *w);

TI_INTERNAL_END

#endif
