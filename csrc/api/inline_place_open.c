/*
** api/inline_place_open: opening the places of executors without threads.
**
** SPDX-License-Identifier: MIT
*/
#include <lauxlib.h>
#include <string.h>

#include "api/inline_place_impl.h"
#include "codec/globals.h"
#include "luautil/stdlibs.h"
#include "sched/pool_nested.h"
#include "vm/worker_calls.h"

/* __index of a place's globals: (globals, name) -> the state's global of that name. Runs no
** metamethod of the state's globals. Upvalue: those. */
static int get_global(lua_State *L) {
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

/* Pushes a table of globals with those of Lua's libraries, as a worker has them. The state's
** globals are at idx. [-0, +1, m] */
static void new_globals(lua_State *L, int idx) {
  int globals;
  lua_newtable(L);
  globals = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) {
    size_t len;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
    if (name == NULL || !ti_stdlibs_is_global(name, len)) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, globals);
  }
  lua_pushvalue(L, globals);
  lua_setfield(L, globals, LUA_GNAME);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, idx);
  lua_pushcclosure(L, get_global, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, globals);
}

/* Protected: (executor) -> the place for its next task, and whether that is new. */
static int get_place(lua_State *L) {
  tide_executor *ex = (tide_executor *)lua_touserdata(L, 1);
  int depth = ti_inline_run_depth(L, ex);
  if (depth >= MAX_DEPTH) luaL_error(L, "C stack overflow");
  luaL_checkstack(L, 16, NULL);
  ti_inline_place_push_all(L);               /* 2 */
  if (lua_rawgetp(L, 2, ex) == LUA_TTABLE) { /* 3 */
    if (lua_rawgeti(L, 3, depth + 1) == LUA_TTABLE) {
      lua_pushboolean(L, 0);
      return 2;
    }
    lua_pop(L, 1);
  }
  lua_rawgeti(L, 2, 0); /* 4: the state's globals */
  lua_createtable(L, PLACE_SHARED, 0);
  new_globals(L, 4);
  lua_pushvalue(L, -1);
  lua_pushvalue(L, 5);
  lua_rawset(L, 2); /* by its globals, for tide_pushinlineshares */
  lua_rawseti(L, 5, PLACE_GLOBALS);
  for (int i = PLACE_GOT; i <= PLACE_NATIVE; i++) {
    lua_newtable(L);
    lua_rawseti(L, 5, i);
  }
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawseti(L, 5, PLACE_SHARED);
  lua_pushboolean(L, 1);
  return 2;
}

struct opening {
  struct ti_inline_run *run;
  const char *what; /* is being done, for a message if it fails */
};

/* Protected, in the place: (opening) -> finalizer or nil. */
static int call_initializer(lua_State *L) {
  struct opening *o = (struct opening *)lua_touserdata(L, 1);
  const tide_executor *ex = o->run->ex;
  const struct ti_worker_calls calls = {ex->init, ex->final,
                                        ex->seeded ? &ex->initializer_seed : NULL};
  ti_worker_calls_run(L, &calls, &o->run->rng, &o->what);
  ti_globals_own(L, false);
  return 1;
}

/* Protected: (executor, place, finalizer): enters an open place in the table of places. */
static int keep_place(lua_State *L) {
  tide_executor *ex = (tide_executor *)lua_touserdata(L, 1);
  lua_rawseti(L, 2, PLACE_FINAL);
  ti_inline_place_push_all(L);
  if (lua_rawgetp(L, -1, ex) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, ex);
    ti_pool_hold(ex->pool); /* so that no other executor gets its address */
  }
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, ti_inline_run_depth(L, ex) + 1);
  return ti_inline_place_new_closer(L); /* now, since the first task may close the state */
}

/* Breaks the executor, whose place could not be opened, unless memory lacked. The error is on top.
** Returns TIDE_EBROKEN or TIDE_ENOMEM. [-1, +0, -] */
static int break_executor(lua_State *L, const struct opening *o, int status) {
  struct tide_executor *ex = o->run->ex;
  size_t len = 0, size;
  const char *text;
  char *why;
  if (status != LUA_ERRMEM) {
    lua_pushcfunction(L, ti_worker_calls_why);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)o->what);
    lua_insert(L, -2);
    status = lua_pcall(L, 2, 1, 0) == LUA_OK ? LUA_OK : LUA_ERRMEM;
  }
  text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
  size = len + 1;
  why = status != LUA_ERRMEM ? (char *)ti_alloc_new(&ex->mem, size) : NULL;
  if (why != NULL) {
    memcpy(why, text, size);
    ti_pool_nested_break(ex->pool, why, size);
  }
  lua_pop(L, 1);
  return why != NULL ? TIDE_EBROKEN : TIDE_ENOMEM;
}

/* Opens the new place at idx, which is on top. Returns LUA_OK, or another status with the error on
** top and what failed in o->what. [-0, +(0|1), -] */
static int open_new(lua_State *L, struct opening *o, int idx) {
  struct ti_inline_run *r = o->run;
  const char *name = r->name;
  int status;
  lua_pushnil(L); /* for the finalizer, or the error */
  r->name = NULL; /* an initializer is no task */
  ti_inline_place_enter(L, r, idx);
  lua_pushcfunction(L, ti_inline_run_trace);
  lua_pushcfunction(L, call_initializer);
  lua_pushlightuserdata(L, o);
  status = lua_pcall(L, 1, 1, -3);
  lua_replace(L, idx + 1);
  lua_settop(L, idx + 1 + TI_INLINE_PLACE_SLOTS);
  ti_inline_place_leave(L, r);
  r->name = name;
  if (status != LUA_OK) return status;
  lua_pushcfunction(L, keep_place);
  lua_insert(L, -2);
  lua_pushlightuserdata(L, r->ex);
  lua_insert(L, -2);
  lua_pushvalue(L, idx);
  lua_insert(L, -2);
  o->what = "no memory";
  return lua_pcall(L, 3, 0, 0);
}

int ti_inline_place_open_next(lua_State *L, struct ti_inline_run *r) {
  struct opening o = {r, "cannot open a worker"};
  int place, status;
  lua_pushcfunction(L, get_place);
  lua_pushlightuserdata(L, r->ex);
  status = lua_pcall(L, 1, 2, 0);
  if (status == LUA_ERRMEM) return TIDE_ENOMEM;
  if (status != LUA_OK) return TIDE_EERROR; /* too deep */
  place = lua_gettop(L) - 1;
  if (lua_toboolean(L, -1)) {
    lua_settop(L, place);
    status = open_new(L, &o, place);
    /* Inside a task of the executor, nesting may be why. That does not break the executor. */
    if (status != LUA_OK && status != LUA_ERRMEM && ti_inline_run_depth(L, r->ex) > 0)
      return TIDE_EERROR;
    if (status != LUA_OK) return break_executor(L, &o, status);
  }
  lua_settop(L, place);
  return TIDE_OK;
}
