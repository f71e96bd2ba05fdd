/*
** binding/lua_support: small helpers of the Lua binding.
**
** SPDX-License-Identifier: MIT
*/
#include "binding/lua_binding.h"

#include <stdarg.h>
#include <string.h>

/* Seconds: a longer timeout is forever. */
#define LONGEST 1e9

/* Adds functions to the table on top. Their upvalues: the function's name; the metatable of the
** class, at index `meta`; if `making`, the metatable of what they make, at `meta` + 1.
** [-0, +0, m] */
static void setmethods(lua_State *L, const luaL_Reg *r, int meta, bool making) {
  for (; r->name; r++) {
    lua_pushstring(L, r->name);
    lua_pushvalue(L, meta);
    if (making) lua_pushvalue(L, meta + 1);
    lua_pushcclosure(L, r->func, making ? 3 : 2);
    lua_setfield(L, -2, r->name);
  }
}

void ti_lua_support_push_class(lua_State *L, const struct ti_lua_class *c) {
  int meta;
  luaL_checkstack(L, 8, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, c) == LUA_TTABLE) return;
  lua_pop(L, 1);
  tide_makeknown(L, NULL);
  /* The test for a second copy. tide_makeknown does not raise if the linker replaced functions of
  ** this copy by those of the program. */
  if (luaL_getmetatable(L, c->name) != LUA_TNIL)
    luaL_error(L, "a second copy of tidepool in one state, see docs/embedding.md");
  lua_pop(L, 1);
  lua_pushboolean(L, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, c); /* now: once the name is set, nothing may fail */
  lua_newtable(L);
  meta = lua_gettop(L);
  if (c->made)
    c->made(L);
  else
    lua_pushnil(L);
  lua_pushvalue(L, meta);
  lua_pushstring(L, c->name);
  lua_setfield(L, -2, "__name");
  setmethods(L, c->metamethods, meta, false);
  lua_newtable(L);
  setmethods(L, c->methods, meta, c->made != NULL);
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
  lua_rawsetp(L, LUA_REGISTRYINDEX, c); /* last: other calls find a complete class or none */
  lua_settop(L, meta);
}

void *ti_lua_support_self(lua_State *L) {
  void *box = lua_touserdata(L, 1);
  bool own;
  if (!box || !lua_getmetatable(L, 1)) return NULL;
  own = lua_topointer(L, -1) == lua_topointer(L, lua_upvalueindex(2));
  lua_pop(L, 1);
  return own ? box : NULL;
}

void ti_lua_support_set_functions(lua_State *L, const luaL_Reg *r) {
  for (; r->name; r++) {
    lua_pushstring(L, r->name);
    lua_pushcclosure(L, r->func, 1);
    lua_setfield(L, -2, r->name);
  }
}

int ti_lua_support_error(lua_State *L, const char *fmt, ...) {
  va_list ap;
  luaL_checkstack(L, 4, NULL);
  tide_pushwhere(L);
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  lua_concat(L, 2);
  return lua_error(L);
}

int ti_lua_support_arg_error(lua_State *L, int arg, const char *extra) {
  const char *name =
      lua_type(L, lua_upvalueindex(1)) == LUA_TSTRING ? lua_tostring(L, lua_upvalueindex(1)) : NULL;
  bool method = name && name[0] != '_' && lua_type(L, lua_upvalueindex(2)) == LUA_TTABLE;
  if (!name) return luaL_argerror(L, arg, extra);
  if (method && arg == 1)
    return ti_lua_support_error(L, "calling '%s' on bad self (%s)", name, extra);
  return ti_lua_support_error(L, "bad argument #%d to '%s' (%s)", method ? arg - 1 : arg, name,
                              extra);
}

const char *ti_lua_support_push_type_name(lua_State *L, int idx) {
  if (lua_type(L, idx) == LUA_TLIGHTUSERDATA) return lua_pushliteral(L, "light userdata");
  if (!lua_isnone(L, idx)) {
    int t = luaL_getmetafield(L, idx, "__name");
    if (t == LUA_TSTRING) return lua_tostring(L, -1);
    if (t != LUA_TNIL) lua_pop(L, 1);
  }
  return lua_pushstring(L, luaL_typename(L, idx));
}

int ti_lua_support_type_error(lua_State *L, int arg, const char *expected) {
  const char *got = ti_lua_support_push_type_name(L, arg);
  size_t len = strlen(got);
  if (lua_isuserdata(L, arg) && strncmp(got, "tidepool.", 9) == 0 &&
      (strcmp(got, expected) == 0 || strcmp(got + 9, expected) == 0))
    got = lua_pushfstring(L, "%s: %s", lua_pushlstring(L, got, len),
                          "it belongs to a second copy of tidepool in this process, see "
                          "docs/embedding.md");
  return ti_lua_support_arg_error(L, arg, lua_pushfstring(L, "%s expected, got %s", expected, got));
}

void *ti_lua_support_check_udata(lua_State *L, int arg, const char *name) {
  void *box = luaL_testudata(L, arg, name);
  if (!box) ti_lua_support_type_error(L, arg, name);
  return box;
}

void ti_lua_support_push_handles(lua_State *L, const void *key) {
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
    case TIDE_EDEADLOCK:
      return "a task would wait for itself, or all threads that max_threads allows wait";
    case TIDE_ENOMEM: return "not enough memory";
    case TIDE_ETHREAD: return "no thread could be started";
    case TIDE_EARG: return "wrong argument";
    default: return "unexpected error code";
  }
}

int ti_lua_support_raise(lua_State *L, int kind, const char *message) {
  if (!message) message = usual(kind);
  if (!tide_kindname(kind)) return ti_lua_support_error(L, "%s", message);
  tide_pusherror(L, kind, message);
  return lua_error(L);
}

bool ti_lua_support_timeout(lua_Number seconds, double *timeout) {
  if (seconds != seconds) return false;
  *timeout = seconds > LONGEST ? TIDE_FOREVER : seconds > 0 ? (double)seconds : 0;
  return true;
}

double ti_lua_support_opt_timeout(lua_State *L, int arg) {
  double t = TIDE_FOREVER;
  int isnum;
  lua_Number n;
  if (lua_isnoneornil(L, arg)) return t;
  n = lua_tonumberx(L, arg, &isnum);
  if (!isnum) ti_lua_support_type_error(L, arg, "number");
  if (!ti_lua_support_timeout(n, &t))
    ti_lua_support_arg_error(L, arg, "number of seconds expected, got NaN");
  return t;
}

bool ti_lua_support_is_callable(lua_State *L, int arg) {
  int t = lua_type(L, arg);
  if (t == LUA_TFUNCTION) return true;
  if (t != LUA_TTABLE && t != LUA_TUSERDATA) return false;
  t = luaL_getmetafield(L, arg, "__call");
  if (t != LUA_TNIL) lua_pop(L, 1);
  return t != LUA_TNIL;
}

/* Protected: (t, key) -> t[key]. */
static int get(lua_State *L) {
  lua_gettable(L, 1);
  return 1;
}

/* Returns whether `__index` gives the table at t an item 1. [-0, +0, m] */
static bool has_hidden_item(lua_State *L, int t) {
  bool is;
  if (luaL_getmetafield(L, t, "__index") == LUA_TNIL) return false;
  lua_pushcfunction(L, get);
  lua_pushvalue(L, t);
  lua_pushinteger(L, 1);
  is = lua_pcall(L, 2, 1, 0) == LUA_OK && !lua_isnil(L, -1);
  lua_pop(L, 2);
  return is;
}

/* Pushes the first key that pairs gives for the table at t, or nil. [-0, +1, e] */
static void push_key(lua_State *L, int t) {
  if (luaL_getmetafield(L, t, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, t);
    lua_call(L, 1, 3);
    lua_call(L, 2, 1);
    return;
  }
  lua_pushnil(L);
  if (lua_next(L, t) != 0)
    lua_pop(L, 1);
  else
    lua_pushnil(L);
}

/* Returns whether the table at t is a known kind of empty sequence. It has `n = 0`, as of
** table.pack, or it is lua.c's `arg`, which has the script's name at 0. [-0, +0, -] */
static bool is_known_empty(lua_State *L, int t) {
  bool is;
  lua_pushliteral(L, "n");
  lua_rawget(L, t);
  is = lua_isinteger(L, -1) && lua_tointeger(L, -1) == 0;
  lua_pushglobaltable(L);
  lua_pushliteral(L, "arg");
  lua_rawget(L, -2);
  is = is || lua_rawequal(L, -1, t);
  lua_pop(L, 3);
  return is;
}

const char *ti_lua_support_push_dictionary(lua_State *L, int idx) {
  const char *words = NULL;
  int t = lua_absindex(L, idx), top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  if (lua_type(L, t) != LUA_TTABLE || lua_rawlen(L, t) > 0 || is_known_empty(L, t)) return NULL;
  if (luaL_getmetafield(L, t, "__len") != LUA_TNIL) { /* its `__len` is right */
    lua_settop(L, top);
    return NULL;
  }
  push_key(L, t);
  if (lua_type(L, -1) == LUA_TSTRING)
    words = lua_pushfstring(L, "a dictionary: it has key '%s' and no [1]", lua_tostring(L, -1));
  else if (lua_type(L, -1) == LUA_TNUMBER)
    words =
        lua_pushfstring(L, "a dictionary: it has key [%s] and no [1]", luaL_tolstring(L, -1, NULL));
  else if (!lua_isnil(L, -1))
    words = lua_pushfstring(L, "a dictionary: it has a %s as key and no [1]", luaL_typename(L, -1));
  else if (has_hidden_item(L, t))
    words = lua_pushliteral(L, "a table whose items only its __index knows, without a __len");
  if (words) lua_replace(L, top + 1);
  lua_settop(L, words ? top + 1 : top);
  return words;
}

void ti_lua_support_check_task(lua_State *L, int arg) {
  const char *s, *dot;
  if (ti_lua_support_is_callable(L, arg)) return;
  if (lua_type(L, arg) != LUA_TSTRING) ti_lua_support_type_error(L, arg, "function");
  s = lua_tostring(L, arg);
  dot = strrchr(s, '.');
  if (!dot || dot == s || !dot[1])
    ti_lua_support_arg_error(
        L, arg, lua_pushfstring(L, "function or 'module.function' expected, got '%s'", s));
}
