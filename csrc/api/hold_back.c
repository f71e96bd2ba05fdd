/*
** api/hold_back: holding back queued tasks while a hook is about to run in the state that waits.
**
** SPDX-License-Identifier: MIT
*/
#include "api/hold_back.h"

#include <stddef.h>

void ti_hold_back_init(struct ti_hold_back *h, lua_State *main) {
  h->main = main;
  atomic_init(&h->waiting, false);
  atomic_init(&h->hook, NULL);
  atomic_init(&h->until, 0);
}

bool ti_hold_back_active(const struct ti_hold_back *h) {
  ti_time until;
  if (atomic_load_explicit(&h->waiting, memory_order_acquire)) {
    /* lua_gethook reads one word, which Lua expects a signal handler to change at any time. */
    lua_Hook hook = lua_gethook(h->main);
    if (hook != NULL && hook != atomic_load_explicit(&h->hook, memory_order_relaxed)) return true;
  }
  until = atomic_load_explicit(&h->until, memory_order_relaxed);
  return until != 0 && ti_clock_now() < until;
}

void ti_hold_back_until(struct ti_hold_back *h, ti_time until) {
  if (h != NULL) atomic_store_explicit(&h->until, until, memory_order_relaxed);
}
