/*
** binding/lua_trace: the worker's tracebacks of errors that a script raises.
**
** A task's error value arrives unchanged, so it does not carry its traceback. At each read of a
** failed future this state remembers the traceback by the error value. Objects are keys of a table
** with weak keys. Other values go into a ring of the last few. tidepool.traceback, a message
** handler, finds the traceback there.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_binding.h"

#include <string.h>

/* Their addresses are the registry's keys: the table of objects, and the ring. */
static const char objects_key = 0, ring_key = 0;

enum { RING = 8 }; /* pairs in the ring: value, traceback, value, …; [0] is the next place */

/* Pushes a table of the registry. Makes it at its first use. [-0, +1, m] */
static void push_table(lua_State *L, const char *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  if (key == &objects_key) {
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static bool is_object(int type) {
  return type == LUA_TTABLE || type == LUA_TUSERDATA || type == LUA_TFUNCTION ||
         type == LUA_TTHREAD;
}

void ti_lua_trace_remember(lua_State *L, int err) {
  int trace = lua_gettop(L);
  lua_Integer at;
  err = lua_absindex(L, err);
  luaL_checkstack(L, 6, NULL);
  if (lua_type(L, trace) != LUA_TSTRING || lua_isnoneornil(L, err)) {
    lua_pop(L, 1);
    return;
  }
  if (is_object(lua_type(L, err))) {
    push_table(L, &objects_key);
    lua_pushvalue(L, err);
    lua_pushvalue(L, trace);
    lua_rawset(L, -3);
  } else {
    push_table(L, &ring_key);
    lua_rawgeti(L, -1, 0);
    at = lua_tointeger(L, -1) % RING;
    lua_pop(L, 1);
    lua_pushvalue(L, err);
    lua_rawseti(L, -2, 2 * at + 1);
    lua_pushvalue(L, trace);
    lua_rawseti(L, -2, 2 * at + 2);
    lua_pushinteger(L, at + 1);
    lua_rawseti(L, -2, 0);
  }
  lua_settop(L, trace - 1);
}

/* Returns whether the error at err is the value on top, or a string that ends with it after a
** position: error(err) raises it so again. [-0, +0, -] */
static bool is_same(lua_State *L, int err) {
  size_t len, n;
  const char *s, *t;
  if (lua_rawequal(L, err, -1)) return true;
  if (lua_type(L, err) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) return false;
  s = lua_tolstring(L, err, &len);
  t = lua_tolstring(L, -1, &n);
  return n > 0 && len > n + 2 && memcmp(s + len - n, t, n) == 0 &&
         memcmp(s + len - n - 2, ": ", 2) == 0;
}

/* Pushes the traceback that is remembered for the error at err, or nil. [-0, +1, m] */
static void push_remembered(lua_State *L, int err) {
  int top = lua_gettop(L);
  lua_Integer last;
  if (is_object(lua_type(L, err))) {
    push_table(L, &objects_key);
    lua_pushvalue(L, err);
    lua_rawget(L, -2);
    lua_replace(L, top + 1);
    return;
  }
  push_table(L, &ring_key);
  lua_rawgeti(L, -1, 0);
  last = lua_tointeger(L, -1);
  for (lua_Integer i = 1; i <= RING; i++) { /* from the latest one back */
    lua_Integer at = (last - i + RING) % RING;
    lua_settop(L, top + 1);
    if (lua_rawgeti(L, -1, 2 * at + 1) != LUA_TNIL && is_same(L, err)) {
      lua_rawgeti(L, top + 1, 2 * at + 2);
      lua_replace(L, top + 1);
      lua_settop(L, top + 1);
      return;
    }
  }
  lua_settop(L, top);
  lua_pushnil(L);
}

static int describe(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Pushes the error at 1 as a string. Its __tostring may raise an error. [-0, +1, m] */
static void push_text(lua_State *L) {
  if (lua_type(L, 1) == LUA_TSTRING || lua_type(L, 1) == LUA_TNUMBER ||
      luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL) {
    lua_pushcfunction(L, describe);
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) return;
  }
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
}

/* tidepool.traceback(err) -> the error as a string, with this state's traceback and, if a task
** raised it, the worker's */
int ti_lua_trace_traceback(lua_State *L) {
  const char *text, *trace;
  if (lua_isnone(L, 1)) return ti_lua_support_arg_error(L, 1, "value expected");
  lua_settop(L, 1);
  luaL_checkstack(L, 12, NULL);
  push_text(L);
  text = lua_tostring(L, -1);
  push_remembered(L, 1);
  trace = lua_tostring(L, -1);
  if (trace && strstr(text, trace)) { /* another handler has added it */
    lua_pushstring(L, text);
    return 1;
  }
  luaL_traceback(L, L, text, 1);
  if (!trace) return 1;
  lua_pushfstring(L, "%s\n\nthe error came out of a task:\n%s", lua_tostring(L, -1), trace);
  return 1;
}

/* core.remember(err, traceback) */
int ti_lua_trace_remember_of(lua_State *L) {
  lua_settop(L, 2);
  ti_lua_trace_remember(L, 1);
  return 0;
}
