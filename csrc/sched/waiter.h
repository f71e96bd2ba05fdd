/*
** sched/waiter: the one place where an owner sleeps.
**
** A mailbox is a lock and a condition that belong to one waiting thread at a
** time (an owner's lua_State, or a C thread). A mailset is a set of watched tasks
** inside it: each watch moves to `ready` when its task is done, in that order.
** The worker that completes a task wakes the sleeper only when the set it
** sleeps on has what it needs.
**
** A watch goes IDLE -> on its task's list (guarded by the task's lock) -> flying
** (taken off by the completer, which then touches the mailbox) -> arrived
** (guarded by the mailbox's lock) -> taken or cancelled: IDLE again. ti_waiter_entry_cancel
** and ti_waiter_set_take return a watch only when no other thread can reach it any more;
** until then watch, set and mailbox stay alive. Afterwards all three may be freed at
** once: a completer wakes while it holds the box's lock, so who sees `arrived` under
** that lock knows that the completer has nothing left to do there but to let it go.
** A watch has one user thread at a time: whose mailbox it is.
**
** Lock order: the box's lock is a leaf; it is never held together with another.
**
** SPDX-License-Identifier: MIT
*/
#ifndef TI_SCHED_WAITER_H
#define TI_SCHED_WAITER_H

#include "sched/task.h"
#include "util/list.h"
#include "platform/fork_guard.h"
#include "util/spin_wait.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"

TI_INTERNAL_BEGIN

struct ti_waiter {
  struct ti_mutex lock;
  atomic_size_t
      wake_sequence;        /* A: raised, under lock, with each wake; what the sleeper spins on */
  struct ti_spin_wait spin; /* the sleeper's */
  struct ti_fork_guard
      fork_guard;      /* I: its maker's to init and fini; lost: it cannot be used. None: one that
                        ** lives for a wait only, on a stack */
  struct ti_cond wake; /* a set's `need` became 0, or a watch arrived that a canceller waits for */
};

struct ti_wait_set {
  struct ti_waiter *waiter; /* I */
  ti_time spin_time;        /* the owner's: how long to look before sleeping; 0: not at all */
  struct ti_list ready;     /* waiter lock: watches that arrived and were not taken */
  size_t nready;            /* waiter lock: their number */
  size_t nfailed;           /* waiter lock: those of them whose task failed */
  size_t need;              /* waiter lock: how many more arrivals the sleeper waits for; 0: none */
  bool stop_on_failure;     /* waiter lock: a failed task makes need 0 */
};

struct ti_wait_entry {
  struct ti_task_waiter waiter; /* on the task's list, then linked in set->ready (waiter lock) */
  struct ti_wait_set *set;      /* I while watching; NULL while idle */
  struct ti_task *task;         /* I from start on; borrowed: the user of the watch holds it */
  bool arrived;                 /* waiter lock */
  bool awaited;                 /* waiter lock: a canceller sleeps until it arrives */
  bool failure; /* waiter lock, until taken: the task failed (cancelled is no failure) */
};

int ti_waiter_init(struct ti_waiter *waiter); /* 0 or errno */
void ti_waiter_fini(struct ti_waiter *waiter);

void ti_waiter_set_init(struct ti_wait_set *set, struct ti_waiter *waiter);

/* Makes it idle: legal to start, and to cancel. */
void ti_waiter_entry_init(struct ti_wait_entry *w);
/* Starts watching with an idle watch. A task that is done already arrives at once. The box's and
** the task's locks must not be held. Never blocks for long. */
void ti_waiter_entry_start(struct ti_wait_entry *w, struct ti_task *t, struct ti_wait_set *set);
/* Ends watching, arrived or not; nothing to do for an idle watch (never started, cancelled,
** taken). May wait for a completer that is just delivering it. */
void ti_waiter_entry_cancel(struct ti_wait_entry *w);
/* Sleeps until `need` watches of the set are ready (taken ones do not count) or, with
** stop_on_failure, a failed one is; false if the deadline passed first. The set must have
** that many, or the deadline is all that ends the sleep. One sleeper per mailbox. */
bool ti_waiter_set_sleep(struct ti_wait_set *set, size_t need, bool stop_on_failure,
                         ti_time deadline);
/* The watch that arrived first, idle again and the caller's; or NULL. Never blocks. */
struct ti_wait_entry *ti_waiter_set_take(struct ti_wait_set *set);

TI_INTERNAL_END

#endif
