/*
** codec/module_names: the objects that are sent by name.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_names.h"

#include <lauxlib.h>

#include "codec/module_form.h"
#include "codec/module_require.h"
#include "luautil/error.h"

/* Returns whether `name` leads to the object at idx here and now. [-0, +0, m] */
static bool leads_to(lua_State *L, const char *name, size_t len, int idx) {
  struct ti_module_form f;
  int top = lua_gettop(L);
  bool same;
  ti_module_form_parse(&f, name, len);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushlstring(L, f.module, f.len);
  lua_rawget(L, -2);
  while (ti_buffer_left(&f.steps) > 0 && !lua_isnil(L, -1)) {
    const char *word;
    size_t n;
    if (!ti_module_form_follow(L, &f.steps, &word, &n)) break;
  }
  same = ti_buffer_left(&f.steps) == 0 && lua_rawequal(L, -1, idx);
  lua_settop(L, top);
  return same;
}

enum ti_module_name ti_module_names_find(lua_State *L, int idx, int xidx) {
  size_t len;
  const char *name;
  idx = lua_absindex(L, idx);
  ti_codec_state_table(L, xidx, CODEC_NAMES);
  lua_pushvalue(L, idx);
  if (lua_rawget(L, -2) == LUA_TSTRING) {
    name = lua_tolstring(L, -1, &len);
    if (name[0] == FORM_FIXED || leads_to(L, name + 1, len - 1, idx)) {
      lua_remove(L, -2);
      return name[0] == FORM_OPEN ? NAMES_OPEN : NAMES_OWN;
    }
  }
  lua_pop(L, 2);
  return NAMES_NONE;
}

void ti_module_names_resolve(lua_State *L, const char *name, size_t len, int xidx) {
  struct ti_module_form f;
  ti_module_form_parse(&f, name, len);
  luaL_checkstack(L, 8, NULL);
  ti_module_require_form(L, &f, xidx);
  while (ti_buffer_left(&f.steps) > 0) {
    const char *word;
    size_t n;
    if (!ti_module_form_follow(L, &f.steps, &word, &n)) {
      ti_error_raise(L, TIDE_ETRANSFER, "damaged message: a name of no form");
    } else if (lua_isnil(L, -1)) {
      lua_pushlstring(L, f.module, f.len);
      lua_pushlstring(L, word, n);
      ti_error_raise(L, TIDE_ETRANSFER, "module '%s' has no field '%s' in the receiving state",
                     lua_tostring(L, -2), lua_tostring(L, -1));
    }
  }
}

bool ti_module_names_in_file(lua_State *L, int idx, int xidx, bool *file) {
  lua_Debug ar;
  bool is = false;
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", &ar);
  *file = ar.source[0] == '@';
  if (*file && ti_codec_state_has_table(L, xidx, CODEC_FILES)) {
    lua_getfield(L, -1, ar.source);
    is = !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  if (*file) lua_pop(L, 1);
  return is;
}

void ti_module_names_function(lua_State *L, const char *name, size_t len) {
  const char *dot = NULL;
  for (const char *p = name; p < name + len; p++)
    if (*p == '.') dot = p;
  luaL_checkstack(L, 8, NULL);
  if (dot == NULL || dot == name || dot == name + len - 1) {
    lua_pushlstring(L, name, len);
    ti_error_raise(L, TIDE_ETRANSFER, "'%s' is not of the form 'module.function'",
                   lua_tostring(L, -1));
  } else {
    ti_module_require_push(L, name, (size_t)(dot - name));
    if (lua_type(L, -1) == LUA_TTABLE) {
      lua_pushlstring(L, dot + 1, (size_t)(name + len - dot - 1));
      lua_gettable(L, -2);
    } else {
      lua_pushnil(L);
    }
    if (lua_isnil(L, -1)) {
      lua_pushlstring(L, name, (size_t)(dot - name));
      lua_pushlstring(L, dot + 1, (size_t)(name + len - dot - 1));
      ti_error_raise(L, TIDE_ETRANSFER, "module '%s' has no function '%s'", lua_tostring(L, -2),
                     lua_tostring(L, -1));
    }
    lua_remove(L, -2);
  }
}
