/*
** tidepool, floor 1: pool_own, the pool's own fields, shared by the files pool*.c alone.
**
** pool.c is the rules, and what callers do; pool_stop.c is cancelling and interrupting; pool_threads.c is
** the threads' life; pool_level.c is running a task. All keep, whenever they
** let go of the lock (tide_pool_check_locked asserts it, in builds with TIDE_CHECKS):
**
**   1  failed <= finished; what was ever submitted is queued, running, finished or cancelled
**   2  idle + fresh + leaving + running - waiting = alive + starting <= max_threads. A thread is started only
**      if alive + starting - away < max_workers, or all of these rest and others are away; one that is more, since
**      another came back, ends instead of taking a task. So max_workers tasks run at a time, but for moments
**      in which one comes back. A thread decides to end as one too many under the lock, and is `leaving` from then
**      on; those that are leaving do not count when the next one decides. So max_workers of them stay.
**   3  a task is queued and an idle thread sleeps: another idle thread is awake (it spins, or was
**      just woken). Awake ones look before they sleep, and one that takes a task sees to the
**      invariant again. So a submit wakes a thread only if it must, sleepers are woken one after
**      the other instead of all at once, and no task waits beside sleepers alone.
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

#include "mark.h"
#include "pool.h"
#include "queue.h"
#include "slab.h"
#include "spin.h"
#include "watchdog.h"

TIDE_INTERNAL_BEGIN

enum pool_state { POOL_OPEN, POOL_CLOSING, POOL_BROKEN };

/* A worker of a thread and what it does. A task that waits for another one may have its thread run
** that meanwhile, in a worker of its own: the level above. Level 0 is part of the slot. */
struct level {
  struct stop stop;    /* asks the task to end; while `upkeep`, what the worker does */
  struct slot *slot;   /* I */
  struct level *above; /* L: or NULL */
  struct task *task;   /* L: what its worker runs, or NULL; the thread has a reference */
  void *worker;        /* the thread's own; NULL: none is open */
  int depth;           /* I: 0, 1, … */
  bool upkeep;         /* L: its worker is opened or closed, and the stop is open */
  bool told;           /* L: the task was interrupted by tide_pool_interruptall */
};

/* One thread's place; it outlives the thread and is used again, with its index. In the pool's
** `free` (no thread), or its thread is alive (in `asleep` while it sleeps), or in `ended`. */
struct slot {
  struct fifo_node link;    /* L: in free, asleep or ended */
  struct pool *pool;        /* I */
  struct sys_thread thread; /* L: valid if `running` or `started` */
  int index;                /* I: the least that was free */
  struct sys_cond wake;     /* `woken` */
  struct slot *next;        /* L: in the list of all slots */
  struct bell bell;         /* stops of all levels */
  struct level base;        /* its worker, and those above */
  bool started;             /* L: the starter is done with this slot, and `thread` is not joined */
  bool running;             /* L: the thread has begun, and not ended; perhaps before `started` */
  struct spin spin;         /* the thread's own */
  bool woken;               /* L: taken off `asleep` by who woke it */
  size_t seen, agreed;      /* L: `turn` at its last tide_pool_agree, and when it last agreed */
};

/* Bytes that processors pass each other as one. Taking a line that another one wrote last costs
** more than most of what is done here, so what each submit and each worker write lies in few
** lines, and nothing else in these. */
#define POOL_LINE 64

#define POOL_TASK (UINT64_C(1) << 24) /* so up to 2^24 other references, and 2^40 tasks */

struct pool {
  /* Two lines: all that submitting and taking a task write. */
  _Alignas(POOL_LINE) struct sys_lock lock;
  enum pool_state state; /* L */
  int idle;              /* L: threads with no task, asleep or on their way to look for one */
  int nasleep;           /* L: idle ones in `asleep` */
  int spinners;          /* L: idle threads that spin on `rung` */
  struct queue queue;    /* L */
  atomic_size_t rung;    /* A: raised when a task is queued or the pool ends */

  /* What workers write when a task is done. */
  _Alignas(POOL_LINE) size_t running; /* L: tasks taken by a worker */
  size_t finished, failed, cancelled; /* L */

  /* Read by each submit, written when threads come and go. */
  _Alignas(POOL_LINE) int alive; /* L: threads that run, from their start to their last look */
  int starting;                  /* L: threads being made */
  int fresh;                     /* L: those of both that have not opened their worker yet */
  int leaving;                   /* L: those that have decided to end */
  int blocked;                   /* L: submitters that wait for room */
  int away;                      /* L: threads whose task waits for something out of their reach */
  int resting;                   /* L: those whose task waits for one that runs on another thread */
  size_t waiting;                /* L: tasks that wait for one that their thread runs meanwhile */
  atomic_bool crowded;           /* A: written under the lock: alive + starting = max_threads */
  size_t turn;                   /* L: raised when a task begins or ends to wait; never 0 */
  int nagreed;                   /* L: slots whose `agreed` is `turn` */
  size_t threads;                /* L: being made, alive, or not joined yet */
  size_t errands;                /* L: deliveries under way that a wait must not overtake */

  /* Submitters: references and memory of tasks. */
  _Alignas(
      POOL_LINE) _Atomic uint64_t refs; /* A: POOL_TASK for each task's, 1 for each other one */
  struct sys_bytelock tasks_lock;       /* a leaf */
  struct slab tasks;                    /* tasks_lock: the memory of the tasks */

  _Alignas(POOL_LINE) const struct mem *mem; /* I */
  struct runner runner;                      /* I */
  void *ud;                                  /* I */
  struct sys_mark mark;                      /* I: lost: no thread of this pool is here */
  struct pool_config cfg;                    /* I; cfg.name is owned */
  void *block;                               /* I: the memory that this struct was cut from */
  bool haste;                                /* L: tide_pool_interruptall was called */
  struct sys_signals signals;                /* by which its threads are reached */
  struct watchdog dog;                       /* has a lock of its own */
  sigset_t programs;       /* I: what programs begin with that its threads start */
  struct sys_cond room;    /* blocked submitters: the queue is not full, or the pool not open */
  struct sys_cond settled; /* submitters: alive > 0, or starting == 0; those who start a thread:
                           ** one is in `free` or `ended`, or nslots + making < alive + starting; a
                           ** thread that ends: its slot is `started` */
  struct sys_cond quiet;   /* waiters: all threads are in `ended`, or tide_pool_over_locked */
  struct fifo free, asleep, ended; /* L: slots; asleep: who went to sleep last is woken first */
  struct slot *slots;              /* L: all of them */
  int nslots, making;              /* L: slots ever made, and those being made */
  const char *why;                 /* L, I once BROKEN: its message */
  size_t whysize;                  /* the size of its block */
};

/* pool.c: */

/* Asserts the invariants; with TIDE_CHECKS only, as it looks at more than its callers touch. */
#ifdef TIDE_CHECKS
void tide_pool_check_locked(const struct pool *p);
#else
static inline void tide_pool_check_locked(const struct pool *p) { (void)p; }
#endif
/* More is queued than the threads that are idle, or soon will be, can take. */
bool tide_pool_short_locked(const struct pool *p);
/* More threads than max_workers can take tasks. */
bool tide_pool_surplus_locked(const struct pool *p);
/* Something is queued, max_threads are there, and the task of each waits. */
bool tide_pool_stranded_locked(const struct pool *p);
/* A task begins to wait, or goes on: what the threads agreed on holds no more. */
void tide_pool_turn_locked(struct pool *p);
/* To be called when alive or starting has changed: sets `crowded`. */
void tide_pool_recount_locked(struct pool *p);
/* Changes the count of what `how` is. */
void tide_pool_count_locked(struct pool *p, enum absence how, int by);
/* Tasks are held back now. */
bool tide_pool_held_locked(const struct pool *p);
#define POOL_HELD_SLICE 0.002 /* seconds until that is asked again */
/* Nothing is queued, or a thread is alive whose task does not wait for something out of reach. */
bool tide_pool_served_locked(const struct pool *p);
/* A thread for what is queued may be started. */
bool tide_pool_wanting_locked(const struct pool *p);
/* Something is queued, and all idle threads sleep. */
bool tide_pool_sleepy_locked(const struct pool *p);
bool tide_pool_full_locked(const struct pool *p);
/* Closed, and nothing is left to happen. */
bool tide_pool_over_locked(const struct pool *p);
/* If the pool is sleepy, takes the thread that went to sleep last off `asleep`: awake from now on.
** The caller, who holds a reference to the pool, rings it once it has let the lock go: the woken
** thread need not wait for the lock then. NULL: nobody is to be rung. */
struct slot *tide_pool_pick_locked(struct pool *p);
void tide_pool_ring(struct slot *s); /* NULL is legal */
/* There is news for idle threads: raises `rung`. */
void tide_pool_news(struct pool *p);
/* Wakes all. */
void tide_pool_wakeall_locked(struct pool *p);
/* One task fewer is queued or running: a blocked submitter may go on. */
void tide_pool_room_locked(struct pool *p);
/* A delivery that was counted in `errands` has been made. */
void tide_pool_errand_done(struct pool *p);

/* pool_level.c: */

/* t, out of the queue, runs in this level's worker from now on. */
void tide_level_begin_locked(struct pool *p, struct level *l, struct task *t);
/* Runs it: true, and its outcome; or false if it was cancelled behind the pool's back. */
bool tide_level_run(struct pool *p, struct level *l, struct task *t, int *outcome,
                    struct message *out);
/* Accounts for it. */
void tide_level_end_locked(struct pool *p, struct level *l, bool begun, int outcome);
/* Lets all know that it is done, and gives its reference back. */
void tide_level_deliver(struct task *t, bool begun, int outcome, struct message *out);
bool tide_level_worn(const struct pool *p, const struct level *l);
/* Opens its worker. False: the pool is broken now, or (*starved) there was no memory. */
bool tide_level_open(struct pool *p, struct level *l, bool *starved);
/* The calling thread starved: a task that fails now with FAULT_NOMEM, once the lock is free; or NULL. */
struct task *tide_level_starve_locked(struct pool *p);
void tide_level_close(struct pool *p, struct level *l); /* one that is not open: legal */
/* Closes and frees those above `l` that are more than `depth` deep. */
void tide_level_closeabove(struct pool *p, struct level *l, int depth);

/* pool_threads.c: */

/* Starts a thread; the lock is let go meanwhile. There must be a place for one. 0 or errno. */
int tide_pool_start_locked(struct pool *p);
/* Joins the threads that have ended; the lock is let go meanwhile. False: there was none. */
bool tide_pool_reap_locked(struct pool *p);

TIDE_INTERNAL_END

#endif
