/*
** tidepool, floor 4: lua_map, the iterator that a map returns.
**
** What a map does is written in Lua (tidepool.map), on a state of its own. This userdata stands
** for it and gives out by itself what costs most if Lua does it: the items of a *run*, which have
** one result each and of which nothing else needs to be done. All other steps go to the state.
**
** Invariant: 0 <= pos <= last; while pos < last, the item pos + 1 of VALUES is the next to be given.
**
** SPDX-License-Identifier: MIT
*/
#include "lua_binding.h"

enum { VALUES = 1, STATE = 2 }; /* user values: the run's results, or nil; the state's table */

struct map_box {
  lua_Integer pos, last; /* of the run: the item given last, the last one */
  lua_Integer offset;    /* the index of an item less its place in VALUES */
};

/* Argument 1. Metamethods do not count on how they are called, so this is looked at each time. */
static struct map_box *check(lua_State *L) {
  return (struct map_box *)luaL_checkudata(L, 1, TIDE_LUA_MAP);
}

/* What state:NAME(iterator) returned lies above the iterator. [-0, +0, -] */
static int state_called(lua_State *L, int status, lua_KContext unused) {
  (void)status;
  (void)unused;
  return lua_gettop(L) - 1;
}

/* state:NAME(iterator) with all results; may yield, as an iterator function that is read may.
** [-0, +n, e] */
static int call_state(lua_State *L, const char *name) {
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, STATE);
  lua_getfield(L, 2, name);
  lua_insert(L, 2);
  lua_pushvalue(L, 1);
  lua_callk(L, 2, LUA_MULTRET, 0, state_called);
  return state_called(L, LUA_OK, 0);
}

/* it() -> the next item's index and results, or nil */
static int map_call(lua_State *L) {
  struct map_box *m = (struct map_box *)lua_touserdata(L, 1);
  if (!m || !lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(1))) m = check(L);
  if (m->pos == m->last) return call_state(L, "step");
  m->pos++;
  lua_getiuservalue(L, 1, VALUES);
  lua_pushinteger(L, m->offset + m->pos);
  lua_rawgeti(L, -2, m->pos);
  return 2;
}

static int map_close(lua_State *L) {
  check(L);
  return call_state(L, "close");
}

/* core.map(state) -> its iterator */
int tide_lua_newmap(lua_State *L) {
  struct map_box *m;
  luaL_checktype(L, 1, LUA_TTABLE);
  m = (struct map_box *)lua_newuserdatauv(L, sizeof *m, 2);
  m->pos = m->last = m->offset = 0;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, STATE);
  tide_lua_pushmapclass(L);
  lua_setmetatable(L, -2);
  return 1;
}

/* core.map_state(value) -> the state of an iterator; nil for other values */
int tide_lua_mapstate(lua_State *L) {
  if (luaL_testudata(L, 1, TIDE_LUA_MAP))
    lua_getiuservalue(L, 1, STATE);
  else
    lua_pushnil(L);
  return 1;
}

/* core.map_run(iterator, values, pos, last, offset): values[pos + 1 … last] are given next */
int tide_lua_maprun(lua_State *L) {
  struct map_box *m = check(L);
  lua_Integer pos = luaL_checkinteger(L, 3), last = luaL_checkinteger(L, 4);
  lua_Integer offset = luaL_checkinteger(L, 5);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, 0 <= pos && pos <= last, 4, "no such run");
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, VALUES);
  m->pos = pos;
  m->last = last;
  m->offset = offset;
  return 0;
}

/* core.map_pause(iterator) -> ends the run; the place of the item given last, or nil if there is
** no run */
int tide_lua_mappause(lua_State *L) {
  struct map_box *m = check(L);
  if (m->last == 0) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, m->pos);
  m->pos = m->last = 0;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, VALUES);
  return 1;
}

static const luaL_Reg methods[] = {{NULL, NULL}};

static const luaL_Reg metamethods[] = {{"__close", map_close}, {NULL, NULL}};

static const struct tide_lua_class map_class = {TIDE_LUA_MAP, metamethods, methods, NULL, NULL};

void tide_lua_pushmapclass(lua_State *L) {
  tide_lua_pushclass(L, &map_class);
  if (lua_getfield(L, -1, "__call") == LUA_TNIL) {
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, map_call, 1);
    lua_setfield(L, -3, "__call");
  }
  lua_pop(L, 1);
}
