/*
** tidepool, floor 4: lua_support, small helpers of the Lua binding.
**
** SPDX-License-Identifier: MIT
*/
#include "lua_binding.h"

#include <string.h>

/* Beyond this a timeout is forever: some thirty years. */
#define LONGEST 1e9

/* Adds functions to the table on top. Upvalues: each one's own name (metamethods: false), the
** class's metatable, which is at `meta`, and, if they make something, that one's metatable, which
** lies behind. [-0, +0, m] */
static void setmethods(lua_State *L, const luaL_Reg *r, int meta, bool named, bool making) {
  for (; r->name; r++) {
    if (named)
      lua_pushstring(L, r->name);
    else
      lua_pushboolean(L, 0);
    lua_pushvalue(L, meta);
    if (making) lua_pushvalue(L, meta + 1);
    lua_pushcclosure(L, r->func, making ? 3 : 2);
    lua_setfield(L, -2, r->name);
  }
}

void tide_lua_pushclass(lua_State *L, const struct tide_lua_class *c) {
  int meta;
  luaL_checkstack(L, 8, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, c) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  meta = lua_gettop(L);
  if (c->made)
    c->made(L);
  else
    lua_pushnil(L);
  lua_pushvalue(L, meta);
  lua_pushstring(L, c->name);
  lua_setfield(L, -2, "__name");
  setmethods(L, c->metamethods, meta, false, false);
  lua_newtable(L);
  setmethods(L, c->methods, meta, true, c->made != NULL);
  if (c->missing) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, c->missing);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
  }
  lua_setfield(L, -2, "__index");
  if (c->type) tide_setreftype(L, -1, c->type);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, c->name);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, c); /* last: never half made */
  lua_settop(L, meta);
}

void *tide_lua_self(lua_State *L) {
  void *box = lua_touserdata(L, 1);
  bool own;
  if (!box || !lua_getmetatable(L, 1)) return NULL;
  own = lua_topointer(L, -1) == lua_topointer(L, lua_upvalueindex(2));
  lua_pop(L, 1);
  return own ? box : NULL;
}

int tide_lua_argerror(lua_State *L, int arg, const char *extra) {
  const char *name = lua_tostring(L, lua_upvalueindex(1));
  if (!name) return luaL_argerror(L, arg, extra);
  if (arg == 1) return luaL_error(L, "calling '%s' on bad self (%s)", name, extra);
  return luaL_error(L, "bad argument #%d to '%s' (%s)", arg - 1, name, extra);
}

int tide_lua_typeerror(lua_State *L, int arg, const char *expected) {
  const char *got = luaL_typename(L, arg);
  if (luaL_getmetafield(L, arg, "__name") == LUA_TSTRING) got = lua_tostring(L, -1);
  if (lua_type(L, arg) == LUA_TLIGHTUSERDATA) got = "light userdata";
  return tide_lua_argerror(L, arg, lua_pushfstring(L, "%s expected, got %s", expected, got));
}

void *tide_lua_checkudata(lua_State *L, int arg, const char *name) {
  void *box = luaL_testudata(L, arg, name);
  if (!box) tide_lua_typeerror(L, arg, name);
  return box;
}

void tide_lua_pushhandles(lua_State *L, const void *key) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

static const char *usual(int kind) {
  switch (kind) {
    case TIDE_ETIMEOUT: return "the time passed first";
    case TIDE_ECANCELLED: return "the future was cancelled";
    case TIDE_ESHUTDOWN: return "the executor takes no more tasks";
    case TIDE_EBROKEN: return "the process was forked: the executor's threads are not in this one";
    case TIDE_EINVALIDSTATE: return "the future is not in a state for this";
    case TIDE_EFULL: return "the queue is full";
    case TIDE_EDEADLOCK: return "a task would wait for itself";
    case TIDE_ENOMEM: return "not enough memory";
    case TIDE_ETHREAD: return "no thread could be started";
    case TIDE_EARG: return "wrong argument";
    default: return "unexpected answer";
  }
}

int tide_lua_raise(lua_State *L, int kind, const char *message) {
  if (!message) message = usual(kind);
  if (!tide_kindname(kind)) return luaL_error(L, "%s", message);
  tide_pusherror(L, kind, message);
  return lua_error(L);
}

bool tide_lua_timeout(lua_Number seconds, double *timeout) {
  if (seconds != seconds) return false;
  *timeout = seconds > LONGEST ? TIDE_FOREVER : seconds > 0 ? (double)seconds : 0;
  return true;
}

double tide_lua_opttimeout(lua_State *L, int arg) {
  double t = TIDE_FOREVER;
  int isnum;
  lua_Number n;
  if (lua_isnoneornil(L, arg)) return t;
  n = lua_tonumberx(L, arg, &isnum);
  if (!isnum) tide_lua_typeerror(L, arg, "number");
  if (!tide_lua_timeout(n, &t)) tide_lua_argerror(L, arg, "number of seconds expected, got NaN");
  return t;
}

void tide_lua_checktask(lua_State *L, int arg) {
  const char *s, *dot;
  if (lua_type(L, arg) == LUA_TFUNCTION) return;
  if (lua_type(L, arg) != LUA_TSTRING) tide_lua_typeerror(L, arg, "function");
  s = lua_tostring(L, arg);
  dot = strrchr(s, '.');
  if (!dot || dot == s || !dot[1])
    tide_lua_argerror(L, arg,
                      lua_pushfstring(L, "function or 'module.function' expected, got '%s'", s));
}
