/*
** tidepool, floor 2: paths, where a submitter's modules come from.
**
** SPDX-License-Identifier: MIT
*/
#include "paths.h"

#include <lauxlib.h>
#include <string.h>

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

/* Whether the value on top is a C function that can be taken over: each of its upvalues is a scalar. */
static bool is_carried(lua_State *L) {
  bool carried = lua_iscfunction(L, -1);
  for (int i = 1; carried && lua_getupvalue(L, -1, i) != NULL; i++) {
    int t = lua_type(L, -1);
    carried = t != LUA_TTABLE && t != LUA_TFUNCTION && t != LUA_TUSERDATA && t != LUA_TTHREAD;
    lua_pop(L, 1);
  }
  return carried;
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
    /* a worker has its executor's copy of the library */
    if (lua_type(L, -2) == LUA_TSTRING && is_carried(L) &&
        strcmp(lua_tostring(L, -2), "tidepool.core") != 0) {
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
  if (tide_pack_by(L, &p->msg, 1, PACK_RESULTS, &tide_pack_addresses) != LUA_OK) {
    tide_paths_rele(p);
    lua_error(L);
  }
  return p;
}

void tide_paths_package(lua_State *L, int xidx) {
  if (tide_transfer_hastable(L, xidx, TRANSFER_PACKAGE)) return;
  lua_pop(L, 1);
  push_package(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, xidx, TRANSFER_PACKAGE);
}

/* Whether package[field], package at `pidx`, is still the string that the transfer userdata keeps
** alive and whose bytes are at `seen`: a string never changes, so its address tells. NULL: it
** was no string; then it still is the same only if it is nil. Leaves it. [-0, +1, e] */
static bool unchanged(lua_State *L, int pidx, const char *field, const char *seen) {
  const char *s;
  lua_getfield(L, pidx, field);
  s = lua_tostring(L, -1); /* makes a string of a number: one that was not seen */
  return s == seen && (s != NULL || lua_isnil(L, -1));
}

/* Keeps package[field], package on top, as user value `which`; its bytes, or NULL. [-0, +0, e] */
static const char *keep(lua_State *L, int xidx, const char *field, enum transfer_table which) {
  const char *s = lua_getfield(L, -1, field) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  lua_setiuservalue(L, xidx, which);
  return s;
}

struct paths *tide_paths_of(lua_State *L, int anew) {
  int top = lua_gettop(L);
  struct transfer *x;
  luaL_checkstack(L, 16, NULL);
  x = tide_transfer_get(L);
  tide_paths_package(L, top + 1);
  if (x->paths == NULL || anew || !unchanged(L, top + 2, "path", x->path) ||
      !unchanged(L, top + 2, "cpath", x->cpath)) {
    struct paths *now;
    lua_settop(L, top + 2);
    tide_paths_rele(x->paths);
    x->paths = NULL; /* if anything below raises, the next call starts anew */
    x->path = keep(L, top + 1, "path", TRANSFER_PATH);
    x->cpath = keep(L, top + 1, "cpath", TRANSFER_CPATH);
    now = capture(L);
    tide_paths_rele(x->paths); /* a finalizer may have come here meanwhile */
    x->paths = now;
  }
  lua_settop(L, top + 1);
  return x->paths;
}

void tide_paths_apply(lua_State *L, const struct paths *p) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 12, NULL);
  tide_unpack(L, &p->msg, 0, UNPACK_ALL);
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
