/*
** codec/module_origin: where a worker would find a module.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_origin.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Pushes the file that package.searchpath finds for `name` in package[field], or nil. Returns
** whether there is one. [-0, +1, e] */
static bool find_file(lua_State *L, const char *name, const char *field) {
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "package") == LUA_TTABLE &&
      lua_getfield(L, -1, "searchpath") == LUA_TFUNCTION) {
    lua_pushstring(L, name);
    if (lua_getfield(L, -3, field) == LUA_TSTRING)
      lua_call(L, 2, 1);
    else
      lua_pushnil(L);
  } else {
    lua_pushnil(L);
  }
  if (lua_type(L, -1) != LUA_TSTRING)
    lua_pushnil(L); /* a script's own searchpath may return anything */
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
  return !lua_isnil(L, -1);
}

/* Pushes the name of the module's file for ORIGIN_LUA, else nil. [-0, +1, e] */
static enum ti_module_origin search(lua_State *L, const char *name) {
  enum ti_module_origin origin = ORIGIN_NONE;
  int top = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_getfield(L, -1, name) != LUA_TNIL) {
    if (lua_iscfunction(L, -1)) origin = ORIGIN_OTHER;
  } else if (find_file(L, name, "path")) {
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
    return ORIGIN_LUA;
  } else if (find_file(L, name, "cpath")) {
    origin = ORIGIN_OTHER;
  } else if (strchr(name, '.') != NULL) { /* a submodule inside its root's C library */
    const char *root = lua_pushlstring(L, name, (size_t)(strchr(name, '.') - name));
    if (find_file(L, root, "cpath")) origin = ORIGIN_OTHER;
  }
  lua_settop(L, top);
  lua_pushnil(L);
  return origin;
}

/* Pushes the source that the functions of a file have. For a precompiled file that is the one with
** which it was compiled. `source` is "@" and the name of the file. [-0, +1, m] */
static void push_source(lua_State *L, const char *source) {
  FILE *file = fopen(source + 1, "rb");
  int first = file != NULL ? fgetc(file) : EOF;
  if (file != NULL) fclose(file);
  if (first == LUA_SIGNATURE[0] && luaL_loadfilex(L, source + 1, "b") == LUA_OK) {
    lua_Debug ar;
    lua_getinfo(L, ">S", &ar);
    lua_pushstring(L, ar.source);
    return;
  }
  if (first == LUA_SIGNATURE[0]) lua_pop(L, 1);
  lua_pushstring(L, source);
}

enum ti_module_origin ti_module_origin_find(lua_State *L, int origins, const char *name) {
  enum ti_module_origin origin;
  switch (lua_getfield(L, origins, name)) {
    case LUA_TSTRING: return ORIGIN_LUA;
    case LUA_TBOOLEAN:
      origin = lua_toboolean(L, -1) ? ORIGIN_OTHER : ORIGIN_NONE;
      lua_pop(L, 1);
      lua_pushnil(L);
      return origin;
    default: lua_pop(L, 1);
  }
  origin = search(L, name);
  if (origin == ORIGIN_LUA) {
    lua_pushfstring(L, "@%s", lua_tostring(L, -1));
    push_source(L, lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
  } else {
    lua_pushboolean(L, origin == ORIGIN_OTHER);
  }
  lua_setfield(L, origins, name);
  return origin;
}
