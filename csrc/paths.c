/*
** tidepool, floor 2: paths, where a submitter's modules come from.
**
** SPDX-License-Identifier: MIT
*/
#include "paths.h"

#include <lauxlib.h>

#include "pack.h"
#include "ref.h"
#include "transfer.h"
#include "unpack.h"

struct paths {
  struct ref ref;     /* A */
  struct message msg; /* I: { path =, cpath =, preload = { name = C function } } */
};

struct paths *tide_paths_hold(struct paths *p) {
  if (p != NULL) ref_hold(&p->ref);
  return p;
}

void tide_paths_rele(void *paths) {
  struct paths *p = (struct paths *)paths;
  if (p == NULL || !ref_rele(&p->ref)) return;
  tide_message_fini(&p->msg);
  tide_mem_free(&tide_mem_default, p, sizeof *p);
}

/* Pushes the `package` library, or an empty table in a state without it. [-0, +1, m] */
static void push_package(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "package") != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  lua_remove(L, -2);
}

/* Pushes { path =, cpath =, preload = }. [-0, +1, m] */
static void push_description(lua_State *L) {
  int d;
  lua_createtable(L, 0, 3);
  d = lua_gettop(L);
  push_package(L);
  lua_getfield(L, -1, "path");
  lua_setfield(L, d, "path");
  lua_getfield(L, -1, "cpath");
  lua_setfield(L, d, "cpath");
  lua_newtable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    if (lua_type(L, -2) == LUA_TSTRING && lua_iscfunction(L, -1)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, d + 2);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
  lua_setfield(L, d, "preload");
  lua_settop(L, d);
}

static struct paths *capture(lua_State *L) {
  struct paths *p;
  push_description(L);
  p = (struct paths *)tide_mem_new(&tide_mem_default, sizeof *p);
  if (p == NULL) luaL_error(L, "not enough memory");
  ref_init(&p->ref);
  tide_message_init(&p->msg, &tide_mem_default);
  if (tide_pack(L, &p->msg, 1, PACK_RESULTS) != LUA_OK) {
    tide_paths_rele(p);
    lua_error(L);
  }
  return p;
}

/* Whether package[field] is still what `seen` remembers at i. [-0, +0, m] */
static bool unchanged(lua_State *L, int package, const char *field, int seen, int i) {
  bool same;
  lua_getfield(L, package, field);
  lua_rawgeti(L, seen, i);
  same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

struct paths *tide_paths_of(lua_State *L, int anew) {
  struct transfer *x;
  int top = lua_gettop(L), package = top + 1, seen = top + 3;
  struct paths *now;
  luaL_checkstack(L, 16, NULL);
  lua_pushnil(L);
  x = tide_transfer_get(L);
  tide_transfer_table(L, top + 2, TRANSFER_PATHS);
  if (lua_rawgeti(L, seen, 1) != LUA_TTABLE) { /* looked up once: it stays the same table */
    lua_pop(L, 1);
    push_package(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, seen, 1);
  }
  lua_replace(L, package);
  if (x->paths == NULL || anew || !unchanged(L, package, "path", seen, 2) ||
      !unchanged(L, package, "cpath", seen, 3)) {
    now = capture(L);
    tide_paths_rele(x->paths);
    x->paths = now;
    lua_getfield(L, package, "path");
    lua_rawseti(L, seen, 2);
    lua_getfield(L, package, "cpath");
    lua_rawseti(L, seen, 3);
  }
  lua_settop(L, top);
  return x->paths;
}

void tide_paths_apply(lua_State *L, const struct paths *p) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 12, NULL);
  tide_unpack(L, &p->msg, 0);
  push_package(L);
  lua_getfield(L, top + 1, "path");
  lua_setfield(L, top + 2, "path");
  lua_getfield(L, top + 1, "cpath");
  lua_setfield(L, top + 2, "cpath");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_getfield(L, top + 1, "preload");
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, top + 3);
  }
  lua_settop(L, top);
}
