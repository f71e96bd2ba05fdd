/*
** codec/module_standard: names for Lua's own libraries and what is in them.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_standard.h"

#include "luautil/stdlibs.h"

bool ti_module_standard_is(lua_State *L, const char *fields) {
  int all = 0, there = 0, functions = 0;
  if (!lua_istable(L, -1)) return false;
  for (const char *p = fields; p[1] != '\0'; all++) {
    size_t len = strcspn(p + 1, " ");
    lua_pushlstring(L, p + 1, len);
    lua_rawget(L, -2);
    there += !lua_isnil(L, -1);
    functions += lua_iscfunction(L, -1);
    lua_pop(L, 1);
    p += 1 + len;
  }
  return 2 * there >= all && functions >= 2;
}

/* Returns whether the value at idx is the table of globals. [-0, +0, -] */
static bool is_globals(lua_State *L, int idx) {
  bool is;
  lua_pushglobaltable(L);
  is = lua_rawequal(L, idx, -1);
  lua_pop(L, 1);
  return is;
}

void ti_module_standard_name(struct ti_module_builder *b, int value, int m, const char *lib,
                             const char *fields) {
  lua_State *L = b->L;
  int top = lua_gettop(L), name = top + 1, field = top + 2;
  lua_pushfstring(L, "%s", lib);
  lua_pushlstring(L, "", 1);
  lua_concat(L, 2);
  /* _G itself is sent as WIRE_GLOBALS */
  if (ti_module_builder_is_module(b, value) && !is_globals(L, value) &&
      !ti_module_builder_is_named(b, value))
    ti_module_builder_name(b, value, name, -1, m, FORM_OWN);
  for (const char *p = fields; p[1] != '\0';) {
    size_t len = strcspn(p + 1, " ");
    lua_pushlstring(L, p + 1, len);
    lua_rawget(L, value);
    if ((lua_iscfunction(L, field) || lua_istable(L, field) || lua_isuserdata(L, field)) &&
        !ti_module_builder_is_named(b, field)) {
      ti_module_form_push(L, name, FORM_FIELD, 0, p + 1, len);
      ti_module_builder_name(b, field, field + 1, -1, m,
                             lua_iscfunction(L, field) ? FORM_FIXED : FORM_OWN);
    }
    lua_settop(L, name);
    p += 1 + len;
  }
  lua_settop(L, top);
}

void ti_module_standard_globals(struct ti_module_builder *b, int m) {
  lua_State *L = b->L;
  int top = lua_gettop(L);
  const char *lib;
  for (size_t i = 0; (lib = ti_stdlibs_name(i)) != NULL; i++) {
    const char *fields = ti_stdlibs_fields(lib, strlen(lib));
    lua_pushglobaltable(L);
    lua_pushstring(L, lib);
    lua_rawget(L, -2);
    if (ti_module_standard_is(L, fields) && !ti_module_builder_is_module(b, top + 2))
      ti_module_standard_name(b, top + 2, m, lib, fields);
    lua_settop(L, top);
  }
}
