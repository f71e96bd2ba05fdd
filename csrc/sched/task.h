/*
** sched/task: one submitted call and its outcome.
**
**            begin                 finish
**   PENDING --------> RUNNING ---------------> FINISHED
**      |                                           ^
**      | cancel                                    |  finish (a broken pool, or a
**      +-----------> CANCELLED                     |  promise that was never begun)
**      +-------------------------------------------+
**
** An outcome's bytes: those of TIDE_OK and TIDE_EERROR are floor 2's (worker_state.h). A kind's:
** varint n, message of n bytes, varint k, traceback of k bytes (k is 0: none); or no bytes
** at all, when there was no memory for them, and for every cancelled task.
**
** FINISHED and CANCELLED are "done". One function (set_state in task.c) writes
** the state, under the task's lock; anyone may read it (atomic).
** Lock order: the task's lock is a leaf; it is never held together with another.
**
** There may be millions of tasks, so a struct ti_task is small (with its message: one block), and
** its lock is a byte.
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

/* Where tasks come from and belong to: their pool. All functions may be called by any thread. */
struct ti_task_home {
  struct ti_pool *pool;                                       /* I */
  const struct ti_alloc *mem;                                 /* I: of the tasks' messages */
  struct ti_task *(*alloc)(struct ti_task_home *home);        /* I; returns NULL if out of memory */
  void (*free)(struct ti_task_home *home, struct ti_task *t); /* I */
  void (*hold)(struct ti_task_home *home);    /* I: a task takes a reference to its home */
  void (*release)(struct ti_task_home *home); /* I: and gives it back */
  void (*free_context)(void *context);        /* I; NULL: nothing to free */
};

/* Who is told that a task is done. */
struct ti_task_waiter {
  struct ti_list_node link; /* task's lock while `on_task`, then the waiter's own */
  bool on_task;             /* task's lock: it is in the task's list */
  /* Called once by the thread that makes the task done, with no lock held, after `on_task` became
  ** false; the task does not touch *w afterwards. */
  void (*notify)(struct ti_task_waiter *w, bool failed);
};

/* What a submit may say of a task. */
struct ti_task_options {
  const char *name;                 /* NULL: none */
  int priority;                     /* higher first */
  ti_time time_limit;               /* nanoseconds of running; 0: as the pool has it */
  size_t memory_limit;              /* bytes; 0: none of its own */
  const struct ti_seeding *seeding; /* where its random numbers begin; NULL: anywhere */
};

/* Those that few tasks have: one block. */
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
    void *context; /* I; of a pool's: what msg is to be run with, for the runner, who frees it */
    const struct ti_alloc *mem; /* I; of a promise: lives longer */
  };
  union {
    struct ti_list_node
        queued; /* pool's lock, while it is PENDING: its place in the pool's queue */
    struct {    /* lock, while it is RUNNING: */
      struct ti_stop_token *stop; /* how its worker is told to stop; or NULL */
      struct ti_task *awaited;    /* what it waits for, without a limit of time; or NULL */
    };
  };
  struct ti_task_waiter *waiters; /* lock: the oldest of a ring; NULL: none */
  int priority;                   /* I */
  _Atomic unsigned char
      state; /* tide_status; written under lock, read by anyone (release/acquire) */
  struct ti_byte_lock lock;
  unsigned char place; /* pool's lock: enum ti_task_place: in the queue; with a worker, or failed */
  unsigned char outcome; /* as msg. TIDE_OK: values; TIDE_EERROR: its own error; a kind */
  /* The call before it is done: written by the submitter before the pool takes it, then the
  ** worker's. Its outcome once done: written by who finishes it, before the state, and
  ** read-only from then on. A cancelled task's is empty. */
  struct ti_message msg;
};

/* NULL if out of memory. `home` may be NULL, for a promise; the task takes a reference of its own.
** options: copied; NULL: nothing special. The caller owns one reference. */
struct ti_task *ti_task_new(struct ti_task_home *home, const struct ti_alloc *mem,
                            const struct ti_task_options *options);
struct ti_task *ti_task_hold(struct ti_task *t);
void ti_task_release(
    struct ti_task *t); /* NULL is legal; takes no lock that its caller may hold but mem's */

static inline struct ti_pool *ti_task_pool(const struct ti_task *t) {
  return t->home != NULL ? t->home->pool : NULL;
}

static inline const char *ti_task_name(const struct ti_task *t) {
  return t->options != NULL && t->options->name[0] != '\0' ? t->options->name : NULL;
}

/* Where it and its messages are allocated: the pool's, or a promise's own. */
const struct ti_alloc *ti_task_mem(const struct ti_task *t);

static inline tide_status ti_task_state(const struct ti_task *t) {
  /* acquire: pairs with the release in set_state, so `outcome` and `msg` are seen */
  return (tide_status)atomic_load_explicit(&t->state, memory_order_acquire);
}
static inline bool ti_task_done(const struct ti_task *t) {
  return ti_task_state(t) >= TIDE_FINISHED;
}

/* PENDING -> RUNNING; false: it was not pending. `stop` (NULL: none), which is open, is how it is
** asked to stop, until it is finished. */
bool ti_task_begin(struct ti_task *t, struct ti_stop_token *stop);

/* ti_stop_token_pin for the stop of a RUNNING task, which is in *stop then; STOP_TOO_LATE for others. */
enum ti_stop_pin_result ti_task_stop(struct ti_task *t, int kind, struct ti_stop_token **stop);

/* self, which runs, waits for t from now on, until t is done; NULL: for nothing any more. The
** caller has a reference to t until then. False, and it waits for nothing: t is self, or waits for
** it, perhaps through others. Tasks that close such a ring at the same time may all be told. */
bool ti_task_await(struct ti_task *self, struct ti_task *t);

/* PENDING -> CANCELLED, true if the caller did it. For promises: it does not touch a pool's
** queue (ti_pool_cancel_task does). Frees the call in msg. Delivers the watches: no lock may
** be held. The caller holds a reference. */
bool ti_task_cancel(struct ti_task *t);

/* PENDING or RUNNING -> FINISHED; false if it is done already, then *out is untouched. Frees the
** call in msg, moves *out (NULL: empty) there. Delivers the watches: no lock may be held.
** The caller holds a reference. */
bool ti_task_finish(struct ti_task *t, int outcome, struct ti_message *out);

/* For waiter.c: puts w on the task's list and true, or false if it is done. */
bool ti_task_add_waiter(struct ti_task *t, struct ti_task_waiter *w);
/* Takes w off again; false if the completer has it (or it was never on). */
bool ti_task_remove_waiter(struct ti_task *t, struct ti_task_waiter *w);

TI_INTERNAL_END

#endif
