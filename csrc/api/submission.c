/*
** api/submission: what every submit does, with threads or without.
**
** SPDX-License-Identifier: MIT
*/
#include "api/submission.h"

#include <errno.h>
#include <string.h>

#include "luautil/error.h"

bool ti_submission_begin(struct ti_submission *s, tide_executor *ex, lua_State *L,
                         const tide_taskopts *o) {
  struct ti_task_options options;
  struct ti_seeding seeding;
  s->number.counter = NULL;
  if (o == NULL && !ex->seeded) {
    s->task = ti_task_new(ti_pool_home(ex->pool), &ex->mem, NULL);
    return s->task != NULL;
  }
  memset(&options, 0, sizeof options);
  if (o != NULL) {
    options.name = o->name;
    options.priority = o->priority;
    options.time_limit = ti_executor_nanoseconds(o->time_limit);
    options.memory_limit = o->memory_limit;
  }
  if (ti_task_seed_of(ex, L, o, &seeding, &s->number)) options.seeding = &seeding;
  s->task = ti_task_new(ti_pool_home(ex->pool), &ex->mem, &options);
  if (s->task == NULL) ti_task_seed_undo(&s->number);
  return s->task != NULL;
}

void ti_submission_abandon(const struct ti_submission *s) {
  ti_task_release(s->task);
  ti_task_seed_undo(&s->number);
}

void ti_submission_mark(tide_executor *ex) {
  if (atomic_load_explicit(&ex->submitted, memory_order_relaxed)) return;
  ti_mutex_lock(&ex->lock);
  atomic_store_explicit(&ex->submitted, true, memory_order_relaxed);
  ti_mutex_unlock(&ex->lock);
}

int ti_submission_refuse(lua_State *L, tide_executor *ex, int code, int err) {
  char why[128];
  switch (code) {
    case TIDE_ESHUTDOWN: return ti_error_raise(L, code, "cannot submit: the executor is shut down");
    case TIDE_EBROKEN: return ti_error_raise(L, code, "%s", ti_pool_broken_reason(ex->pool));
    case TIDE_EFULL: return ti_error_raise(L, code, "cannot submit: the queue is full");
    case TIDE_ETHREAD:
      if (err == ENOTSUP)
        return ti_error_plain(L, "cannot submit with a time limit: there is no signal by which a "
                                 "task could be stopped (option 'interrupt_signal')");
      return ti_error_plain(L, "cannot start a worker thread: %s",
                            strerror_r(err, why, sizeof why));
    default: return ti_error_plain(L, "not enough memory");
  }
}
