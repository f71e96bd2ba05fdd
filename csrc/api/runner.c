/*
** api/runner: what the pool of an executor runs its tasks with.
**
** SPDX-License-Identifier: MIT
*/
#include "api/runner.h"

#include <assert.h>

#include "api/hold_back.h"
#include "vm/worker_calls.h"

struct worker {
  struct tide_executor *ex; /* I; the pool outlives its workers */
  struct ti_worker_state *vm;
  size_t tasks; /* run in this state */
};

static void *open_worker(void *ud, int index, struct ti_stop_token *stop, char **why,
                         size_t *whysize) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  struct worker *w = (struct worker *)ti_alloc_zero(&ex->mem, sizeof *w);
  struct ti_worker_calls opening;
  struct ti_package_paths *paths;
  *why = NULL;
  *whysize = 0;
  if (w == NULL) return NULL;
  w->ex = ex;
  ti_mutex_lock(&ex->lock);
  paths = ti_package_paths_hold(ex->paths);
  ti_mutex_unlock(&ex->lock);
  opening.both = ex->init;
  opening.final = ex->final;
  opening.seeding = ex->seeded ? &ex->initializer_seed : NULL;
  w->vm = ti_worker_state_new(&ex->vm, stop, paths, &opening, why, whysize);
  ti_package_paths_release(paths);
  if (w->vm == NULL) {
    ti_alloc_free(&ex->mem, w, sizeof *w);
    return NULL;
  }
  ti_worker_state_set_index(w->vm, index);
  atomic_fetch_add_explicit(&ex->states, 1, memory_order_relaxed);
  return w;
}

static void close_worker(void *worker) {
  struct worker *w = (struct worker *)worker;
  ti_worker_state_free(w->vm);
  atomic_fetch_sub_explicit(&w->ex->states, 1, memory_order_relaxed);
  ti_alloc_free(&w->ex->mem, w, sizeof *w);
}

static int run_task(void *worker, struct ti_task *t, struct ti_message *out) {
  struct worker *w = (struct worker *)worker;
  const struct ti_task_stored_options *x = t->options;
  const struct ti_worker_call call = {&t->msg, (struct ti_package_paths *)t->context,
                                      ti_task_name(t), x != NULL ? x->memory_limit : 0,
                                      x != NULL && x->seeded ? &x->seeding : NULL};
  w->tasks++;
  return ti_worker_state_run(w->vm, &call, out);
}

static bool needs_replacing(void *worker) {
  const struct worker *w = (const struct worker *)worker;
  return (w->ex->max_tasks > 0 && w->tasks >= w->ex->max_tasks) ||
         ti_worker_state_over_limit(w->vm);
}

static bool stopped_in_finalizer(void *worker) {
  return ti_worker_state_stopped_in_finalizer(((const struct worker *)worker)->vm);
}

static bool held_back(void *ud) {
  const struct ti_hold_back *h =
      atomic_load_explicit(&((struct tide_executor *)ud)->hold_back, memory_order_acquire);
  return h != NULL && ti_hold_back_active(h);
}

static void free_context(void *context) {
  ti_package_paths_release((struct ti_package_paths *)context);
}

static void start_thread(void *ud, int index) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  if (ex->thread_start != NULL) ex->thread_start(index, ex->ud);
}

static void stop_thread(void *ud, int index) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  if (ex->thread_stop != NULL) ex->thread_stop(index, ex->ud);
}

/* The pool is freed, and with it the last task. */
static void dispose(void *ud) {
  struct tide_executor *ex = (struct tide_executor *)ud;
  struct ti_alloc mem = ex->mem;
  assert(ex->children == NULL);
  ti_executor_free_message(ex, ex->init);
  ti_executor_free_message(ex, ex->final);
  ti_package_paths_release(ex->paths);
  ti_warnings_release(ex->warnings);
  ti_mutex_fini(&ex->lock);
  ti_shared_cache_fini(&ex->cache);
  ti_alloc_free(&mem, ex, sizeof *ex);
}

bool ti_runner_warn(void *user, const char *text, size_t len) {
  struct tide_executor *ex = (struct tide_executor *)user, *parent;
  struct ti_warnings *w;
  if (ti_pool_forked(ex->pool)) return false;
  ti_mutex_lock(&ex->lock);
  w = ex->warnings;
  parent = ex->adopted_by;
  ti_mutex_unlock(&ex->lock);
  if (w != NULL) return ti_warnings_put(w, text, len);
  if (ex->vm.warn == NULL) return parent != NULL && ti_runner_warn(parent, text, len);
  ex->vm.warn(text, ex->vm.ud);
  return true;
}

const struct ti_pool_runner ti_runner_functions = {.open = open_worker,
                                                   .run = run_task,
                                                   .needs_replacing = needs_replacing,
                                                   .stopped_in_finalizer = stopped_in_finalizer,
                                                   .close = close_worker,
                                                   .free_context = free_context,
                                                   .held = held_back,
                                                   .thread_start = start_thread,
                                                   .thread_stop = stop_thread,
                                                   .dispose = dispose};
