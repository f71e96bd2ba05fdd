/*
** api/adopted: the executors that a state adopted, until it closes.
**
** SPDX-License-Identifier: MIT
*/
#include "api/adopted.h"

#include <stdio.h>

#include "api/executor_tree.h"
#include "api/inline_run.h"
#include "platform/signal.h"
#include "sched/pool_cancel.h"

/* Seconds for which the end of a state waits before it says for what; and for which it then waits
** for tasks that no signal can reach. */
#define PATIENCE 2.0
/* Seconds between two checks whether all tasks that run are out of reach. */
#define CHECK_TIME 0.1

bool ti_adopted_reserve(struct ti_adopted *a) {
  size_t cap = a->cap > 0 ? a->cap * 2 : 4;
  struct tide_executor **p;
  if (a->n < a->cap) return true;
  p = (struct tide_executor **)ti_alloc_resize(&ti_alloc_default, a->executors,
                                               a->cap * sizeof(void *), cap * sizeof(void *));
  if (p == NULL) return false;
  a->executors = p;
  a->cap = cap;
  return true;
}

bool ti_adopted_add(struct ti_adopted *a, tide_executor *ex) {
  /* acq_rel: pairs with the acquire of the thread that releases the last handle */
  if (atomic_exchange_explicit(&ex->adopted, true, memory_order_acq_rel)) return false;
  ti_pool_hold(ex->pool);
  a->executors[a->n++] = ex;
  return true;
}

/* Returns whether ex has ended and no user can reach it. */
static bool is_unused(struct tide_executor *ex) {
  struct ti_pool_stats st;
  ti_executor_tree_trim(ex); /* a child executor's task may have a handle of ex */
  if (atomic_load_explicit(&ex->handles, memory_order_acquire) > 0) return false;
  ti_pool_stats(ex->pool, &st);
  return st.tasks == 0 && ti_executor_tree_wait(ex, 0) == TIDE_OK;
}

void ti_adopted_trim(struct ti_adopted *a) {
  size_t kept = 0;
  for (size_t i = 0; i < a->n; i++) {
    if (is_unused(a->executors[i]))
      ti_pool_release(a->executors[i]->pool); /* frees the executor */
    else
      a->executors[kept++] = a->executors[i];
  }
  a->n = kept;
}

/* Returns how many tasks of ex and its children were requested to stop and cannot be reached by a
** signal. 0 if any other task runs. */
static size_t count_unreachable(tide_executor *ex) {
  struct ti_pool_stats st;
  tide_executor *child;
  size_t last = 0, n = ti_pool_cancel_unreachable(ex->pool);
  ti_pool_stats(ex->pool, &st);
  if (st.running > n) return 0;
  while ((child = ti_executor_tree_next(ex, &last)) != NULL) {
    n += count_unreachable(child);
    ti_pool_release(child->pool);
  }
  return n;
}

static void warn_of_running(lua_State *L, tide_executor *ex) {
  char names[256], text[512];
  int n = tide_executor_running(ex, names, sizeof names);
  if (n == 0) return;
  snprintf(text, sizeof text,
           "tidepool: the script ends, and waits for %d running task%s of %s (%s); those of an "
           "executor with daemon = true are interrupted, as by shutdown { interrupt = true }",
           n, n == 1 ? "" : "s", tide_executor_name(ex), names);
  lua_warning(L, text, 0);
}

static void warn_of_unreachable(lua_State *L, tide_executor *ex, size_t n) {
  lua_pushfstring(
      L,
      "tidepool: %d task(s) of %s cannot be stopped, as the program has taken all signals for "
      "that: they are left running",
      (int)n, tide_executor_name(ex));
  lua_warning(L, lua_tostring(L, -1), 0);
  lua_pop(L, 1);
}

/* Waits for the end of ex, which is closed. Returns false if it never ends: it is interrupted, but
** the program has taken all signals that stop tasks. Its threads continue then and use what belongs
** to ex. */
static bool await_end(lua_State *L, tide_executor *ex) {
  const ti_time patience = (ti_time)(PATIENCE * 1e9);
  ti_time since = 0;
  bool interrupted;
  size_t n = 0;
  /* A task that runs inline in L may close L, as os.exit does. It cannot wait for itself. */
  if (ti_inline_run_depth(L, ex) > 0) return true;
  ti_mutex_lock(&ex->lock);
  interrupted = (ex->close_flags & TIDE_SHUTDOWN_INTERRUPT) != 0;
  ti_mutex_unlock(&ex->lock);
  if (ti_executor_tree_wait(ex, ti_clock_deadline(PATIENCE)) != TIDE_ETIMEOUT) return true;
  warn_of_running(L, ex);
  while (n == 0 || ti_clock_now() - since < patience || !ti_signal_stay_loaded()) {
    ti_time deadline = interrupted ? ti_clock_deadline(CHECK_TIME) : TI_CLOCK_NEVER;
    if (ti_executor_tree_wait(ex, deadline) != TIDE_ETIMEOUT) return true;
    n = count_unreachable(ex);
    if (n == 0 || since == 0) since = ti_clock_now();
  }
  warn_of_unreachable(L, ex, n);
  return false;
}

void ti_adopted_end(lua_State *L, struct ti_adopted *a, tide_executor *parent) {
  for (size_t i = 0; i < a->n; i++) {
    tide_executor *ex = a->executors[i];
    atomic_store_explicit(&ex->hold_back, NULL, memory_order_relaxed);
    ti_executor_tree_close(ex, ex->daemon ? TIDE_SHUTDOWN_INTERRUPT : 0);
  }
  if (parent != NULL && ti_pool_forked(parent->pool)) parent = NULL; /* no thread awaits it here */
  for (size_t i = 0; i < a->n; i++) {
    tide_executor *ex = a->executors[i];
    if (parent != NULL)
      ti_executor_tree_add(parent, ex);
    else if (await_end(L, ex))
      ti_pool_release(ex->pool);
  }
  ti_alloc_free(&ti_alloc_default, a->executors, a->cap * sizeof *a->executors);
  a->executors = NULL;
  a->n = a->cap = 0;
}

static void count(tide_executor *ex, tide_live *out) {
  struct ti_pool_stats st;
  tide_executor *child;
  size_t last = 0;
  ti_pool_stats(ex->pool, &st);
  out->executors++;
  out->tasks += st.tasks;
  out->threads += st.threads;
  out->states += atomic_load_explicit(&ex->states, memory_order_relaxed);
  while ((child = ti_executor_tree_next(ex, &last)) != NULL) {
    count(child, out);
    ti_pool_release(child->pool);
  }
}

void ti_adopted_count(const struct ti_adopted *a, tide_live *out) {
  for (size_t i = 0; i < a->n; i++) count(a->executors[i], out);
}
