/*
** api/inline_place: what stands for a worker in an executor without threads.
**
** SPDX-License-Identifier: MIT
*/
#include "api/inline_place.h"

#include <lauxlib.h>

#include "api/inline_place_impl.h"
#include "codec/codec_state.h"
#include "codec/outcome.h"

static const int codec_tables[] = {CODEC_SERIALS, CODEC_RECEIVED, CODEC_OWN_GLOBALS};

/* In the registry: the table of places, and the closer. */
static const char places_key = 0, closer_key = 0;

void ti_inline_place_push_all(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  ti_inline_run_prepare(L);
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_rawseti(L, -2, 0);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &places_key);
}

/* -------------------------------------------------------------------- the closer -- */

/* The finalizer of the closer, a userdata. It closes all places when the state closes. Lua
** finalises in reverse order of creation. A new closer replaces the old one after each task, so
** places are closed before objects that tasks made are finalised. */
static int close_all(lua_State *L) {
  int *on = (int *)lua_touserdata(L, 1);
  if (!*on) return 0;
  *on = 0;
  for (;;) {
    tide_executor *ex = NULL;
    ti_inline_place_push_all(L);
    for (lua_pushnil(L); ex == NULL && lua_next(L, -2) != 0; lua_pop(L, 1))
      if (lua_islightuserdata(L, -2)) ex = (tide_executor *)lua_touserdata(L, -2);
    lua_settop(L, 1);
    if (ex == NULL) return 0;
    ti_inline_place_close(L, ex);
  }
}

int ti_inline_place_new_closer(lua_State *L) {
  int *on = (int *)lua_newuserdatauv(L, sizeof *on, 0);
  int *before;
  *on = 1;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_all);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &closer_key);
  before = (int *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &closer_key);
  if (before != NULL) *before = 0;
  return 0;
}

/* ------------------------------------------------------------ entering and leaving -- */

/* Pushes what _leave restores: the state's globals, the codec state, its three tables, and whether
** it is a worker's. */
void ti_inline_place_enter(lua_State *L, struct ti_inline_run *r, int idx) {
  struct ti_codec_state *x;
  int at;
  lua_pushglobaltable(L);
  x = ti_codec_state_peek(L); /* NULL: the state is closing */
  at = lua_gettop(L);
  for (int i = 0; i < 3; i++)
    if (x != NULL)
      lua_getiuservalue(L, at, codec_tables[i]);
    else
      lua_pushnil(L);
  lua_pushboolean(L, x != NULL && x->worker);
  for (int i = 0; x != NULL && i < 3; i++) {
    lua_rawgeti(L, idx, PLACE_GOT + i);
    lua_setiuservalue(L, at, codec_tables[i]);
  }
  if (x != NULL) x->worker = true;
  lua_rawgeti(L, idx, PLACE_GLOBALS);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  ti_inline_run_begin(L, r);
}

void ti_inline_place_leave(lua_State *L, const struct ti_inline_run *r) {
  int first = lua_gettop(L) - TI_INLINE_PLACE_SLOTS + 1, at = first + 1;
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, at);
  ti_inline_run_end(L, r);
  if (x != NULL) {
    x->worker = lua_toboolean(L, -1);
    for (int i = 0; i < 3; i++) {
      lua_pushvalue(L, at + 1 + i);
      lua_setiuservalue(L, at, codec_tables[i]);
    }
  }
  lua_pushvalue(L, first);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_settop(L, first - 1);
}

/* ----------------------------------------------------------------------- closing -- */

/* Protected, in the place: (place): calls its finalizer. */
static int call_finalizer(lua_State *L) {
  if (lua_rawgeti(L, 1, PLACE_FINAL) != LUA_TNIL) lua_call(L, 0, 0);
  return 0;
}

/* Closes the place of ex at idx, which is in no list any more. [-0, +0, m] */
static void close_place(lua_State *L, tide_executor *ex, int idx) {
  struct ti_inline_run r;
  int base = lua_gettop(L), status;
  ti_inline_run_init(&r, ex, &ti_alloc_default);
  luaL_checkstack(L, 16, NULL);
  ti_inline_place_enter(L, &r, idx);
  lua_pushcfunction(L, ti_inline_run_trace);
  lua_pushcfunction(L, call_finalizer);
  lua_pushvalue(L, idx);
  status = lua_pcall(L, 1, 0, -3);
  lua_remove(L, base + TI_INLINE_PLACE_SLOTS + 1); /* the message handler */
  if (status != LUA_OK) {
    lua_pushcfunction(L, ti_outcome_warn_final);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, &r.traceback);
    (void)lua_pcall(L, 2, 0, 0); /* without memory for the text there is no warning */
    lua_settop(L, base + TI_INLINE_PLACE_SLOTS);
  }
  ti_inline_place_leave(L, &r);
  ti_inline_run_fini(&r);
  lua_rawgeti(L, idx, PLACE_GLOBALS);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) == LUA_TTABLE) {
    lua_insert(L, -2);
    lua_pushnil(L);
    lua_rawset(L, -3);
  }
  lua_settop(L, base);
}

void ti_inline_place_close(lua_State *L, tide_executor *ex) {
  int base = lua_gettop(L), list;
  luaL_checkstack(L, 8, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) != LUA_TTABLE ||
      lua_rawgetp(L, -1, ex) != LUA_TTABLE) {
    lua_settop(L, base);
    return;
  }
  list = lua_gettop(L);
  /* First, so that what finalizers submit finds no closed place. */
  lua_pushnil(L);
  lua_rawsetp(L, list - 1, ex);
  for (int i = MAX_DEPTH; i >= 1; i--) {
    if (lua_rawgeti(L, list, i) == LUA_TTABLE) close_place(L, ex, list + 1);
    lua_settop(L, list);
  }
  lua_settop(L, base);
  if (!ti_pool_forked(ex->pool)) ti_pool_release(ex->pool);
}

/* Protected: (executor, place): counts a task -> whether the place is to be closed; then it is in
** no list. */
static int count_task(lua_State *L) {
  tide_executor *ex = (tide_executor *)lua_touserdata(L, 1);
  lua_Integer n;
  bool enough;
  lua_rawgeti(L, 2, PLACE_TASKS);
  n = lua_tointeger(L, -1) + 1;
  lua_pushinteger(L, n);
  lua_rawseti(L, 2, PLACE_TASKS);
  enough = ex->max_tasks > 0 && (size_t)n >= ex->max_tasks;
  if (enough) {
    ti_inline_place_push_all(L);
    if (lua_rawgetp(L, -1, ex) == LUA_TTABLE) {
      lua_pushnil(L);
      lua_rawseti(L, -2, ti_inline_run_depth(L, ex) + 1);
    }
  }
  lua_pushboolean(L, enough);
  return 1;
}

void ti_inline_place_end_task(lua_State *L, tide_executor *ex, int idx) {
  int base = lua_gettop(L);
  lua_pushcfunction(L, count_task);
  lua_pushlightuserdata(L, ex);
  lua_pushvalue(L, idx);
  if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_toboolean(L, -1)) close_place(L, ex, idx);
  lua_pushcfunction(L,
                    ti_inline_place_new_closer); /* without memory for it, the one before stays */
  (void)lua_pcall(L, 0, 0, 0);
  lua_settop(L, base);
}

void ti_inline_place_prepare(lua_State *L) {
  ti_inline_place_push_all(L);
  lua_pop(L, 1);
}

int tide_pushinlineshares(lua_State *L) {
  if (!lua_checkstack(L, 4) || ti_inline_run_top(L) == NULL ||
      lua_rawgetp(L, LUA_REGISTRYINDEX, &places_key) != LUA_TTABLE)
    return 0;
  lua_pushglobaltable(L);
  if (lua_rawget(L, -2) != LUA_TTABLE) {
    lua_pop(L, 2);
    return 0;
  }
  lua_rawgeti(L, -1, PLACE_SHARED);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return 1;
}
