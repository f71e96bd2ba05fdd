/*
** sched/pool_cancel: cancelling and interrupting a pool's tasks.
**
** pool_state.h has the invariants and the lock. Signals are sent, and waiters notified, while no
** lock of the pool is held.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/pool_cancel.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "sched/pool_state.h"
#include "platform/mutex.h"
#include "platform/signal.h"

/* --------------------------------------------------------------- cancel -- */

/* Cancels t if it has not begun. Without `taken_too` a task that a worker took counts as begun.
** Returns whether it is cancelled now. */
static bool withdraw(struct ti_pool *p, struct ti_task *t, bool taken_too) {
  bool queued, ours;
  assert(t->home == &p->home);
  ti_mutex_lock(&p->lock);
  queued = ti_task_queue_remove(&p->queue, t);
  if (queued) {
    p->cancelled++;
    ti_pool_state_signal_not_full_locked(p);
  }
  ours = taken_too || t->place != TASK_TAKEN;
  /* a wait for the pool's end must find t done */
  if (ours) p->deliveries++;
  ti_pool_state_check_locked(p);
  ti_mutex_unlock(&p->lock);
  /* The caller that takes a task out of the queue decides what becomes of it. Another canceller may
  ** have taken it and not have cancelled it yet; the first of both calls cancels it. */
  if (ours) {
    ti_task_cancel(t);
    if (queued) ti_task_release(t); /* not the last: the caller has one */
    ti_pool_state_delivery_done(p);
  }
  return ti_task_state(t) == TIDE_CANCELLED;
}

bool ti_pool_cancel_task(struct ti_pool *p, struct ti_task *t) { return withdraw(p, t, false); }

/* ------------------------------------------------------------ interrupt -- */

int ti_pool_cancel_start_watchdog(struct ti_pool *p) {
  return ti_signal_set_left(&p->signals) ? ti_watchdog_start(&p->watchdog) : ENOTSUP;
}

size_t ti_pool_cancel_unreachable(struct ti_pool *p) {
  return ti_watchdog_unreachable(&p->watchdog);
}

bool ti_pool_cancel_interrupt(struct ti_pool *p, struct ti_task *t) {
  struct ti_stop_token *stop;
  if (withdraw(p, t, true)) return true;
  switch (ti_task_stop(t, TIDE_EINTERRUPTED, &stop)) {
    case STOP_REQUESTED:
    case STOP_ALREADY: return ti_watchdog_keep_signalling(&p->watchdog, stop);
    case STOP_LEFT: return true;
    default: /* it has ended, perhaps by an earlier request */
      return ti_task_state(t) == TIDE_FINISHED && ti_errcode_is_stop(t->outcome);
  }
}

/* Returns the next nested worker above w, or the first one of the next pool thread. */
static struct ti_nested_worker *next_worker_locked(struct ti_nested_worker *w) {
  if (w->above != NULL) return w->above;
  return w->thread->next != NULL ? &w->thread->next->base : NULL;
}

/* Returns a running task that was not interrupted yet, with a reference; or NULL. */
static struct ti_task *next_running(struct ti_pool *p) {
  struct ti_task *t = NULL;
  ti_mutex_lock(&p->lock);
  for (struct ti_nested_worker *w = p->all_threads != NULL ? &p->all_threads->base : NULL;
       w != NULL && t == NULL; w = next_worker_locked(w)) {
    if (w->task == NULL || w->interrupted) continue;
    t = ti_task_hold(w->task);
    w->interrupted = true;
  }
  ti_mutex_unlock(&p->lock);
  return t;
}

/* Requests the opening or closing of a worker to end, and returns its pinned token; or NULL. */
static struct ti_stop_token *next_opening_or_closing(struct ti_pool *p) {
  struct ti_stop_token *stop = NULL;
  ti_mutex_lock(&p->lock);
  p->interrupt_all = true; /* for workers that are opened or closed later */
  for (struct ti_nested_worker *w = p->all_threads != NULL ? &p->all_threads->base : NULL;
       w != NULL && stop == NULL; w = next_worker_locked(w)) {
    if (!w->opening_or_closing || ti_stop_token_requested(&w->stop) != TIDE_OK) continue;
    if (ti_stop_token_pin(&w->stop, TIDE_EINTERRUPTED) == STOP_REQUESTED) stop = &w->stop;
  }
  ti_mutex_unlock(&p->lock);
  return stop;
}

/* Appends a word to a text of `size` bytes, as far as it fits. */
static void append(char *text, size_t size, size_t *len, const char *word) {
  int n = snprintf(text + *len, size - *len, "%s%s", *len > 0 ? ", " : "", word);
  if (n > 0) *len = *len + (size_t)n < size ? *len + (size_t)n : size - 1;
}

size_t ti_pool_cancel_names(struct ti_pool *p, char *text, size_t size) {
  size_t n = 0, nameless = 0, len = 0;
  char words[32];
  text[0] = '\0';
  ti_mutex_lock(&p->lock);
  for (struct ti_nested_worker *w = p->all_threads != NULL ? &p->all_threads->base : NULL;
       w != NULL; w = next_worker_locked(w)) {
    const char *name = w->task != NULL ? ti_task_name(w->task) : NULL;
    if (w->task == NULL) continue;
    n++;
    if (name != NULL)
      append(text, size, &len, name);
    else
      nameless++;
  }
  ti_mutex_unlock(&p->lock);
  snprintf(words, sizeof words, "%zu without a name", nameless);
  if (nameless > 0) append(text, size, &len, words);
  return n;
}

void ti_pool_cancel_interrupt_all(struct ti_pool *p) {
  struct ti_task *t;
  struct ti_stop_token *stop;
  while ((t = next_running(p)) != NULL) {
    ti_pool_cancel_interrupt(p, t);
    ti_task_release(t);
  }
  while ((stop = next_opening_or_closing(p)) != NULL)
    ti_watchdog_keep_signalling(&p->watchdog, stop);
}
