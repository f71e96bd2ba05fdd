/*
** tidepool, floor 1: stop, asking the task that a worker runs to end.
**
** SPDX-License-Identifier: MIT
*/
#include "stop.h"

#include <sched.h>

/* In the handler, on the thread itself. */
TIDE_IN_HANDLER static void ring(void *ud, int sig) {
  struct bell *b = (struct bell *)ud;
  /* acquire: pairs with the releases in init and setarm, on this very thread */
  struct stop *s = atomic_load_explicit(&b->first, memory_order_acquire);
  for (; s != NULL; s = s->next) {
    void (*arm)(void *) = atomic_load_explicit(&s->arm, memory_order_acquire);
    if (arm == NULL || atomic_load_explicit(&s->want, memory_order_acquire) <= 0) continue;
    arm(s->ud);
  }
  if (b->ticks) tide_timer_pause(&b->timer, sig);
  atomic_store_explicit(&b->heard, true, memory_order_relaxed);
}

void tide_bell_init(struct bell *b, struct sys_signals *signals) {
  b->alarm.ring = ring;
  b->alarm.ud = b;
  b->dog = NULL;
  b->signals = signals != NULL && signals->first != 0 ? signals : NULL;
  atomic_init(&b->open, 0);
  b->sent = 0;
  b->mute = false;
  atomic_init(&b->first, NULL);
  atomic_init(&b->heard, true);
  b->unheard = 0;
  b->rung = b->ticks = false;
}

void tide_bell_hang(struct bell *b) {
  b->thread = tide_thread_self();
  /* of a new thread; the last one that this bell was for had taken some */
  atomic_store_explicit(&b->open, 0, memory_order_relaxed);
  if (b->signals == NULL) return;
  tide_signal_alarm(&b->alarm);
  tide_bell_refresh(b);
}

void tide_bell_change(struct bell *b, uint64_t now) {
  uint64_t before = atomic_load_explicit(&b->open, memory_order_relaxed);
  tide_signals_take(before, now);
  /* release: who rings by one of these finds that it is taken */
  atomic_store_explicit(&b->open, now, memory_order_release);
}

void tide_bell_hurry(struct bell *b) {
  const sys_time period = 100000; /* a signal costs some 10 us */
  if (b->ticks || !tide_signal_ticks(atomic_load_explicit(&b->open, memory_order_relaxed))) return;
  b->ticks = tide_timer_start(&b->timer, period);
}

void tide_bell_calm(struct bell *b) {
  if (b->ticks) tide_timer_end(&b->timer);
  b->ticks = false;
}

void tide_stop_init(struct stop *s, struct bell *b) {
  s->bell = b;
  s->next = atomic_load_explicit(&b->first, memory_order_relaxed);
  atomic_init(&s->arm, NULL);
  s->ud = NULL;
  atomic_init(&s->want, STOP_CLOSED);
  atomic_init(&s->left, false);
  atomic_init(&s->visitors, 0);
  fifo_node_init(&s->link);
  s->due = SYS_NEVER;
  s->kind = FAULT_NONE;
  atomic_store_explicit(&b->first, s, memory_order_release);
}

void tide_stop_fini(struct stop *s) {
  atomic_store_explicit(&s->bell->first, s->next, memory_order_release);
}

void tide_stop_setarm(struct stop *s, void (*arm)(void *), void *ud) {
  if (arm != NULL) s->ud = ud;
  /* release, for a handler on this very thread */
  atomic_store_explicit(&s->arm, arm, memory_order_release);
}

void tide_stop_open(struct stop *s) {
  /* relaxed: who asks finds this task through its lock, which orders it */
  atomic_store_explicit(&s->left, false, memory_order_relaxed);
  atomic_store_explicit(&s->want, FAULT_NONE, memory_order_relaxed);
}

int tide_stop_close(struct stop *s) {
  int want = FAULT_NONE;
  /* acquire: pairs with the release in ask, so leave sees who visits */
  if (atomic_compare_exchange_strong_explicit(&s->want, &want, STOP_CLOSED, memory_order_acquire,
                                              memory_order_acquire))
    return FAULT_NONE;
  return want > 0 ? want : FAULT_NONE;
}

bool tide_stop_ask(struct stop *s, int kind) {
  int want = FAULT_NONE;
  return atomic_compare_exchange_strong_explicit(&s->want, &want, kind, memory_order_release,
                                                 memory_order_relaxed);
}

enum stop_answer tide_stop_visit(struct stop *s, int kind) {
  enum stop_answer answer = STOP_TOLD;
  /* A visitor first. Sequentially consistent, as are the load below and what tide_stop_leaves does:
  ** either this finds that the worker leaves, or the worker finds the visitor. */
  atomic_fetch_add_explicit(&s->visitors, 1, memory_order_seq_cst);
  if (!tide_stop_ask(s, kind)) {
    bool left = atomic_load_explicit(&s->left, memory_order_seq_cst);
    answer = tide_stop_asked(s) == FAULT_NONE ? STOP_NOT : left ? STOP_PAST : STOP_KNOWN;
  }
  if (answer < STOP_KNOWN) tide_stop_part(s);
  return answer;
}

void tide_stop_leaves(struct stop *s) {
  atomic_store_explicit(&s->left, true, memory_order_seq_cst);
  /* It holds no lock that is needed here, and may be starting the watchdog's thread. */
  while (atomic_load_explicit(&s->visitors, memory_order_seq_cst) != 0) sched_yield();
}

void tide_stop_part(struct stop *s) {
  /* release: the last touch; leave waits for it */
  atomic_fetch_sub_explicit(&s->visitors, 1, memory_order_release);
}
