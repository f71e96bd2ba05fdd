/*
** api/task_wait: waits inside tasks.
**
** SPDX-License-Identifier: MIT
*/
#include "api/task_wait.h"

#include "sched/pool_block.h"

struct ti_task_wait ti_task_wait_of(lua_State *L) {
  struct ti_task_wait w = {NULL, NULL};
  if (L == NULL) return w;
  w.stop = ti_worker_state_stop(L);
  if (w.stop != NULL) w.pool = ti_executor_of_worker(L)->pool;
  /* In a forked child there is no pool for the task. */
  if (w.pool != NULL && ti_pool_forked(w.pool)) w.pool = NULL;
  return w;
}

int ti_task_wait_begin(const struct ti_task_wait *w, struct ti_task *t, enum ti_pool_block *how) {
  int code = TIDE_OK;
  *how = BLOCK_NONE;
  if (w->pool == NULL) return TIDE_OK;
  if (!ti_task_await(ti_pool_nested_task_of(w->stop), t)) return TIDE_EDEADLOCK;
  if (ti_pool_nested_run_inline(w->pool, w->stop, t)) return TIDE_OK;
  if (ti_task_done(t)) return TIDE_OK;
  code = ti_pool_block_begin(w->pool, t, how);
  if (code != TIDE_OK) ti_task_wait_end(w, BLOCK_NONE);
  return code;
}

void ti_task_wait_end(const struct ti_task_wait *w, enum ti_pool_block how) {
  if (w->pool == NULL) return;
  if (how != BLOCK_NONE) ti_pool_block_end(w->pool, how);
  (void)ti_task_await(ti_pool_nested_task_of(w->stop), NULL);
}

int ti_task_wait_block_begin(const struct ti_task_wait *w, enum ti_pool_block *how) {
  *how = BLOCK_NONE;
  return w->pool != NULL ? ti_pool_block_begin(w->pool, NULL, how) : TIDE_OK;
}

void ti_task_wait_block_end(const struct ti_task_wait *w, enum ti_pool_block how) {
  if (w->pool != NULL) ti_pool_block_end(w->pool, how);
}

bool ti_task_wait_at_max_threads(const struct ti_task_wait *w) {
  return w->pool != NULL && ti_pool_block_at_max_threads(w->pool);
}

bool ti_task_wait_help(const struct ti_task_wait *w, struct ti_task *t, enum ti_pool_block *how) {
  return w->pool != NULL && ti_pool_nested_help(w->pool, w->stop, t, how);
}

int ti_task_wait_agree(const struct ti_task_wait *w) {
  return w->pool != NULL && ti_pool_block_agree(w->pool, w->stop) ? TIDE_EDEADLOCK : TIDE_OK;
}
