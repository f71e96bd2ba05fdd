/*
** sched/stop_token: requests to end what a worker does.
**
** SPDX-License-Identifier: MIT
*/
#include "sched/stop_token.h"
#include "platform/clock.h"
#include "platform/signal.h"
#include "platform/thread.h"

/* The signal handler, on the target's own thread. */
TI_IN_HANDLER static void on_signal(void *ud, int sig) {
  struct ti_signal_target *b = (struct ti_signal_target *)ud;
  /* acquire: pairs with the releases in init and set_hook, on this very thread */
  struct ti_stop_token *s = atomic_load_explicit(&b->first, memory_order_acquire);
  for (; s != NULL; s = s->next) {
    void (*hook)(void *) = atomic_load_explicit(&s->hook, memory_order_acquire);
    if (hook == NULL || atomic_load_explicit(&s->state, memory_order_acquire) <= 0) continue;
    hook(s->ud);
  }
  if (b->ticking) ti_signal_timer_pause(&b->timer, sig);
  atomic_store_explicit(&b->delivered, true, memory_order_relaxed);
}

void ti_stop_token_init_target(struct ti_signal_target *b, struct ti_signal_set *signals) {
  b->handler.handle = on_signal;
  b->handler.ud = b;
  b->watchdog = NULL;
  b->signals = signals != NULL && signals->first != 0 ? signals : NULL;
  atomic_init(&b->accepted, 0);
  b->last_signal = 0;
  b->unreachable = false;
  atomic_init(&b->first, NULL);
  atomic_init(&b->delivered, true);
  b->undelivered = 0;
  b->signalled = b->ticking = false;
}

void ti_stop_token_attach(struct ti_signal_target *b) {
  b->thread = ti_thread_self();
  /* the thread is new, and the signals that the last one accepted are not its own */
  atomic_store_explicit(&b->accepted, 0, memory_order_relaxed);
  if (b->signals == NULL) return;
  ti_signal_set_handler(&b->handler);
  ti_stop_token_refresh_signals(b);
}

void ti_stop_token_change_signals(struct ti_signal_target *b, uint64_t now) {
  uint64_t before = atomic_load_explicit(&b->accepted, memory_order_relaxed);
  ti_signal_set_take(before, now);
  /* release: a sender that finds one of these also finds that the thread accepts it */
  atomic_store_explicit(&b->accepted, now, memory_order_release);
}

void ti_stop_token_start_ticks(struct ti_signal_target *b) {
  const ti_time period = 100000; /* ns; several times what a signal costs */
  if (b->ticking || !ti_signal_ticks(atomic_load_explicit(&b->accepted, memory_order_relaxed)))
    return;
  b->ticking = ti_signal_timer_start(&b->timer, period);
}

void ti_stop_token_stop_ticks(struct ti_signal_target *b) {
  if (b->ticking) ti_signal_timer_end(&b->timer);
  b->ticking = false;
}

void ti_stop_token_init(struct ti_stop_token *s, struct ti_signal_target *b) {
  s->target = b;
  s->next = atomic_load_explicit(&b->first, memory_order_relaxed);
  atomic_init(&s->hook, NULL);
  s->ud = NULL;
  atomic_init(&s->state, STOP_CLOSED);
  atomic_init(&s->left, false);
  atomic_init(&s->pins, 0);
  ti_list_node_init(&s->link);
  s->due = TI_CLOCK_NEVER;
  s->kind = TIDE_OK;
  atomic_store_explicit(&b->first, s, memory_order_release);
}

void ti_stop_token_fini(struct ti_stop_token *s) {
  atomic_store_explicit(&s->target->first, s->next, memory_order_release);
}

void ti_stop_token_set_hook(struct ti_stop_token *s, void (*hook)(void *), void *ud) {
  if (hook != NULL) s->ud = ud;
  /* release, for a handler on this very thread */
  atomic_store_explicit(&s->hook, hook, memory_order_release);
}

void ti_stop_token_open(struct ti_stop_token *s) {
  /* relaxed: requesters find this task through its lock, which orders it */
  atomic_store_explicit(&s->left, false, memory_order_relaxed);
  atomic_store_explicit(&s->state, TIDE_OK, memory_order_relaxed);
}

int ti_stop_token_close(struct ti_stop_token *s) {
  int state = TIDE_OK;
  /* acquire: pairs with the release in request, so `leave` sees the pin of the requester */
  if (atomic_compare_exchange_strong_explicit(&s->state, &state, STOP_CLOSED, memory_order_acquire,
                                              memory_order_acquire))
    return TIDE_OK;
  return state > 0 ? state : TIDE_OK;
}

bool ti_stop_token_request(struct ti_stop_token *s, int kind) {
  int state = TIDE_OK;
  return atomic_compare_exchange_strong_explicit(&s->state, &state, kind, memory_order_release,
                                                 memory_order_relaxed);
}

enum ti_stop_pin_result ti_stop_token_pin(struct ti_stop_token *s, int kind) {
  enum ti_stop_pin_result result = STOP_REQUESTED;
  /* The pin comes first. It is sequentially consistent, as are the load below and `leave`: either
  ** this call sees that the worker leaves, or the worker sees the pin. */
  atomic_fetch_add_explicit(&s->pins, 1, memory_order_seq_cst);
  if (!ti_stop_token_request(s, kind)) {
    bool left = atomic_load_explicit(&s->left, memory_order_seq_cst);
    result = ti_stop_token_requested(s) == TIDE_OK ? STOP_TOO_LATE
             : left                                ? STOP_LEFT
                                                   : STOP_ALREADY;
  }
  if (result < STOP_ALREADY) ti_stop_token_unpin(s);
  return result;
}

void ti_stop_token_leave(struct ti_stop_token *s) {
  atomic_store_explicit(&s->left, true, memory_order_seq_cst);
  /* yields: the requester may be starting the watchdog's thread */
  while (atomic_load_explicit(&s->pins, memory_order_seq_cst) != 0) ti_thread_yield();
}

void ti_stop_token_unpin(struct ti_stop_token *s) {
  /* release: the last access; `leave` waits for it */
  atomic_fetch_sub_explicit(&s->pins, 1, memory_order_release);
}
