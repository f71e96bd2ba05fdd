/*
** tidepool, floor 1: pool_own, the pool's own fields, shared by pool.c and pool_threads.c alone.
**
** pool.c is what callers do; pool_threads.c is the threads' life. Both keep, whenever they
** let go of the lock (tide_pool_check_locked asserts it):
**
**   1  submitted = queued + running + finished + cancelled;  failed <= finished
**   2  alive + starting <= max_workers;  idle + fresh + running <= alive + starting
**   3  more tasks queued than idle threads awake: no idle thread sleeps. So a submit wakes one
**      only if it must (an awake one looks before it sleeps), and no task waits beside a sleeper.
**   4  a task is queued: a thread is alive. Or the task is that of the one submitter who is
**      starting the first thread, and who takes it out again if that fails; other submitters
**      wait meanwhile (`settled`) and queue nothing.
**
** So a queue is always served, a closing pool's too: a thread decides to go only when it sees
** the queue empty, looks again when its worker is closed, and as the last one alive goes only if
** it is still empty; nobody else makes `alive` less. No failed start can strand a task.
**
** Lock order: the pool's lock is a leaf; no task's or mailbox's lock, no runner function
** and no delivery comes under it.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TIDE_POOL_OWN_H
#define TIDE_POOL_OWN_H

#include "pool.h"
#include "queue.h"
#include "spin.h"

TIDE_INTERNAL_BEGIN

enum pool_state { POOL_OPEN, POOL_CLOSING, POOL_BROKEN };

/* One thread's place; it outlives the thread and is used again, with its index. In the pool's
** `free` (no thread), or its thread is alive (in `asleep` while it sleeps), or in `ended`. */
struct slot {
  struct fifo_node link;    /* L: in free, asleep or ended */
  struct pool *pool;        /* I */
  struct sys_thread thread; /* L: valid if `running` or `started` */
  int index;                /* I: below max_workers */
  struct sys_cond wake;     /* `woken` */
  struct slot *next;        /* L: in the list of all slots */
  bool started;             /* L: the starter is done with this slot, and `thread` is not joined */
  bool running;             /* L: the thread has begun, and not ended; perhaps before `started` */
  struct spin spin;         /* the thread's own */
  bool woken;               /* L: taken off `asleep` by who woke it */
};

struct pool {
  struct ref ref;         /* A */
  atomic_size_t tasks;    /* A: references held by tasks, counted apart */
  const struct mem *mem;  /* I */
  struct runner runner;   /* I */
  void *ud;               /* I */
  struct pool_config cfg; /* I; cfg.name is owned */

  struct sys_lock lock;
  struct sys_cond room;    /* blocked submitters: the queue is not full, or the pool not open */
  struct sys_cond settled; /* submitters: alive > 0, or starting == 0; those who start a thread:
                           ** one is in `free` or `ended`, or nslots + making < max_workers; a
                           ** thread that ends: its slot is `started` */
  struct sys_cond quiet;   /* waiters: all threads are in `ended`, or tide_pool_over_locked */

  enum pool_state state;           /* L */
  struct queue queue;              /* L */
  struct fifo free, asleep, ended; /* L: slots; asleep: who went to sleep last is woken first */
  struct slot *slots;              /* L: all of them */
  int nslots, making;              /* L: slots ever made, and those being made */
  int alive;                       /* L: threads that run, from their start to their last look */
  int starting;                    /* L: threads being made */
  int fresh;                       /* L: those of both that have not opened their worker yet */
  int idle;           /* L: those with no task, asleep or on their way to look for one */
  int nasleep;        /* L: idle ones in `asleep` */
  atomic_size_t rung; /* A: raised, under lock, when a task is queued or the pool ends */
  int spinners;       /* L: idle threads that spin on it */
  int blocked;        /* L: submitters that wait for room */
  size_t running;     /* L: tasks taken by a worker */
  size_t submitted, finished, failed, cancelled; /* L */
  size_t threads;                                /* L: being made, alive, or not joined yet */
  size_t errands;  /* L: deliveries under way that a wait must not overtake */
  const char *why; /* L, I once BROKEN: its message */
  size_t whysize;  /* the block's size; 0: not from mem */
};

/* pool.c: */

void tide_pool_check_locked(const struct pool *p);
/* More is queued than the threads that are idle, or soon will be, can take. */
bool tide_pool_short_locked(const struct pool *p);
/* More is queued than the idle threads that are awake can take, while others sleep. */
bool tide_pool_sleepy_locked(const struct pool *p);
bool tide_pool_full_locked(const struct pool *p);
/* Closed, and nothing is left to happen. */
bool tide_pool_over_locked(const struct pool *p);
/* Wakes the thread that went to sleep last, or all. */
void tide_pool_wake_locked(struct pool *p, bool all);
/* One task fewer is queued or running: a blocked submitter may go on. */
void tide_pool_room_locked(struct pool *p);

/* pool_threads.c: */

/* Starts a thread; the lock is let go meanwhile. There must be a place for one. 0 or errno. */
int tide_pool_start_locked(struct pool *p);
/* Joins the threads that have ended; the lock is let go meanwhile. False: there was none. */
bool tide_pool_reap_locked(struct pool *p);

TIDE_INTERNAL_END

#endif
