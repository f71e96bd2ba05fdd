/*
** binding/lua_executor: executors as scripts see them.
**
** The userdata holds one user's reference. Collecting it returns the reference and never waits. The
** state that made the executor has adopted it, and joins its threads when it closes. The methods
** `map` and `with` are written in Lua and loaded at their first use. So an executor that arrives in
** a worker, or that a host pushes, has them too.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_executor_handle.h"
#include "binding/lua_submit.h"

#include <string.h>

/* Returns the executor that is the self of a method. [-0, +0, e] */
static tide_executor *self(lua_State *L) {
  struct ti_lua_executor *b = (struct ti_lua_executor *)ti_lua_support_self(L);
  return b && b->ex ? b->ex : ti_lua_executor_handle_check(L, 1);
}

/* Pushes an empty userdata. [-0, +1, m] */
static struct ti_lua_executor *new_box(lua_State *L) {
  struct ti_lua_executor *b;
  luaL_checkstack(L, 4, NULL);
  ti_lua_executor_push_class(L);
  b = (struct ti_lua_executor *)lua_newuserdatauv(L, sizeof *b, 0);
  b->ex = NULL;
  b->borrowed = false;
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  return b;
}

tide_executor **ti_lua_executor_new_box(lua_State *L) { return &new_box(L)->ex; }

void tide_pushexecutor(lua_State *L, tide_executor *ex) {
  struct ti_lua_executor *b = new_box(L);
  b->borrowed = tide_current_executor(L) == ex;
  b->ex = b->borrowed ? ex : tide_executor_hold(ex);
}

/* -------------------------------------------------------------- submit -- */

/* ex:submit(fn, ...) -> future */
static int ex_submit(lua_State *L) {
  tide_executor *ex = self(L);
  ti_lua_support_check_task(L, 2);
  return ti_lua_submit_task(L, ex, 2, NULL, false, TI_LUA_MADE);
}

/* ------------------------------------------------------------ shutdown -- */

/* Protected: (executor, flags, timeout) -> the status of the shutdown. */
static int wait_all(lua_State *L) {
  tide_executor *ex = ti_lua_executor_handle_check(L, 1);
  int flags = (int)lua_tointeger(L, 2);
  lua_pushinteger(L, tide_executor_shutdown(ex, L, flags, (double)lua_tonumber(L, 3)));
  return 1;
}

/* Returns the flags for tasks that the script does not wait for any more. */
static int give_up_flags(const tide_executor *ex) {
  return tide_executor_daemon(ex) ? TIDE_SHUTDOWN_INTERRUPT : TIDE_SHUTDOWN_CANCEL;
}

/* Shuts down the executor in argument 1, then pumps. Pushes true, or false if the timeout passed
** first. If an error interrupts the wait, tasks that have not started are cancelled, so that the
** script can end. [-0, +1, e] */
static int finish(lua_State *L, int flags, double timeout) {
  tide_executor *ex = ti_lua_executor_handle_check(L, 1);
  int status;
  lua_pushcfunction(L, wait_all);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, flags);
  lua_pushnumber(L, (lua_Number)timeout);
  if (lua_pcall(L, 3, 1, 0) != LUA_OK) {
    tide_executor_shutdown(ex, NULL, give_up_flags(ex), 0);
    return lua_error(L);
  }
  status = (int)lua_tointeger(L, -1);
  ti_lua_callback_pump(L);
  if (status == TIDE_EDEADLOCK)
    ti_lua_support_raise(
        L, status,
        "an executor cannot be awaited from one of its own tasks, nor from those of one that "
        "they left");
  if (status != TIDE_OK && status != TIDE_ETIMEOUT) ti_lua_support_raise(L, status, NULL);
  lua_pushboolean(L, status == TIDE_OK);
  return 1;
}

/* Returns a boolean option of the table at 2. [-0, +0, e] */
static bool opt_flag(lua_State *L, const char *name, bool dflt) {
  bool v = dflt;
  int t = lua_getfield(L, 2, name);
  if (t == LUA_TBOOLEAN)
    v = lua_toboolean(L, -1);
  else if (t != LUA_TNIL)
    ti_lua_support_arg_error(
        L, 2,
        lua_pushfstring(L, "option '%s': boolean expected, got %s", name, luaL_typename(L, -1)));
  lua_pop(L, 1);
  return v;
}

static void check_options(lua_State *L) {
  if (lua_type(L, 2) != LUA_TTABLE) ti_lua_support_type_error(L, 2, "table");
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    const char *k = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(k, "wait") == 0 || strcmp(k, "cancel_futures") == 0 || strcmp(k, "timeout") == 0 ||
        strcmp(k, "interrupt") == 0)
      continue;
    ti_lua_support_arg_error(
        L, 2,
        lua_pushfstring(
            L, "unknown option '%s'; known options: cancel_futures, interrupt, timeout, wait",
            luaL_tolstring(L, -2, NULL)));
  }
}

/* ex:shutdown{wait =, cancel_futures =, interrupt =, timeout =} -> true, or false if the timeout
** passed first */
static int ex_shutdown(lua_State *L) {
  tide_executor *ex = ti_lua_executor_handle_check(L, 1);
  bool wait = true;
  int flags = 0;
  double timeout = TIDE_FOREVER;
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    check_options(L);
    wait = opt_flag(L, "wait", true);
    if (opt_flag(L, "cancel_futures", false)) flags |= TIDE_SHUTDOWN_CANCEL;
    if (opt_flag(L, "interrupt", false)) flags |= TIDE_SHUTDOWN_INTERRUPT;
    if (lua_getfield(L, 2, "timeout") != LUA_TNIL) {
      if (lua_type(L, -1) != LUA_TNUMBER)
        ti_lua_support_arg_error(
            L, 2,
            lua_pushfstring(L, "option 'timeout': number expected, got %s", luaL_typename(L, -1)));
      if (!ti_lua_support_timeout(lua_tonumber(L, -1), &timeout))
        ti_lua_support_arg_error(L, 2, "option 'timeout': number of seconds expected, got NaN");
    }
  }
  if (wait) return finish(L, flags, timeout);
  if (tide_executor_shutdown(ex, L, flags, 0) == TIDE_EBROKEN)
    return ti_lua_support_raise(L, TIDE_EBROKEN, NULL);
  ti_lua_callback_pump(L);
  lua_pushboolean(L, 1);
  return 1;
}

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Warns that the error in argument 2 is shown only after running tasks have ended. [-0, +2, m] */
static void warn_of_waiting(lua_State *L) {
  tide_executor *ex = ti_lua_executor_handle_check(L, 1);
  char names[256];
  int n = tide_executor_running(ex, names, sizeof names);
  if (n == 0) return;
  lua_pushcfunction(L, describe);
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) lua_pushfstring(L, "a %s", luaL_typename(L, 2));
  lua_warning(
      L,
      lua_pushfstring(
          L,
          "tidepool: an error ends a block, and <close> waits for %d running task%s of %s "
          "(%s); with the option daemon = true, or after shutdown { interrupt = true }, these "
          "are interrupted; the error: %s",
          n, n == 1 ? "" : "s", tide_executor_name(ex), names, lua_tostring(L, -1)),
      0);
}

/* local ex <close>: waits for all tasks. If an error ends the block, tasks that have not started
** are cancelled, and a daemon is not waited for. */
static int ex_close(lua_State *L) {
  enum { PATIENCE = 2 }; /* seconds until it warns */
  tide_executor *ex = ti_lua_executor_handle_check(L, 1);
  if (lua_isnoneornil(L, 2)) {
    finish(L, 0, TIDE_FOREVER);
  } else if (tide_executor_daemon(ex)) {
    tide_executor_shutdown(ex, NULL, give_up_flags(ex), 0);
  } else {
    finish(L, TIDE_SHUTDOWN_CANCEL, PATIENCE);
    if (!lua_toboolean(L, -1)) {
      lua_settop(L, 2);
      warn_of_waiting(L);
      lua_settop(L, 2);
      finish(L, TIDE_SHUTDOWN_CANCEL, TIDE_FOREVER);
    }
  }
  return 0;
}

static int ex_gc(lua_State *L) {
  struct ti_lua_executor *b =
      (struct ti_lua_executor *)ti_lua_support_check_udata(L, 1, TI_LUA_EXECUTOR);
  tide_executor *ex = b->ex;
  b->ex = NULL;
  if (!b->borrowed) tide_executor_drop(ex, L);
  return 0;
}

/* --------------------------------------------------------------- facts -- */

static void set_count(lua_State *L, const char *name, size_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

/* ex:stats() -> table of counts */
static int ex_stats(lua_State *L) {
  tide_stats st;
  tide_executor_stats(ti_lua_executor_handle_check(L, 1), &st);
  lua_createtable(L, 0, 9);
  set_count(L, "max_workers", st.max_workers);
  set_count(L, "workers", st.workers);
  set_count(L, "idle", st.idle);
  set_count(L, "queued", st.queued);
  set_count(L, "running", st.running);
  set_count(L, "submitted", st.submitted);
  set_count(L, "finished", st.finished);
  set_count(L, "failed", st.failed);
  set_count(L, "cancelled", st.cancelled);
  return 1;
}

/* ex:poll() -> the number of futures whose done-callbacks were called */
static int ex_poll(lua_State *L) {
  ti_lua_executor_handle_check(L, 1);
  lua_pushinteger(L, ti_lua_callback_pump(L));
  return 1;
}

/* ex:name() -> its thread_name_prefix */
static int ex_name(lua_State *L) {
  lua_pushstring(L, tide_executor_name(ti_lua_executor_handle_check(L, 1)));
  return 1;
}

static int ex_tostring(lua_State *L) {
  struct ti_lua_executor *b =
      (struct ti_lua_executor *)ti_lua_support_check_udata(L, 1, TI_LUA_EXECUTOR);
  if (b->ex)
    lua_pushfstring(L, "%s: %p (%s)", TI_LUA_EXECUTOR, (void *)b->ex, tide_executor_name(b->ex));
  else
    lua_pushfstring(L, "%s: (collected)", TI_LUA_EXECUTOR);
  return 1;
}

static struct ti_lua_executor *test(lua_State *L, int idx) {
  return (struct ti_lua_executor *)luaL_testudata(L, idx, TI_LUA_EXECUTOR);
}

static int ex_eq(lua_State *L) {
  struct ti_lua_executor *a = test(L, 1), *b = test(L, 2);
  lua_pushboolean(L, a && b && a->ex == b->ex);
  return 1;
}

/* --------------------------------------------------------------- class -- */

static void *ref_hold(lua_State *L, int idx) {
  struct ti_lua_executor *b = test(L, idx);
  return b && b->ex ? tide_executor_hold(b->ex) : NULL;
}

static void ref_push(lua_State *L, void *object) { tide_pushexecutor(L, (tide_executor *)object); }

static void ref_release(void *object) { tide_executor_rele((tide_executor *)object); }

static const tide_reftype reftype = {TI_LUA_EXECUTOR, ref_hold, ref_push, ref_release, NULL};

/* The __index of the methods' table: loads the methods that are written in Lua. */
static int load_method(lua_State *L) {
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (strcmp(key, "map") != 0 && strcmp(key, "with") != 0) return 0;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "tidepool.executor");
  lua_call(L, 1, 0);
  lua_settop(L, 2);
  lua_rawget(L, 1);
  return 1;
}

static const luaL_Reg methods[] = {{"submit", ex_submit}, {"shutdown", ex_shutdown},
                                   {"stats", ex_stats},   {"poll", ex_poll},
                                   {"name", ex_name},     {NULL, NULL}};

static const luaL_Reg metamethods[] = {{"__gc", ex_gc},
                                       {"__close", ex_close},
                                       {"__eq", ex_eq},
                                       {"__tostring", ex_tostring},
                                       {NULL, NULL}};

static const struct ti_lua_class executor_class = {
    TI_LUA_EXECUTOR, metamethods, methods, load_method, &reftype, ti_lua_future_push_class};

void ti_lua_executor_push_class(lua_State *L) { ti_lua_support_push_class(L, &executor_class); }
