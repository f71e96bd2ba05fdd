/*
** api/inline_executor: submitting to an executor without threads.
**
** SPDX-License-Identifier: MIT
*/
#include "api/inline_executor.h"

#include <lauxlib.h>
#include <string.h>

#include "api/inline_place.h"
#include "api/submission.h"
#include "codec/module_names.h"
#include "codec/outcome.h"
#include "codec/unpack.h"
#include "luautil/error.h"
#include "vm/gc_pacing.h"

/* A task that runs. */
struct run {
  struct ti_inline_run base;
  struct ti_task *task;
  struct ti_message out;
  struct ti_gc_pacing pacing;
  bool task_code; /* the task's own function is running */
  bool signalled; /* it ended by the error of a signal's hook */
};

/* Protected, in the place: (run): the task, from its message to its results' message. */
static int task_body(lua_State *L) {
  struct run *r = (struct run *)lua_touserdata(L, 1);
  const struct ti_task_stored_options *options = r->task->options;
  int n;
  ti_gc_pacing_begin(L, &r->task->msg, &r->pacing);
  n = ti_unpack_values(L, &r->task->msg, 0, UNPACK_ALL);
  ti_gc_pacing_end(L, &r->pacing);
  if (n == 0) ti_error_raise(L, TIDE_ETRANSFER, "damaged message: nothing to call");
  if (lua_type(L, 2) == LUA_TSTRING) {
    size_t len;
    const char *name = lua_tolstring(L, 2, &len);
    ti_module_names_function(L, name, len);
    lua_replace(L, 2);
  }
  if (options != NULL && options->seeded) ti_lua_random_begin(&r->base.rng, L, &options->seeding);
  r->task_code = true;
  lua_call(L, n - 1, LUA_MULTRET);
  r->task_code = false;
  if (ti_pack_by(L, &r->out, lua_gettop(L) - 1, PACK_RESULTS,
                 &r->base.ex->rules_with_initializer) != LUA_OK)
    lua_error(L);
  return 0;
}

/* Stands where the script has no hook. If it is gone after an error, a signal handler has put its
** own hook there, and the error is that hook's (lua.c's "interrupted!"). Such an error is the
** script's, not the task's. */
static void no_hook(lua_State *L, lua_Debug *ar) {
  (void)L;
  (void)ar;
}

static bool is_signal_error(lua_State *L) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  return lua_gethook(L) == NULL && text != NULL && strstr(text, "interrupted!") != NULL;
}

/* Calls task_body. Returns LUA_OK, or another status with the error on top of other values. */
static int call_task(lua_State *L, struct run *r) {
  bool mark = lua_gethook(L) == NULL && ti_worker_state_user(L) == NULL;
  int status;
  lua_pushcfunction(L, ti_inline_run_trace);
  lua_pushcfunction(L, task_body);
  lua_pushlightuserdata(L, r);
  if (mark) lua_sethook(L, no_hook, LUA_MASKCALL, 0);
  status = lua_pcall(L, 1, 0, -3);
  r->signalled = mark && status != LUA_OK && is_signal_error(L);
  if (mark && lua_gethook(L) == no_hook) lua_sethook(L, NULL, 0, 0);
  return status;
}

/* Runs the task, fills r->out, and returns the outcome. If r->signalled, pushes the signal's error.
** [-0, +(0|1), -] */
static int run_task(lua_State *L, struct run *r) {
  int base, place, outcome;
  lua_pushnil(L); /* for that error */
  base = lua_gettop(L);
  place = base + 1;
  outcome = ti_inline_place_open_next(L, &r->base);
  if (outcome == TIDE_EERROR) {
    outcome = ti_outcome_fail(L, &r->base.traceback, true, &r->out);
  } else if (outcome == TIDE_OK) {
    ti_inline_place_enter(L, &r->base, place);
    if (call_task(L, r) != LUA_OK) {
      if (r->signalled) lua_copy(L, -1, base);
      ti_gc_pacing_end(L, &r->pacing);
      outcome = ti_outcome_fail(L, &r->base.traceback, r->task_code, &r->out);
    }
    lua_settop(L, place + TI_INLINE_PLACE_SLOTS);
    ti_inline_place_leave(L, &r->base);
    ti_inline_place_end_task(L, r->base.ex, place);
  }
  lua_settop(L, r->signalled ? base : base - 1);
  return outcome;
}

tide_future *ti_inline_executor_submit(tide_executor *ex, lua_State *L, int nargs,
                                       const tide_taskopts *o) {
  struct ti_submission s;
  struct run r;
  int code;
  if (o != NULL && (o->time_limit > 0 || o->memory_limit > 0))
    luaL_error(L, "an executor that is inline cannot bound tasks: no thread watches them");
  luaL_checkstack(L, 32, NULL);
  ti_inline_place_prepare(L);
  ti_lua_random_keep(L);
  if (!ti_submission_begin(&s, ex, L, o)) luaL_error(L, "not enough memory");
  if (ti_pack_by(L, &s.task->msg, nargs + 1, PACK_CALL, ti_executor_rules(ex)) != LUA_OK) {
    ti_submission_abandon(&s);
    lua_error(L);
  }
  ti_submission_mark(ex);
  code = ti_pool_run_begin(ex->pool);
  if (code != TIDE_OK) {
    ti_submission_abandon(&s);
    ti_submission_refuse(L, ex, code, 0);
  }
  (void)ti_task_begin(s.task, NULL);
  memset(&r, 0, sizeof r);
  ti_inline_run_init(&r.base, ex, &ex->mem);
  r.base.name = ti_task_name(s.task) != NULL ? ti_task_name(s.task) : "";
  r.task = s.task;
  ti_message_init(&r.out, &ex->mem);
  code = run_task(L, &r);
  ti_task_finish(s.task, code, &r.out);
  ti_message_fini(&r.out);
  ti_inline_run_fini(&r.base);
  /* If a task shut down its executor, the places are closed once the outermost task ends. */
  if (!ti_pool_run_end(ex->pool, code != TIDE_OK) && ti_inline_run_depth(L, ex) == 0)
    ti_inline_place_close(L, ex);
  if (r.signalled) {
    ti_task_release(s.task);
    lua_error(L);
  }
  return ti_executor_future_of(s.task);
}
