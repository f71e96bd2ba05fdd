/*
** binding/lua_map_results: what the task of a map's chunk returns.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_map_results.h"

#include "binding/lua_future_handle.h"

/* The place of a value of the format in arguments, if the first comes after `before` others. */
#define AT(before, what) ((before) + 1 + TI_LUA_MAP_RESULTS_##what)

enum {
  HEAD = TI_LUA_MAP_RESULTS_HEAD,
  MOST_FLAT = 1024 /* flat results, at most: all of them lie on the worker's stack at once */
};

/* -------------------------------------------------------------- writing -- */

static bool is_scalar(int type) {
  return type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TBOOLEAN || type == LUA_TNIL;
}

/* Makes the n results on top a row of `multi`. [-n, +0, m] */
static void put_multi(lua_State *L, int values, int multi, lua_Integer i, int n) {
  int base = lua_gettop(L) - n;
  if (n == 0) {
    lua_pushinteger(L, 0);
  } else {
    luaL_checkstack(L, 3, "too many results");
    lua_createtable(L, n, 1);
    for (int k = 1; k <= n; k++) {
      lua_pushvalue(L, base + k);
      lua_rawseti(L, -2, k);
    }
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
  }
  lua_rawseti(L, multi, i);
  lua_pushboolean(L, 0);
  lua_rawseti(L, values, i);
  lua_settop(L, base);
}

bool ti_lua_map_results_put_row(lua_State *L, int values, int multi, lua_Integer i, int n) {
  bool scalar;
  if (n != 1) {
    put_multi(L, values, multi, i, n);
    return n == 0;
  }
  scalar = is_scalar(lua_type(L, -1));
  lua_rawseti(L, values, i);
  return scalar;
}

int ti_lua_map_results_clear(lua_State *L) {
  lua_Integer i = luaL_checkinteger(L, 3);
  lua_settop(L, 2);
  lua_pushboolean(L, 0);
  lua_rawseti(L, 1, i);
  lua_pushnil(L);
  lua_rawseti(L, 2, i);
  return 0;
}

/* Returns whether the table at idx is empty. [-0, +0, -] */
static bool is_empty(lua_State *L, int idx) {
  lua_pushnil(L);
  if (lua_next(L, idx) == 0) return true;
  lua_pop(L, 2);
  return false;
}

int ti_lua_map_results_pack(lua_State *L) {
  lua_Integer count = luaL_checkinteger(L, HEAD + 1);
  bool flat = lua_toboolean(L, HEAD + 2) && 0 <= count && count <= MOST_FLAT;
  luaL_checktype(L, AT(0, VALUES), LUA_TTABLE);
  luaL_checktype(L, AT(0, MULTI), LUA_TTABLE);
  lua_settop(L, HEAD);
  if (is_empty(L, AT(0, MULTI))) {
    lua_pushnil(L);
    lua_replace(L, AT(0, MULTI));
  } else {
    flat = false;
  }
  if (!flat) return HEAD;
  luaL_checkstack(L, (int)count + 1, NULL);
  for (lua_Integer i = 1; i <= count; i++) lua_rawgeti(L, AT(0, VALUES), i);
  lua_pushboolean(L, 0);
  lua_replace(L, AT(0, VALUES));
  lua_pushinteger(L, count);
  lua_replace(L, AT(0, MULTI));
  return HEAD + (int)count;
}

/* -------------------------------------------------------------- reading -- */

void ti_lua_map_results_read_head(const tide_future *f, struct ti_lua_map_head *head) {
  tide_value v[HEAD];
  size_t n;
  head->seconds = 0;
  head->flat = -1;
  head->more = false;
  if (tide_future_values(f, v, HEAD, &n) != TIDE_OK || n < HEAD) return;
  if (v[TI_LUA_MAP_RESULTS_SECONDS].type == TIDE_TNUMBER)
    head->seconds = (double)v[TI_LUA_MAP_RESULTS_SECONDS].u.number;
  head->more = v[TI_LUA_MAP_RESULTS_FAILED].type != TIDE_TNIL ||
               v[TI_LUA_MAP_RESULTS_PARTS].type != TIDE_TNIL;
  if (!head->more && v[TI_LUA_MAP_RESULTS_VALUES].type == TIDE_TBOOLEAN && n <= HEAD + MOST_FLAT)
    head->flat = (lua_Integer)(n - HEAD);
}

int ti_lua_map_results_flat(lua_State *L) {
  struct ti_lua_map_head head;
  ti_lua_map_results_read_head(ti_lua_future_handle_check(L, 1)->f, &head);
  if (head.flat < 0) return 0;
  lua_pushnumber(L, (lua_Number)head.seconds);
  return 1;
}

int ti_lua_map_results_unpack(lua_State *L) {
  int count = lua_gettop(L) - 1 - HEAD;
  if (count < 0 || !lua_toboolean(L, 1) || !lua_isboolean(L, AT(1, VALUES))) return lua_gettop(L);
  luaL_checkstack(L, 2, NULL);
  lua_createtable(L, count, 0);
  for (int i = 1; i <= count; i++) {
    lua_pushvalue(L, 1 + HEAD + i);
    lua_rawseti(L, -2, i);
  }
  lua_replace(L, AT(1, VALUES));
  lua_pushnil(L);
  lua_replace(L, AT(1, MULTI));
  lua_settop(L, 1 + HEAD);
  return 1 + HEAD;
}

int ti_lua_map_results_row(lua_State *L) {
  lua_Integer i = luaL_checkinteger(L, 3);
  int n;
  lua_settop(L, 2);
  if (lua_isnil(L, 2) || lua_rawgeti(L, 2, i) == LUA_TNIL) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_rawgeti(L, 1, i);
    return 1;
  }
  if (lua_type(L, 3) == LUA_TNUMBER) return 0; /* an empty row */
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_getfield(L, 3, "n");
  n = (int)lua_tointeger(L, -1);
  luaL_checkstack(L, n, "too many results");
  for (int k = 1; k <= n; k++) lua_rawgeti(L, 3, k);
  return n;
}

void ti_lua_map_results_load(const tide_future *f, tide_value *memory, lua_Integer count) {
  size_t n;
  tide_future_values(f, memory, ti_lua_map_results_capacity(count), &n);
}
