/*
** binding/lua_executor: executors as scripts see them.
**
** The userdata holds one user's reference. Collecting it gives the reference
** back and never waits; the state that made the executor has adopted it and
** joins its threads when it closes. `map` and `with` are written in Lua and
** loaded at their first use, so an executor that arrives in a worker or is
** pushed by a host has them too.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_future_handle.h"

#include <string.h>

struct executor_box {
  tide_executor *ex; /* a user's reference unless borrowed; NULL before filled and once collected */
  bool borrowed;     /* L is a worker of ex: it must not keep its own executor alive */
};

tide_executor *ti_lua_executor_check(lua_State *L, int arg) {
  struct executor_box *b =
      (struct executor_box *)ti_lua_support_check_udata(L, arg, TI_LUA_EXECUTOR);
  if (!b->ex) ti_lua_support_arg_error(L, arg, "the executor is collected already");
  return b->ex;
}

/* The same for the self of a method. */
static tide_executor *self(lua_State *L) {
  struct executor_box *b = (struct executor_box *)ti_lua_support_self(L);
  return b && b->ex ? b->ex : ti_lua_executor_check(L, 1);
}

static struct executor_box *newbox(lua_State *L) { /* [-0, +1, m] */
  struct executor_box *b;
  luaL_checkstack(L, 4, NULL);
  ti_lua_executor_push_class(L);
  b = (struct executor_box *)lua_newuserdatauv(L, sizeof *b, 0);
  b->ex = NULL;
  b->borrowed = false;
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  return b;
}

tide_executor **ti_lua_executor_new_box(lua_State *L) { return &newbox(L)->ex; }

void tide_pushexecutor(lua_State *L, tide_executor *ex) {
  struct executor_box *b = newbox(L);
  b->borrowed = tide_current_executor(L) == ex;
  b->ex = b->borrowed ? ex : tide_executor_hold(ex);
}

/* -------------------------------------------------------------- submit -- */

/* Submits the function at `fn` and what follows it; leaves the future, whose metatable is at
** `meta`, or to be looked up. [-n, +1, e] */
static int submit(lua_State *L, tide_executor *ex, int fn, const tide_taskopts *o, bool quiet,
                  int meta) {
  int nargs = lua_gettop(L) - fn;
  struct ti_lua_future *b = ti_lua_future_new(L, meta);
  lua_insert(L, fn);
  b->f = tide_submit(ex, L, nargs, o);
  b->seen = quiet;
  b->task = true;
  return 1;
}

/* ex:submit(fn, ...) -> future */
static int ex_submit(lua_State *L) {
  tide_executor *ex = self(L);
  ti_lua_support_check_task(L, 2);
  return submit(L, ex, 2, NULL, false, TI_LUA_MADE);
}

/* The options of a task from the table at `idx`, or nil; their ranges were checked by the Lua side.
** [-0, +0, e] */
static void getoptions(lua_State *L, int idx, tide_taskopts *o) {
  tide_taskopts_init(o);
  if (!lua_istable(L, idx)) return;
  lua_getfield(L, idx, "priority");
  o->priority = (int)luaL_optinteger(L, -1, 0);
  lua_getfield(L, idx, "time_limit");
  o->time_limit = (double)luaL_optnumber(L, -1, 0);
  lua_getfield(L, idx, "memory_limit");
  o->memory_limit = (size_t)luaL_optinteger(L, -1, 0);
  lua_getfield(L, idx, "name"); /* lives as long as the table has it */
  o->name = luaL_optstring(L, -1, NULL);
  lua_pop(L, 4);
}

/* core.submit(ex, quiet, options, fn, ...) -> future; a quiet one never warns; options: a table
** with priority, name, time_limit and memory_limit, or nil */
int ti_lua_executor_submit(lua_State *L) {
  tide_executor *ex = ti_lua_executor_check(L, 1);
  tide_taskopts o;
  getoptions(L, 3, &o);
  ti_lua_support_check_task(L, 4);
  return submit(L, ex, 4, &o, lua_toboolean(L, 2), 0);
}

static bool counts(const tide_array *a) {
  return tide_array_type(a) == TIDE_I64 || tide_array_type(a) == TIDE_U64;
}

/* core.submit_seeded(seed, number, ex, quiet, options, fn, ...) -> future: core.submit of a task
** whose random numbers begin from a seed. An integer seed: from it and the next number of the
** counter, an array of one i64 or u64; a string, core.map_seed's: as item `number` of that map. */
int ti_lua_executor_submit_seeded(lua_State *L) {
  tide_executor *ex = ti_lua_executor_check(L, 3);
  bool quiet = lua_toboolean(L, 4) != 0;
  tide_taskopts o;
  getoptions(L, 5, &o);
  ti_lua_support_check_task(L, 6);
  if (lua_type(L, 1) == LUA_TSTRING) {
    o.seeding = TIDE_SEED_ITEM;
    luaL_argcheck(L, lua_rawlen(L, 1) == sizeof o.stream, 1, "no seed of a map");
    memcpy(&o.stream, lua_tostring(L, 1), sizeof o.stream);
    o.number = (lua_Unsigned)luaL_checkinteger(L, 2);
  } else {
    const tide_array *counter = tide_toarray(L, 2);
    luaL_argcheck(L, counter != NULL && tide_array_length(counter) == 1 && counts(counter), 2,
                  "no counter");
    o.seeding = TIDE_SEED_TASK;
    o.seed = luaL_checkinteger(L, 1);
    o.counter = (unsigned long long *)tide_array_data(counter);
  }
  return submit(L, ex, 6, &o, quiet, 0);
}

/* core.map_seed(ex [, seed]) -> the seed of a map that is made here, of an integer or, without one,
** of what the executor has; nil: of nothing */
int ti_lua_executor_map_seed(lua_State *L) {
  tide_executor *ex = ti_lua_executor_check(L, 1);
  lua_Integer seed = luaL_optinteger(L, 2, 0);
  tide_stream s;
  if (!tide_map_stream(L, ex, lua_isnoneornil(L, 2) ? NULL : &seed, &s)) return 0;
  lua_pushlstring(L, (const char *)&s, sizeof s);
  return 1;
}

/* ------------------------------------------------------------ shutdown -- */

/* tide_executor_shutdown(argument 1, flags 2, timeout 3) -> status */
static int waitall(lua_State *L) {
  tide_executor *ex = ti_lua_executor_check(L, 1);
  int flags = (int)lua_tointeger(L, 2);
  lua_pushinteger(L, tide_executor_shutdown(ex, L, flags, (double)lua_tonumber(L, 3)));
  return 1;
}

/* What becomes of the rest when the script gives up. */
static int giveup(const tide_executor *ex) {
  return tide_executor_daemon(ex) ? TIDE_SHUTDOWN_INTERRUPT : TIDE_SHUTDOWN_CANCEL;
}

/* Shuts down the executor in argument 1, then pumps: true, or false if the time passed first. If
** the wait is interrupted, what has not started is cancelled: the script can end. [-0, +1, e] */
static int finish(lua_State *L, int flags, double timeout) {
  tide_executor *ex = ti_lua_executor_check(L, 1);
  int status;
  lua_pushcfunction(L, waitall);
  lua_pushvalue(L, 1);
  lua_pushinteger(L, flags);
  lua_pushnumber(L, (lua_Number)timeout);
  if (lua_pcall(L, 3, 1, 0) != LUA_OK) {
    tide_executor_shutdown(ex, NULL, giveup(ex), 0);
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

/* A boolean option of the table at 2. [-0, +0, e] */
static bool optflag(lua_State *L, const char *name, bool dflt) {
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

static void checkoptions(lua_State *L) {
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
  tide_executor *ex = ti_lua_executor_check(L, 1);
  bool wait = true;
  int flags = 0;
  double timeout = TIDE_FOREVER;
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    checkoptions(L);
    wait = optflag(L, "wait", true);
    if (optflag(L, "cancel_futures", false)) flags |= TIDE_SHUTDOWN_CANCEL;
    if (optflag(L, "interrupt", false)) flags |= TIDE_SHUTDOWN_INTERRUPT;
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

/* An error, argument 2, is not shown yet, as running tasks are waited for: says so. [-0, +2, m] */
static void warn_of_waiting(lua_State *L) {
  tide_executor *ex = ti_lua_executor_check(L, 1);
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

/* local ex <close>: waits for everything; if an error passes, cancels what has not started, and a
** daemon is not waited for. */
static int ex_close(lua_State *L) {
  enum { PATIENCE = 2 }; /* seconds */
  tide_executor *ex = ti_lua_executor_check(L, 1);
  if (lua_isnoneornil(L, 2)) {
    finish(L, 0, TIDE_FOREVER);
  } else if (tide_executor_daemon(ex)) {
    tide_executor_shutdown(ex, NULL, giveup(ex), 0);
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
  struct executor_box *b = (struct executor_box *)ti_lua_support_check_udata(L, 1, TI_LUA_EXECUTOR);
  tide_executor *ex = b->ex;
  b->ex = NULL;
  if (!b->borrowed) tide_executor_drop(ex, L);
  return 0;
}

/* --------------------------------------------------------------- facts -- */

static void setcount(lua_State *L, const char *name, size_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

/* ex:stats() -> table of counts */
static int ex_stats(lua_State *L) {
  tide_stats st;
  tide_executor_stats(ti_lua_executor_check(L, 1), &st);
  lua_createtable(L, 0, 9);
  setcount(L, "max_workers", st.max_workers);
  setcount(L, "workers", st.workers);
  setcount(L, "idle", st.idle);
  setcount(L, "queued", st.queued);
  setcount(L, "running", st.running);
  setcount(L, "submitted", st.submitted);
  setcount(L, "finished", st.finished);
  setcount(L, "failed", st.failed);
  setcount(L, "cancelled", st.cancelled);
  return 1;
}

/* ex:poll() -> how many finished futures had their done callbacks called */
static int ex_poll(lua_State *L) {
  ti_lua_executor_check(L, 1);
  lua_pushinteger(L, ti_lua_callback_pump(L));
  return 1;
}

/* ex:name() -> its thread_name_prefix */
static int ex_name(lua_State *L) {
  lua_pushstring(L, tide_executor_name(ti_lua_executor_check(L, 1)));
  return 1;
}

static int ex_tostring(lua_State *L) {
  struct executor_box *b = (struct executor_box *)ti_lua_support_check_udata(L, 1, TI_LUA_EXECUTOR);
  if (b->ex)
    lua_pushfstring(L, "%s: %p (%s)", TI_LUA_EXECUTOR, (void *)b->ex, tide_executor_name(b->ex));
  else
    lua_pushfstring(L, "%s: (collected)", TI_LUA_EXECUTOR);
  return 1;
}

static struct executor_box *totest(lua_State *L, int idx) {
  return (struct executor_box *)luaL_testudata(L, idx, TI_LUA_EXECUTOR);
}

static int ex_eq(lua_State *L) {
  struct executor_box *a = totest(L, 1), *b = totest(L, 2);
  lua_pushboolean(L, a && b && a->ex == b->ex);
  return 1;
}

/* --------------------------------------------------------------- class -- */

static void *ref_hold(lua_State *L, int idx) {
  struct executor_box *b = totest(L, idx);
  return b && b->ex ? tide_executor_hold(b->ex) : NULL;
}

static void ref_push(lua_State *L, void *object) { tide_pushexecutor(L, (tide_executor *)object); }

static void ref_release(void *object) { tide_executor_rele((tide_executor *)object); }

static const tide_reftype reftype = {TI_LUA_EXECUTOR, ref_hold, ref_push, ref_release, NULL};

/* methods[key] when it is absent: loads the methods that are written in Lua. */
static int loadmethod(lua_State *L) {
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
    TI_LUA_EXECUTOR, metamethods, methods, loadmethod, &reftype, ti_lua_future_push_class};

void ti_lua_executor_push_class(lua_State *L) { ti_lua_support_push_class(L, &executor_class); }
