/*
** codec/package_paths: where a submitter's modules come from.
**
** SPDX-License-Identifier: MIT
*/
#include "codec/package_paths.h"

#include <lauxlib.h>
#include <string.h>

#include "util/refcount.h"
#include "codec/scalar.h"
#include "codec/codec_state.h"

struct ti_package_paths {
  struct ti_refcount ref; /* A */
  struct ti_buffer bytes; /* I: scalars: path, cpath, { name, C function, varint n, n upvalues }* */
};

struct ti_package_paths *ti_package_paths_hold(struct ti_package_paths *p) {
  if (p != NULL) ti_refcount_hold(&p->ref);
  return p;
}

void ti_package_paths_release(void *paths) {
  struct ti_package_paths *p = (struct ti_package_paths *)paths;
  if (p == NULL || !ti_refcount_release(&p->ref)) return;
  ti_buffer_fini(&p->bytes);
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

/* Returns whether the value on top is a C function with scalar upvalues only. */
static bool is_carried(lua_State *L) {
  bool carried = lua_iscfunction(L, -1);
  for (int i = 1; carried && lua_getupvalue(L, -1, i) != NULL; i++) {
    int t = lua_type(L, -1);
    carried = t != LUA_TTABLE && t != LUA_TFUNCTION && t != LUA_TUSERDATA && t != LUA_TTHREAD;
    lua_pop(L, 1);
  }
  return carried;
}

/* Puts the scalar at idx, or nil for other values. [-0, +0, -] */
static void put_scalar(lua_State *L, int idx, struct ti_buffer *b) {
  size_t len;
  const char *s = lua_type(L, idx) == LUA_TSTRING ? lua_tolstring(L, idx, &len) : NULL;
  if (s != NULL)
    ti_scalar_put_string(b, s, len);
  else if (!ti_scalar_pack(L, idx, b))
    ti_buffer_put_u8(b, WIRE_NIL);
}

/* Puts the name and the C function on top. [-0, +0, -] */
static void put_preload(lua_State *L, struct ti_buffer *b) {
  int fn = lua_gettop(L), n = 0;
  lua_CFunction f = lua_tocfunction(L, fn);
  put_scalar(L, fn - 1, b);
  ti_buffer_put(b, &f, sizeof f);
  for (; lua_getupvalue(L, fn, n + 1) != NULL; lua_pop(L, 1)) n++;
  ti_buffer_put_varint(b, (uint64_t)n);
  for (int i = 1; i <= n; i++) {
    (void)lua_getupvalue(L, fn, i);
    put_scalar(L, -1, b);
    lua_pop(L, 1);
  }
}

static struct ti_package_paths *capture(lua_State *L) {
  int top = lua_gettop(L);
  struct ti_package_paths *p;
  bool failed;
  push_package(L);
  lua_getfield(L, top + 1, "path");
  lua_getfield(L, top + 1, "cpath");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  p = (struct ti_package_paths *)ti_alloc_new(&ti_alloc_default, sizeof *p);
  if (p == NULL) luaL_error(L, "not enough memory");
  ti_refcount_init(&p->ref);
  ti_buffer_init(&p->bytes, &ti_alloc_default);
  /* nothing raises from here on */
  put_scalar(L, top + 2, &p->bytes);
  put_scalar(L, top + 3, &p->bytes);
  for (lua_pushnil(L); lua_next(L, top + 4) != 0; lua_pop(L, 1)) {
    /* a worker has the executor's copy of the library */
    if (lua_type(L, -2) == LUA_TSTRING && is_carried(L) &&
        strcmp(lua_tostring(L, -2), "tidepool.core") != 0)
      put_preload(L, &p->bytes);
  }
  failed = p->bytes.failed;
  if (failed) ti_package_paths_release(p);
  if (failed) luaL_error(L, "not enough memory");
  lua_settop(L, top);
  return p;
}

void ti_package_paths_package(lua_State *L, int xidx) {
  if (ti_codec_state_has_table(L, xidx, CODEC_PACKAGE)) return;
  lua_pop(L, 1);
  push_package(L);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, xidx, CODEC_PACKAGE);
}

/* Returns whether package[field] is still the string whose bytes are at `seen`. The codec state
** keeps that alive, so its address tells. NULL: it was no string; then only nil counts as
** unchanged. The library is at `pidx`. Pushes package[field]. [-0, +1, e] */
static bool unchanged(lua_State *L, int pidx, const char *field, const char *seen) {
  const char *s;
  lua_getfield(L, pidx, field);
  s = lua_tostring(L, -1); /* makes a string of a number: one with another address */
  return s == seen && (s != NULL || lua_isnil(L, -1));
}

/* Keeps package[field] alive as user value `which`, and returns its bytes, or NULL. The library is
** on top. [-0, +0, e] */
static const char *keep(lua_State *L, int xidx, const char *field, enum ti_codec_table which) {
  const char *s = lua_getfield(L, -1, field) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  lua_setiuservalue(L, xidx, which);
  return s;
}

/* The closer of the codec state. [-0, +0, -] */
static void close_paths(lua_State *L, struct ti_codec_state *x) {
  (void)L;
  ti_package_paths_release(x->paths);
  x->paths = NULL;
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
    ti_package_paths_release(x->paths); /* a finalizer may have called this function meanwhile */
    x->paths = now;
    x->closers[CODEC_CLOSE_PATHS] = close_paths;
  }
  lua_settop(L, top + 1);
  return x->paths;
}

/* Pushes the next scalar. [-0, +1, m] */
static void push_scalar(lua_State *L, struct ti_cursor *c) {
  tide_value v;
  (void)ti_scalar_get(c, ti_buffer_get_u8(c), &v);
  ti_scalar_push(L, &v);
}

void ti_package_paths_apply(lua_State *L, const struct ti_package_paths *p) {
  int top = lua_gettop(L);
  struct ti_cursor c;
  luaL_checkstack(L, 12, NULL);
  ti_buffer_cursor_init(&c, p->bytes.data, p->bytes.len);
  push_package(L);
  push_scalar(L, &c);
  lua_setfield(L, top + 1, "path");
  push_scalar(L, &c);
  lua_setfield(L, top + 1, "cpath");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  while (ti_buffer_left(&c) > 0) {
    lua_CFunction f;
    int n;
    push_scalar(L, &c);
    memcpy(&f, ti_buffer_get(&c, sizeof f), sizeof f);
    n = (int)ti_buffer_get_varint(&c);
    luaL_checkstack(L, n + 2, NULL);
    for (int i = 0; i < n; i++) push_scalar(L, &c);
    lua_pushcclosure(L, f, n);
    lua_rawset(L, top + 2);
  }
  lua_settop(L, top);
}
