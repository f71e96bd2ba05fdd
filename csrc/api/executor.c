/*
** api/executor: what an executor is, and what needs nothing but its fields.
**
** SPDX-License-Identifier: MIT
*/
#include "api/executor.h"

#include "luautil/error.h"
#include "sched/pool_cancel.h"

void ti_executor_check_forked(lua_State *L, const struct tide_executor *ex) {
  if (ti_pool_forked(ex->pool)) ti_error_raise(L, TIDE_EBROKEN, "%s", TI_EXECUTOR_FORKED);
}

ti_time ti_executor_nanoseconds(double seconds) {
  if (!(seconds > 0)) return 0;
  return seconds < 1e9 ? (ti_time)(seconds * 1e9) + 1 : TI_CLOCK_NEVER / 2;
}

void ti_executor_free_message(struct tide_executor *ex, struct ti_message *m) {
  if (m == NULL) return;
  ti_message_fini(m);
  ti_alloc_free(&ex->mem, m, sizeof *m);
}

tide_executor *tide_executor_hold(tide_executor *ex) {
  /* The count may be 0: a task of an executor without handles may send the executor once more. */
  ti_pool_hold(ex->pool);
  atomic_fetch_add_explicit(&ex->handles, 1, memory_order_relaxed);
  return ex;
}

void tide_executor_stats(tide_executor *ex, tide_stats *st) {
  struct ti_pool_stats ps = {0};
  if (!ti_pool_forked(ex->pool)) ti_pool_stats(ex->pool, &ps);
  st->max_workers = (size_t)ex->max_workers;
  st->workers = ps.workers;
  st->idle = ps.idle;
  st->queued = ps.queued;
  st->running = ps.running;
  st->submitted = ps.submitted;
  st->finished = ps.finished;
  st->failed = ps.failed;
  st->cancelled = ps.cancelled;
}

int tide_executor_running(tide_executor *ex, char *names, size_t size) {
  names[0] = '\0';
  if (ex->run_inline || ti_pool_forked(ex->pool)) return 0;
  return (int)ti_pool_cancel_names(ex->pool, names, size);
}

const char *tide_executor_name(tide_executor *ex) { return ti_pool_name(ex->pool); }

int tide_executor_daemon(const tide_executor *ex) { return ex->daemon; }

int tide_executor_limited(const tide_executor *ex) {
  return ex->limited || ex->vm.memory_limit > 0;
}

int tide_executor_inline(const tide_executor *ex) { return ex->run_inline; }
