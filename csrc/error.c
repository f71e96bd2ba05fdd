/*
** tidepool, floor 2: error, the library's error objects.
**
** SPDX-License-Identifier: MIT
*/
#include "error.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <string.h>

#define TYPE_NAME "tidepool.error"

/* tostring(err): the message. */
static int error_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_getfield(L, 1, "message") != LUA_TSTRING) lua_getfield(L, 1, "kind");
  luaL_tolstring(L, -1, NULL);
  return 1;
}

void tide_error_metatable(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  if (luaL_newmetatable(L, TYPE_NAME)) {
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
  }
}

void tide_error_wrap(lua_State *L, int fault) {
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, 2);
  lua_insert(L, -2);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, tide_fault_name(fault));
  lua_setfield(L, -2, "kind");
  tide_error_metatable(L);
  lua_setmetatable(L, -2);
}

void tide_error_push(lua_State *L, int fault, const char *message) {
  luaL_checkstack(L, 4, NULL);
  lua_pushstring(L, message);
  tide_error_wrap(L, fault);
}

int tide_error_raise(lua_State *L, int fault, const char *fmt, ...) {
  va_list ap;
  luaL_checkstack(L, 4, NULL);
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  tide_error_wrap(L, fault);
  return lua_error(L);
}

int tide_error_kind(lua_State *L, int idx) {
  int fault = FAULT_NONE;
  if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx)) return FAULT_NONE;
  luaL_getmetatable(L, TYPE_NAME);
  if (lua_rawequal(L, -1, -2)) {
    lua_pushliteral(L, "kind");
    lua_rawget(L, idx < 0 ? idx - 3 : idx);
    if (lua_type(L, -1) == LUA_TSTRING) {
      const char *name = lua_tostring(L, -1);
      for (int f = FAULT_NONE + 1; f < FAULT_KINDS && fault == FAULT_NONE; f++)
        if (strcmp(name, tide_fault_name(f)) == 0) fault = f;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return fault;
}
