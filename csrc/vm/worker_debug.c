/*
** vm/worker_debug: a worker's hooks, collector settings and protected calls.
**
** SPDX-License-Identifier: MIT
*/
#include "vm/worker_debug.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* Key in the registry: coroutine -> struct saved, of those whose hook the task changed. */
static const char hooks_key = 0;
/* Where Lua's debug library stores the functions of hooks: coroutine -> function. */
static const char lua_hooks[] = "_HOOKKEY";

/* A coroutine's hook before the task; user value 1: the function that debug.sethook was given. */
struct saved {
  lua_Hook hook;
  int mask, count;
};

/* Returns upvalue 1 of a function here. */
static struct ti_worker_debug *here(lua_State *L) {
  struct ti_worker_debug *d = (struct ti_worker_debug *)lua_touserdata(L, lua_upvalueindex(1));
  if (d == NULL) luaL_error(L, "the function's upvalue was changed");
  return d;
}

/* -------------------------------------------------------------------- hooks -- */

/* Saves the hook of co, the value at index `at`, before the task changes it. [-0, +0, m] */
static void keep_hook(lua_State *L, lua_State *co, int at) {
  struct saved *s;
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hooks_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 1);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &hooks_key);
  }
  lua_pushvalue(L, at);
  if (lua_rawget(L, top + 1) == LUA_TNIL) {
    lua_pushvalue(L, at);
    s = (struct saved *)lua_newuserdatauv(L, sizeof *s, 1);
    s->hook = lua_gethook(co);
    s->mask = lua_gethookmask(co);
    s->count = lua_gethookcount(co);
    if (lua_getfield(L, LUA_REGISTRYINDEX, lua_hooks) == LUA_TTABLE) {
      lua_pushvalue(L, at);
      lua_rawget(L, -2);
      lua_setiuservalue(L, -3, 1);
    }
    lua_pop(L, 1);
    lua_rawset(L, top + 1);
  }
  lua_settop(L, top);
}

/* debug.sethook([thread,] hook, mask [, count]). In a task that was requested to end it does
** nothing, so that the hook that ends it stays. */
static int worker_sethook(lua_State *L) {
  struct ti_worker_debug *d = here(L);
  lua_State *co = lua_tothread(L, 1);
  if (ti_stop_token_requested(d->interrupt->stop) != TIDE_OK) return 0;
  if (d->opened) {
    d->hooked = true;
    if (co == NULL) {
      lua_pushthread(L);
      keep_hook(L, L, lua_gettop(L));
      lua_pop(L, 1);
    } else {
      keep_hook(L, co, 1);
    }
  }
  return d->sethook(L);
}

/* Protected: restores each hook. */
static int put_hooks_back(lua_State *L) {
  bool table;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &hooks_key) != LUA_TTABLE) return 0;
  table = lua_getfield(L, LUA_REGISTRYINDEX, lua_hooks) == LUA_TTABLE;
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    const struct saved *s = (const struct saved *)lua_touserdata(L, -1);
    lua_sethook(lua_tothread(L, -2), s->hook, s->mask, s->count);
    if (table) {
      lua_pushvalue(L, -2);
      lua_getiuservalue(L, -2, 1);
      lua_rawset(L, 2);
    }
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &hooks_key);
  return 0;
}

/* ---------------------------------------------------------------- collector -- */

/* Returns a parameter of the collector, which Lua returns only to callers that set it. */
static int parameter(lua_State *L, int what) {
  int value = lua_gc(L, what, 0);
  lua_gc(L, what, value);
  return value;
}

/* Saves the settings before the task changes them for the first time. */
static void keep_collector(lua_State *L, struct ti_worker_debug *d) {
  if (!d->opened || d->collector) return;
  if (lua_gc(L, LUA_GCISRUNNING) < 0) return; /* in a finalizer nothing can be changed */
  d->collector = true;
  d->mode = -1;
  d->generational_sizes = d->step_size = false;
  d->pause = parameter(L, LUA_GCSETPAUSE);
  d->stepmul = parameter(L, LUA_GCSETSTEPMUL);
}

/* Notes a size that is given while the state is opened, which stays, or by a task. 0: none is
** given. */
static void note_size(lua_State *L, const struct ti_worker_debug *d, int arg, int *base,
                      bool *given) {
  int size = (int)lua_tointeger(L, arg);
  if (size == 0) return;
  if (d->opened)
    *given = true;
  else
    *base = size;
}

/* collectgarbage([opt, ...]) */
static int worker_collectgarbage(lua_State *L) {
  struct ti_worker_debug *d = here(L);
  const char *opt = lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : "";
  bool inc = strcmp(opt, "incremental") == 0, gen = strcmp(opt, "generational") == 0;
  int n;
  if (!inc && !gen && strcmp(opt, "stop") != 0 && strcmp(opt, "restart") != 0 &&
      strcmp(opt, "setpause") != 0 && strcmp(opt, "setstepmul") != 0)
    return d->collectgarbage(L);
  keep_collector(L, d);
  if (inc) note_size(L, d, 4, &d->step, &d->step_size);
  if (gen) note_size(L, d, 2, &d->minor, &d->generational_sizes);
  if (gen) note_size(L, d, 3, &d->major, &d->generational_sizes);
  n = d->collectgarbage(L);
  if ((inc || gen) && d->collector && d->mode < 0 && lua_type(L, -1) == LUA_TSTRING)
    d->mode = strcmp(lua_tostring(L, -1), "incremental") == 0 ? LUA_GCINC : LUA_GCGEN;
  return n;
}

static void put_collector_back(lua_State *L, const struct ti_worker_debug *d) {
  if (d->generational_sizes) lua_gc(L, LUA_GCGEN, d->minor, d->major);
  if (d->step_size) lua_gc(L, LUA_GCINC, 0, 0, d->step);
  if (d->mode == LUA_GCINC) lua_gc(L, LUA_GCINC, 0, 0, 0);
  if (d->mode == LUA_GCGEN) lua_gc(L, LUA_GCGEN, 0, 0);
  lua_gc(L, LUA_GCSETPAUSE, d->pause);
  lua_gc(L, LUA_GCSETSTEPMUL, d->stepmul);
}

bool ti_worker_debug_reset(lua_State *L, struct ti_worker_debug *d) {
  bool ok = true;
  if (d->hooked) {
    lua_pushcfunction(L, put_hooks_back);
    ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
    lua_settop(L, 0);
  }
  d->hooked = false;
  if (d->collector) put_collector_back(L, d);
  d->collector = false;
  if ((lua_gc(L, LUA_GCISRUNNING) != 0) != d->running)
    lua_gc(L, d->running ? LUA_GCRESTART : LUA_GCSTOP);
  return ok;
}

/* ---------------------------------------------------------- protected calls -- */

/* Ends a protected call as Lua's own does. */
static int finish_pcall(lua_State *L, int status, lua_KContext extra) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)extra;
  ti_interrupt_again(L);
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

/* pcall(f, ...) */
static int worker_pcall(lua_State *L) {
  int status;
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
  return finish_pcall(L, status, 0);
}

/* xpcall(f, msgh, ...) */
static int worker_xpcall(lua_State *L) {
  int status, n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_pcall);
  return finish_pcall(L, status, 2);
}

/* load(chunk, ...). The chunk may be a function that raises. */
static int worker_load(lua_State *L) {
  struct ti_worker_debug *d = here(L);
  int n = d->load(L);
  if (lua_isnil(L, -n)) ti_interrupt_again(L);
  return n;
}

/* ------------------------------------------------------------------ opening -- */

/* Replaces the function `name` of the table on top by fn with upvalue d. Returns Lua's function, or
** NULL if there is none. [-0, +0, m] */
static lua_CFunction replace(lua_State *L, struct ti_worker_debug *d, const char *name,
                             lua_CFunction fn) {
  lua_CFunction own = lua_getfield(L, -1, name) == LUA_TFUNCTION ? lua_tocfunction(L, -1) : NULL;
  lua_pop(L, 1);
  if (own == NULL) return NULL;
  lua_pushlightuserdata(L, d);
  lua_pushcclosure(L, fn, 1);
  lua_setfield(L, -2, name);
  return own;
}

void ti_worker_debug_open(lua_State *L, struct ti_worker_debug *d, struct ti_interrupt *h) {
  memset(d, 0, sizeof *d);
  d->interrupt = h;
  d->minor = 20, d->major = 100, d->step = 13; /* Lua's */
  lua_pushglobaltable(L);
  d->collectgarbage = replace(L, d, "collectgarbage", worker_collectgarbage);
  d->load = replace(L, d, "load", worker_load);
  lua_pushcfunction(L, worker_pcall);
  lua_setfield(L, -2, "pcall");
  lua_pushcfunction(L, worker_xpcall);
  lua_setfield(L, -2, "xpcall");
  if (lua_getfield(L, -1, LUA_DBLIBNAME) == LUA_TTABLE)
    d->sethook = replace(L, d, "sethook", worker_sethook);
  lua_pop(L, 2);
}

void ti_worker_debug_opened(lua_State *L, struct ti_worker_debug *d) {
  d->opened = true;
  d->running = lua_gc(L, LUA_GCISRUNNING) != 0;
}
