/*
** tidepool, floor 1: pool_stop, cancelling and interrupting a pool's tasks.
**
** Invariants and lock: pool_own.h. Signals are sent, and watches delivered, with no lock of the pool.
**
** SPDX-License-Identifier: MIT
*/
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "pool_own.h"

/* --------------------------------------------------------------- cancel -- */

/* Cancels t if it has not begun. Without `taken_too` one that a worker took counts as begun. True if
** it is cancelled now. */
static bool withdraw(struct pool *p, struct task *t, bool taken_too) {
  bool queued, ours;
  assert(t->pool == p);
  tide_lock_take(&p->lock);
  queued = tide_queue_remove(&p->queue, t);
  if (queued) {
    p->cancelled++;
    tide_pool_room_locked(p);
  }
  ours = taken_too || t->place != TASK_TAKEN;
  if (ours) p->errands++; /* who waits for the pool's end finds t done */
  tide_pool_check_locked(p);
  tide_lock_drop(&p->lock);
  /* Who takes a task out of the queue decides its fate. Another canceller may have taken it
  ** and not have cancelled it yet: whichever of us is first does it, for both. */
  if (ours) {
    tide_task_cancel(t);
    if (queued) tide_task_rele(t); /* not the last: the caller has one */
    tide_pool_errand_done(p);
  }
  return tide_task_state(t) == TASK_CANCELLED;
}

bool tide_pool_cancel(struct pool *p, struct task *t) { return withdraw(p, t, false); }

/* ------------------------------------------------------------ interrupt -- */

int tide_pool_watch(struct pool *p) {
  return tide_signals_left(&p->signals) ? tide_watchdog_start(&p->dog) : ENOTSUP;
}

size_t tide_pool_unreachable(struct pool *p) { return tide_watchdog_mute(&p->dog); }

bool tide_pool_interrupt(struct pool *p, struct task *t) {
  struct stop *stop;
  if (withdraw(p, t, true)) return true;
  switch (tide_task_stop(t, FAULT_INTERRUPTED, &stop)) {
    case STOP_TOLD:
    case STOP_KNOWN: return tide_watchdog_chase(&p->dog, stop);
    case STOP_PAST: return true;
    default: /* it has ended, perhaps by an earlier stop */
      return tide_task_state(t) == TASK_FINISHED && tide_fault_stops(t->outcome);
  }
}

/* The next level above l, or of the next slot. */
static struct level *next_level_locked(struct level *l) {
  if (l->above != NULL) return l->above;
  return l->slot->next != NULL ? &l->slot->next->base : NULL;
}

/* A running task that was not told yet, with a reference; or NULL. */
static struct task *next_running(struct pool *p) {
  struct task *t = NULL;
  tide_lock_take(&p->lock);
  for (struct level *l = p->slots != NULL ? &p->slots->base : NULL; l != NULL && t == NULL;
       l = next_level_locked(l)) {
    if (l->task == NULL || l->told) continue;
    t = tide_task_hold(l->task);
    l->told = true;
  }
  tide_lock_drop(&p->lock);
  return t;
}

/* The stop of a worker that is opened or closed, asked now; or NULL. */
static struct stop *next_upkeep(struct pool *p) {
  struct stop *stop = NULL;
  tide_lock_take(&p->lock);
  p->haste = true; /* for those whose upkeep begins later */
  for (struct level *l = p->slots != NULL ? &p->slots->base : NULL; l != NULL && stop == NULL;
       l = next_level_locked(l)) {
    if (!l->upkeep || tide_stop_asked(&l->stop) != FAULT_NONE) continue;
    if (tide_stop_visit(&l->stop, FAULT_INTERRUPTED) == STOP_TOLD) stop = &l->stop;
  }
  tide_lock_drop(&p->lock);
  return stop;
}

/* Appends to a text of `size` bytes, as far as there is room. */
static void append(char *text, size_t size, size_t *len, const char *word) {
  int n = snprintf(text + *len, size - *len, "%s%s", *len > 0 ? ", " : "", word);
  if (n > 0) *len = *len + (size_t)n < size ? *len + (size_t)n : size - 1;
}

size_t tide_pool_names(struct pool *p, char *text, size_t size) {
  size_t n = 0, nameless = 0, len = 0;
  char words[32];
  text[0] = '\0';
  tide_lock_take(&p->lock);
  for (struct level *l = p->slots != NULL ? &p->slots->base : NULL; l != NULL;
       l = next_level_locked(l)) {
    const char *name = l->task != NULL ? tide_task_name(l->task) : NULL;
    if (l->task == NULL) continue;
    n++;
    if (name != NULL)
      append(text, size, &len, name);
    else
      nameless++;
  }
  tide_lock_drop(&p->lock);
  snprintf(words, sizeof words, "%zu without a name", nameless);
  if (nameless > 0) append(text, size, &len, words);
  return n;
}

void tide_pool_interruptall(struct pool *p) {
  struct task *t;
  struct stop *stop;
  while ((t = next_running(p)) != NULL) {
    tide_pool_interrupt(p, t);
    tide_task_rele(t);
  }
  while ((stop = next_upkeep(p)) != NULL) tide_watchdog_chase(&p->dog, stop);
}
