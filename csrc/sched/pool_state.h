/*
** sched/pool_state: the fields of a pool, its invariants and its rules, for pool*.c alone.
**
** pool_state.c is the rules, pool.c what callers do, pool_cancel.c cancelling and interrupting,
** pool_threads.c the threads' life, pool_nested.c running a task. All of them keep these invariants
** whenever the lock is free (ti_pool_state_check_locked asserts them in builds with TI_CHECKS):
**
**   1  failed <= finished; what was ever submitted is queued, running, finished or cancelled
**   2  idle + fresh + leaving + running - waiting = alive + starting <= max_threads. A thread is
**      started only if alive + starting - away < max_workers, or if all of these rest and others
**      are away. A thread that is one too many, since another came back, ends instead of taking a
**      task. So max_workers tasks run at a time, except for the moments in which one comes back. A
**      thread decides under the lock to end as one too many, and is `leaving` from then on. Those
**      that are leaving do not count when the next one decides. So max_workers of them stay.
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

/* A worker of a thread and what it does. A task that waits for another one may have its thread run
** that meanwhile, in a worker of its own: the level above. Level 0 is part of the slot. */
struct ti_nested_worker {
  struct ti_stop_token stop;      /* asks the task to end; while `upkeep`, what the worker does */
  struct ti_pool_thread *thread;  /* I */
  struct ti_nested_worker *above; /* L: or NULL */
  struct ti_task *task;           /* L: what its worker runs, or NULL; the thread has a reference */
  void *worker;                   /* the thread's own; NULL: none is open */
  int depth;                      /* I: 0, 1, … */
  bool opening_or_closing;        /* L: its worker is opened or closed, and the stop is open */
  bool interrupted;               /* L: the task was interrupted by ti_pool_cancel_interrupt_all */
};

/* One thread's place; it outlives the thread and is used again, with its index. In the pool's
** `free` (no thread), or its thread is alive (in `asleep` while it sleeps), or in `ended`. */
struct ti_pool_thread {
  struct ti_list_node link;       /* L: in free, asleep or ended */
  struct ti_pool *pool;           /* I */
  struct ti_thread thread;        /* L: valid if `running` or `started` */
  int index;                      /* I: the least that was free */
  struct ti_cond wake;            /* `woken` */
  struct ti_pool_thread *next;    /* L: in the list of all slots */
  struct ti_signal_target target; /* stops of all levels */
  struct ti_nested_worker base;   /* its worker, and those above */
  bool started;             /* L: the starter is done with this slot, and `thread` is not joined */
  bool running;             /* L: the thread has begun, and not ended; perhaps before `started` */
  struct ti_spin_wait spin; /* the thread's own */
  bool woken;               /* L: taken off `asleep` by who woke it */
  size_t seen, agreed;      /* L: `turn` at its last ti_pool_agree, and when it last agreed */
};

/* Bytes that processors pass each other as one. Taking a line that another one wrote last costs
** more than most of what is done here, so what each submit and each worker write lies in few
** lines, and nothing else in these. */
#define POOL_LINE 64

#define POOL_TASK (UINT64_C(1) << 24) /* so up to 2^24 other references, and 2^40 tasks */

struct ti_pool {
  /* Two lines: all that submitting and taking a task write. */
  _Alignas(POOL_LINE) struct ti_mutex lock;
  enum ti_pool_phase state;    /* L */
  int idle;                    /* L: threads with no task, asleep or on their way to look for one */
  int nasleep;                 /* L: idle ones in `asleep` */
  int spinners;                /* L: idle threads that spin on `rung` */
  struct ti_task_queue queue;  /* L */
  atomic_size_t wake_sequence; /* A: raised when a task is queued or the pool ends */

  /* What workers write when a task is done. */
  _Alignas(POOL_LINE) size_t running; /* L: tasks taken by a worker */
  size_t finished, failed, cancelled; /* L */

  /* Read by each submit, written when threads come and go. */
  _Alignas(POOL_LINE) int alive; /* L: threads that run, from their start to their last look */
  int starting;                  /* L: threads being made */
  int fresh;                     /* L: those of both that have not opened their worker yet */
  int leaving;                   /* L: those that have decided to end */
  int waiting_submitters;        /* L: submitters that wait for room */
  int blocked;                   /* L: threads whose task waits for something out of their reach */
  int on_running;                /* L: those whose task waits for one that runs on another thread */
  size_t waiting;                /* L: tasks that wait for one that their thread runs meanwhile */
  atomic_bool crowded;           /* A: written under the lock: alive + starting = max_threads */
  size_t turn;                   /* L: raised when a task begins or ends to wait; never 0 */
  int nagreed;                   /* L: slots whose `agreed` is `turn` */
  size_t threads;                /* L: being made, alive, or not joined yet */
  size_t deliveries;             /* L: deliveries under way that a wait must not overtake */

  /* Submitters: references and memory of tasks. */
  _Alignas(
      POOL_LINE) _Atomic uint64_t refs; /* A: POOL_TASK for each task's, 1 for each other one */
  struct ti_byte_lock tasks_lock;       /* a leaf */
  struct ti_slab tasks;                 /* tasks_lock: the memory of the tasks */

  _Alignas(POOL_LINE) struct ti_task_home home; /* I: of its tasks */
  const struct ti_alloc *mem;                   /* I */
  struct ti_pool_runner runner;                 /* I */
  void *ud;                                     /* I */
  struct ti_fork_guard fork_guard;              /* I: lost: no thread of this pool is here */
  struct ti_pool_config cfg;                    /* I; cfg.name is owned */
  void *block;                                  /* I: the memory that this struct was cut from */
  bool interrupt_all;                           /* L: ti_pool_cancel_interrupt_all was called */
  struct ti_signal_set signals;                 /* by which its threads are reached */
  struct ti_watchdog watchdog;                  /* has a lock of its own */
  sigset_t child_mask;    /* I: what programs begin with that its threads start */
  struct ti_cond room;    /* blocked submitters: the queue is not full, or the pool not open */
  struct ti_cond settled; /* submitters: alive > 0, or starting == 0; those who start a thread:
                           ** one is in `free` or `ended`, or nslots + making < alive + starting; a
                           ** thread that ends: its slot is `started` */
  struct ti_cond quiet;   /* waiters: all threads are in `ended`, or ti_pool_state_ended_locked */
  struct ti_list free, asleep, ended; /* L: slots; asleep: who went to sleep last is woken first */
  struct ti_pool_thread *all_threads; /* L: all of them */
  int nall, making;                   /* L: slots ever made, and those being made */
  const char *why;                    /* L, I once BROKEN: its message */
  size_t whysize;                     /* the size of its block */
};

/* ------------------------------------------------------------ the rules -- */

/* Asserts the invariants; with TI_CHECKS only, as it looks at more than its callers touch. */
#ifdef TI_CHECKS
void ti_pool_state_check_locked(const struct ti_pool *p);
#else
static inline void ti_pool_state_check_locked(const struct ti_pool *p) { (void)p; }
#endif
/* More is queued than the threads that are idle, or soon will be, can take. */
bool ti_pool_state_short_locked(const struct ti_pool *p);
/* More threads than max_workers can take tasks. */
bool ti_pool_state_over_limit_locked(const struct ti_pool *p);
/* Something is queued, max_threads are there, and the task of each waits. */
bool ti_pool_state_stranded_locked(const struct ti_pool *p);
/* A task begins to wait, or goes on: what the threads agreed on holds no more. */
void ti_pool_state_turn_locked(struct ti_pool *p);
/* To be called when alive or starting has changed: sets `crowded`. */
void ti_pool_state_recount_locked(struct ti_pool *p);
/* Changes the count of what `how` is. */
void ti_pool_state_count_locked(struct ti_pool *p, enum ti_pool_block how, int by);
/* Tasks are held back now. */
bool ti_pool_state_held_locked(const struct ti_pool *p);
#define POOL_HELD_SLICE 0.002 /* seconds until that is asked again */
/* Nothing is queued, or a thread is alive whose task does not wait for something out of reach. */
bool ti_pool_state_served_locked(const struct ti_pool *p);
/* A thread for what is queued may be started. */
bool ti_pool_state_wanting_locked(const struct ti_pool *p);
/* Something is queued, and all idle threads sleep. */
bool ti_pool_state_sleepy_locked(const struct ti_pool *p);
bool ti_pool_state_full_locked(const struct ti_pool *p);
/* Closed, and nothing is left to happen. */
bool ti_pool_state_ended_locked(const struct ti_pool *p);
/* If the pool is sleepy, takes the thread that went to sleep last off `asleep`: awake from now on.
** The caller, who holds a reference to the pool, rings it once it has let the lock go: the woken
** thread need not wait for the lock then. NULL: nobody is to be rung. */
struct ti_pool_thread *ti_pool_state_pick_locked(struct ti_pool *p);
/* Takes the thread that went to sleep last off `asleep`, of which there is one. */
struct ti_pool_thread *ti_pool_state_last_asleep_locked(struct ti_pool *p);
void ti_pool_state_notify(struct ti_pool_thread *s); /* NULL is legal */
/* There is news for idle threads: raises `rung`. */
void ti_pool_state_advance_wake_sequence(struct ti_pool *p);
/* Wakes all. */
void ti_pool_state_wake_all_locked(struct ti_pool *p);
/* One task fewer is queued or running: a blocked submitter may go on. */
void ti_pool_state_room_locked(struct ti_pool *p);
/* A delivery that was counted in `errands` has been made. */
void ti_pool_state_delivery_done(struct ti_pool *p);

TI_INTERNAL_END

#endif
