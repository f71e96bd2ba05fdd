/*
** tidepool, floor 1: task, one submitted call and its outcome.
**
**            begin                 finish
**   PENDING --------> RUNNING ---------------> FINISHED
**      |                                           ^
**      | cancel                                    |  finish (a broken pool, or a
**      +-----------> CANCELLED                     |  promise that was never begun)
**      +-------------------------------------------+
**
** An outcome's bytes: those of FAULT_NONE and FAULT_ERROR are floor 2's (vm.h). A kind's:
** varint n, message of n bytes, varint k, traceback of k bytes (k is 0: none); or no bytes
** at all, when there was no memory for them, and for every cancelled task.
**
** FINISHED and CANCELLED are "done". One function (set_state in task.c) writes
** the state, under the task's lock; anyone may read it (atomic).
** Lock order: the task's lock is a leaf; it is never held together with another.
**
** There may be millions of tasks, so a struct task is small (with its message: one block), and its
** lock is a byte.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_TASK_H
#define TIDE_TASK_H

#include <stdatomic.h>

#include "fault.h"
#include "fifo.h"
#include "message.h"
#include "ref.h"
#include "seed.h"
#include "stop.h"
#include "sys.h"

TIDE_INTERNAL_BEGIN

enum task_state { TASK_PENDING, TASK_RUNNING, TASK_FINISHED, TASK_CANCELLED };

enum task_place { TASK_OUTSIDE, TASK_QUEUED, TASK_TAKEN };

struct pool;
struct watch;

/* What a submit may say of a task. */
struct task_terms {
  const char *name;              /* NULL: none */
  int priority;                  /* higher first */
  sys_time time_limit;           /* nanoseconds of running; 0: as the pool has it */
  size_t memory_limit;           /* bytes; 0: none of its own */
  const struct seeding *seeding; /* where its random numbers begin; NULL: anywhere */
};

/* Those that few tasks have: one block. */
struct task_extras {
  sys_time time_limit;
  size_t memory_limit;
  struct seeding seeding; /* if `seeded` */
  bool seeded;
  size_t size; /* of the block */
  char name[]; /* "": none */
};

struct task {
  struct ref ref;             /* A */
  struct pool *pool;          /* I; a reference is held; NULL: a promise */
  struct task_extras *extras; /* I; owned; NULL: none of them */
  union {
    void *context; /* I; of a pool's: what msg is to be run with, for the runner, who frees it */
    const struct mem *mem; /* I; of a promise: lives longer */
  };
  union {
    struct fifo_node queued; /* pool's lock, while it is PENDING: its place in the pool's queue */
    struct {                 /* lock, while it is RUNNING: */
      struct stop *stop;     /* how its worker is told to stop; or NULL */
      struct task *awaited;  /* what it waits for, without a limit of time; or NULL */
    };
  };
  struct watch *watches; /* lock: who wants to know: the oldest, in a ring; NULL: nobody */
  int priority;          /* I */
  _Atomic unsigned char
      state; /* enum task_state; written under lock, read by anyone (release/acquire) */
  struct sys_bytelock lock;
  unsigned char place;   /* pool's lock: enum task_place: in the queue; with a worker, or failed */
  unsigned char outcome; /* as msg. FAULT_NONE: values; FAULT_ERROR: its own error; a kind */
  /* The call before it is done: written by the submitter before the pool takes it, then the
  ** worker's. Its outcome once done: written by who finishes it, before the state, and
  ** read-only from then on. A cancelled task's is empty. */
  struct message msg;
};

/* NULL if out of memory. `pool` may be NULL; the task takes a reference of its own. terms: copied;
** NULL: nothing special. The caller owns one reference. */
struct task *tide_task_new(struct pool *pool, const struct mem *mem,
                           const struct task_terms *terms);
struct task *tide_task_hold(struct task *t);
void tide_task_rele(
    struct task *t); /* NULL is legal; takes no lock that its caller may hold but mem's */

static inline const char *tide_task_name(const struct task *t) {
  return t->extras != NULL && t->extras->name[0] != '\0' ? t->extras->name : NULL;
}

/* Where it and its messages are allocated: the pool's, or a promise's own. */
const struct mem *tide_task_mem(const struct task *t);

static inline enum task_state tide_task_state(const struct task *t) {
  /* acquire: pairs with the release in set_state, so `outcome` and `msg` are seen */
  return (enum task_state)atomic_load_explicit(&t->state, memory_order_acquire);
}
static inline bool tide_task_done(const struct task *t) {
  return tide_task_state(t) >= TASK_FINISHED;
}

/* PENDING -> RUNNING; false: it was not pending. `stop` (NULL: none), which is open, is how it is asked
** to stop, until it is finished. */
bool tide_task_begin(struct task *t, struct stop *stop);

/* tide_stop_visit for the stop of a RUNNING task, which is in *stop then; STOP_NOT for others. */
enum stop_answer tide_task_stop(struct task *t, int kind, struct stop **stop);

/* self, which runs, waits for t from now on, until t is done; NULL: for nothing any more. The caller has a
** reference to t until then. False, and it waits for nothing: t is self, or waits for
** it, perhaps through others. Tasks that close such a ring at the same time may all be told. */
bool tide_task_await(struct task *self, struct task *t);

/* PENDING -> CANCELLED, true if the caller did it. For promises: it does not touch a pool's
** queue (tide_pool_cancel does). Frees the call in msg. Delivers the watches: no lock may
** be held. The caller holds a reference. */
bool tide_task_cancel(struct task *t);

/* PENDING or RUNNING -> FINISHED; false if it is done already, then *out is untouched. Frees the
** call in msg, moves *out (NULL: empty) there. Delivers the watches: no lock may be held.
** The caller holds a reference. */
bool tide_task_finish(struct task *t, int outcome, struct message *out);

/* For mailbox.c: puts w on the task's list and true, or false if it is done. */
bool tide_task_addwatch(struct task *t, struct watch *w);
/* Takes w off again; false if the completer has it (or it was never on). */
bool tide_task_dropwatch(struct task *t, struct watch *w);

TIDE_INTERNAL_END

#endif
