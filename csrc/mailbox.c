/*
** tidepool, floor 1: mailbox, the one place where an owner sleeps.
**
** Why a cancelled watch, its set and its mailbox may be freed at once: a watch that
** is still on its task's list is taken off under the task's lock, and no completer will
** ever find it. One that is not is in the hands of a completer, and the canceller
** sleeps until it has arrived. The completer sets `arrived`, and wakes, under the
** box's lock; letting that lock go is the last it does with any of the three.
**
** SPDX-License-Identifier: MIT
*/
#include "mailbox.h"

#include <assert.h>

#include "task.h"

int tide_mailbox_init(struct mailbox *box) {
  int err = tide_lock_init(&box->lock);
  if (err != 0) return err;
  atomic_init(&box->rung, 0);
  box->mark.page = NULL;
  box->mark.pid = 0;
  tide_spin_init(&box->spin);
  box->spin.skip = box->spin.last = 1; /* states that wait but once do not look first */
  err = tide_cond_init(&box->wake);
  if (err != 0) tide_lock_fini(&box->lock);
  return err;
}

void tide_mailbox_fini(struct mailbox *box) {
  tide_cond_fini(&box->wake);
  tide_lock_fini(&box->lock);
}

void tide_mailset_init(struct mailset *set, struct mailbox *box) {
  set->box = box;
  set->spin_time = SPIN_TIME;
  fifo_init(&set->ready);
  set->nready = set->nfailed = set->need = 0;
  set->stop_on_failure = false;
}

/* --------------------------------------------------------------- watch -- */

void tide_watch_init(struct watch *w) {
  fifo_node_init(&w->link);
  w->set = NULL;
  w->task = NULL;
  w->on_task = w->arrived = w->awaited = w->failure = false;
}

void tide_watch_start(struct watch *w, struct task *t, struct mailset *set) {
  tide_watch_init(w);
  w->set = set;
  w->task = t;
  /* one that is done needs no lock, which in a child that was forked may be held for ever */
  if (tide_task_done(t) || !tide_task_addwatch(t, w))
    tide_watch_deliver(w, tide_task_state(t) == TASK_FINISHED && t->outcome != FAULT_NONE);
}

void tide_watch_deliver(struct watch *w, bool failure) {
  struct mailset *set = w->set;
  struct mailbox *box = set->box;
  bool wake;
  if (tide_mark_lost(&box->mark)) return; /* a child set a promise that its parent waits for */
  tide_lock_take(&box->lock);
  assert(!w->arrived && !w->on_task);
  wake = w->awaited;
  w->arrived = true;
  w->failure = failure;
  fifo_push(&set->ready, &w->link);
  set->nready++;
  if (failure) set->nfailed++;
  if (set->need > 0) {
    set->need = failure && set->stop_on_failure ? 0 : set->need - 1;
    wake = wake || set->need == 0;
  }
  /* under the lock: once it is free, the owner may be gone with its mailbox */
  if (wake) {
    atomic_fetch_add_explicit(&box->rung, 1, memory_order_relaxed);
    tide_cond_signal(&box->wake);
  }
  tide_lock_drop(&box->lock);
}

/* Takes an arrived watch out of its set. */
static void leave_locked(struct watch *w) {
  struct mailset *set = w->set;
  fifo_remove(&w->link);
  assert(set->nready > 0 && set->nfailed >= w->failure);
  set->nready--;
  if (w->failure) set->nfailed--;
  w->set = NULL;
}

void tide_watch_cancel(struct watch *w) {
  struct mailbox *box;
  if (w->set == NULL) return;
  if (tide_task_dropwatch(w->task, w)) {
    w->set = NULL;
    return;
  }
  box = w->set->box;
  tide_lock_take(&box->lock);
  /* predicate: arrived; the completer has it and needs nothing but this lock */
  w->awaited = true;
  while (!w->arrived) tide_cond_wait(&box->wake, &box->lock, SYS_NEVER);
  leave_locked(w);
  tide_lock_drop(&box->lock);
}

/* ------------------------------------------------------------- mailset -- */

/* Looks for a while whether somebody rang. */
static void look(struct mailbox *box, sys_time time, size_t rung) {
  struct look k;
  bool found;
  if (!tide_spin_start(&box->spin, time, &k)) return;
  do found = atomic_load_explicit(&box->rung, memory_order_relaxed) != rung;
  while (!found && tide_spin_again(&k));
  tide_spin_stop(&box->spin, found);
}

bool tide_mailset_sleep(struct mailset *set, size_t need, bool stop_on_failure, sys_time deadline) {
  struct mailbox *box = set->box;
  bool come = true;
  tide_lock_take(&box->lock);
  if (set->nready < need && !(stop_on_failure && set->nfailed > 0)) {
    set->need = need - set->nready;
    set->stop_on_failure = stop_on_failure;
    if (deadline != 0) {
      size_t rung = atomic_load_explicit(&box->rung, memory_order_relaxed);
      tide_lock_drop(&box->lock);
      look(box, set->spin_time, rung);
      tide_lock_take(&box->lock);
    }
    if (set->need > 0 && deadline != 0) {
      sys_time began = tide_spin_sleep(&box->spin);
      /* predicate: need == 0 */
      while (set->need > 0 && tide_cond_wait(&box->wake, &box->lock, deadline)) {}
      if (set->need == 0) tide_spin_woke(&box->spin, began);
    }
    come = set->need == 0;
    set->need = 0;
  }
  tide_lock_drop(&box->lock);
  return come;
}

struct watch *tide_mailset_take(struct mailset *set) {
  struct fifo_node *n;
  struct watch *w = NULL;
  tide_lock_take(&set->box->lock);
  n = fifo_peek(&set->ready);
  if (n != NULL) {
    w = TIDE_CONTAINER(n, struct watch, link);
    leave_locked(w);
  }
  tide_lock_drop(&set->box->lock);
  return w;
}
