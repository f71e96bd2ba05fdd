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
  if (w.pool != NULL && tide_pool_lost(w.pool)) w.pool = NULL; /* the task forked: it is nobody's */
  return w;
}

int tide_within_begin(const struct within *w, struct task *t, enum absence *how) {
  int fault = FAULT_NONE;
  *how = ABSENCE_NONE;
  if (w->pool == NULL) return FAULT_NONE;
  if (!tide_task_await(tide_pool_taskof(w->stop), t)) return FAULT_DEADLOCK;
  if (tide_pool_runhere(w->pool, w->stop, t)) return FAULT_NONE;
  if (tide_task_done(t)) return FAULT_NONE;
  fault = tide_pool_away(w->pool, t, how);
  if (fault != FAULT_NONE) tide_within_end(w, ABSENCE_NONE);
  return fault;
}

void tide_within_end(const struct within *w, enum absence how) {
  if (w->pool == NULL) return;
  if (how != ABSENCE_NONE) tide_pool_back(w->pool, how);
  (void)tide_task_await(tide_pool_taskof(w->stop), NULL);
}

int tide_within_away(const struct within *w, enum absence *how) {
  *how = ABSENCE_NONE;
  return w->pool != NULL ? tide_pool_away(w->pool, NULL, how) : FAULT_NONE;
}

void tide_within_back(const struct within *w, enum absence how) {
  if (w->pool != NULL) tide_pool_back(w->pool, how);
}

bool tide_within_crowded(const struct within *w) {
  return w->pool != NULL && tide_pool_crowded(w->pool);
}

bool tide_within_help(const struct within *w, struct task *t, enum absence *how) {
  return w->pool != NULL && tide_pool_help(w->pool, w->stop, t, how);
}

int tide_within_agree(const struct within *w) {
  return w->pool != NULL && tide_pool_agree(w->pool, w->stop) ? FAULT_DEADLOCK : FAULT_NONE;
}
