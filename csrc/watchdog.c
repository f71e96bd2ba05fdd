/*
** tidepool, floor 1: watchdog, a thread that sees to deadlines of running tasks.
**
** SPDX-License-Identifier: MIT
*/
#include "watchdog.h"

#include <assert.h>

/* Between two signals for the same task, in ns. */
#define INTERVAL ((sys_time)5 * 1000 * 1000)

int tide_watchdog_init(struct watchdog *w) {
  int err = tide_lock_init(&w->lock);
  if (err != 0) return err;
  err = tide_cond_init(&w->news);
  if (err != 0) {
    tide_lock_fini(&w->lock);
    return err;
  }
  fifo_init(&w->list);
  w->next = SYS_NEVER;
  w->state = WATCHDOG_NONE;
  w->ending = false;
  return 0;
}

void tide_watchdog_fini(struct watchdog *w) {
  assert(fifo_empty(&w->list) && w->state == WATCHDOG_NONE);
  tide_cond_fini(&w->news);
  tide_lock_fini(&w->lock);
}

/* Looks, after a signal that was not heard, until it counts as lost. */
enum { LOST = 20 };

/* One at a time, for real-time signals pile up. If there is no room for a signal now, the next
** look rings again; one that is lost only takes longer. False: the program has all signals that
** the thread takes. */
static bool ring_locked(struct bell *b) {
  int sig =
      b->signals != NULL
          ? tide_signals_find(b->signals, atomic_load_explicit(&b->open, memory_order_acquire))
          : 0;
  b->mute = sig == 0;
  if (sig == 0) return false;
  if (!atomic_load_explicit(&b->heard, memory_order_relaxed) && sig == b->sent &&
      ++b->unheard < LOST)
    return true;
  b->unheard = 0;
  b->rung = true;
  b->sent = sig;
  atomic_store_explicit(&b->heard, false, memory_order_relaxed); /* before the handler can run */
  if (tide_thread_signal(&b->thread, sig) != 0)
    atomic_store_explicit(&b->heard, true, memory_order_relaxed);
  return true;
}

/* Asks and rings those that are due; answers when the next one is. */
static sys_time look_locked(struct watchdog *w) {
  sys_time now = tide_now(), next = SYS_NEVER;
  for (struct fifo_node *n = w->list.head.next; n != &w->list.head; n = n->next) {
    struct stop *s = TIDE_CONTAINER(n, struct stop, link);
    if (s->due <= now) {
      tide_stop_ask(s, s->kind); /* false: it was asked before, or it is closed and will leave */
      if (tide_stop_asked(s) != FAULT_NONE) ring_locked(s->bell);
      s->due = now + INTERVAL;
    }
    if (s->due < next) next = s->due;
  }
  return next;
}

static void *watch(void *arg) {
  struct watchdog *w = (struct watchdog *)arg;
  tide_thread_setname("tide_watchdog");
  tide_lock_take(&w->lock);
  while (!w->ending) {
    w->next = look_locked(w);
    /* predicate: what is due, and `ending`; both are looked at again */
    tide_cond_wait(&w->news, &w->lock, w->next);
  }
  tide_lock_drop(&w->lock);
  return NULL;
}

int tide_watchdog_start(struct watchdog *w) {
  struct sys_thread thread;
  bool mine;
  int err;
  tide_lock_take(&w->lock);
  /* predicate: not STARTING. Should that fail, it is tried once more for this caller. */
  while (w->state == WATCHDOG_STARTING) tide_cond_wait(&w->news, &w->lock, SYS_NEVER);
  mine = w->state == WATCHDOG_NONE;
  if (mine) w->state = WATCHDOG_STARTING;
  tide_lock_drop(&w->lock);
  if (!mine) return 0;
  err = tide_thread_start(&thread, 0, watch, w);
  tide_lock_take(&w->lock);
  w->state = err == 0 ? WATCHDOG_RUNNING : WATCHDOG_NONE;
  if (err == 0) w->thread = thread;
  tide_cond_broadcast(&w->news);
  tide_lock_drop(&w->lock);
  return err;
}

void tide_watchdog_end(struct watchdog *w) {
  struct sys_thread thread;
  bool mine;
  tide_lock_take(&w->lock);
  /* predicate: not STARTING. Its thread sleeps on `news` too, and looks again. */
  while (w->state == WATCHDOG_STARTING) tide_cond_wait(&w->news, &w->lock, SYS_NEVER);
  mine = w->state == WATCHDOG_RUNNING && !w->ending;
  if (mine) {
    w->ending = true;
    thread = w->thread;
    tide_cond_broadcast(&w->news);
  }
  tide_lock_drop(&w->lock);
  if (!mine) return;
  tide_thread_join(&thread);
  tide_lock_take(&w->lock);
  w->state = WATCHDOG_NONE;
  w->ending = false;
  tide_lock_drop(&w->lock);
}

static void enter_locked(struct watchdog *w, struct stop *s, sys_time due) {
  bool linked = fifo_linked(&s->link);
  if (!linked) fifo_push(&w->list, &s->link);
  if (!linked || due < s->due) s->due = due;
  if (due < w->next) tide_cond_broadcast(&w->news);
}

void tide_watchdog_limit(struct watchdog *w, struct stop *s, sys_time due, int kind) {
  tide_lock_take(&w->lock);
  s->kind = kind;
  enter_locked(w, s, due);
  tide_lock_drop(&w->lock);
}

bool tide_watchdog_chase(struct watchdog *w, struct stop *s) {
  bool rung;
  (void)tide_watchdog_start(w); /* without it there is this one signal, which mostly does */
  tide_lock_take(&w->lock);
  rung = ring_locked(s->bell);
  enter_locked(w, s, tide_now() + INTERVAL);
  tide_lock_drop(&w->lock);
  tide_stop_part(s);
  return rung;
}

size_t tide_watchdog_mute(struct watchdog *w) {
  size_t n = 0;
  tide_lock_take(&w->lock);
  for (const struct fifo_node *f = w->list.head.next; f != &w->list.head; f = f->next) {
    const struct stop *s = TIDE_CONTAINER(f, const struct stop, link);
    if (s->bell->mute && tide_stop_asked(s) != FAULT_NONE) n++;
  }
  tide_lock_drop(&w->lock);
  return n;
}

void tide_watchdog_follow(struct stop *s) {
  struct watchdog *w = s->bell->dog;
  if (w == NULL) return;
  (void)tide_watchdog_start(w);
  tide_lock_take(&w->lock);
  enter_locked(w, s, tide_now() + INTERVAL);
  tide_lock_drop(&w->lock);
}

void tide_watchdog_leave(struct watchdog *w, struct stop *s) {
  bool rung;
  tide_stop_leaves(s);
  tide_lock_take(&w->lock);
  if (fifo_linked(&s->link)) fifo_remove(&s->link);
  rung = s->bell->rung;
  s->bell->rung = false;
  atomic_store_explicit(&s->bell->heard, true,
                        memory_order_relaxed); /* what comes now, the drain takes */
  tide_lock_drop(&w->lock);
  tide_bell_calm(s->bell);
  if (rung) tide_signal_drain();
}
