/*
** codec/module_require: the module of a name, in the state that receives it.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_require.h"

#include <lauxlib.h>

#include "luautil/error.h"

void ti_module_require_push(lua_State *L, const char *name, size_t len) {
  luaL_checkstack(L, 8, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushlstring(L, name, len);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL) {
    lua_pop(L, 1);
    if (lua_getglobal(L, "require") != LUA_TFUNCTION)
      ti_error_raise(L, TIDE_ETRANSFER, "cannot load module '%s': there is no 'require' here",
                     lua_tostring(L, -2));
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    lua_remove(L, -2);
  } else {
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

/* ------------------------------------------------------------------ aliases -- */

/* Returns whether package.loaded, on top, has the value at idx under the name at `alias`.
** [-0, +0, -] */
static bool is_alias(lua_State *L, int alias, int idx) {
  bool is;
  lua_pushvalue(L, alias);
  lua_rawget(L, -2);
  is = lua_rawequal(L, -1, idx);
  lua_pop(L, 1);
  return is;
}

/* Loads the module at index `module` under the name at module + 2 as well, in package.loaded at
** module + 1. Notes what was there. [-0, +0, m] */
static void set_alias(lua_State *L, int module, int xidx) {
  int top = lua_gettop(L), name = module + 2;
  ti_codec_state_table(L, xidx, CODEC_ALIASED);
  lua_pushvalue(L, name);
  if (lua_rawget(L, top + 1) == LUA_TNIL) {
    lua_pushvalue(L, name);
    lua_pushvalue(L, name);
    if (lua_rawget(L, module + 1) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawset(L, top + 1);
  }
  lua_pushvalue(L, name);
  lua_pushvalue(L, module);
  lua_rawset(L, module + 1);
  lua_settop(L, top);
}

/* Restores what the canonical name was before it was made an alias. [-0, +0, m] */
static void drop_alias(lua_State *L, const struct ti_module_form *f, int xidx) {
  int top = lua_gettop(L);
  if (ti_codec_state_has_table(L, xidx, CODEC_ALIASED)) {
    lua_pushlstring(L, f->module, f->len);
    lua_pushvalue(L, top + 2);
    if (lua_rawget(L, top + 1) != LUA_TNIL) {
      if (!lua_toboolean(L, top + 3)) {
        lua_pushnil(L);
        lua_replace(L, top + 3);
      }
      luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
      lua_pushvalue(L, top + 2);
      lua_pushvalue(L, top + 3);
      lua_rawset(L, -3);
      lua_pushvalue(L, top + 2);
      lua_pushnil(L);
      lua_rawset(L, top + 1);
    }
  }
  lua_settop(L, top);
}

/* Loads the module on top under its aliases as well, which are the bytes from p to end.
** [-0, +0, e] */
static void load_aliases(lua_State *L, const char *p, const char *end, int xidx) {
  int module = lua_gettop(L);
  luaL_checkstack(L, 10, NULL);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  while (p < end && p[0] == '\1') {
    const char *name = p + 2, *next;
    if (end - p < 3) break;
    next = (const char *)memchr(name, '\1', (size_t)(end - name));
    if (next == NULL) next = end;
    lua_pushlstring(L, name, (size_t)(next - name));
    if (p[1] == FORM_LOAD) {
      lua_pushvalue(L, -1);
      if (lua_rawget(L, module + 1) == LUA_TNIL && lua_getglobal(L, "require") == LUA_TFUNCTION) {
        lua_pushvalue(L, module + 2);
        if (lua_pcall(L, 1, 0, 0) == LUA_ERRMEM) lua_error(L);
      }
      lua_settop(L, module + 2);
    }
    lua_pushvalue(L, module + 1);
    if (!is_alias(L, module + 2, module)) set_alias(L, module, xidx);
    lua_settop(L, module + 1);
    p = next;
  }
  lua_settop(L, module);
}

void ti_module_require_form(lua_State *L, const struct ti_module_form *f, int xidx) {
  const struct ti_codec_state *x = (const struct ti_codec_state *)lua_touserdata(L, xidx);
  luaL_checkstack(L, 10, NULL);
  if (x->worker) drop_alias(L, f, xidx);
  ti_module_require_push(L, f->module, f->len);
  if (f->aliases < f->end && x->worker) load_aliases(L, f->aliases, f->end, xidx);
}
