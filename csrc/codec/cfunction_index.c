/*
** codec/cfunction_index: the index of paths.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/cfunction_index.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/module_filter.h"
#include "codec/module_names.h"
#include "codec/reftype.h"
#include "luautil/stdlibs.h"

enum {
  MOST_DEPTH = 4,     /* levels of tables that are visited */
  MOST_FIELDS = 10000 /* fields that are visited of one root */
};

enum root { ROOT_REQUIRED, ROOT_LOADED, ROOT_GLOBAL };

struct indexer {
  struct ti_codec_state *x;
  int xidx, paths, visited; /* stack indices: OBJECT_PATHS, the tables visited so far */
  enum root root;
  int fields; /* seen so far */
};

bool ti_cfunction_index_named(lua_State *L, int idx, int xidx) {
  const struct ti_codec_state *x = (const struct ti_codec_state *)lua_touserdata(L, xidx);
  if (!ti_module_filter_maybe(x, lua_topointer(L, idx)) || !ti_module_names_find(L, idx, xidx))
    return false;
  lua_pop(L, 1);
  return true;
}

/* ------------------------------------------------------------------- paths -- */

/* Returns how long a path is to follow: less is better. */
static size_t rank(const char *path, size_t len) {
  size_t steps = 0;
  for (size_t i = 1; i < len; i++) steps += path[i] == '\0';
  return (path[0] == 'R' ? 0 : path[1] != '\0' ? 1000 : 2000) + steps;
}

/* Returns whether path a is better than b. Of equal ones that is the first in byte order. */
static bool better(const char *a, size_t alen, const char *b, size_t blen) {
  size_t ra = rank(a, alen), rb = rank(b, blen);
  int order = memcmp(a, b, alen < blen ? alen : blen);
  return ra != rb ? ra < rb : order != 0 ? order < 0 : alen < blen;
}

/* Gives the object on top the path on the stack at `path`, unless it has a better one.
** [-0, +0, m] */
static void add(lua_State *L, struct indexer *ix, int path) {
  int object = lua_gettop(L);
  size_t len, oldlen;
  const char *s = lua_tolstring(L, path, &len), *old;
  lua_pushvalue(L, object);
  lua_rawget(L, ix->paths);
  old = lua_tolstring(L, -1, &oldlen);
  if (old == NULL || better(s, len, old, oldlen)) {
    lua_pushvalue(L, object);
    lua_pushvalue(L, path);
    lua_rawset(L, ix->paths);
    ti_module_filter_add(ix->x, lua_topointer(L, object));
  }
  lua_settop(L, object);
}

/* Pushes the path at `path` with one more step: the field with the string at `key`. [-0, +1, m] */
static void push_step(lua_State *L, int path, int key) {
  lua_pushvalue(L, path);
  lua_pushlstring(L, "", 1);
  lua_pushvalue(L, key);
  lua_concat(L, 3);
}

/* ------------------------------------------------------------------- visit -- */

static bool visit_table(lua_State *L, struct indexer *ix, int path, int depth);

/* Adds the value on top, whose path is at `path`, if it is native: a C function, a userdata, or a
** table with one within. Returns whether it is, and has no name or is a table. [-0, +0, m] */
static bool visit(lua_State *L, struct indexer *ix, int path, int depth) {
  int value = lua_gettop(L);
  bool named, native = false;
  switch (lua_type(L, value)) {
    case LUA_TFUNCTION:
      if (!lua_iscfunction(L, value)) return false;
      native = true;
      break;
    case LUA_TUSERDATA:
      if (ti_reftype_get(L, value) != NULL) return false;
      if (luaL_getmetafield(L, value, "__transfer") != LUA_TNIL) {
        lua_settop(L, value);
        return false;
      }
      native = true;
      break;
    case LUA_TTABLE: native = visit_table(L, ix, path, depth); break;
    default: return false;
  }
  named = ti_cfunction_index_named(L, value, ix->xidx);
  if (native && !named) add(L, ix, path);
  return native && (!named || lua_istable(L, value));
}

/* Visits the fields of the table on top, and returns whether something in it is native.
** [-0, +0, m] */
static bool visit_table(lua_State *L, struct indexer *ix, int path, int depth) {
  int table = lua_gettop(L), key = table + 1, value = table + 2;
  bool native = false, direct = false;
  if (depth == MOST_DEPTH) return false;
  lua_pushvalue(L, table);
  if (lua_rawget(L, ix->visited) != LUA_TNIL) {
    lua_settop(L, table);
    return false;
  }
  lua_pop(L, 1);
  lua_pushvalue(L, table);
  lua_pushboolean(L, 1);
  lua_rawset(L, ix->visited);
  luaL_checkstack(L, 12, NULL);
  lua_pushnil(L);
  while (ix->fields < MOST_FIELDS && lua_next(L, table) != 0) {
    int t = lua_type(L, value);
    ix->fields++;
    if (lua_type(L, key) == LUA_TSTRING &&
        (t == LUA_TTABLE || t == LUA_TFUNCTION || t == LUA_TUSERDATA)) {
      push_step(L, path, key);
      lua_insert(L, value);
      if (visit(L, ix, value, depth + 1)) {
        native = true;
        direct = direct || t == LUA_TFUNCTION;
      }
    }
    lua_settop(L, key);
  }
  lua_settop(L, table);
  /* a table among the globals is the script's, unless it has C functions of the program */
  return ix->root == ROOT_GLOBAL ? direct : native;
}

/* Empties `visited`, except for tables that are never visited: their content has roots of its own.
** [-0, +0, m] */
static void reset_visited(lua_State *L, struct indexer *ix) {
  int top = lua_gettop(L);
  lua_newtable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushglobaltable(L);
  for (int i = top + 2; i <= top + 4; i++) {
    lua_pushvalue(L, i);
    lua_pushboolean(L, 1);
    lua_rawset(L, top + 1);
  }
  lua_settop(L, top + 1);
  lua_replace(L, ix->visited);
}

/* Visits the entry (name, value) on top, of package.loaded or of the globals. [-0, +0, m] */
static void visit_root(lua_State *L, struct indexer *ix, bool global) {
  int name = lua_gettop(L) - 1;
  const char *s;
  size_t len;
  if (lua_type(L, name) != LUA_TSTRING) return;
  s = lua_tolstring(L, name, &len);
  if (strlen(s) != len || len == 0) return; /* a path cannot express it */
  if (global) {
    if (ti_stdlibs_is_global(s, len)) return;
    ix->root = ROOT_GLOBAL;
    lua_pushliteral(L, "H");
    push_step(L, name + 2, name);
  } else {
    if (strcmp(s, "_G") == 0) return;
    ix->root = ti_cfunction_index_named(L, name + 1, ix->xidx) ? ROOT_REQUIRED : ROOT_LOADED;
    lua_pushvalue(L, name);
    lua_pushfstring(L, "%s%s", ix->root == ROOT_REQUIRED ? "R" : "H", s);
  }
  lua_pushvalue(L, name + 1);
  if (lua_istable(L, -1)) reset_visited(L, ix);
  ix->fields = 0;
  (void)visit(L, ix, name + 3, 0);
  lua_settop(L, name + 1);
}

void ti_cfunction_index_refresh(lua_State *L, int xidx, bool anew) {
  struct indexer ix;
  int top = lua_gettop(L);
  ix.x = (struct ti_codec_state *)lua_touserdata(L, xidx);
  if (ix.x->object_paths_fresh && !anew) return;
  if (ix.x->filter == NULL) return; /* the index of names has not been made */
  luaL_checkstack(L, 16, NULL);
  lua_pushnil(L);
  lua_setiuservalue(L, xidx, CODEC_OBJECT_PATHS);
  ti_codec_state_table(L, xidx, CODEC_OBJECT_PATHS);
  ix.xidx = xidx;
  ix.paths = top + 1;
  ix.visited = top + 2;
  lua_pushnil(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushglobaltable(L);
  for (int global = 0; global <= 1; global++) {
    lua_pushnil(L);
    while (lua_next(L, top + 3 + global) != 0) {
      visit_root(L, &ix, global != 0);
      lua_pop(L, 1);
    }
  }
  ix.x->object_paths_fresh = true;
  lua_settop(L, top);
}
