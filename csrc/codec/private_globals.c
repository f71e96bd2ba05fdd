/*
** codec/private_globals: globals of the functions of a shared value.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/private_globals.h"

#include <lauxlib.h>

/* The list has at n the nth function, at -n the number of its upvalue, at 0 the private globals. */
#define GLOBALS 0

void ti_private_globals_note(lua_State *L, int list, int i) {
  int f = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  lua_getupvalue(L, f, i);
  lua_pushglobaltable(L);
  if (lua_rawequal(L, -1, -2)) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, list) + 1;
    lua_pushvalue(L, f);
    lua_rawseti(L, list, n);
    lua_pushinteger(L, i);
    lua_rawseti(L, list, -n);
  }
  lua_settop(L, f);
}

/* Pushes a table of private globals: it reads and writes the state's globals where it has none of
** its own, and is its own _G. [-0, +1, m] */
static void new_globals(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "tidepool.globals");
  lua_setfield(L, -2, "__name");
  lua_pushglobaltable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
  lua_pushliteral(L, "_G"); /* _G.name finds private globals, too */
  lua_pushvalue(L, -2);
  lua_rawset(L, -3);
}

void ti_private_globals_put(lua_State *L, int list, int xidx, const char *name, size_t len) {
  int value = lua_gettop(L);
  luaL_checkstack(L, 6, NULL);
  ti_codec_state_table(L, xidx, CODEC_OWN_GLOBALS);
  lua_pushlstring(L, name, len);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, value + 1) == LUA_TNIL) {
    if (lua_rawgeti(L, list, GLOBALS) != LUA_TTABLE) {
      new_globals(L);
      lua_pushvalue(L, -1);
      lua_rawseti(L, list, GLOBALS);
    }
    lua_pushvalue(L, value + 2);
    lua_pushvalue(L, value);
    lua_rawset(L, -3);
  }
  lua_settop(L, value - 1);
}

void ti_private_globals_finish(lua_State *L, int list) {
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgeti(L, list, GLOBALS) == LUA_TTABLE) {
    for (lua_Integer n = 1; lua_rawgeti(L, list, n) == LUA_TFUNCTION; n++) {
      int i;
      lua_rawgeti(L, list, -n);
      i = (int)lua_tointeger(L, -1);
      lua_pushvalue(L, -3);
      lua_setupvalue(L, -3, i);
      lua_pop(L, 2);
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
