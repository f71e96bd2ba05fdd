/*
** api/current_task: the task that runs in a state.
**
** SPDX-License-Identifier: MIT
*/
#include "api/inline_run.h"

tide_executor *tide_current_executor(lua_State *L) { return ti_executor_of_worker(L); }

int tide_current_inline(lua_State *L) {
  return lua_checkstack(L, 1) && ti_inline_run_top(L) != NULL;
}

const char *tide_current_name(lua_State *L) {
  const struct ti_inline_run *r = ti_inline_run_top(L);
  return r != NULL ? r->name : ti_worker_state_task_name(L);
}

int tide_current_worker(lua_State *L) {
  const struct ti_inline_run *r = ti_inline_run_top(L);
  if (r == NULL) return ti_worker_state_index(L);
  return r->name != NULL ? ti_inline_run_depth(L, r->ex) - 1 : -1;
}

lua_Integer tide_current_id(lua_State *L) {
  struct ti_inline_run *r = ti_inline_run_top(L);
  struct tide_executor *ex = r != NULL ? r->ex : ti_executor_of_worker(L);
  uint64_t *id = r == NULL ? ti_worker_state_task_id(L) : r->name != NULL ? &r->id : NULL;
  if (id == NULL) return 0;
  if (*id == 0) *id = atomic_fetch_add_explicit(&ex->task_ids, 1, memory_order_relaxed) + 1;
  return (lua_Integer)*id;
}

int tide_current_stop(lua_State *L) { return ti_worker_state_stop_requested(L); }
