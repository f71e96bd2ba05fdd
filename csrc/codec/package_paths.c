/*
** codec/package_paths: where a submitter's modules come from.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/package_paths.h"

#include <lauxlib.h>
#include <string.h>

#include "codec/pack.h"
#include "util/refcount.h"
#include "codec/codec_state.h"
#include "codec/unpack.h"

struct ti_package_paths {
  struct ti_refcount ref; /* A */
  struct ti_message msg;  /* I: { path =, cpath =, preload = { name = C function } } */
};

struct ti_package_paths *ti_package_paths_hold(struct ti_package_paths *p) {
  if (p != NULL) ti_refcount_hold(&p->ref);
  return p;
}

void ti_package_paths_release(void *paths) {
  struct ti_package_paths *p = (struct ti_package_paths *)paths;
  if (p == NULL || !ti_refcount_release(&p->ref)) return;
  ti_message_fini(&p->msg);
  ti_alloc_free(&ti_alloc_default, p, sizeof *p);
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

static struct ti_package_paths *capture(lua_State *L) {
  struct ti_package_paths *p;
  push_description(L);
  p = (struct ti_package_paths *)ti_alloc_new(&ti_alloc_default, sizeof *p);
  if (p == NULL) luaL_error(L, "not enough memory");
  ti_refcount_init(&p->ref);
  ti_message_init(&p->msg, &ti_alloc_default);
  if (ti_pack_by(L, &p->msg, 1, PACK_RESULTS, &ti_pack_addresses) != LUA_OK) {
    ti_package_paths_release(p);
    lua_error(L);
  }
  return p;
}

void ti_package_paths_package(lua_State *L, int xidx) {
  if (ti_codec_state_has_table(L, xidx, CODEC_PACKAGE)) return;
  lua_pop(L, 1);
  push_package(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, xidx, CODEC_PACKAGE);
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
static const char *keep(lua_State *L, int xidx, const char *field, enum ti_codec_table which) {
  const char *s = lua_getfield(L, -1, field) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  lua_setiuservalue(L, xidx, which);
  return s;
}

struct ti_package_paths *ti_package_paths_of(lua_State *L, int anew) {
  int top = lua_gettop(L);
  struct ti_codec_state *x;
  luaL_checkstack(L, 16, NULL);
  x = ti_codec_state_get(L);
  ti_package_paths_package(L, top + 1);
  if (x->paths == NULL || anew || !unchanged(L, top + 2, "path", x->path) ||
      !unchanged(L, top + 2, "cpath", x->cpath)) {
    struct ti_package_paths *now;
    lua_settop(L, top + 2);
    ti_package_paths_release(x->paths);
    x->paths = NULL; /* if anything below raises, the next call starts anew */
    x->path = keep(L, top + 1, "path", CODEC_PATH);
    x->cpath = keep(L, top + 1, "cpath", CODEC_CPATH);
    now = capture(L);
    ti_package_paths_release(x->paths); /* a finalizer may have come here meanwhile */
    x->paths = now;
  }
  lua_settop(L, top + 1);
  return x->paths;
}

void ti_package_paths_apply(lua_State *L, const struct ti_package_paths *p) {
  int top = lua_gettop(L);
  luaL_checkstack(L, 12, NULL);
  ti_unpack_values(L, &p->msg, 0, UNPACK_ALL);
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
