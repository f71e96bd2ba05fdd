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
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_TASK_H
#define TIDE_TASK_H

#include <stdatomic.h>

#include "fault.h"
#include "fifo.h"
#include "message.h"
#include "ref.h"
#include "sys.h"

TIDE_INTERNAL_BEGIN

enum task_state { TASK_PENDING, TASK_RUNNING, TASK_FINISHED, TASK_CANCELLED };

struct pool;
struct queue_level;
struct watch;

struct task {
  struct ref ref;            /* A */
  struct pool *pool;         /* I; a reference is held; NULL: a promise */
  const struct mem *mem;     /* I; lives as long as the pool, or is static */
  char *name;                /* I; owned; NULL: none */
  int priority;              /* I */
  struct fifo_node queued;   /* pool's lock: its place in the pool's queue */
  struct queue_level *level; /* pool's lock: where in that queue; NULL: not in it */
  bool taken;                /* pool's lock: a worker has it, or a broken pool fails it */
  struct sys_lock lock;
  _Atomic unsigned char
      state;           /* enum task_state; written under lock, read by anyone (release/acquire) */
  struct fifo watches; /* lock: who wants to know */
  void *context;       /* I; what msg is to be run with, for floor 3; or NULL */
  void (*free_context)(void *context);
  /* The call before it is done: written by the submitter before the pool takes it, then the
  ** worker's. Its outcome once done: written by who finishes it, before the state, and
  ** read-only from then on. A cancelled task's is empty. */
  struct message msg;
  int outcome; /* FAULT_NONE: values; FAULT_ERROR: the task's own error; a kind */
};

/* NULL if out of memory. `pool` may be NULL; the task takes a reference of its own.
** Copies name. The caller owns one reference. */
struct task *tide_task_new(struct pool *pool, const struct mem *mem, const char *name,
                           int priority);
struct task *tide_task_hold(struct task *t);
void tide_task_rele(
    struct task *t); /* NULL is legal; takes no lock that its caller may hold but mem's */

static inline enum task_state tide_task_state(const struct task *t) {
  /* acquire: pairs with the release in set_state, so `outcome` and `msg` are seen */
  return (enum task_state)atomic_load_explicit(&t->state, memory_order_acquire);
}
static inline bool tide_task_done(const struct task *t) {
  return tide_task_state(t) >= TASK_FINISHED;
}

/* PENDING -> RUNNING; false: it was not pending. */
bool tide_task_begin(struct task *t);

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
