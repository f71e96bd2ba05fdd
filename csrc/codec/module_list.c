/*
** codec/module_list: which modules are loaded, and under which names.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_list.h"

#include <stdlib.h>

#include "codec/module_standard.h"
#include "luautil/stdlibs.h"

/* An entry of package.loaded. */
struct entry {
  const char *name; /* kept alive by a table on the stack */
  size_t len;
  enum ti_module_origin origin;
  bool made; /* a function of its file is directly in the value */
};

static int compare_entries(const void *a, const void *b) {
  const struct entry *x = (const struct entry *)a, *y = (const struct entry *)b;
  if (x->origin != y->origin) return x->origin < y->origin ? -1 : 1;
  if (x->made != y->made) return x->made ? -1 : 1;
  if (x->len != y->len) return x->len < y->len ? -1 : 1;
  return memcmp(x->name, y->name, x->len);
}

static bool is_from(lua_State *L, int idx, const char *source) {
  lua_Debug ar;
  if (!lua_isfunction(L, idx) || lua_iscfunction(L, idx)) return false;
  lua_pushvalue(L, idx);
  lua_getinfo(L, ">S", &ar);
  return strcmp(ar.source, source) == 0;
}

/* Returns whether the value at idx is a function of the file with the source on top, or has one
** directly in it. [-0, +0, m] */
static bool is_made_by(lua_State *L, int idx) {
  int top = lua_gettop(L);
  const char *source = lua_tostring(L, top);
  bool made = is_from(L, idx, source);
  if (!lua_istable(L, idx)) return made;
  lua_pushnil(L);
  while (!made && lua_next(L, idx) != 0) {
    made = is_from(L, top + 2, source);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  return made;
}

/* Adds the name and value on top, if a module name can be made of them. [-0, +0, e] */
static void add_entry(struct ti_module_builder *b, struct ti_module_array *entries) {
  lua_State *L = b->L;
  struct entry *e;
  const char *name, *fields;
  size_t len;
  enum ti_module_origin origin;
  bool made = false;
  if (lua_type(L, -2) != LUA_TSTRING || !ti_module_builder_nameable(L, -1)) return;
  name = lua_tolstring(L, -2, &len);
  if (strlen(name) != len || strchr(name, '\1') != NULL || len > BUILDER_MAX_NAME / 2) return;
  fields = ti_stdlibs_fields(name, len);
  if (fields != NULL) {
    origin = ti_module_standard_is(L, fields) ? ORIGIN_OWN : ORIGIN_NONE;
  } else {
    origin = ti_module_origin_find(L, b->origins, name);
    if (origin == ORIGIN_LUA) made = is_made_by(L, lua_gettop(L) - 1);
    lua_pop(L, 1);
  }
  e = (struct entry *)ti_module_builder_add(L, entries, sizeof *e);
  e->name = name;
  e->len = len;
  e->origin = origin;
  e->made = made;
}

/* Makes the value at idx a module with this origin. Returns its number. [-0, +0, m] */
static int new_module(struct ti_module_builder *b, int idx, enum ti_module_origin origin) {
  lua_State *L = b->L;
  int m = b->mods.n;
  struct ti_module_info *mod =
      (struct ti_module_info *)ti_module_builder_add(L, &b->mods, sizeof *mod);
  mod->origin = origin;
  lua_pushvalue(L, idx);
  lua_pushinteger(L, m);
  lua_rawset(L, b->modules);
  lua_newtable(L);
  lua_rawseti(L, b->sources, m);
  return m;
}

/* Appends the entry's name as an alias to the part of names on top, unless it is one of Lua's own
** libraries. The module's sources are at `sources`, and the entry's source, or nil, behind it.
** [-1, +1, m] */
static void append_alias(lua_State *L, const struct entry *e, int sources) {
  bool load = e->origin == ORIGIN_OTHER;
  if (ti_stdlibs_fields(e->name, e->len) != NULL) return;
  if (e->origin == ORIGIN_LUA) {
    lua_pushvalue(L, sources + 1);
    load = lua_rawget(L, sources) == LUA_TNIL; /* the same file under two names ran once */
    lua_pop(L, 1);
  }
  lua_pushfstring(L, "\1%c", load ? FORM_LOAD : FORM_SET);
  lua_pushlstring(L, e->name, e->len);
  lua_concat(L, 3);
}

/* Notes the source on top as a file of the module whose sources are below it. [-0, +0, m] */
static void note_file(struct ti_module_builder *b) {
  lua_State *L = b->L;
  int source = lua_gettop(L);
  lua_pushvalue(L, source);
  lua_pushboolean(L, 1);
  lua_rawset(L, source - 1);
  lua_pushvalue(L, source);
  if (lua_rawget(L, b->files) == LUA_TNIL) {
    b->new_files = true;
    lua_pushvalue(L, source);
    lua_pushboolean(L, 1);
    lua_rawset(L, b->files);
  }
  lua_settop(L, source);
}

/* Adds a module, or an alias to the module that has its value already. The value is on top.
** [-0, +0, e] */
static void add_module(struct ti_module_builder *b, const struct entry *e) {
  lua_State *L = b->L;
  int top = lua_gettop(L), sources = top + 1, source = top + 2, m;
  bool is_new;
  lua_pushvalue(L, top);
  is_new = lua_rawget(L, b->modules) == LUA_TNIL;
  m = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  if (is_new && e->origin == ORIGIN_NONE) return;
  if (is_new) m = new_module(b, top, e->origin);
  lua_rawgeti(L, b->sources, m);
  if (e->origin == ORIGIN_LUA)
    ti_module_origin_find(L, b->origins, e->name);
  else
    lua_pushnil(L);
  if (is_new) {
    lua_pushlstring(L, e->name, e->len);
  } else {
    lua_rawgeti(L, b->parts, m);
    append_alias(L, e, sources);
  }
  lua_rawseti(L, b->parts, m);
  if (!lua_isnil(L, source)) note_file(b);
  lua_settop(L, top);
}

void ti_module_list_fill(struct ti_module_builder *b) {
  lua_State *L = b->L;
  struct ti_module_array entries;
  struct entry *e;
  int n, top = lua_gettop(L);
  ti_module_builder_array(L, &entries);
  lua_newtable(L); /* the names, which must stay alive whatever happens to package.loaded */
  lua_pushnil(L);
  for (n = 0; lua_next(L, b->loaded) != 0; n++) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, top + 2, n + 1);
    add_entry(b, &entries);
    lua_pop(L, 1);
  }
  e = (struct entry *)entries.at;
  if (entries.n > 0) qsort(e, (size_t)entries.n, sizeof *e, compare_entries);
  for (int i = 0; i < entries.n; i++) {
    lua_pushlstring(L, e[i].name, e[i].len);
    lua_rawget(L, b->loaded);
    if (ti_module_builder_nameable(L, -1)) add_module(b, &e[i]);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
}
