/*
** codec/module_changes: noticing that the index of module names is out of date.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_changes.h"

#include <lauxlib.h>

#include "codec/module_index.h"
#include "codec/package_paths.h"

/* One pass over all values, in this order: package.path, cpath and searchpath, the values of
** package.preload, those of package.loaded. It compares their addresses with x->entries, or writes
** them there. */
struct pass {
  struct ti_codec_state *x;
  size_t n;     /* values passed */
  int pins;     /* writing: stack index of the table that keeps them alive; 0: comparing */
  bool changed; /* a value is not as it was */
};

static void grow_entries(lua_State *L, struct ti_codec_state *x) {
  size_t cap = x->capentries > 0 ? x->capentries * 2 : 128;
  const void **entries = (const void **)ti_alloc_new(&ti_alloc_default, cap * sizeof *entries);
  if (entries == NULL) luaL_error(L, "not enough memory");
  if (x->capentries > 0) memcpy(entries, x->entries, x->capentries * sizeof *entries);
  ti_alloc_free(&ti_alloc_default, x->entries, x->capentries * sizeof *entries);
  x->entries = entries;
  x->capentries = cap;
}

/* Passes the value at idx, which may be anything. [-0, +0, m] */
static inline void pass_value(lua_State *L, struct pass *p, int idx) {
  const void *address = lua_topointer(L, idx);
  if (p->pins == 0) {
    p->changed = p->n >= p->x->nentries || p->x->entries[p->n] != address;
  } else {
    if (p->n == p->x->capentries) grow_entries(L, p->x);
    p->x->entries[p->n] = address;
    lua_pushvalue(L, idx);
    lua_rawseti(L, p->pins, (lua_Integer)p->n + 1);
  }
  p->n++;
}

/* Passes the values of the table on top, up to the first that has changed. [-0, +0, m] */
static void pass_table(lua_State *L, struct pass *p) {
  int t = lua_gettop(L);
  lua_pushnil(L);
  while (!p->changed && lua_next(L, t) != 0) {
    pass_value(L, p, t + 2);
    lua_pop(L, 1);
  }
  lua_settop(L, t);
}

/* Passes what says where modules are found. [-0, +0, m] */
static void pass_paths(lua_State *L, struct pass *p, int xidx) {
  static const char *const fields[] = {"path", "cpath", "searchpath"};
  int top = lua_gettop(L);
  ti_package_paths_package(L, xidx);
  for (int i = 0; i < 3 && !p->changed; i++) {
    lua_pushstring(L, fields[i]);
    lua_rawget(L, top + 1);
    pass_value(L, p, top + 2);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  pass_table(L, p);
  lua_settop(L, top);
}

static void pass_loaded(lua_State *L, struct pass *p) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  pass_table(L, p);
  lua_pop(L, 1);
}

/* Compares all values. Sets *paths if what says where modules are found has changed. Returns
** whether anything has. [-0, +0, m] */
static bool compare(lua_State *L, struct ti_codec_state *x, int xidx, bool *paths) {
  struct pass p = {x, 0, 0, false};
  luaL_checkstack(L, 16, NULL);
  pass_paths(L, &p, xidx);
  *paths = p.changed || p.n != x->npaths;
  if (*paths) return true;
  pass_loaded(L, &p);
  return p.changed || p.n != x->nentries;
}

bool ti_module_changes_any(lua_State *L, int xidx) {
  bool paths;
  return compare(L, (struct ti_codec_state *)lua_touserdata(L, xidx), xidx, &paths);
}

void ti_module_changes_apply(lua_State *L, int xidx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  int top = lua_gettop(L);
  struct pass p = {x, 0, top + 1, false};
  bool paths;
  if (!compare(L, x, xidx, &paths)) return;
  if (paths) {
    lua_pushnil(L);
    lua_setiuservalue(L, xidx, CODEC_ORIGINS);
    lua_pushnil(L);
    lua_setiuservalue(L, xidx, CODEC_FILES);
  }
  x->nentries = 0; /* until the index is made */
  lua_newtable(L);
  pass_paths(L, &p, xidx);
  x->npaths = p.n;
  pass_loaded(L, &p);
  lua_setiuservalue(L, xidx, CODEC_PINS);
  ti_module_index_build(L, xidx);
  x->nentries = p.n;
  x->object_paths_fresh = false;
  lua_settop(L, top);
}
