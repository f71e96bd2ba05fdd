/*
** sched/pool_state: the fields of a pool, its invariants and its rules, for pool*.c alone.
**
** pool_state.c has the rules, pool.c what callers do, pool_cancel.c cancelling and interrupting;
** pool_threads.c the life of the threads, pool_nested.c the running of a task, pool_block.c threads
** whose tasks wait. They keep these invariants whenever the lock is free. In builds with TI_CHECKS
** ti_pool_state_check_locked asserts them:
**
**   1  failed <= finished. Each task that was ever submitted is queued, running, finished or
**      cancelled.
**   2  idle + fresh + leaving + running - waiting = alive + starting <= max_threads. A thread is
**      started only if alive + starting - blocked < max_workers, or if all of these wait for
**      running tasks and others are blocked. A thread over the limit, since a blocked one has
**      continued, ends instead of taking a task. So max_workers tasks run at a time, except for
**      moments in which a blocked one continues. A thread decides under the lock to end as one over
**      the limit, and is `leaving` from then on. Leaving threads are not counted when the next one
**      decides, so max_workers threads stay.
**   3  If a task is queued and an idle thread sleeps, another idle thread is awake: it spins, or
**      was just woken. A thread that is awake checks the queue before it sleeps, and one that takes
**      a task restores the invariant. So a submit wakes a thread only if all sleep. Sleepers are
**      woken one after the other, and no task is queued while sleepers alone could take it.
**   4  If a task is queued, a thread is alive. The exception is the task of the one submitter that
**      is starting the first thread, which takes it out again if that fails. Other submitters wait
**      meanwhile (`settled`) and queue nothing.
**
** So a queue is always served, a closing pool's too. A thread decides to end only when it sees an
** empty queue. It checks again when its worker is closed, and as the last one alive it ends only if
** the queue is still empty. No other thread decreases `alive`. A failed start leaves no task
** without a thread.
**
** Locks: the pool's lock is a leaf. Under it no lock of a task or waiter is taken, no runner
** function is called (except `held`), and no waiter is notified. Field marks: L is guarded by that
** lock, A is atomic, I is immutable.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_POOL_STATE_H
#define TI_SCHED_POOL_STATE_H

#include "platform/fork_guard.h"
#include "sched/pool_config.h"
#include "sched/task_queue.h"
#include "util/slab.h"
#include "util/spin_wait.h"
#include "sched/watchdog.h"
#include "platform/byte_lock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/signal.h"
#include "platform/thread.h"

TI_INTERNAL_BEGIN

enum ti_pool_phase { POOL_OPEN, POOL_CLOSING, POOL_BROKEN };

/* A worker of a thread and its task. If that task waits for another one, the thread may run the
** other one in a further worker, the one above. The first worker is part of the pool thread. */
struct ti_nested_worker {
  struct ti_stop_token stop;      /* for the task, or for opening and closing */
  struct ti_pool_thread *thread;  /* I */
  struct ti_nested_worker *above; /* L: or NULL */
  /* L: the task that the worker runs, or NULL; the thread has a reference */
  struct ti_task *task;
  void *worker; /* the thread's alone; NULL: none is open */
  int depth;    /* I: 0, 1, … */
  /* L: the worker is opened or closed, and the token is open */
  bool opening_or_closing;
  /* L: ti_pool_cancel_interrupt_all has interrupted the task */
  bool interrupted;
};

/* A pool thread: the place of one thread. It outlives the thread and is used again, with its index.
** It is in the pool's `free` list (no thread) or in `ended`, or its thread is alive, and in
** `asleep` while it sleeps. */
struct ti_pool_thread {
  struct ti_list_node link;       /* L: in free, asleep or ended */
  struct ti_pool *pool;           /* I */
  struct ti_thread thread;        /* L: valid if `running` or `started` */
  int index;                      /* I: from 0 */
  struct ti_cond wake;            /* `woken` */
  struct ti_pool_thread *next;    /* L: in `all_threads` */
  struct ti_signal_target target; /* tokens of all its workers */
  struct ti_nested_worker base;   /* its first worker */
  /* L: the starter has finished with it, and `thread` is not joined */
  bool started;
  /* L: the thread has begun and not ended; may precede `started` */
  bool running;
  struct ti_spin_wait spin; /* the thread's alone */
  bool woken;               /* L: another thread took it off `asleep` */
  /* L: `turn` at its last ti_pool_block_agree, and at its last agreement */
  size_t seen, agreed;
};

/* The size of a cache line. Taking a line that another processor wrote last costs more than most of
** the work here. What submits and workers write therefore lies in few lines, with nothing else in
** them. */
#define POOL_LINE 64

/* What a task counts in `refs`: up to 2^24 other references, and 2^40 tasks. */
#define POOL_TASK (UINT64_C(1) << 24)

struct ti_pool {
  /* Two lines: all that a submit and the taking of a task write. */
  _Alignas(POOL_LINE) struct ti_mutex lock;
  enum ti_pool_phase state;    /* L */
  int idle;                    /* L: threads without a task, asleep or about to check the queue */
  int nasleep;                 /* L: idle ones in `asleep` */
  int spinners;                /* L: idle threads that spin on `wake_sequence` */
  struct ti_task_queue queue;  /* L */
  atomic_size_t wake_sequence; /* A: advanced when a task is queued or the pool ends */

  /* Written by workers when a task is done. */
  _Alignas(POOL_LINE) size_t running; /* L: tasks taken by a worker */
  size_t finished, failed, cancelled; /* L */

  /* Read by each submit, written when threads come and go. */
  _Alignas(POOL_LINE) int alive; /* L: threads that run, from their start to their last check */
  int starting;                  /* L: threads being made */
  int fresh;                     /* L: those of both whose worker is not open yet */
  int leaving;                   /* L: those that have decided to end */
  int waiting_submitters;        /* L: submitters that wait for a free place */
  int blocked;                   /* L: threads whose task waits for something outside their reach */
  int on_running;                /* L: threads whose task waits for one that another thread runs */
  size_t waiting;                /* L: tasks that wait for one that their thread runs meanwhile */
  atomic_bool at_max_threads;    /* A: written under the lock: alive + starting = max_threads */
  size_t turn;                   /* L: raised when a task begins or ends to wait; never 0 */
  int nagreed;                   /* L: pool threads whose `agreed` is `turn` */
  size_t threads;                /* L: being made, alive, or not joined yet */
  size_t deliveries;             /* L: notifications that the end of the pool must not overtake */

  /* Submitters: references and memory of tasks. */
  /* A: POOL_TASK for each task, 1 for each other reference */
  _Alignas(POOL_LINE) _Atomic uint64_t refs;
  struct ti_byte_lock tasks_lock; /* a leaf */
  struct ti_slab tasks;           /* tasks_lock: the memory of the tasks */

  _Alignas(POOL_LINE) struct ti_task_home home; /* I: of its tasks */
  const struct ti_alloc *mem;                   /* I */
  struct ti_pool_runner runner;                 /* I */
  void *ud;                                     /* I */
  struct ti_fork_guard fork_guard;              /* I */
  struct ti_pool_config cfg;                    /* I; cfg.name is owned */
  void *block;                                  /* I: the memory that this struct was cut from */
  bool interrupt_all;                           /* L: ti_pool_cancel_interrupt_all was called */
  struct ti_signal_set signals;                 /* by which the threads are reached */
  struct ti_watchdog watchdog;                  /* has a lock of its own */
  /* I: the signal mask of programs that the threads start */
  sigset_t child_mask;
  /* submitters wait here: the queue is not full, or the pool not open */
  struct ti_cond not_full;
  /* Three wait here. A submitter: alive > 0 or starting == 0. A thread's starter: one is in `free`
  ** or `ended`, or nall + making < alive + starting. A thread that ends: `started`. */
  struct ti_cond settled;
  /* waits for the end: all threads are in `ended`, or ti_pool_state_ended_locked */
  struct ti_cond all_ended;
  /* L: lists of pool threads; the last in `asleep` is woken first */
  struct ti_list free, asleep, ended;
  struct ti_pool_thread *all_threads; /* L: all of them */
  int nall, making;                   /* L: pool threads ever made, and those being made */
  const char *why;                    /* L; immutable once BROKEN: the reason */
  size_t whysize;                     /* the size of its block */
};

/* ------------------------------------------------------------ the rules -- */

/* Asserts the invariants. With TI_CHECKS only, as it reads more than its callers touch. */
#ifdef TI_CHECKS
void ti_pool_state_check_locked(const struct ti_pool *p);
#else
static inline void ti_pool_state_check_locked(const struct ti_pool *p) { (void)p; }
#endif
/* Returns whether more is queued than idle and fresh threads can take. */
bool ti_pool_state_short_locked(const struct ti_pool *p);
/* Returns whether more threads than max_workers can take tasks. */
bool ti_pool_state_over_limit_locked(const struct ti_pool *p);
/* Returns whether something is queued that no thread can serve: max_threads exist, and the task of
** each of them waits. */
bool ti_pool_state_unservable_locked(const struct ti_pool *p);
/* Begins a new turn, since a task begins or ends to wait: agreements of the threads are void. */
void ti_pool_state_turn_locked(struct ti_pool *p);
/* Sets `at_max_threads`. To be called when `alive` or `starting` has changed. */
void ti_pool_state_recount_locked(struct ti_pool *p);
/* Changes the count for `how` by `by`, and the turn. */
void ti_pool_state_count_locked(struct ti_pool *p, enum ti_pool_block how, int by);
/* Returns whether tasks are held back now. */
bool ti_pool_state_held_locked(const struct ti_pool *p);
#define POOL_HELD_SLICE 0.002 /* seconds until that is checked again */
/* Returns whether nothing is queued, or a thread is alive that can serve the queue. */
bool ti_pool_state_served_locked(const struct ti_pool *p);
/* Returns whether a thread is to be started for what is queued. */
bool ti_pool_state_needs_thread_locked(const struct ti_pool *p);
/* Returns whether something is queued and all idle threads sleep, so that one must be woken. */
bool ti_pool_state_needs_wake_locked(const struct ti_pool *p);
/* Returns whether a submit must wait for a free place. */
bool ti_pool_state_full_locked(const struct ti_pool *p);
/* Returns whether the pool is closed, all threads are joined, and no delivery is under way. */
bool ti_pool_state_ended_locked(const struct ti_pool *p);
/* If all idle threads sleep and something is queued, takes the one that went to sleep last off
** `asleep`, and returns it; else returns NULL. The caller, which holds a reference to the pool,
** calls ti_pool_state_notify once it has released the lock. The woken thread then need not wait for
** the lock. */
struct ti_pool_thread *ti_pool_state_pick_locked(struct ti_pool *p);
/* Takes the thread that went to sleep last off `asleep`, which is not empty, and returns it. */
struct ti_pool_thread *ti_pool_state_last_asleep_locked(struct ti_pool *p);
/* Wakes the thread; NULL is legal. */
void ti_pool_state_notify(struct ti_pool_thread *s);
/* Advances the wake sequence, which spinning threads read. */
void ti_pool_state_advance_wake_sequence(struct ti_pool *p);
/* Wakes all sleeping threads. */
void ti_pool_state_wake_all_locked(struct ti_pool *p);
/* Wakes a submitter that waits for a free place, since one task fewer is queued or running. */
void ti_pool_state_signal_not_full_locked(struct ti_pool *p);
/* Ends a delivery that was counted in `deliveries`. Takes the lock. */
void ti_pool_state_delivery_done(struct ti_pool *p);

TI_INTERNAL_END

#endif
