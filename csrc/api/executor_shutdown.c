/*
** api/executor_shutdown: ending executors.
**
** SPDX-License-Identifier: MIT
*/
#include "api/executor_tree.h"
#include "api/inline_place.h"
#include "api/task_wait.h"
#include "api/wait_hook.h"
#include "codec/borrow.h"
#include "sched/pool_threads.h"

void tide_executor_rele(tide_executor *ex) {
  bool joined = true;
  if (ex == NULL || ti_pool_forked(ex->pool)) return;
  /* acq_rel: the thread that releases the last handle sees what the others did */
  if (atomic_fetch_sub_explicit(&ex->handles, 1, memory_order_acq_rel) == 1) {
    ti_pool_close(ex->pool, false);
    /* If no state joins the threads and they still run, they use the pool: it is never freed. */
    joined = atomic_load_explicit(&ex->adopted, memory_order_acquire) ||
             ti_executor_tree_wait(ex, 0) == TIDE_OK;
  }
  if (joined) ti_pool_release(ex->pool);
}

void tide_executor_drop(tide_executor *ex, lua_State *L) {
  /* One handle is left: the one to be released. Or it is another state's, which has places of its
  ** own. */
  if (ex != NULL && ex->run_inline &&
      atomic_load_explicit(&ex->handles, memory_order_relaxed) == 1 &&
      ti_inline_run_depth(L, ex) == 0)
    ti_inline_place_close(L, ex);
  tide_executor_rele(ex);
}

int tide_executor_shutdown(tide_executor *ex, lua_State *L, int flags, double timeout) {
  struct ti_wait_hook hook;
  struct ti_task_wait w;
  enum ti_pool_block how;
  ti_time deadline = ti_clock_deadline(timeout), slice;
  int status, code;
  bool inside;
  if (ti_pool_forked(ex->pool)) return TIDE_EBROKEN;
  inside = ex->run_inline && L != NULL && ti_inline_run_depth(L, ex) > 0;
  if (timeout != 0 && (inside || ti_pool_threads_is_worker(ex->pool))) return TIDE_EDEADLOCK;
  ti_executor_tree_close(ex, flags);
  if (inside) return TIDE_ETIMEOUT;
  if (timeout == 0 && ti_pool_threads_is_worker(ex->pool)) return TIDE_ETIMEOUT;
  w = ti_task_wait_of(timeout != 0 ? L : NULL);
  status = ti_task_wait_block_begin(&w, &how); /* tasks of ex may need L's executor */
  if (status != TIDE_OK) return status;
  ti_wait_hook_start(&hook, L, ti_owner_known(L), timeout == 0 || flags != 0);
  do {
    slice = ti_wait_hook_slice(&hook, deadline);
    code = ti_executor_tree_wait(ex, timeout == 0 ? 0 : slice);
    status = ti_wait_hook_run(&hook);
  } while (code == TIDE_ETIMEOUT && slice < deadline && timeout != 0 && status == LUA_OK);
  ti_task_wait_block_end(&w, how);
  ti_wait_hook_end(&hook);
  if (status != LUA_OK) lua_error(L);
  if (L != NULL && ex->run_inline) ti_inline_place_close(L, ex);
  if (L != NULL) ti_borrow_poll(L); /* frees strings that the last tasks borrowed */
  return code == TIDE_EDEADLOCK && timeout == 0 ? TIDE_ETIMEOUT : code;
}
