/*
** codec/module_values: values that a module holds and a script may have put there.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/module_values.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/module_names.h"
#include "codec/reftype.h"

enum {
  MAX_SMALL = 64,        /* entries of a small value */
  MAX_BYTES = 16 * 1024, /* bytes of its strings */
  MAX_LEVELS = 12,       /* levels of nesting that are classified */
  MAX_SEARCHED = 1024    /* entries of a large value that are searched for functions */
};

struct classifier {
  lua_State *L;
  int xidx;
  int entries, bytes, level;
  bool other;  /* it holds what can neither be copied nor compared */
  bool script; /* it holds a function of the script */
};

/* A chain of the tables and functions whose content is being visited; `b`: compared with `a`. */
struct visited {
  const struct visited *outer;
  const void *a, *b;
};

static void classify_table(struct classifier *c, int idx, const struct visited *outer);
static void classify_function(struct classifier *c, int idx, const struct visited *outer);

static bool is_globals(lua_State *L, int idx) {
  bool is;
  lua_pushglobaltable(L);
  is = lua_rawequal(L, -1, idx);
  lua_pop(L, 1);
  return is;
}

static bool is_within(const struct visited *w, const void *a) {
  for (; w != NULL; w = w->outer)
    if (w->a == a) return true;
  return false;
}

/* Classifies the value at idx. [-0, +0, m] */
static void classify_value(struct classifier *c, int idx, const struct visited *outer) {
  lua_State *L = c->L;
  size_t len;
  bool file;
  int top = lua_gettop(L);
  switch (lua_type(L, idx)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TLIGHTUSERDATA: break;
    case LUA_TSTRING:
      lua_tolstring(L, idx, &len);
      c->bytes += len > MAX_BYTES ? MAX_BYTES : (int)len;
      break;
    case LUA_TFUNCTION:
      switch (ti_module_names_find(L, idx, c->xidx)) {
        case NAMES_OWN: break;
        case NAMES_OPEN: classify_function(c, idx, outer); break;
        case NAMES_NONE:
          if (lua_iscfunction(L, idx) || ti_module_names_in_file(L, idx, c->xidx, &file))
            c->other = true;
          else
            c->script = true;
      }
      break;
    case LUA_TTABLE:
      if (ti_module_names_find(L, idx, c->xidx) != NAMES_OWN) {
        lua_settop(L, top);
        classify_table(c, idx, outer);
      }
      break;
    case LUA_TUSERDATA:
      if (ti_reftype_get(L, idx) == NULL && ti_module_names_find(L, idx, c->xidx) != NAMES_OWN)
        c->other = true;
      break;
    default: c->other = true;
  }
  lua_settop(L, top);
}

static void classify_table(struct classifier *c, int idx, const struct visited *outer) {
  lua_State *L = c->L;
  int top = lua_gettop(L);
  struct visited here = {outer, lua_topointer(L, idx), NULL};
  if (is_within(outer, here.a) || is_globals(L, idx)) return;
  if (c->level == MAX_LEVELS) {
    c->other = true;
    return;
  }
  luaL_checkstack(L, 8, NULL);
  c->level++;
  if (lua_getmetatable(L, idx)) classify_value(c, top + 1, &here);
  lua_settop(L, top);
  lua_pushnil(L);
  while (!c->script && lua_next(L, idx) != 0) {
    int k = lua_type(L, top + 1);
    if (++c->entries > MAX_SEARCHED) break;
    if (k != LUA_TSTRING && k != LUA_TNUMBER && k != LUA_TBOOLEAN) c->other = true;
    if (k == LUA_TSTRING) classify_value(c, top + 1, &here);
    classify_value(c, top + 2, &here);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  c->level--;
}

/* Classifies what the upvalues of the closure at idx hold. [-0, +0, m] */
static void classify_function(struct classifier *c, int idx, const struct visited *outer) {
  lua_State *L = c->L;
  struct visited here = {outer, lua_topointer(L, idx), NULL};
  if (is_within(outer, here.a)) return;
  if (c->level == MAX_LEVELS) {
    c->other = true;
    return;
  }
  luaL_checkstack(L, 8, NULL);
  c->level++;
  for (int i = 1; !c->script && lua_getupvalue(L, idx, i) != NULL; i++) {
    c->entries++;
    classify_value(c, lua_gettop(L), &here);
    lua_pop(L, 1);
  }
  c->level--;
}

enum ti_module_value ti_module_values_classify(lua_State *L, int idx, int xidx) {
  struct classifier c = {L, xidx, 0, 0, 0, false, false};
  if (lua_istable(L, idx))
    classify_table(&c, lua_absindex(L, idx), NULL);
  else
    classify_function(&c, lua_absindex(L, idx), NULL);
  if (c.script) return MODULE_VALUE_SCRIPT;
  if (c.other || c.entries > MAX_SMALL || c.bytes > MAX_BYTES) return MODULE_VALUE_OTHER;
  return MODULE_VALUE_DATA;
}

/* ----------------------------------------------------------------- comparing -- */

static bool same(lua_State *L, int a, int b, const struct visited *outer, int level);

static bool same_place(lua_State *L, int a, int b) {
  lua_Debug x, y;
  if (lua_iscfunction(L, a) || lua_iscfunction(L, b)) return false;
  lua_pushvalue(L, a);
  lua_getinfo(L, ">S", &x);
  lua_pushvalue(L, b);
  lua_getinfo(L, ">S", &y);
  return x.linedefined == y.linedefined && x.lastlinedefined == y.lastlinedefined &&
         strcmp(x.source, y.source) == 0;
}

static bool same_functions(lua_State *L, int a, int b, const struct visited *outer, int level) {
  int top = lua_gettop(L);
  struct visited here = {outer, lua_topointer(L, a), lua_topointer(L, b)};
  bool is = true;
  for (; outer != NULL; outer = outer->outer)
    if (outer->a == here.a) return outer->b == here.b;
  if (level == 2 * MAX_LEVELS || !same_place(L, a, b)) return false;
  luaL_checkstack(L, 10, NULL);
  for (int i = 1; is && lua_getupvalue(L, a, i) != NULL; i++) {
    is = lua_getupvalue(L, b, i) != NULL && same(L, top + 1, top + 2, &here, level + 1);
    lua_settop(L, top);
  }
  return is;
}

static int count(lua_State *L, int t) {
  int n = 0;
  lua_pushnil(L);
  while (lua_next(L, t) != 0) {
    n++;
    lua_pop(L, 1);
  }
  return n;
}

static bool same_tables(lua_State *L, int a, int b, const struct visited *outer, int level) {
  int top = lua_gettop(L);
  struct visited here = {outer, lua_topointer(L, a), lua_topointer(L, b)};
  bool is = true;
  for (; outer != NULL; outer = outer->outer)
    if (outer->a == here.a) return outer->b == here.b;
  if (level == 2 * MAX_LEVELS || count(L, a) != count(L, b)) return false;
  luaL_checkstack(L, 10, NULL);
  if (!lua_getmetatable(L, a)) lua_pushnil(L);
  if (!lua_getmetatable(L, b)) lua_pushnil(L);
  is = same(L, top + 1, top + 2, &here, level + 1);
  lua_settop(L, top);
  lua_pushnil(L);
  while (is && lua_next(L, a) != 0) {
    lua_pushvalue(L, top + 1);
    lua_rawget(L, b);
    is = same(L, top + 2, top + 3, &here, level + 1);
    lua_settop(L, top + 1);
  }
  lua_settop(L, top);
  return is;
}

static bool same(lua_State *L, int a, int b, const struct visited *outer, int level) {
  if (lua_type(L, a) != lua_type(L, b)) return false;
  if (lua_rawequal(L, a, b)) return lua_isinteger(L, a) == lua_isinteger(L, b);
  switch (lua_type(L, a)) {
    case LUA_TTABLE: return same_tables(L, a, b, outer, level);
    case LUA_TFUNCTION: return same_functions(L, a, b, outer, level);
    case LUA_TNUMBER: /* both may be NaN */
      return lua_tonumber(L, a) != lua_tonumber(L, a) && lua_tonumber(L, b) != lua_tonumber(L, b);
    default: return false;
  }
}

/* Returns whether the values at a and b have the same content. Functions do if they are defined in
** the same place and their upvalues have the same content. [-0, +0, m] */
static bool is_alike(lua_State *L, int a, int b) {
  return same(L, lua_absindex(L, a), lua_absindex(L, b), NULL, 0);
}

/* Protected: (name, its length, codec state) -> what it means. */
static int resolve(lua_State *L) {
  const char *name = (const char *)lua_touserdata(L, 1);
  ti_module_names_resolve(L, name, (size_t)lua_tointeger(L, 2), 3);
  return 1;
}

bool ti_module_values_prefer(lua_State *L, const char *name, size_t len, int xidx) {
  union {
    const char *in;
    char *out;
  } arg = {name}; /* resolve does not write to it */
  int copy = lua_gettop(L), status;
  bool alike = false;
  luaL_checkstack(L, 8, NULL);
  lua_pushcfunction(L, resolve);
  lua_pushlightuserdata(L, arg.out);
  lua_pushinteger(L, (lua_Integer)len);
  lua_pushvalue(L, xidx);
  status = lua_pcall(L, 3, 1, 0);
  if (status == LUA_ERRMEM) lua_error(L);
  if (status == LUA_OK) alike = is_alike(L, copy, copy + 1);
  if (alike) lua_replace(L, copy);
  lua_settop(L, copy);
  return alike;
}
