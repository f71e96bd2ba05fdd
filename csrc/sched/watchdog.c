/*
** sched/watchdog: a thread for the deadlines of running tasks.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/watchdog.h"
#include "platform/clock.h"
#include "platform/cond.h"
#include "platform/mutex.h"
#include "platform/signal.h"
#include "platform/thread.h"

#include <assert.h>

/* Nanoseconds between two signals for the same task. */
#define INTERVAL ((ti_time)5 * 1000 * 1000)

int ti_watchdog_init(struct ti_watchdog *w) {
  int err = ti_mutex_init(&w->lock);
  if (err != 0) return err;
  err = ti_cond_init(&w->changed);
  if (err != 0) {
    ti_mutex_fini(&w->lock);
    return err;
  }
  ti_list_init(&w->list);
  w->next = TI_CLOCK_NEVER;
  w->state = WATCHDOG_NONE;
  w->ending = false;
  return 0;
}

void ti_watchdog_fini(struct ti_watchdog *w) {
  assert(ti_list_empty(&w->list) && w->state == WATCHDOG_NONE);
  ti_cond_fini(&w->changed);
  ti_mutex_fini(&w->lock);
}

/* Checks after which a signal that was not delivered counts as lost. */
enum { LOST_AFTER = 20 };

/* Sends one signal at a time, since real-time signals pile up. A signal that cannot be queued or is
** lost is sent again by a later check. Returns false if the program has taken all signals that the
** thread accepts. */
static bool signal_locked(struct ti_signal_target *b) {
  int sig =
      b->signals != NULL
          ? ti_signal_set_find(b->signals, atomic_load_explicit(&b->accepted, memory_order_acquire))
          : 0;
  b->unreachable = sig == 0;
  if (sig == 0) return false;
  if (!atomic_load_explicit(&b->delivered, memory_order_relaxed) && sig == b->last_signal &&
      ++b->undelivered < LOST_AFTER)
    return true;
  b->undelivered = 0;
  b->signalled = true;
  b->last_signal = sig;
  atomic_store_explicit(&b->delivered, false,
                        /* before the handler can run */
                        memory_order_relaxed);
  if (ti_signal_send(&b->thread, sig) != 0)
    atomic_store_explicit(&b->delivered, true, memory_order_relaxed);
  return true;
}

/* Requests and signals tasks that are due. Returns when the next one is. */
static ti_time check_locked(struct ti_watchdog *w) {
  ti_time now = ti_clock_now(), next = TI_CLOCK_NEVER;
  for (struct ti_list_node *n = w->list.head.next; n != &w->list.head; n = n->next) {
    struct ti_stop_token *s = TI_CONTAINER(n, struct ti_stop_token, link);
    if (s->due <= now) {
      /* false: it was requested before, or it is closed and its worker is about to leave */
      ti_stop_token_request(s, s->kind);
      if (ti_stop_token_requested(s) != TIDE_OK) signal_locked(s->target);
      s->due = now + INTERVAL;
    }
    if (s->due < next) next = s->due;
  }
  return next;
}

static void *watchdog_main(void *arg) {
  struct ti_watchdog *w = (struct ti_watchdog *)arg;
  ti_thread_set_name("tide_watchdog");
  ti_mutex_lock(&w->lock);
  while (!w->ending) {
    w->next = check_locked(w);
    /* predicate: what is due, and `ending`; the loop checks both again */
    ti_cond_wait(&w->changed, &w->lock, w->next);
  }
  ti_mutex_unlock(&w->lock);
  return NULL;
}

int ti_watchdog_start(struct ti_watchdog *w) {
  struct ti_thread thread;
  bool mine;
  int err;
  ti_mutex_lock(&w->lock);
  /* predicate: not STARTING. If that start fails, this caller tries once more. */
  while (w->state == WATCHDOG_STARTING) ti_cond_wait(&w->changed, &w->lock, TI_CLOCK_NEVER);
  mine = w->state == WATCHDOG_NONE;
  if (mine) w->state = WATCHDOG_STARTING;
  ti_mutex_unlock(&w->lock);
  if (!mine) return 0;
  err = ti_thread_start(&thread, 0, watchdog_main, w);
  ti_mutex_lock(&w->lock);
  w->state = err == 0 ? WATCHDOG_RUNNING : WATCHDOG_NONE;
  if (err == 0) w->thread = thread;
  ti_cond_broadcast(&w->changed);
  ti_mutex_unlock(&w->lock);
  return err;
}

void ti_watchdog_end(struct ti_watchdog *w) {
  struct ti_thread thread;
  bool mine;
  ti_mutex_lock(&w->lock);
  /* predicate: not STARTING; the watchdog's own thread sleeps on `changed` too, and checks again */
  while (w->state == WATCHDOG_STARTING) ti_cond_wait(&w->changed, &w->lock, TI_CLOCK_NEVER);
  mine = w->state == WATCHDOG_RUNNING && !w->ending;
  if (mine) {
    w->ending = true;
    thread = w->thread;
    ti_cond_broadcast(&w->changed);
  }
  ti_mutex_unlock(&w->lock);
  if (!mine) return;
  ti_thread_join(&thread);
  ti_mutex_lock(&w->lock);
  w->state = WATCHDOG_NONE;
  w->ending = false;
  ti_mutex_unlock(&w->lock);
}

static void add_locked(struct ti_watchdog *w, struct ti_stop_token *s, ti_time due) {
  bool linked = ti_list_linked(&s->link);
  if (!linked) ti_list_push(&w->list, &s->link);
  if (!linked || due < s->due) s->due = due;
  if (due < w->next) ti_cond_broadcast(&w->changed);
}

void ti_watchdog_limit(struct ti_watchdog *w, struct ti_stop_token *s, ti_time due, int kind) {
  ti_mutex_lock(&w->lock);
  s->kind = kind;
  add_locked(w, s, due);
  ti_mutex_unlock(&w->lock);
}

bool ti_watchdog_keep_signalling(struct ti_watchdog *w, struct ti_stop_token *s) {
  bool signalled;
  (void)ti_watchdog_start(
      w); /* without the thread this one signal is sent, which mostly suffices */
  ti_mutex_lock(&w->lock);
  signalled = signal_locked(s->target);
  add_locked(w, s, ti_clock_now() + INTERVAL);
  ti_mutex_unlock(&w->lock);
  ti_stop_token_unpin(s);
  return signalled;
}

size_t ti_watchdog_unreachable(struct ti_watchdog *w) {
  size_t n = 0;
  ti_mutex_lock(&w->lock);
  for (const struct ti_list_node *f = w->list.head.next; f != &w->list.head; f = f->next) {
    const struct ti_stop_token *s = TI_CONTAINER(f, const struct ti_stop_token, link);
    if (s->target->unreachable && ti_stop_token_requested(s) != TIDE_OK) n++;
  }
  ti_mutex_unlock(&w->lock);
  return n;
}

void ti_watchdog_follow(struct ti_stop_token *s) {
  struct ti_watchdog *w = s->target->watchdog;
  if (w == NULL) return;
  (void)ti_watchdog_start(w);
  ti_mutex_lock(&w->lock);
  add_locked(w, s, ti_clock_now() + INTERVAL);
  ti_mutex_unlock(&w->lock);
}

void ti_watchdog_remove(struct ti_watchdog *w, struct ti_stop_token *s) {
  bool signalled;
  ti_stop_token_leave(s);
  ti_mutex_lock(&w->lock);
  if (ti_list_linked(&s->link)) ti_list_remove(&s->link);
  signalled = s->target->signalled;
  s->target->signalled = false;
  atomic_store_explicit(&s->target->delivered, true,
                        /* what arrives from now on is drained below */
                        memory_order_relaxed);
  ti_mutex_unlock(&w->lock);
  ti_stop_token_stop_ticks(s->target);
  if (signalled) ti_signal_drain();
}
