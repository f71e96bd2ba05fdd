/*
** codec/cfunction: what only the program has, and its paths.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/cfunction.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/cfunction_index.h"
#include "codec/module_changes.h"
#include "luautil/error.h"

/* Fields of one table that are searched for a C function. */
enum { MOST_SEARCHED = 1000 };

/* ------------------------------------------------------------------- paths -- */

/* Pushes module `name`, or nil. `require`: loads it if necessary. [-0, +1, e] */
static void push_module(lua_State *L, const char *name, size_t len, bool require) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushlstring(L, name, len);
  if (lua_rawget(L, -2) == LUA_TNIL && require && lua_getglobal(L, "require") == LUA_TFUNCTION) {
    lua_pushlstring(L, name, len);
    lua_call(L, 1, 1);
    lua_replace(L, -2);
  }
  lua_remove(L, -2);
}

/* Pushes what the path leads to here, or nil. Reads tables raw. `require`: may load the module.
** [-0, +1, e] */
static void follow(lua_State *L, const char *path, size_t len, bool require) {
  const char *p = path + 1, *end = path + len, *next = (const char *)memchr(p, '\0', len - 1);
  luaL_checkstack(L, 8, NULL);
  if (next == p)
    lua_pushglobaltable(L);
  else
    push_module(L, p, (size_t)((next != NULL ? next : end) - p), require);
  while (next != NULL) {
    p = next + 1;
    next = (const char *)memchr(p, '\0', (size_t)(end - p));
    if (lua_istable(L, -1)) {
      lua_pushlstring(L, p, (size_t)((next != NULL ? next : end) - p));
      lua_rawget(L, -2);
    } else {
      lua_pushnil(L);
    }
    lua_remove(L, -2);
  }
}

bool ti_cfunction_maybe(lua_State *L, int idx, int xidx) {
  int top = lua_gettop(L);
  bool has = false;
  if (lua_iscfunction(L, idx)) return !ti_cfunction_index_named(L, idx, xidx);
  if (!lua_istable(L, idx)) return false;
  luaL_checkstack(L, 8, NULL);
  lua_pushnil(L);
  for (int n = 0; n < MOST_SEARCHED && !has && lua_next(L, idx) != 0; n++) {
    has = lua_type(L, -2) == LUA_TSTRING && lua_iscfunction(L, -1) &&
          !ti_cfunction_index_named(L, top + 2, xidx);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return has;
}

bool ti_cfunction_find(lua_State *L, int idx, int xidx) {
  int top = lua_gettop(L);
  size_t len;
  const char *path;
  idx = lua_absindex(L, idx);
  if (!ti_codec_state_has_table(L, xidx, CODEC_OBJECT_PATHS)) {
    lua_settop(L, top);
    return false;
  }
  lua_pushvalue(L, idx);
  if (lua_rawget(L, -2) == LUA_TSTRING) {
    path = lua_tolstring(L, -1, &len);
    follow(L, path, len, false);
    if (lua_rawequal(L, idx, -1)) {
      lua_pop(L, 1);
      lua_remove(L, -2);
      return true;
    }
  }
  lua_settop(L, top);
  return false;
}

/* ------------------------------------------------------------------- words -- */

void ti_cfunction_words(lua_State *L) {
  size_t len;
  const char *path = lua_tolstring(L, -1, &len);
  luaL_Buffer b;
  size_t i = path[1] == '\0' ? 2 : 1;
  luaL_buffinit(L, &b);
  for (; i < len; i++) luaL_addchar(&b, path[i] == '\0' ? '.' : path[i]);
  luaL_pushresult(&b);
  lua_remove(L, -2);
}

void ti_cfunction_owner(lua_State *L) {
  const char *path = lua_tostring(L, -1);
  if (path[1] == '\0')
    lua_pushfstring(L, "global '%s'", path + 2);
  else
    lua_pushfstring(L, "module '%s'", path + 1);
  lua_remove(L, -2);
}

/* Pushes the C function, without upvalues, if this state has it under any name. [-0, +(0|1), e] */
static bool find_function(lua_State *L, int xidx, lua_CFunction fn) {
  ti_module_changes_apply(L, xidx);
  ti_cfunction_index_refresh(L, xidx, true);
  lua_pushcfunction(L, fn);
  if (ti_cfunction_find(L, -1, xidx)) {
    lua_pop(L, 1);
    return true;
  }
  lua_pop(L, 1);
  return false;
}

void ti_cfunction_resolve(lua_State *L, const char *path, size_t len, lua_CFunction fn, int xidx) {
  follow(L, path, len, ti_cfunction_required(path));
  if (fn != NULL ? lua_tocfunction(L, -1) == fn : !lua_isnil(L, -1)) return;
  if (fn != NULL && find_function(L, xidx, fn)) {
    lua_remove(L, -2);
    return;
  }
  lua_pushlstring(L, path, len);
  ti_cfunction_words(L);
  if (lua_isnil(L, -2))
    ti_error_raise(L, TIDE_ETRANSFER,
                   "the receiving state has no '%s', which goes by name: " CFUNCTION_ADVICE,
                   lua_tostring(L, -1));
  else
    ti_error_raise(L, TIDE_ETRANSFER,
                   "'%s' is another function in the receiving state than the C function that was "
                   "sent by this name",
                   lua_tostring(L, -1));
}

bool ti_cfunction_among(lua_State *L, int from, int xidx) {
  int top = lua_gettop(L), loaded = top + 1;
  luaL_checkstack(L, 8, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (int i = from; i <= top; i++) {
    if (!lua_istable(L, i)) continue;
    lua_pushnil(L);
    while (lua_next(L, loaded) != 0) {
      if (lua_rawequal(L, -1, i) && lua_type(L, -2) == LUA_TSTRING &&
          strcmp(lua_tostring(L, -2), "_G") != 0 && !ti_cfunction_index_named(L, i, xidx)) {
        lua_pop(L, 1);
        lua_replace(L, loaded);
        lua_settop(L, loaded);
        return true;
      }
      lua_pop(L, 1);
    }
  }
  lua_settop(L, top);
  return false;
}
