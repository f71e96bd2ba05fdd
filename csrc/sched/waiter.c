/*
** sched/waiter: how a thread sleeps until tasks are done.
**
** Why a cancelled entry, its set and its waiter may be freed at once: an entry that is still on its
** task's list is taken off under the task's lock, and no completer will find it. Any other entry is
** in flight, and the canceller sleeps until it has arrived. The completer sets `arrived`, and
** wakes, under the waiter's lock. Releasing that lock is the last thing it does with any of the
** three.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/waiter.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"

#include <assert.h>

int ti_waiter_init(struct ti_waiter *waiter) {
  int err = ti_mutex_init(&waiter->lock);
  if (err != 0) return err;
  atomic_init(&waiter->wake_sequence, 0);
  waiter->fork_guard.page = NULL;
  waiter->fork_guard.pid = 0;
  ti_spin_wait_init(&waiter->spin);
  waiter->spin.skip = waiter->spin.last = 1; /* a state's first wait does not spin */
  err = ti_cond_init(&waiter->wake);
  if (err != 0) ti_mutex_fini(&waiter->lock);
  return err;
}

void ti_waiter_fini(struct ti_waiter *waiter) {
  ti_cond_fini(&waiter->wake);
  ti_mutex_fini(&waiter->lock);
}

void ti_waiter_set_init(struct ti_wait_set *set, struct ti_waiter *waiter) {
  set->waiter = waiter;
  set->spin_time = SPIN_TIME;
  ti_list_init(&set->ready);
  set->nready = set->nfailed = set->need = 0;
  set->stop_on_failure = false;
}

/* -------------------------------------------------------------- entry -- */

void ti_waiter_entry_init(struct ti_wait_entry *w) {
  ti_list_node_init(&w->waiter.link);
  w->set = NULL;
  w->task = NULL;
  w->waiter.on_task = w->arrived = w->awaited = w->failure = false;
}

/* Delivers the entry, since its task is done. The completer does not access it once the lock is
** free. */
static void arrive(struct ti_task_waiter *node, bool failure) {
  struct ti_wait_entry *w = TI_CONTAINER(node, struct ti_wait_entry, waiter);
  struct ti_wait_set *set = w->set;
  struct ti_waiter *waiter = set->waiter;
  bool wake;
  if (ti_fork_guard_forked(&waiter->fork_guard))
    return; /* a forked child set a promise that its parent waits for */
  ti_mutex_lock(&waiter->lock);
  assert(!w->arrived && !node->on_task);
  wake = w->awaited;
  w->arrived = true;
  w->failure = failure;
  ti_list_push(&set->ready, &node->link);
  set->nready++;
  if (failure) set->nfailed++;
  if (set->need > 0) {
    set->need = failure && set->stop_on_failure ? 0 : set->need - 1;
    wake = wake || set->need == 0;
  }
  /* under the lock: once that is free, the waiter and its owner may be gone */
  if (wake) {
    atomic_fetch_add_explicit(&waiter->wake_sequence, 1, memory_order_relaxed);
    ti_cond_signal(&waiter->wake);
  }
  ti_mutex_unlock(&waiter->lock);
}

void ti_waiter_entry_start(struct ti_wait_entry *w, struct ti_task *t, struct ti_wait_set *set) {
  ti_waiter_entry_init(w);
  w->set = set;
  w->task = t;
  w->waiter.notify = arrive;
  /* a done task needs no lock, which in a forked child may be held for ever */
  if (ti_task_done(t) || !ti_task_add_waiter(t, &w->waiter))
    arrive(&w->waiter, ti_task_state(t) == TIDE_FINISHED && t->outcome != TIDE_OK);
}

/* Takes an arrived entry out of its set. */
static void leave_locked(struct ti_wait_entry *w) {
  struct ti_wait_set *set = w->set;
  ti_list_remove(&w->waiter.link);
  assert(set->nready > 0 && set->nfailed >= w->failure);
  set->nready--;
  if (w->failure) set->nfailed--;
  w->set = NULL;
}

void ti_waiter_entry_cancel(struct ti_wait_entry *w) {
  struct ti_waiter *waiter;
  if (w->set == NULL) return;
  if (ti_task_remove_waiter(w->task, &w->waiter)) {
    w->set = NULL;
    return;
  }
  waiter = w->set->waiter;
  ti_mutex_lock(&waiter->lock);
  /* predicate: arrived; the completer needs nothing but this lock */
  w->awaited = true;
  while (!w->arrived) ti_cond_wait(&waiter->wake, &waiter->lock, TI_CLOCK_NEVER);
  leave_locked(w);
  ti_mutex_unlock(&waiter->lock);
}

/* ----------------------------------------------------------------- set -- */

/* Spins until the wake sequence differs from `seen`, or the time has passed. */
static void spin(struct ti_waiter *waiter, ti_time time, size_t seen) {
  struct ti_spin_loop k;
  bool found;
  if (!ti_spin_wait_start(&waiter->spin, time, &k)) return;
  do found = atomic_load_explicit(&waiter->wake_sequence, memory_order_relaxed) != seen;
  while (!found && ti_spin_wait_again(&k));
  ti_spin_wait_stop(&waiter->spin, found);
}

bool ti_waiter_set_sleep(struct ti_wait_set *set, size_t need, bool stop_on_failure,
                         ti_time deadline) {
  struct ti_waiter *waiter = set->waiter;
  bool enough = true;
  ti_mutex_lock(&waiter->lock);
  if (set->nready < need && !(stop_on_failure && set->nfailed > 0)) {
    set->need = need - set->nready;
    set->stop_on_failure = stop_on_failure;
    if (deadline != 0) {
      size_t seen = atomic_load_explicit(&waiter->wake_sequence, memory_order_relaxed);
      ti_mutex_unlock(&waiter->lock);
      spin(waiter, set->spin_time, seen);
      ti_mutex_lock(&waiter->lock);
    }
    if (set->need > 0 && deadline != 0) {
      ti_time began = ti_spin_wait_sleep(&waiter->spin);
      /* predicate: need == 0 */
      while (set->need > 0 && ti_cond_wait(&waiter->wake, &waiter->lock, deadline)) {}
      if (set->need == 0) ti_spin_wait_woke(&waiter->spin, began);
    }
    enough = set->need == 0;
    set->need = 0;
  }
  ti_mutex_unlock(&waiter->lock);
  return enough;
}

struct ti_wait_entry *ti_waiter_set_take(struct ti_wait_set *set) {
  struct ti_list_node *n;
  struct ti_wait_entry *w = NULL;
  ti_mutex_lock(&set->waiter->lock);
  n = ti_list_peek(&set->ready);
  if (n != NULL) {
    w = TI_CONTAINER(n, struct ti_wait_entry, waiter.link);
    leave_locked(w);
  }
  ti_mutex_unlock(&set->waiter->lock);
  return w;
}
