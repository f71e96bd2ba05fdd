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

/* A table with more entries is no small one; of those so many are looked through for functions. */
enum { MAX_SMALL = 64, MAX_LOOK = 1024, MAX_BYTES = 16 * 1024, MAX_LEVELS = 12 };

struct judge {
  lua_State *L;
  int xidx;
  int entries, bytes, level;
  bool other, script;
};

/* Tables in the middle of whose content the caller is. */
struct ti_task_wait {
  const struct ti_task_wait *outer;
  const void *a, *b;
};

static void judge_table(struct judge *j, int idx, const struct ti_task_wait *outer);
static void judge_function(struct judge *j, int idx, const struct ti_task_wait *outer);

static bool is_globals(lua_State *L, int idx) {
  bool is;
  lua_pushglobaltable(L);
  is = lua_rawequal(L, -1, idx);
  lua_pop(L, 1);
  return is;
}

static bool is_within(const struct ti_task_wait *w, const void *a) {
  for (; w != NULL; w = w->outer)
    if (w->a == a) return true;
  return false;
}

/* The value at idx. [-0, +0, m] */
static void judge_value(struct judge *j, int idx, const struct ti_task_wait *outer) {
  lua_State *L = j->L;
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
      j->bytes += len > MAX_BYTES ? MAX_BYTES : (int)len;
      break;
    case LUA_TFUNCTION:
      switch (ti_module_names_find(L, idx, j->xidx)) {
        case NAMES_OWN: break;
        case NAMES_OPEN: judge_function(j, idx, outer); break;
        case NAMES_NONE:
          if (lua_iscfunction(L, idx) || ti_module_names_in_file(L, idx, j->xidx, &file))
            j->other = true;
          else
            j->script = true;
      }
      break;
    case LUA_TTABLE:
      if (ti_module_names_find(L, idx, j->xidx) != NAMES_OWN) {
        lua_settop(L, top);
        judge_table(j, idx, outer);
      }
      break;
    case LUA_TUSERDATA:
      if (ti_reftype_get(L, idx) == NULL && ti_module_names_find(L, idx, j->xidx) != NAMES_OWN)
        j->other = true;
      break;
    default: j->other = true;
  }
  lua_settop(L, top);
}

static void judge_table(struct judge *j, int idx, const struct ti_task_wait *outer) {
  lua_State *L = j->L;
  int top = lua_gettop(L);
  struct ti_task_wait here = {outer, lua_topointer(L, idx), NULL};
  if (is_within(outer, here.a) || is_globals(L, idx)) return;
  if (j->level == MAX_LEVELS) {
    j->other = true;
    return;
  }
  luaL_checkstack(L, 8, NULL);
  j->level++;
  if (lua_getmetatable(L, idx)) judge_value(j, top + 1, &here);
  lua_settop(L, top);
  lua_pushnil(L);
  while (!j->script && lua_next(L, idx) != 0) {
    int k = lua_type(L, top + 1);
    if (++j->entries > MAX_LOOK) break;
    if (k != LUA_TSTRING && k != LUA_TNUMBER && k != LUA_TBOOLEAN) j->other = true;
    if (k == LUA_TSTRING) judge_value(j, top + 1, &here);
    judge_value(j, top + 2, &here);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  j->level--;
}

/* A closure: what its upvalues hold. [-0, +0, m] */
static void judge_function(struct judge *j, int idx, const struct ti_task_wait *outer) {
  lua_State *L = j->L;
  struct ti_task_wait here = {outer, lua_topointer(L, idx), NULL};
  if (is_within(outer, here.a)) return;
  if (j->level == MAX_LEVELS) {
    j->other = true;
    return;
  }
  luaL_checkstack(L, 8, NULL);
  j->level++;
  for (int i = 1; !j->script && lua_getupvalue(L, idx, i) != NULL; i++) {
    j->entries++;
    judge_value(j, lua_gettop(L), &here);
    lua_pop(L, 1);
  }
  j->level--;
}

enum ti_module_value ti_module_values_judge(lua_State *L, int idx, int xidx) {
  struct judge j = {L, xidx, 0, 0, 0, false, false};
  if (lua_istable(L, idx))
    judge_table(&j, lua_absindex(L, idx), NULL);
  else
    judge_function(&j, lua_absindex(L, idx), NULL);
  if (j.script) return MODULE_VALUE_SCRIPT;
  if (j.other || j.entries > MAX_SMALL || j.bytes > MAX_BYTES) return MODULE_VALUE_OTHER;
  return MODULE_VALUE_DATA;
}

/* ----------------------------------------------------------------- comparing -- */

static bool same(lua_State *L, int a, int b, const struct ti_task_wait *outer, int level);

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

static bool same_functions(lua_State *L, int a, int b, const struct ti_task_wait *outer,
                           int level) {
  int top = lua_gettop(L);
  struct ti_task_wait here = {outer, lua_topointer(L, a), lua_topointer(L, b)};
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

static bool same_tables(lua_State *L, int a, int b, const struct ti_task_wait *outer, int level) {
  int top = lua_gettop(L);
  struct ti_task_wait here = {outer, lua_topointer(L, a), lua_topointer(L, b)};
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

static bool same(lua_State *L, int a, int b, const struct ti_task_wait *outer, int level) {
  if (lua_type(L, a) != lua_type(L, b)) return false;
  if (lua_rawequal(L, a, b)) return lua_isinteger(L, a) == lua_isinteger(L, b);
  switch (lua_type(L, a)) {
    case LUA_TTABLE: return same_tables(L, a, b, outer, level);
    case LUA_TFUNCTION: return same_functions(L, a, b, outer, level);
    case LUA_TNUMBER: /* neither is a number in the other's eyes */
      return lua_tonumber(L, a) != lua_tonumber(L, a) && lua_tonumber(L, b) != lua_tonumber(L, b);
    default: return false;
  }
}

/* Whether the values at a and b have the same content; functions count as the same if they are
** defined in the same place and their upvalues are the same. [-0, +0, m] */
static bool is_alike(lua_State *L, int a, int b) {
  return same(L, lua_absindex(L, a), lua_absindex(L, b), NULL, 0);
}

/* Protected: (name, its length, transfer userdata) -> what it means. */
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
