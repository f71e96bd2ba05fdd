/*
** sched/waiter: how a thread sleeps until tasks are done.
**
** Terms
**   waiter       a lock and a condition on which one thread at a time sleeps: that of an owner's
**                lua_State, or a C thread
**   wait set     the tasks that it waits for; entries whose task is done join its `ready` list, in
**                that order
**   wait entry   one task in a wait set
**   completer    the thread that makes a task done; it wakes the sleeper only when the set on which
**                that sleeps has what it needs
**
** States of an entry:
**
**   idle -> on its task's list -> in flight -> arrived -> taken or cancelled: idle
**           (task's lock)         (completer)  (waiter's lock)
**
** ti_waiter_entry_cancel and ti_waiter_set_take return an entry only when no other thread can reach
** it any more. Until then entry, set and waiter must exist; afterwards all three may be freed at
** once. waiter.c says why.
**
** An entry is used by one thread at a time, that of its waiter. Locks: the waiter's lock is a leaf,
** never held together with another.
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

/* I: immutable; A: atomic; W: under the waiter's lock. */
struct ti_waiter {
  struct ti_mutex lock;
  /* A: advanced under the lock with each wake-up; spinning sleepers read it */
  atomic_size_t wake_sequence;
  struct ti_spin_wait spin; /* the sleeping thread's */
  /* I: its maker inits and finis it. In a forked child the waiter cannot be used. Empty for a
  ** waiter that exists for one wait only. */
  struct ti_fork_guard fork_guard;
  /* the `need` of a set became 0, or an entry arrived that a canceller waits for */
  struct ti_cond wake;
};

struct ti_wait_set {
  struct ti_waiter *waiter; /* I */
  /* the owner's alone: nanoseconds to spin before a sleep; 0: not at all */
  ti_time spin_time;
  struct ti_list ready; /* W: entries that arrived and were not taken */
  size_t nready;        /* W: how many these are */
  size_t nfailed;       /* W: how many of their tasks failed */
  size_t need;          /* W: how many more arrivals the sleeper waits for; 0: none */
  bool stop_on_failure; /* W: a failed task makes need 0 */
};

struct ti_wait_entry {
  /* on the task's list, then in set->ready (W) */
  struct ti_task_waiter waiter;
  struct ti_wait_set *set; /* I until it is idle; NULL while idle */
  /* I from start on; borrowed: the user of the entry holds a reference */
  struct ti_task *task;
  bool arrived; /* W */
  bool awaited; /* W: a canceller sleeps until it arrives */
  bool failure; /* W, until taken: the task failed (to be cancelled is no failure) */
};

/* Makes a waiter. Returns 0 or an errno code. */
int ti_waiter_init(struct ti_waiter *waiter);
void ti_waiter_fini(struct ti_waiter *waiter);

void ti_waiter_set_init(struct ti_wait_set *set, struct ti_waiter *waiter);

/* Makes an idle entry, which may be started or cancelled. */
void ti_waiter_entry_init(struct ti_wait_entry *w);
/* Adds an idle entry for t to the set. If t is done already, it arrives at once. The locks of
** waiter and task must not be held. Blocks for a moment at most. */
void ti_waiter_entry_start(struct ti_wait_entry *w, struct ti_task *t, struct ti_wait_set *set);
/* Makes the entry idle, whether it has arrived or not. Does nothing if it is idle. May wait for a
** completer that is about to deliver it. */
void ti_waiter_entry_cancel(struct ti_wait_entry *w);
/* Sleeps until `need` entries of the set are ready (taken ones do not count) or, with
** stop_on_failure, one of a failed task is. Returns false at the deadline. If the set has fewer
** entries, only the deadline ends the sleep. One sleeper for each waiter. */
bool ti_waiter_set_sleep(struct ti_wait_set *set, size_t need, bool stop_on_failure,
                         ti_time deadline);
/* Takes the entry that arrived first: it is idle and the caller's again. Returns NULL if there is
** none. Never blocks. */
struct ti_wait_entry *ti_waiter_set_take(struct ti_wait_set *set);

TI_INTERNAL_END

#endif
