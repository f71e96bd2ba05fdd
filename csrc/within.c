/*
** tidepool, floor 3: within, waits of a task for other tasks.
**
** SPDX-License-Identifier: MIT
*/
#include "within.h"

struct within tide_within(lua_State *L) {
  struct within w = {NULL, NULL};
  if (L == NULL) return w;
  w.stop = tide_vm_stop(L);
  if (w.stop != NULL) w.pool = ((struct tide_executor *)tide_vm_user(L))->pool;
  return w;
}

int tide_within_begin(const struct within *w, struct task *t, enum absence *how) {
  *how = ABSENCE_NONE;
  if (w->pool == NULL) return FAULT_NONE;
  if (!tide_task_await(tide_pool_taskof(w->stop), t)) return FAULT_DEADLOCK;
  if (tide_pool_runhere(w->pool, w->stop, t)) return FAULT_NONE;
  if (tide_task_done(t)) return FAULT_NONE;
  *how = tide_pool_away(w->pool, t);
  return FAULT_NONE;
}

void tide_within_end(const struct within *w, enum absence how) {
  if (w->pool == NULL) return;
  if (how != ABSENCE_NONE) tide_pool_back(w->pool, how);
  (void)tide_task_await(tide_pool_taskof(w->stop), NULL);
}

void tide_within_away(const struct within *w) {
  if (w->pool != NULL) (void)tide_pool_away(w->pool, NULL);
}

void tide_within_back(const struct within *w) {
  if (w->pool != NULL) tide_pool_back(w->pool, ABSENCE_AWAY);
}
