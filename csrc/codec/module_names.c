/*
** codec/module_names: the objects that are sent by name.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_names.h"

#include <lauxlib.h>

#include "luautil/error.h"
#include "codec/module_index.h"
#include "codec/package_paths.h"

/* ------------------------------------------------------------ noticing changes -- */

/* ENTRIES holds the addresses of what was seen: package.path, cpath and searchpath, then the values
** of package.preload, then those of package.loaded. All of it is kept alive, so no address is used
** twice. A name that was exchanged for another of the same value is noticed when it is followed. */
struct ti_spin_look {
  struct ti_codec_state *x;
  size_t n;
  int pins; /* index of a table that keeps alive what is written; 0: what was written is compared */
  bool changed; /* something is not as it was */
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

/* The value at idx, which may be anything. [-0, +0, m] */
static inline void see(lua_State *L, struct ti_spin_look *k, int idx) {
  const void *p = lua_topointer(L, idx);
  if (k->pins == 0) {
    k->changed = k->n >= k->x->nentries || k->x->entries[k->n] != p;
  } else {
    if (k->n == k->x->capentries) grow_entries(L, k->x);
    k->x->entries[k->n] = p;
    lua_pushvalue(L, idx);
    lua_rawseti(L, k->pins, (lua_Integer)k->n + 1);
  }
  k->n++;
}

/* All values of the table on top, as long as they are what they were. [-0, +0, m] */
static void see_values(lua_State *L, struct ti_spin_look *k) {
  int t = lua_gettop(L);
  lua_pushnil(L);
  while (!k->changed && lua_next(L, t) != 0) {
    see(L, k, t + 2);
    lua_pop(L, 1);
  }
  lua_settop(L, t);
}

/* Where modules are found. [-0, +0, m] */
static void see_paths(lua_State *L, struct ti_spin_look *k, int xidx) {
  static const char *const fields[] = {"path", "cpath", "searchpath"};
  int top = lua_gettop(L);
  ti_package_paths_package(L, xidx);
  for (int i = 0; i < 3 && !k->changed; i++) {
    lua_pushstring(L, fields[i]);
    lua_rawget(L, top + 1);
    see(L, k, top + 2);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  see_values(L, k);
  lua_settop(L, top);
}

static void see_loaded(lua_State *L, struct ti_spin_look *k) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  see_values(L, k);
  lua_pop(L, 1);
}

bool ti_module_names_stale(lua_State *L, int xidx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  struct ti_spin_look k = {x, 0, 0, false};
  luaL_checkstack(L, 16, NULL);
  see_paths(L, &k, xidx);
  if (k.changed || k.n != x->npaths) return true;
  see_loaded(L, &k);
  return k.changed || k.n != x->nentries;
}

void ti_module_names_refresh(lua_State *L, int xidx) {
  struct ti_codec_state *x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  int top = lua_gettop(L);
  struct ti_spin_look k = {x, 0, 0, false};
  luaL_checkstack(L, 16, NULL);
  see_paths(L, &k, xidx);
  if (!k.changed && k.n == x->npaths) {
    see_loaded(L, &k);
    if (!k.changed && k.n == x->nentries) return;
  } else {
    lua_pushnil(L);
    lua_setiuservalue(L, xidx, CODEC_ORIGINS);
    lua_pushnil(L);
    lua_setiuservalue(L, xidx, CODEC_FILES);
  }
  x->nentries = 0; /* if anything below raises, the next call starts anew */
  lua_newtable(L);
  k.pins = top + 1;
  k.n = 0;
  k.changed = false;
  see_paths(L, &k, xidx);
  x->npaths = k.n;
  see_loaded(L, &k);
  lua_setiuservalue(L, xidx, CODEC_PINS);
  ti_module_index_build(L, xidx);
  x->nentries = k.n;
  x->natives = false;
  lua_settop(L, top);
}

/* ---------------------------------------------------------------------- walking -- */

/* A name in parts. */
struct name {
  const char *module, *aliases, *end; /* aliases follow the module, up to end */
  size_t len;                         /* of the module */
  struct ti_cursor steps;
};

static void take_apart(struct name *nm, const char *name, size_t len) {
  const char *sep = (const char *)memchr(name, '\0', len);
  const char *end = sep != NULL ? sep : name + len;
  const char *alias = (const char *)memchr(name, '\1', (size_t)(end - name));
  nm->module = name;
  nm->end = end;
  nm->aliases = alias != NULL ? alias : end;
  nm->len = (size_t)(nm->aliases - name);
  ti_buffer_cursor_init(&nm->steps, end + (sep != NULL),
                        (size_t)(name + len - end) - (sep != NULL));
}

/* Replaces the value on top by what the next step leads to, or nil. `*word` is the field's or
** upvalue's name. False: the step is damaged. [-1, +1, m] */
static bool take_step(lua_State *L, struct ti_cursor *c, const char **word, size_t *len) {
  unsigned kind = ti_buffer_get_u8(c);
  uint64_t number = 0, n;
  *word = "";
  *len = 0;
  if (c->failed) return false;
  if (kind == NAME_METATABLE) {
    *word = "metatable";
    *len = 9;
    if (!lua_istable(L, -1) || !lua_getmetatable(L, -1)) lua_pushnil(L);
    lua_remove(L, -2);
    return true;
  }
  if (kind != NAME_FIELD && kind != NAME_UPVALUE) return false;
  if (kind == NAME_UPVALUE) number = ti_buffer_get_varint(c);
  n = ti_buffer_get_varint(c);
  if (c->failed || n > ti_buffer_left(c)) return false;
  *len = (size_t)n;
  *word = (const char *)ti_buffer_get(c, *len);
  if (kind == NAME_FIELD) {
    if (lua_istable(L, -1)) {
      lua_pushlstring(L, *word, *len);
      lua_rawget(L, -2);
    } else {
      lua_pushnil(L);
    }
  } else {
    const char *up = NULL;
    if (number > 0 && number < 256 && lua_isfunction(L, -1) && !lua_iscfunction(L, -1))
      up = lua_getupvalue(L, -1, (int)number);
    if (up != NULL && (strlen(up) != *len || memcmp(up, *word, *len) != 0)) {
      lua_pop(L, 1); /* other code than the sender's */
      up = NULL;
    }
    if (up == NULL) lua_pushnil(L);
  }
  lua_remove(L, -2);
  return true;
}

/* Whether `name` leads to the object at idx here and now. [-0, +0, m] */
static bool leads_to(lua_State *L, const char *name, size_t len, int idx) {
  struct name nm;
  int top = lua_gettop(L);
  bool same;
  take_apart(&nm, name, len);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushlstring(L, nm.module, nm.len);
  lua_rawget(L, -2);
  while (ti_buffer_left(&nm.steps) > 0 && !lua_isnil(L, -1)) {
    const char *word;
    size_t n;
    if (!take_step(L, &nm.steps, &word, &n)) break;
  }
  same = ti_buffer_left(&nm.steps) == 0 && lua_rawequal(L, -1, idx);
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
    if (name[0] == INDEX_FIXED || leads_to(L, name + 1, len - 1, idx)) {
      lua_remove(L, -2);
      return name[0] == INDEX_OPEN ? NAMES_OPEN : NAMES_OWN;
    }
  }
  lua_pop(L, 2);
  return NAMES_NONE;
}

/* Pushes what require(name) answers. [-0, +1, e] */
static void require_module(lua_State *L, const char *name, size_t len) {
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

/* ------------------------------------------------------------------------ resolving -- */

/* Whether package.loaded, on top, has the value at idx under the name at `alias`. [-0, +0, -] */
static bool is_alias(lua_State *L, int alias, int idx) {
  bool is;
  lua_pushvalue(L, alias);
  lua_rawget(L, -2);
  is = lua_rawequal(L, -1, idx);
  lua_pop(L, 1);
  return is;
}

/* Loads the module at index `module` under the name at module + 2 as well, in package.loaded at
** module + 1; notes what was there, for the day when the name means something else. [-0, +0, m] */
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

/* If the name was made an alias, it is now what it was before. [-0, +0, m] */
static void drop_alias(lua_State *L, const struct name *nm, int xidx) {
  int top = lua_gettop(L);
  if (ti_codec_state_has_table(L, xidx, CODEC_ALIASED)) {
    lua_pushlstring(L, nm->module, nm->len);
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

/* The module on top is loaded under its other names as well, in a worker: those that have files
** of their own are required first. What they fail of, or make besides, is not used. [-0, +0, e] */
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
    if (p[1] == ALIAS_LOAD) {
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

/* Pushes the module of a name, with its aliases. [-0, +1, e] */
static void push_module(lua_State *L, const struct name *nm, int xidx) {
  const struct ti_codec_state *x = (const struct ti_codec_state *)lua_touserdata(L, xidx);
  luaL_checkstack(L, 10, NULL);
  if (x->worker) drop_alias(L, nm, xidx);
  require_module(L, nm->module, nm->len);
  if (nm->aliases < nm->end && x->worker) load_aliases(L, nm->aliases, nm->end, xidx);
}

void ti_module_names_resolve(lua_State *L, const char *name, size_t len, int xidx) {
  struct name nm;
  take_apart(&nm, name, len);
  luaL_checkstack(L, 8, NULL);
  push_module(L, &nm, xidx);
  while (ti_buffer_left(&nm.steps) > 0) {
    const char *word;
    size_t n;
    if (!take_step(L, &nm.steps, &word, &n)) {
      ti_error_raise(L, TIDE_ETRANSFER, "damaged message: a name of no form");
    } else if (lua_isnil(L, -1)) {
      lua_pushlstring(L, nm.module, nm.len);
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
    require_module(L, name, (size_t)(dot - name));
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
